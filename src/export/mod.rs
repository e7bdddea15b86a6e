//! From OTLP messages to the wire.

pub(crate) mod otlp;
