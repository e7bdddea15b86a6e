//! What the environment and the host ask for, as pure values with provenance.

pub(crate) mod otlp;
pub(crate) mod secret;
