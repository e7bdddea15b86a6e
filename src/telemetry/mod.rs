//! The telemetry of a process: start, sessions, flush, shutdown, health.

mod builder;
mod exporters;
#[cfg(feature = "providers")]
mod host;
#[cfg(feature = "prometheus")]
mod page;
mod place;
mod plan;
mod reconfigure;
mod report;
mod setup;

#[cfg(feature = "testing")]
pub(crate) use builder::Memory;
pub use builder::{Service, TelemetryBuilder};
pub use report::Report;

pub(crate) use setup::Setup;

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, Once, OnceLock};
use std::time::Duration;

use arc_swap::ArcSwap;

use crate::clock::Clock;
use crate::config::{Config, Explanation};
use crate::content::ContentPolicy;
use crate::diagnostics::Diagnostics;
use crate::encode::Item;
use crate::encode::events::Queued;
use crate::encode::spans::{Finished, SpanRecord};
use crate::environment::Environment;
use crate::export::runtime::{Runtime, no_thread};
use crate::fork::Process;
use crate::health::Health;
use crate::installation::{default_path, installation_id};
use crate::metrics::Registry;
use crate::prompt::OpenSpans;
use crate::propagation::Ids;
use crate::record::EventRecord;
use crate::session::{Book, Session, SessionOptions};
use exporters::{Exporters, Slot, Slots};

/// The telemetry of a process.
///
/// It is started once and shared by cloning. Starting never fails: what the configuration gets wrong is a warning in
/// [`explain`](Self::explain) and in the host's diagnostics, and [`health`](Self::health) says what became of the data.
/// Telemetry that is off is a value like any other whose calls do nothing, until a later configuration turns it on
/// ([`reconfigure`](Self::reconfigure)).
///
/// Call [`shutdown`](Self::shutdown) before the process exits. When the last clone is dropped without it, the drop does
/// it, and so can block for as long as the configured shutdown timeout (2 seconds by default). Sessions that are left
/// record nothing that is sent. In a forked child it does nothing: the child starts its own.
#[derive(Clone)]
pub struct Telemetry {
    /// Nothing when it can never be on.
    handle: Option<Arc<Handle>>,
}

/// The host's hold: sessions share what it holds, but not its drop.
struct Handle(Arc<Inner>);

/// What sessions share with their telemetry. In this order: what every record looks at stands in one line of memory, and
/// is seldom written.
#[repr(C, align(64))]
pub(crate) struct Inner {
    /// The signals of the setup, for a look without its cost.
    signals: AtomicU8,
    /// Nothing more is queued.
    stopped: AtomicBool,
    process: Process,
    pub(crate) clock: Clock,
    /// What the configuration of now says.
    pub(crate) setup: ArcSwap<Setup>,
    pub(crate) ids: Ids,
    pub(crate) app_version: Arc<str>,
    pub(crate) registry: Arc<Registry>,
    pub(crate) open_spans: OpenSpans,
    pub(crate) sessions: Book,
    /// Whether a malformed `TRACEPARENT` was told of.
    pub(crate) malformed_parent: AtomicBool,
    /// The same of `TRACESTATE`.
    pub(crate) malformed_state: AtomicBool,
    /// Whether it was told that there is no private thread.
    no_thread_reported: AtomicBool,
    unfinished_spans: AtomicU64,
    late_amounts: AtomicU64,
    pub(crate) refused_amounts: AtomicU64,
    pub(crate) refused_series: AtomicU64,
    diagnostics: Arc<Diagnostics>,
    installation_id: OnceLock<Arc<str>>,
    runtime: Runtime,
    exporters: Mutex<Exporters>,
    /// The beginning of the shutdown.
    closing: Once,
}

impl Telemetry {
    /// Starts telemetry as the configuration asks. Exporters are built on a thread of the library's own.
    ///
    /// ```no_run
    /// use claude_code_telemetry::{ApiRequest, Config, Identity, Service, Telemetry};
    ///
    /// let telemetry = Telemetry::start(Config::load(), Service::new("claude-code", "1.2.3"));
    /// let session = telemetry.session(Identity::new());
    /// session.record_api_request(ApiRequest::new("claude-sonnet-4-6").cost_usd(0.0021));
    /// telemetry.shutdown();
    /// ```
    pub fn start(config: Config, service: Service) -> Self {
        Self::builder(config, service).start()
    }

