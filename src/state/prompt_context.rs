//! The context of a prompt, which its events carry.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::propagation::TraceContext;

/// The context of a prompt, which events need also after the prompt has ended.
#[derive(Debug)]
pub(crate) struct PromptContext {
    pub(crate) id: Arc<str>,
    /// The span of the interaction; `None` without tracing.
    pub(crate) span: Option<Arc<TraceContext>>,
    /// Set when the interaction ends.
    pub(crate) ended: AtomicBool,
}

impl PromptContext {
    /// Returns the span of the interaction while it is open.
    pub(crate) fn open_span(&self) -> Option<&Arc<TraceContext>> {
        self.span
            .as_ref()
            .filter(|_| !self.ended.load(Ordering::Acquire))
    }
}
