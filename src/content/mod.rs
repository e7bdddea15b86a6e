//! What may leave: redaction, truncation and shaping of content.
