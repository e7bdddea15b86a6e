//! What may leave: redaction, truncation and shaping of content.

pub(crate) mod json;
pub(crate) mod redact;
pub(crate) mod tool_input;
pub(crate) mod truncate;
pub(crate) mod utf16;
