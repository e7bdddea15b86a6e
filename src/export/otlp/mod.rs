//! The OTLP client: one request type, three encodings.
