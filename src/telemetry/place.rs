//! The slot of one exporter of one signal: a change of the configuration starts, stops or redirects it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::mpsc::UnboundedSender;
use tokio::time::Instant;

use super::plan::{Destination, Plan};
use crate::clock::Clock;
use crate::diagnostics::Diagnostics;
use crate::encode::Encode;
use crate::export::queue::Queue;
use crate::export::queue_source::QueueSource;
use crate::export::runtime::Job;
use crate::export::{Change, Command, Control, Pipeline, Source, To};
use crate::health::{EncodeStats, Exporter, ExporterCounters};
use crate::signal::Signal;

/// The slot of an exporter. Its source and its counters outlive every change of the configuration.
pub(crate) struct Place<S: Source> {
    counters: Arc<ExporterCounters>,
    changes: UnboundedSender<Change<S::Settings>>,
    /// The number of the latest change.
    epoch: Arc<AtomicU64>,
    /// The pipeline, until it is turned on for the first time.
    pipeline: Option<(UnboundedSender<Command>, Job)>,
    /// The current destination; `None` when the exporter is off.
    destination: Option<Destination>,
    /// `Some` when the exporter is to be turned off. The inner value is the reason, if the exporter is unavailable
    /// although the configuration asks for it.
    leaving: Option<Option<String>>,
    /// `true` if a configuration has ever asked for the exporter.
    known: bool,
}

impl<T: Encode> Place<QueueSource<T>> {
    /// Creates the slot of an exporter with a new queue.
    pub(crate) fn queued(
        signal: Signal,
        exporter: Exporter,
        encoder: T,
        diagnostics: &Arc<Diagnostics>,
        clock: Clock,
    ) -> (Self, Queue<T::Item>) {
        let (queue, stats) = (Queue::new(), Arc::default());
        let source = QueueSource::new(queue.clone(), encoder, Arc::clone(&stats));
        let place = Self::new(signal, exporter, source, stats, diagnostics, clock);
        (place, queue)
    }
}

impl<S: Source> Place<S> {
    pub(crate) fn new(
        signal: Signal,
        exporter: Exporter,
        source: S,
        stats: Arc<EncodeStats>,
        diagnostics: &Arc<Diagnostics>,
        clock: Clock,
    ) -> Self {
        let waiting = source.waiting();
        let undelivered = source.undelivered();
        let counters = ExporterCounters::new(signal, exporter, waiting, stats, undelivered);
        let counters = Arc::new(counters);
        let (commands, changes, control) = Control::new();
        let epoch = Arc::default();
        let pipeline = Pipeline::new(
            source,
            control,
            Arc::clone(&counters),
            Arc::clone(&epoch),
            Arc::clone(diagnostics),
            clock,
        );
        Self {
            counters,
            changes,
            epoch,
            pipeline: Some((commands, Box::new(move || Box::pin(pipeline.run())))),
            destination: None,
            leaving: None,
            known: false,
        }
    }

    pub(crate) fn is_on(&self) -> bool {
        self.destination.is_some()
    }

    pub(crate) fn seen(&self) -> (bool, Arc<ExporterCounters>) {
        (self.known, Arc::clone(&self.counters))
    }

    /// Returns the counters, by which recorders identify the exporter.
    pub(crate) fn counters(&self) -> Arc<ExporterCounters> {
        Arc::clone(&self.counters)
    }

    /// Applies a configuration: turns the exporter on, redirects it, or marks it to be turned off. `joins` is called
    /// when the exporter is turned on.
    pub(crate) fn apply(
        &mut self,
        plan: &Plan<'_>,
        settings: impl FnOnce() -> S::Settings,
        joins: impl FnOnce(),
    ) {
        let (signal, exporter) = (self.counters.signal(), self.counters.exporter());
        match plan.destination(signal, exporter) {
            None => self.mark(plan.config.unavailable_reason(signal, exporter)),
            Some(to) => {
                let settings = settings();
                self.turn_on(to, plan, settings, joins);
            }
        }
    }

    fn turn_on(
        &mut self,
        to: Destination,
        plan: &Plan<'_>,
        settings: S::Settings,
        joins: impl FnOnce(),
    ) {
        // An exporter whose construction failed is built again.
        let same = self.destination.as_ref() == Some(&to) && !self.counters.is_off();
        let target = match same {
            true => None,
            false => match plan.target(&to) {
                None => return,
                target => target,
            },
        };
        self.destination = Some(to);
        self.known = true;
        // The epoch must increase before the exporter joins: a pipeline that is about to discard its queue compares the
        // epoch, and otherwise would discard items that are recorded after this change.
        let epoch = self.next_epoch();
        joins();
        self.counters.turned_on();
        let to = To::Sink {
            target,
            settings,
            interval: plan.interval(self.counters.signal()),
        };
        if self.changes.send(Change { epoch, to }).is_err() {
            // The pipeline has ended, by a shutdown or an error, and no longer takes items from the queue.
            self.counters.shut_down();
        }
        if let Some((commands, job)) = self.pipeline.take()
            && !plan.runtime.spawn(commands, job)
        {
            self.counters.shut_down();
        }
    }

    /// Marks the exporter to be turned off. `why` is the reason if the exporter is unavailable rather than not
    /// configured.
    fn mark(&mut self, why: Option<String>) {
        self.known |= why.is_some();
        if self.destination.take().is_some() {
            self.leaving = Some(why);
        } else if let Some(why) = why {
            self.counters.cannot_be_built(why);
        } else if self.known {
            // The exporter was unavailable and is no longer configured.
            self.counters.turned_off(0, None);
        }
    }

    pub(crate) fn turn_off(&mut self, by: Instant) {
        if let Some(why) = self.leaving.take() {
            let epoch = self.next_epoch();
            let to = To::Nowhere { by, why };
            let _ = self.changes.send(Change { epoch, to });
        }
    }

    fn next_epoch(&self) -> u64 {
        self.epoch.fetch_add(1, Ordering::SeqCst) + 1
    }
}
