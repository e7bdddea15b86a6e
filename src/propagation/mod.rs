//! Trace context: the propagation of the current span inside the process and to other processes.

mod child_env;
mod ids;
mod w3c;

pub use child_env::ChildEnv;
pub use w3c::{TraceParent, TraceParentError};

pub(crate) use ids::IdGenerator;

use std::sync::Arc;

use http::{HeaderMap, HeaderValue};

/// The context of a local or remote span.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TraceContext {
    pub(crate) trace_id: [u8; 16],
    pub(crate) span_id: [u8; 8],
    /// True if the trace is sampled. Its root or the remote parent decides once.
    pub(crate) sampled: bool,
    /// W3C `tracestate`, never empty; propagated unchanged.
    pub(crate) trace_state: Option<Arc<str>>,
    /// True if the span belongs to another process.
    pub(crate) remote: bool,
}

impl TraceContext {
    /// Creates the root span context of a new trace.
    pub(crate) fn root(ids: IdGenerator) -> Self {
        Self {
            trace_id: ids.trace(),
            span_id: ids.span(),
            sampled: true,
            trace_state: None,
            remote: false,
        }
    }

    /// Creates the context of a child span in the same trace.
    pub(crate) fn child(&self, ids: IdGenerator) -> Self {
        Self {
            span_id: ids.span(),
            remote: false,
            ..self.clone()
        }
    }

    /// Returns the W3C trace flags.
    pub(crate) fn flags(&self) -> u8 {
        u8::from(self.sampled)
    }

    /// Returns the value of the W3C header `traceparent`.
    pub(crate) fn traceparent(&self) -> String {
        let trace_id = u128::from_be_bytes(self.trace_id);
        let span_id = u64::from_be_bytes(self.span_id);
        format!("00-{trace_id:032x}-{span_id:016x}-{:02x}", self.flags())
    }

    /// Writes the context to a carrier under the lower-case names of the W3C headers.
    pub(crate) fn inject<R>(&self, mut carrier: impl FnMut(&'static str, &str) -> R) {
        carrier("traceparent", &self.traceparent());
        if let Some(state) = &self.trace_state {
            carrier("tracestate", state);
        }
    }

    /// Sets the W3C headers. Removes a `tracestate` of another context, which must not be sent with this `traceparent`.
    pub(crate) fn inject_headers(&self, headers: &mut HeaderMap) {
        headers.remove("tracestate");
        self.inject(|name, value| {
            // Neither call fails: the values are printable ASCII, and no request has 32,768 headers.
            let value = HeaderValue::from_str(value).ok()?;
            headers.try_insert(name, value).ok()
        });
    }
}
