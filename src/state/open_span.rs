//! Spans between their beginning and their end.

use std::sync::Arc;
use std::time::Duration;

use super::{SessionCore, Timestamp};
use crate::encode::spans::{Finished, SpanRecord};
use crate::propagation::TraceContext;

/// A span that has begun. Without tracing, it only keeps the time of its beginning.
#[derive(Debug)]
pub(crate) struct OpenSpan {
    pub(crate) start: Timestamp,
    /// The context, also after the end; `None` if tracing was off at the beginning.
    pub(crate) context: Option<Arc<TraceContext>>,
    parent: Option<([u8; 8], bool)>,
    ended: bool,
}

impl OpenSpan {
    /// Begins a child of `parent`, or the root of a new trace. Below a parent that is not sampled, the span has the
    /// parent's context and is not recorded.
    pub(crate) fn begin(
        session: &SessionCore,
        parent: Option<&Arc<TraceContext>>,
        start: Timestamp,
    ) -> Self {
        let ids = session.telemetry.ids;
        let (context, parent) = match parent {
            _ if !session.telemetry.is_tracing() => (None, None),
            None => (Some(Arc::new(TraceContext::root(ids))), None),
            Some(parent) if !parent.sampled => (Some(Arc::clone(parent)), None),
            Some(parent) => (
                Some(Arc::new(parent.child(ids))),
                Some((parent.span_id, parent.remote)),
            ),
        };
        Self {
            context,
            parent,
            ..Self::untraced(start)
        }
    }

    /// Begins a span without a context, which is not recorded.
    pub(crate) fn untraced(start: Timestamp) -> Self {
        Self {
            start,
            context: None,
            parent: None,
            ended: false,
        }
    }

    /// Begins a child. It has no context if this span has none or has ended.
    pub(crate) fn child(&self, session: &SessionCore, start: Timestamp) -> Self {
        match self.open_context() {
            Some(parent) => Self::begin(session, Some(parent), start),
            None => Self::untraced(start),
        }
    }

    /// Returns the context until the span ends.
    pub(crate) fn open_context(&self) -> Option<&Arc<TraceContext>> {
        self.context.as_ref().filter(|_| !self.ended)
    }

    /// Returns whether the span is recorded when it ends.
    pub(crate) fn is_recorded(&self) -> bool {
        self.open_context().is_some_and(|context| context.sampled)
    }

    /// Ends the span and queues it for every exporter that takes spans. `record` receives the duration. Returns `false`,
    /// and queues nothing, if the span has ended before or is not recorded.
    pub(crate) fn end<R: SpanRecord + 'static>(
        &mut self,
        session: &SessionCore,
        end: Timestamp,
        record: impl FnOnce(Duration) -> R,
    ) -> bool {
        let recorded = self.is_recorded();
        self.ended = true;
        let Some(context) = self.context.as_deref().filter(|_| recorded) else {
            return false;
        };
        let (end, duration) = end.since(&self.start);
        let Some(record) = session.telemetry.policy().filter(record(duration)) else {
            return false;
        };
        session.telemetry.enqueue_span(Box::new(Finished {
            context: context.clone(),
            parent: self.parent,
            start: self.start.wall(),
            end,
            standard: session.standard(),
            record,
        }));
        true
    }
}
