//! The state that all handles of a telemetry share: recording flags, ids, queues, counters and the active
//! configuration.

mod active_config;
mod attributes;
mod inbound_parent;
mod open_span;
mod operation;
mod prompt_context;
mod session;
mod session_options;
mod session_state;
mod session_table;
mod snapshot;
mod timestamp;
mod unknown_costs;

pub(crate) use active_config::{ActiveConfig, ExporterQueue};
pub(crate) use open_span::{OpenSpan, SpanIdentity};
pub(crate) use operation::{Operation, OperationHandle, Operations};
pub(crate) use prompt_context::PromptContext;
pub(crate) use session::{EventSpan, SessionCore};
pub use session_options::SessionOptions;
pub(crate) use session_table::SessionTable;
pub(crate) use timestamp::Timestamp;

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, Once, OnceLock};
use std::time::{Duration, SystemTime};

use arc_swap::ArcSwap;

use crate::clock::Clock;
use crate::content::ContentPolicy;
use crate::diagnostics::Diagnostics;
use crate::export::runtime::{Runtime, no_thread};
use crate::fork::Process;
use crate::health::Health;
use crate::installation::{default_path, installation_id};
use crate::metrics::Registry;
use crate::propagation::IdGenerator;
use crate::signal::Signal;
use active_config::{NO_THREAD, bit};

/// The state that sessions share with their telemetry. The order of the fields matters: the fields that every record
/// reads are in one cache line and are seldom written.
#[repr(C, align(64))]
pub(crate) struct TelemetryState {
    /// The flags of the signals of `active`, and [`NO_THREAD`], for a check that does not load the snapshot.
    pub(crate) signals: AtomicU8,
    /// Set by the shutdown: no more items are queued.
    pub(crate) stopped: AtomicBool,
    pub(crate) process: Process,
    pub(crate) clock: Clock,
    /// The active configuration.
    pub(crate) active: ArcSwap<ActiveConfig>,
    pub(crate) ids: IdGenerator,
    pub(crate) app_version: Arc<str>,
    pub(crate) registry: Arc<Registry>,
    pub(crate) operations: Operations,
    pub(crate) sessions: SessionTable,
    /// Set when a malformed `TRACEPARENT` was reported.
    pub(crate) malformed_parent: AtomicBool,
    /// Set when a malformed `TRACESTATE` was reported.
    pub(crate) malformed_state: AtomicBool,
    /// Set when it was reported that the private thread, which drives all exporters, could not be started.
    pub(crate) no_thread_reported: AtomicBool,
    /// Set when a handle without an outcome was reported.
    pub(crate) dropped_handle_reported: AtomicBool,
    /// The models for which a request without a cost was reported.
    pub(crate) models_without_cost: Mutex<BTreeSet<Box<str>>>,
    // The counts that `Health` states under the same names.
    pub(crate) unfinished_spans: AtomicU64,
    pub(crate) dropped_handles: AtomicU64,
    pub(crate) requests_without_cost: AtomicU64,
    pub(crate) after_shutdown: AtomicU64,
    pub(crate) invalid_measurements: AtomicU64,
    pub(crate) series_overflow: AtomicU64,
    pub(crate) diagnostics: Arc<Diagnostics>,
    pub(crate) installation_id: OnceLock<Arc<str>>,
    pub(crate) runtime: Runtime,
    /// Runs the beginning of the shutdown once.
    pub(crate) closing: Once,
}

impl TelemetryState {
    /// Queues an item whose texts have `size` bytes for every exporter.
    pub(crate) fn enqueue<T: ?Sized>(
        &self,
        queues: &[ExporterQueue<Arc<T>>],
        item: Arc<T>,
        size: usize,
    ) {
        if let [first, others @ ..] = queues {
            for queue in others {
                self.enqueue_for(queue, Arc::clone(&item), size);
            }
            self.enqueue_for(first, item, size);
        }
    }

    /// Queues an item for one exporter, or counts it as dropped.
    pub(crate) fn enqueue_for<T>(
        &self,
        (queue, counters): &ExporterQueue<T>,
        item: T,
        size: usize,
    ) {
        if self.stopped.load(Ordering::Relaxed) || queue.is_off() {
            counters.recorded_when_off();
        } else if !queue.push(item, size) {
            counters.queue_full(1);
        }
    }

    /// Returns `false` in a forked child of the process that started the telemetry.
    pub(crate) fn in_original_process(&self) -> bool {
        self.process.is_current()
    }

    /// Returns whether any signal has an exporter. Calls no function, so that a caller that inlines it builds no record
    /// when telemetry is off.
    #[inline]
    pub(crate) fn is_on(&self) -> bool {
        self.signals.load(Ordering::Acquire) & !NO_THREAD != 0
    }

    /// Returns whether an exporter takes a signal. Also tries again to start the private thread if that failed before.
    #[inline]
    pub(crate) fn records(&self, signal: Signal) -> bool {
        let signals = self.signals.load(Ordering::Acquire);
        if signals & bit(signal) == 0 {
            return false;
        }
        if signals & NO_THREAD != 0 {
            self.restart_thread();
        }
        true
    }

