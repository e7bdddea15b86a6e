//! Spans between their beginning and their end.

use std::sync::Arc;

use super::{Operation, SessionCore, Timestamp};
use crate::content::ContentPolicy;
use crate::encode::spans::{Finished, SpanRecord};
use crate::propagation::TraceContext;
use crate::signal::Signal;

/// The identity of a span. Without a context, the span is never recorded, and neither are its children.
#[derive(Clone, Debug, Default)]
pub(crate) struct SpanIdentity {
    /// `None` if tracing was off when the span was created, or if its parent had no context or had ended.
    pub(crate) context: Option<Arc<TraceContext>>,
    /// The span id of the parent, and true if the parent belongs to another process.
    parent: Option<([u8; 8], bool)>,
}

impl SpanIdentity {
    /// Creates a child of `parent`, or the root of a new trace. Below a parent that is not sampled, the span has the
    /// parent's context and is not recorded.
    pub(crate) fn new(session: &SessionCore, parent: Option<&Arc<TraceContext>>) -> Self {
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
        Self { context, parent }
    }
}

/// A span that has begun, with its start and the data that is known so far.
pub(crate) struct OpenSpan<R> {
    pub(crate) start: Timestamp,
    /// The identity, also after the end.
    pub(crate) identity: SpanIdentity,
    pub(crate) record: R,
    /// The time of the end; `None` while the span is open.
    ended: Option<Timestamp>,
}

impl<R> OpenSpan<R> {
    pub(crate) fn begin(identity: SpanIdentity, start: Timestamp, record: R) -> Self {
        Self {
            start,
            identity,
            record,
            ended: None,
        }
    }

    /// Creates the identity of a child. It has no context if this span has none or has ended.
    pub(crate) fn child(&self, session: &SessionCore) -> SpanIdentity {
        match self.open_context() {
            Some(parent) => SpanIdentity::new(session, Some(parent)),
            None => SpanIdentity::default(),
        }
    }

    /// Returns the context until the span ends.
    fn open_context(&self) -> Option<&Arc<TraceContext>> {
        self.identity
            .context
            .as_ref()
            .filter(|_| self.ended.is_none())
    }

    /// Returns the time of the end, if the span has ended.
    pub(crate) fn ended(&self) -> Option<Timestamp> {
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
        self.ended.get_or_insert(end);
        // A handle can outlive the span, and must not keep its content in memory.
        let mut record = std::mem::take(&mut self.record);
        let Some(context) = self.identity.context.as_deref().filter(|_| recorded) else {
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
                parent: self.identity.parent,
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

/// An operation without any state but its span.
impl<R: SpanRecord + Default + 'static> Operation for OpenSpan<R> {
    fn missing_outcome(&self) -> Option<&'static str> {
        self.ended.is_none().then(|| self.record.span().span_type)
    }

    fn is_recorded(&self) -> bool {
        self.is_recorded()
    }

    fn abandon(&mut self, session: &SessionCore, now: Timestamp) -> bool {
        self.end(session, now, |_, _| {})
    }
}