    /// Starts telemetry with more than a configuration: a diagnostics callback, a writer for the console exporter.
    pub fn builder(config: Config, service: Service) -> TelemetryBuilder {
        TelemetryBuilder::new(config, service)
    }

    /// Telemetry that does nothing, whatever the environment or a later configuration says.
    pub fn disabled() -> Self {
        Self { handle: None }
    }

    /// Starts a session; counts `claude_code.session.count`.
    pub fn session(&self, options: impl Into<SessionOptions>) -> Session {
        let environment = match self.handle.as_ref() {
            Some(handle) => handle.0.setup.load().config.environment.clone(),
            // Subprocesses inherit the real one.
            None => Environment::Process,
        };
        Session::start(self.inner(), environment, options.into())
    }

    /// Whether anything is exported at all.
    pub fn is_enabled(&self) -> bool {
        self.handle.as_ref().is_some_and(|handle| handle.0.is_on())
    }

    /// Which content the configuration lets out.
    pub fn content_policy(&self) -> ContentPolicy {
        ContentPolicy::new(self.config().content)
    }

    /// Where every setting came from, and every warning.
    pub fn explain(&self) -> Explanation {
        self.config().explain().clone()
    }

    /// What became of the telemetry so far.
    pub fn health(&self) -> Health {
        self.inner().map(|inner| inner.health()).unwrap_or_default()
    }

    /// Delivers all that was recorded before the call. Returns within `CLAUDE_CODE_OTEL_FLUSH_TIMEOUT_MS` (5 seconds by
    /// default), whatever the receiver does; what is not delivered by then still waits.
    pub fn flush(&self) -> Report {
        self.flush_within(Duration::MAX)
    }

    /// [`flush`](Self::flush) with a limit of its own; the smaller of both counts.
    pub fn flush_within(&self, limit: Duration) -> Report {
        self.request(limit.min(self.config().flush_timeout), false)
    }

    /// [`flush`](Self::flush) for a task of any runtime.
    pub async fn flush_async(&self) -> Report {
        self.request_async(self.config().flush_timeout, false).await
    }

    /// Delivers what is recorded, and ends. Returns within `CLAUDE_CODE_OTEL_SHUTDOWN_TIMEOUT_MS` (2 seconds by default),
    /// whatever the receiver does; what is not delivered by then is lost and counted.
    ///
    /// It may be called from several threads and more than once, also inside a runtime. What is recorded afterwards is
    /// dropped and counted.
    pub fn shutdown(&self) -> Report {
        self.shutdown_within(Duration::MAX)
    }

    /// [`shutdown`](Self::shutdown) with a limit of its own; the smaller of both counts.
    pub fn shutdown_within(&self, limit: Duration) -> Report {
        self.request(limit.min(self.config().shutdown_timeout), true)
    }

    /// [`shutdown`](Self::shutdown) for a task of any runtime.
    pub async fn shutdown_async(&self) -> Report {
        self.request_async(self.config().shutdown_timeout, true)
            .await
    }

    /// The configuration of now.
    fn config(&self) -> Arc<Config> {
        match &self.handle {
            Some(handle) => Arc::clone(&handle.0.setup.load().config),
            None => Arc::new(Config::builder().environment::<String, String>([]).build()),
        }
    }

    /// What there is to work on; nothing when telemetry can never be on, and in a fork of its process.
    fn inner(&self) -> Option<&Arc<Inner>> {
        self.handle
            .as_ref()
            .map(|handle| &handle.0)
            .filter(|inner| inner.is_here())
    }

    fn request(&self, limit: Duration, shutdown: bool) -> Report {
        let in_time = self
            .inner()
            .is_none_or(|inner| inner.request(limit, shutdown));
        self.report(shutdown, in_time)
    }

