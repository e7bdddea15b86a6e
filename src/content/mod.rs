//! What may leave: redaction, truncation and shaping of content.

pub(crate) mod json;
pub(crate) mod truncate;
pub(crate) mod utf16;
