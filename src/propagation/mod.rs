//! Trace context: which span something belongs to, in the process and across its borders.

mod child_env;
mod ids;
mod w3c;

pub use child_env::ChildEnv;
pub use w3c::{TraceParent, TraceParentError};

pub(crate) use ids::Ids;

use std::sync::Arc;

/// The identity of a span, ours or a remote one, and what travels with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TraceContext {
    pub(crate) trace_id: [u8; 16],
    pub(crate) span_id: [u8; 8],
    /// Whether the trace is recorded; decided once, by its root or by the remote parent.
    pub(crate) sampled: bool,
    /// W3C `tracestate`, never empty; handed on as it came.
    pub(crate) trace_state: Option<Arc<str>>,
    /// Whether the span is another process's.
    pub(crate) remote: bool,
}

impl TraceContext {
    /// The root of a new trace.
    pub(crate) fn root(ids: Ids) -> Self {
        Self {
            trace_id: ids.trace(),
            span_id: ids.span(),
            sampled: true,
            trace_state: None,
            remote: false,
        }
    }

    /// A new span below this one, in the same trace.
    pub(crate) fn child(&self, ids: Ids) -> Self {
        Self {
            span_id: ids.span(),
            remote: false,
            ..self.clone()
        }
    }

    /// W3C trace flags.
    pub(crate) fn flags(&self) -> u8 {
        u8::from(self.sampled)
    }

    /// Hands the context to a carrier under the names of the W3C headers, in lower case.
    pub(crate) fn inject(&self, mut carrier: impl FnMut(&'static str, &str)) {
        carrier("traceparent", &TraceParent::from(self).to_string());
        if let Some(state) = &self.trace_state {
            carrier("tracestate", state);
        }
    }
}
