//! Spans between their beginning and their end.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use super::SessionCore;
use crate::encode::spans::{Finished, SpanRecord};
use crate::propagation::TraceContext;

/// A span that has begun. Its handle keeps the data until the span ends.
#[derive(Clone, Debug)]
pub(crate) struct OpenSpan {
    pub(crate) context: Arc<TraceContext>,
    parent: Option<([u8; 8], bool)>,
}

impl OpenSpan {
    /// Begins a child of `parent` or, for work outside prompts, the root of a new trace. If the environment names a
    /// parent that is not sampled, that work is not recorded either.
    pub(crate) fn begin(session: &SessionCore, parent: Option<&Arc<TraceContext>>) -> Option<Self> {
        let inbound = match parent {
            None => session.inbound_parent().filter(|parent| !parent.sampled),
            Some(_) => None,
        };
        Self::below(session, parent.or(inbound.as_ref()))
    }

    /// Begins a child of `parent`, or the root of a new trace. Returns `None` when tracing is off. Below a parent that
    /// is not sampled, the span has the parent's context and is not recorded.
    pub(crate) fn below(session: &SessionCore, parent: Option<&Arc<TraceContext>>) -> Option<Self> {
        if !session.telemetry.is_tracing() {
            return None;
        }
        Some(match parent {
            None => Self {
                context: Arc::new(TraceContext::root(session.telemetry.ids)),
                parent: None,
            },
            Some(parent) if !parent.sampled => Self {
                context: Arc::clone(parent),
                parent: None,
            },
            Some(parent) => Self {
                context: Arc::new(parent.child(session.telemetry.ids)),
                parent: Some((parent.span_id, parent.remote)),
            },
        })
    }

    /// Ends the span and queues it for every exporter that takes spans.
    pub(crate) fn end<R: SpanRecord + 'static>(
        self,
        session: &SessionCore,
        start: u64,
        end: u64,
        record: R,
    ) {
        if !self.context.sampled {
            return;
        }
        let standard = session.standard();
        let context = TraceContext::clone(&self.context);
        session.telemetry.enqueue_span(Box::new(Finished {
            context,
            parent: self.parent,
            start,
            end,
            standard,
            record,
        }));
    }
}

/// A handle with open spans, which a shutdown ends.
pub(crate) trait OpenSpanOwner: Send + Sync {
    /// Ends the spans as dropping the handle would. Returns `true` if there were any.
    fn abandon(&self) -> bool;
}

/// All handles with open spans.
#[derive(Default)]
pub(crate) struct OpenSpans {
    next: AtomicU64,
    open: Mutex<HashMap<u64, Weak<dyn OpenSpanOwner>>>,
}

impl OpenSpans {
    /// Reserves a number for a handle.
    pub(crate) fn reserve(&self) -> u64 {
        self.next.fetch_add(1, Ordering::Relaxed)
    }

    /// Registers a handle whose span is sampled.
    pub(crate) fn enter<U: OpenSpanOwner + 'static>(
        &self,
        number: u64,
        unfinished: &Arc<U>,
        span: Option<&TraceContext>,
    ) {
        if span.is_some_and(|span| span.sampled) {
            let unfinished: Weak<U> = Arc::downgrade(unfinished);
            self.lock().insert(number, unfinished);
        }
    }

    pub(crate) fn leave(&self, number: u64) {
        self.lock().remove(&number);
    }

    /// Ends the spans of all handles. Returns the number of handles that had open spans.
    pub(crate) fn abandon_all(&self) -> u64 {
        // The handles are collected before their spans end, because ending a span takes other locks.
        let open: Vec<_> = self
            .lock()
            .drain()
            .map(|(_, unfinished)| unfinished)
            .collect();
        open.iter()
            .filter_map(Weak::upgrade)
            .filter(|unfinished| unfinished.abandon())
            .count() as u64
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<u64, Weak<dyn OpenSpanOwner>>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
