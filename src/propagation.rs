//! Trace context: which span something belongs to.

/// The identity of a span, ours or a remote one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SpanContext {
    pub(crate) trace_id: [u8; 16],
    pub(crate) span_id: [u8; 8],
    /// W3C trace flags; bit 0 says sampled.
    pub(crate) flags: u8,
}
