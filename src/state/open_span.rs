//! Spans between their beginning and their end.

use std::fmt;
use std::sync::Arc;

use super::{Operation, SessionCore, Timestamp};
use crate::content::ContentPolicy;
use crate::encode::spans::{Finished, SpanRecord};
use crate::propagation::TraceContext;
use crate::signal::Signal;

/// A span that has begun, with its start and the data that is known so far. Without tracing, the span has no context
/// and is never recorded.
pub(crate) struct OpenSpan<R> {
    pub(crate) start: Timestamp,
    /// The context, also after the end; `None` if tracing was off at the beginning, or if the parent had no context or had
    /// ended.
    pub(crate) context: Option<Arc<TraceContext>>,
    pub(crate) record: R,
    /// The span id of the parent, and true if the parent belongs to another process.
    parent: Option<([u8; 8], bool)>,
    ended: bool,
}

impl<R: Default> OpenSpan<R> {
    /// Begins a child of `parent`, or the root of a new trace. Below a parent that is not sampled, the span has the
    /// parent's context and is not recorded.
    pub(crate) fn begin(
        session: &SessionCore,
        parent: Option<&Arc<TraceContext>>,
        start: Timestamp,
    ) -> Self {
        let ids = session.telemetry.ids;
        let (context, parent) = match parent {
            _ if !session.telemetry.records(Signal::Traces) => (None, None),
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
            record: R::default(),
            parent: None,
            ended: false,
        }
    }
}

impl OpenSpan<()> {
    /// Adds the data of a span that was begun before its data was known.
    pub(crate) fn with_record<R>(self, record: R) -> OpenSpan<R> {
        OpenSpan {
            start: self.start,
            context: self.context,
            record,
            parent: self.parent,
            ended: self.ended,
        }
    }
}

impl<R> OpenSpan<R> {
    /// Begins a child. It has no context if this span has none or has ended.
    pub(crate) fn child<C: Default>(&self, session: &SessionCore, start: Timestamp) -> OpenSpan<C> {
        match self.open_context() {
            Some(parent) => OpenSpan::begin(session, Some(parent), start),
            None => OpenSpan::untraced(start),
        }
    }

    /// Returns the context until the span ends.
    fn open_context(&self) -> Option<&Arc<TraceContext>> {
        self.context.as_ref().filter(|_| !self.ended)
    }

    pub(crate) fn has_ended(&self) -> bool {
        self.ended
    }

    /// Returns whether the span is recorded when it ends.
    pub(crate) fn is_recorded(&self) -> bool {
        self.open_context().is_some_and(|context| context.sampled)
    }
}

impl<R: SpanRecord + Default + 'static> OpenSpan<R> {
    /// Ends the span and queues it for every exporter that takes spans. `outcome` completes the data, which has the
    /// duration already; the same policy then filters all of the data. Returns `false`, and queues nothing, if the span
    /// has ended before or is not recorded.
    pub(crate) fn end(
        &mut self,
        session: &SessionCore,
        end: Timestamp,
        outcome: impl FnOnce(&mut R, &ContentPolicy),
    ) -> bool {
        let recorded = self.is_recorded();
        self.ended = true;
        // A handle can outlive the span, and must not keep its content in memory.
        let mut record = std::mem::take(&mut self.record);
        let Some(context) = self.context.as_deref().filter(|_| recorded) else {
            return false;
        };
        let duration = end.duration_since(&self.start);
        let end = end.wall_after(&self.start);
        let active = session.telemetry.active.load();
        record.set_duration(duration);
        outcome(&mut record, &active.policy);
        active.policy.filter(record, |record| {
            let span = Arc::new(Finished {
                context: context.clone(),
                parent: self.parent,
                start: self.start.wall(),
                end,
                standard: session.standard(),
                record,
            });
            let size = span.record.size();
            session.telemetry.enqueue(&active.spans, span, size);
        })
    }
}

/// Hides the data, which may contain content.
impl<R> fmt::Debug for OpenSpan<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OpenSpan")
            .field("context", &self.context)
            .finish_non_exhaustive()
    }
}

/// An operation without any state but its span.
impl<R: SpanRecord + Default + 'static> Operation for OpenSpan<R> {
    fn missing_outcome(&self) -> Option<&'static str> {
        (!self.ended).then(|| self.record.span().span_type)
    }

    fn is_recorded(&self) -> bool {
        self.is_recorded()
    }

    fn abandon(&mut self, session: &SessionCore, now: Timestamp) -> bool {
        !self.ended && self.end(session, now, |_, _| {})
    }
}