    async fn request_async(&self, limit: Duration, shutdown: bool) -> Report {
        let mut in_time = true;
        if let Some(inner) = self.inner() {
            if shutdown {
                inner.close();
            }
            inner.start_thread();
            in_time = inner.runtime.request_async(limit, shutdown).await;
        }
        self.report(shutdown, in_time)
    }
}

impl Telemetry {
    fn report(&self, shutdown: bool, in_time: bool) -> Report {
        let warnings = self.config().warnings().len();
        if shutdown && let Some(inner) = self.inner() {
            for counters in &inner.setup.load().counters {
                counters.shutdown_returns();
            }
        }
        Report::new(&self.health(), warnings, in_time)
    }
}

impl Inner {
    /// Delivers what was recorded before. True when all of it was in time.
    #[cfg(feature = "providers")]
    pub(crate) fn flush(&self, limit: Duration) -> bool {
        self.request(limit, false)
    }

    /// Whether the shutdown has begun.
    #[cfg(feature = "providers")]
    pub(crate) fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::Relaxed)
    }

    /// Queues an event whose texts have `size` bytes.
    pub(crate) fn enqueue_event(
        &self,
        setup: &Setup,
        event: Box<Queued<dyn EventRecord>>,
        size: usize,
    ) {
        enqueue(&setup.events, event, size, &self.stopped);
    }

    /// Whether this is the process in which it was started, and not a fork of it.
    pub(crate) fn is_here(&self) -> bool {
        self.process.is_current()
    }

    /// Returns whether any signal has an exporter. Makes no call, so that a caller that inlines it builds no record when
    /// telemetry is off.
    #[inline]
    pub(crate) fn is_on(&self) -> bool {
        let any = setup::METRICS | setup::EVENTS | setup::SPANS;
        self.signals.load(Ordering::Acquire) & any != 0
    }

    /// Whether an exporter wants events.
    #[inline]
    pub(crate) fn takes_events(&self) -> bool {
        self.records(setup::EVENTS)
    }

    /// Whether an exporter wants spans.
    #[inline]
    pub(crate) fn is_tracing(&self) -> bool {
        self.records(setup::SPANS)
    }

    /// Whether an exporter wants any of these signals.
    #[inline]
    fn records(&self, wanted: u8) -> bool {
        let signals = self.signals.load(Ordering::Acquire);
        if signals & wanted == 0 {
            return false;
        }
        if signals & setup::NO_THREAD != 0 {
            self.restart_thread();
        }
        true
    }

    /// Starts the private thread if exporters wait for it. That it fails is told once, on this thread: no lock may be
    /// held.
    fn start_thread(&self) {
        match self.runtime.start() {
            Ok(()) => self.thread_started(),
            Err(error) => {
                self.signals.fetch_or(setup::NO_THREAD, Ordering::Relaxed);
                if !self.no_thread_reported.swap(true, Ordering::Relaxed) {
                    self.diagnostics.report(no_thread(&error));
                }
            }
        }
    }

    /// The calls that record are the only clock while there is no thread: at an interval, one of them tries again.
    #[cold]
    fn restart_thread(&self) {
        if self.is_here() && self.runtime.restart() {
            self.thread_started();
        }
    }

    fn thread_started(&self) {
        self.signals.fetch_and(!setup::NO_THREAD, Ordering::Relaxed);
        if self.no_thread_reported.swap(false, Ordering::Relaxed) {
            self.diagnostics
                .report_later("telemetry works: its thread is started now".to_owned());
        }
    }

    /// Which content may leave now.
    pub(crate) fn policy(&self) -> ContentPolicy {
        self.setup.load().policy
    }

    pub(crate) fn enqueue_span(&self, span: Box<Finished<dyn SpanRecord>>) {
        let size = span.record.size();
        enqueue(&self.setup.load().spans, span, size, &self.stopped);
    }

    /// Whether an exporter wants metrics.
    #[inline]
    pub(crate) fn wants_metrics(&self) -> bool {
        self.records(setup::METRICS)
    }

    /// Whether amounts are counted: not without an exporter for metrics, and no more after the shutdown.
    #[inline]
    pub(crate) fn takes_amounts(&self) -> bool {
        self.wants_metrics() && !self.is_late()
    }

    /// Whether an amount comes after the shutdown; then it is counted.
    pub(crate) fn is_late(&self) -> bool {
        let stopped = self.stopped.load(Ordering::Relaxed);
        if stopped {
            self.late_amounts.fetch_add(1, Ordering::Relaxed);
        }
        stopped
    }

    /// Events that were lost before they could be queued for anyone.
    pub(crate) fn lost_early(&self, events: u64) {
        for (_, counters) in &self.setup.load().events {
            counters.left_out(events);
        }
    }

    /// Whether amounts are counted now; counts none that comes too late.
    pub(crate) fn counts(&self) -> bool {
        self.wants_metrics() && !self.stopped.load(Ordering::Relaxed)
    }

    /// A diagnostic that is not worth repeating.
    pub(crate) fn report_once(&self, reported: &AtomicBool, message: impl FnOnce() -> String) {
        if !reported.swap(true, Ordering::Relaxed) {
            self.diagnostics.report_later(message());
        }
    }

    /// Nothing more is taken. Spans that are open are ended first, so that they are still delivered.
    fn close(&self) {
        // A second shutdown waits for this one, so that its request to the exporters does not overtake the last spans.
        self.closing.call_once(|| {
            let unfinished = self.open_spans.abandon_all();
            self.unfinished_spans
                .fetch_add(unfinished, Ordering::Relaxed);
            self.stopped.store(true, Ordering::SeqCst);
        });
    }

    /// The `user.id` of this installation, for identities without one.
    pub(crate) fn installation_id(&self) -> Arc<str> {
        let mut problem = None;
        let id = self.installation_id.get_or_init(|| {
            let config = Arc::clone(&self.setup.load().config);
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

    /// True when all was done in time.
    fn request(&self, limit: Duration, shutdown: bool) -> bool {
        if shutdown {
            self.close();
        }
        self.start_thread();
        self.runtime.request(limit, shutdown)
    }

    fn health(&self) -> Health {
        let registry = &self.registry;
        let limit = |limit: usize| match self.setup.load().metrics {
            true => limit as u64,
            false => 0,
        };
        Health {
            exporters: self
                .setup
                .load()
                .counters
                .iter()
                .map(|counters| counters.snapshot())
                .collect(),
            refused_amounts: self.refused_amounts.load(Ordering::Relaxed),
            refused_series: self.refused_series.load(Ordering::Relaxed),
            late_amounts: self.late_amounts.load(Ordering::Relaxed),
            unfinished_spans: self.unfinished_spans.load(Ordering::Relaxed),
            series: registry.len() as u64,
            series_limit: limit(registry.max_len()),
            series_bytes: registry.attribute_bytes() as u64,
            series_bytes_limit: limit(registry.max_attribute_bytes()),
            shortened_attributes: registry.shortened_attributes(),
        }
    }
}

/// Queues an item for every exporter.
fn enqueue<T: ?Sized>(slots: &Slots<Item<T>>, item: Box<T>, size: usize, stopped: &AtomicBool) {
    let push = |(queue, counters): &Slot<Item<T>>, item| {
        if stopped.load(Ordering::Relaxed) || queue.is_off() {
            counters.recorded_when_off();
        } else if !queue.push(item, size) {
            counters.queue_full();
        }
    };
    match &**slots {
        [] => {}
        [only] => push(only, Item::Own(item)),
        [first, others @ ..] => {
            let item: Arc<T> = item.into();
            for slot in others {
                push(slot, Item::Shared(Arc::clone(&item)));
            }
            push(first, Item::Shared(item));
        }
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        if self.0.is_here() {
            let limit = self.0.setup.load().config.shutdown_timeout;
            self.0.request(limit, true);
        } else {
            // In a fork, what another thread was changing at that moment can be neither used nor freed.
            std::mem::forget(Arc::clone(&self.0));
        }
    }
}

impl fmt::Debug for Telemetry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Telemetry")
            .field("enabled", &self.is_enabled())
            .finish_non_exhaustive()
    }
}
