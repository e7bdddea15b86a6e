//! The part of a prompt to which events refer.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::propagation::TraceContext;

/// The data of a prompt that events need, also after the prompt has ended.
#[derive(Debug)]
pub(crate) struct PromptMark {
    pub(crate) id: Arc<str>,
    pub(crate) span: Option<Arc<TraceContext>>,
    pub(crate) ended: AtomicBool,
}

impl PromptMark {
    /// Returns the span of the interaction while it is open.
    pub(crate) fn open_span(&self) -> Option<&Arc<TraceContext>> {
        self.span
            .as_ref()
            .filter(|_| !self.ended.load(Ordering::Acquire))
    }
}