    /// Starts the private thread if exporters need it. A failure is reported once, on this thread, so the caller must
    /// not hold a lock.
    pub(crate) fn start_thread(&self) {
        match self.runtime.start() {
            Ok(started) => self.end_restarts(started),
            Err(error) => {
                self.signals.fetch_or(NO_THREAD, Ordering::Relaxed);
                if !self.no_thread_reported.swap(true, Ordering::Relaxed) {
                    self.diagnostics.report(no_thread(&error));
                }
            }
        }
    }

    /// Tries again to start the private thread, at an interval. Without the thread there is no timer, so the calls that
    /// record trigger the retry.
    #[cold]
    fn restart_thread(&self) {
        if self.in_original_process()
            && let Some(started) = self.runtime.restart()
        {
            self.end_restarts(started);
        }
    }

    /// Ends the retries, because the private thread has `started`, or because a shutdown has dropped its jobs.
    fn end_restarts(&self, started: bool) {
        self.signals.fetch_and(!NO_THREAD, Ordering::Relaxed);
        if started && self.no_thread_reported.swap(false, Ordering::Relaxed) {
            self.diagnostics
                .report_later("telemetry works: its thread is started now".to_owned());
        }
    }

    /// Returns the given time, or the current time.
    pub(crate) fn timestamp(&self, given: Option<SystemTime>) -> Timestamp {
        Timestamp::new(given, self.clock)
    }

    /// Returns the current content policy.
    pub(crate) fn policy(&self) -> ContentPolicy {
        self.active.load().policy
    }

    /// Returns whether a measurement can be added. Counts it as dropped after the shutdown, and returns `false`.
    pub(crate) fn admits_measurement(&self) -> bool {
        let stopped = self.stopped.load(Ordering::Relaxed);
        if stopped {
            self.after_shutdown.fetch_add(1, Ordering::Relaxed);
        }
        !stopped
    }

    /// Counts events that were lost before they could be queued for any exporter.
    pub(crate) fn lost_early(&self, events: u64) {
        for (_, counters) in &self.active.load().events {
            counters.queue_full(events);
        }
    }

    /// Counts an operation whose handle was dropped without an outcome, and reports the first one.
    pub(crate) fn count_dropped_handle(&self, operation: &str) {
        self.dropped_handles.fetch_add(1, Ordering::Relaxed);
        self.report_once(&self.dropped_handle_reported, || {
            format!("the handle of a {operation} was dropped without an outcome, so its span has ended and no event was emitted; this is right if the {operation} was canceled, and otherwise call `finish`, `fail` or `end`")
        });
    }

    /// Reports a diagnostic only the first time.
    pub(crate) fn report_once(&self, reported: &AtomicBool, message: impl FnOnce() -> String) {
        if !reported.swap(true, Ordering::Relaxed) {
            self.diagnostics.report_later(message());
        }
    }

    /// Begins the shutdown: no more items are accepted. Open spans are ended first, so that they are still delivered.
    pub(crate) fn close(&self) {
        // A second shutdown waits here for the first, so that its request to the exporters does not overtake the last
        // spans.
        self.closing.call_once(|| {
            let unfinished = self.operations.abandon_all(self.timestamp(None));
            self.unfinished_spans
                .fetch_add(unfinished, Ordering::Relaxed);
            self.stopped.store(true, Ordering::SeqCst);
        });
    }

    /// Returns the `user.id` of this installation, for identities without a user id.
    pub(crate) fn installation_id(&self) -> Arc<str> {
        let mut problem = None;
        let id = self.installation_id.get_or_init(|| {
            let config = Arc::clone(&self.active.load().config);
            let given = config.installation_id_path.clone();
            let path = given.or_else(|| default_path(std::env::consts::OS, &config.environment));
            let (id, failed) = installation_id(path.as_deref());
            problem = failed;
            id.into()
        });
        if let Some(problem) = problem {
            self.diagnostics.report_later(problem.to_string());
        }
        Arc::clone(id)
    }

    /// Asks the exporters to flush or to shut down. Returns `true` if all of them completed in time.
    pub(crate) fn request(&self, limit: Duration, shutdown: bool) -> bool {
        if shutdown {
            self.close();
        }
        self.start_thread();
        self.runtime.request(limit, shutdown)
    }

    pub(crate) fn health(&self) -> Health {
        let registry = &self.registry;
        let active = self.active.load();
        let limit = |limit: usize| if active.metrics { limit as u64 } else { 0 };
        let exporters = active.counters.iter();
        Health {
            exporters: exporters.map(|counters| counters.snapshot()).collect(),
            invalid_measurements: self.invalid_measurements.load(Ordering::Relaxed),
            series_overflow: self.series_overflow.load(Ordering::Relaxed),
            after_shutdown: self.after_shutdown.load(Ordering::Relaxed),
            unfinished_spans: self.unfinished_spans.load(Ordering::Relaxed),
            dropped_handles: self.dropped_handles.load(Ordering::Relaxed),
            requests_without_cost: self.requests_without_cost.load(Ordering::Relaxed),
            series: registry.len() as u64,
            series_limit: limit(registry.max_series),
            series_bytes: registry.attribute_bytes() as u64,
            series_bytes_limit: limit(registry.max_attribute_bytes),
            shortened_attributes: registry.shortened_attributes.load(Ordering::Relaxed),
        }
    }
}
