//! What became of the telemetry: counts, losses by reason, and the last error of each exporter.

mod queue_depth;

pub(crate) use queue_depth::QueueDepth;

use std::fmt;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::signal::Signal;
use crate::visible::visible;

/// A kind of exporter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Exporter {
    /// `otlp`: gRPC or HTTP.
    Otlp,
    /// `console`: lines of JSON.
    Console,
    /// `prometheus`: a page that is scraped.
    Prometheus,
    /// `otlp`, of the host's own instruments: those of `Telemetry::providers`.
    Host,
}

impl fmt::Display for Exporter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Otlp => "otlp",
            Self::Console => "console",
            Self::Prometheus => "prometheus",
            Self::Host => "otlp of the host's own",
        })
    }
}

/// Whether an exporter works, as far as its last attempt says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ExporterState {
    /// It has not tried yet.
    Idle,
    /// Its last attempt delivered.
    Working,
    /// Its last attempt failed; data waits within its bounds.
    Failing,
    /// It was asked for and cannot be built: nothing is sent. The last error says why.
    Off,
    /// It was shut down, or a new configuration turned it off: nothing more is sent.
    ShutDown,
}

/// Items that will never be delivered, by reason: data points, log records or spans.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Dropped {
    /// The queue was full.
    pub queue_full: u64,
    /// The receiver refused the request for good.
    pub refused: u64,
    /// The receiver took the request, but not these items of it (partial success).
    pub rejected: u64,
    /// They were not delivered before the shutdown's deadline, or that of a change that turned the exporter off, or came to
    /// an exporter that is off.
    pub shutdown: u64,
}

impl Dropped {
    /// The sum of all reasons.
    pub fn total(&self) -> u64 {
        self.queue_full + self.refused + self.rejected + self.shutdown
    }
}

/// A failed attempt to export.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Failure {
    /// What happened, in words; never a header, a key or a control character. A receiver's own words may be quoted,
    /// shortened.
    pub message: String,
    /// When it happened.
    pub at: SystemTime,
}

impl Failure {
    fn new(message: &str) -> Self {
        Self {
            message: visible(message),
            at: SystemTime::now(),
        }
    }
}

/// The state of one exporter of one signal. Counts run from the start of the telemetry.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ExporterHealth {
    /// The signal.
    pub signal: Signal,
    /// The exporter.
    pub exporter: Exporter,
    /// Whether it works.
    pub state: ExporterState,
    /// Items that the receiver acknowledged; of the Prometheus page all that were fetched, each time.
    pub delivered: u64,
    /// Items that wait. Of metrics: the points of the collection under way.
    pub queued: u64,
    /// Items that are lost.
    pub dropped: Dropped,
    /// Requests that were sent again after a failure.
    pub retries: u64,
    /// Items whose longest text was cut, because they alone were larger than a request may be.
    pub shortened: u64,
    /// Bodies that were no JSON object, nested too deep, or told only after an object or array that it is thinking; they were
    /// sent as `<REDACTED>`.
    pub unreadable_bodies: u64,
    /// The last failure, also when it works again.
    pub last_error: Option<Failure>,
    /// When the receiver last acknowledged a request.
    pub last_success: Option<SystemTime>,
    /// Where the Prometheus page is served; none of the other exporters, and while its port is taken.
    pub addresses: Vec<SocketAddr>,
}

/// What became of the telemetry so far.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Health {
    /// Each exporter of each signal.
    pub exporters: Vec<ExporterHealth>,
    /// Amounts that were negative or no number, and were left out.
    pub refused_amounts: u64,
    /// Amounts of metrics that came after the shutdown, and were left out.
    pub late_amounts: u64,
    /// Amounts that were left out because the registry held its most series, or its most bytes of attributes.
    pub refused_series: u64,
    /// Spans that were open at the shutdown and were ended by it: prompts, requests, tool calls and hooks, each counted
    /// once.
    pub unfinished_spans: u64,
    /// Series of metrics that are kept, live or remembered.
    pub series: u64,
    /// The most that are kept; 0 when no exporter wants metrics. A host that comes near it says how many sessions it
    /// [expects](crate::TelemetryBuilder::expected_sessions).
    pub series_limit: u64,
    /// Bytes of the attributes of these series. A text or a set of attributes that several series share counts once.
    pub series_bytes: u64,
    /// The most bytes that are kept (64 MiB); 0 when no exporter wants metrics.
    pub series_bytes_limit: u64,
    /// Attributes of metrics whose text was cut at 1,024 UTF-16 units. Each counts when a session begins to use it, and a
    /// model's name or a language also when there is no room for its series.
    pub shortened_attributes: u64,
}

impl ExporterHealth {
    /// Nothing waits and nothing was lost, and the exporter could be built.
    pub fn is_complete(&self) -> bool {
        self.queued == 0 && self.is_unharmed()
    }

    /// The same, whatever waits.
    pub(crate) fn is_unharmed(&self) -> bool {
        self.dropped.total() == 0 && self.state != ExporterState::Off
    }
}

/// What a source counts while it translates.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) shortened: AtomicU64,
    pub(crate) unreadable_bodies: AtomicU64,
}

/// Counts the items that were recorded and not delivered.
pub(crate) type Undelivered = Box<dyn Fn() -> u64 + Send + Sync>;

/// The counters behind an [`ExporterHealth`].
pub(crate) struct ExporterCounters {
    signal: Signal,
    exporter: Exporter,
    delivered: AtomicU64,
    waiting: Arc<QueueDepth>,
    queue_full: AtomicU64,
    refused: AtomicU64,
    rejected: AtomicU64,
    shutdown: AtomicU64,
    retries: AtomicU64,
    tally: Arc<Tally>,
    state: Mutex<(ExporterState, Option<Failure>)>,
    /// Nanoseconds since 1970; 0 before the first.
    last_success: AtomicU64,
    /// Losses that a diagnostic told of, and when.
    reported: Mutex<(u64, Option<Instant>)>,
    addresses: Mutex<Vec<SocketAddr>>,
    /// Counts what is lost when nothing more is delivered, where that is not the content of the queue.
    undelivered: Option<Undelivered>,
    /// A shutdown has returned: what is still in the queue counts as lost, also before the exporter has counted it.
    shutdown_returned: AtomicBool,
}

/// How often lost items are told of.
const REPORT_EVERY: Duration = Duration::from_secs(60);

impl ExporterCounters {
    pub(crate) fn new(
        signal: Signal,
        exporter: Exporter,
        waiting: Arc<QueueDepth>,
        tally: Arc<Tally>,
        undelivered: Option<Undelivered>,
    ) -> Self {
        Self {
            signal,
            exporter,
            delivered: AtomicU64::new(0),
            waiting,
            queue_full: AtomicU64::new(0),
            refused: AtomicU64::new(0),
            rejected: AtomicU64::new(0),
            shutdown: AtomicU64::new(0),
            retries: AtomicU64::new(0),
            tally,
            state: Mutex::new((ExporterState::Idle, None)),
            last_success: AtomicU64::new(0),
            reported: Mutex::default(),
            addresses: Mutex::default(),
            undelivered,
            shutdown_returned: AtomicBool::new(false),
        }
    }

    pub(crate) fn cannot_be_built(&self, reason: String) {
        *self.state() = (ExporterState::Off, Some(Failure::new(&reason)));
    }

    /// It was asked for, perhaps again: what is recorded is taken from now on.
    pub(crate) fn turned_on(&self) {
        let mut state = self.state();
        self.waiting.set_off(false);
        if matches!(state.0, ExporterState::Off | ExporterState::ShutDown) {
            state.0 = ExporterState::Idle;
        }
    }

    /// Attempts can be made from now on: the next failure is one of the receiver, and is reported.
    pub(crate) fn starts(&self) {
        let mut state = self.state();
        if state.0 == ExporterState::Failing {
            state.0 = ExporterState::Idle;
        }
    }

    /// It is no longer asked for, or cannot be had any more: then `why` says so. This much of what waited is lost.
    pub(crate) fn turned_off(&self, lost: u64, why: Option<String>) {
        self.addresses().clear();
        self.shutdown.fetch_add(lost, Ordering::Relaxed);
        match why {
            Some(why) => self.cannot_be_built(why),
            None => self.state().0 = ExporterState::ShutDown,
        }
    }

    pub(crate) fn delivered(&self, items: u64, rejected: u64, now: u64) {
        // Under the lock, so that no snapshot sees a part of it.
        let mut state = self.state();
        self.delivered
            .fetch_add(items.saturating_sub(rejected), Ordering::Relaxed);
        self.rejected
            .fetch_add(rejected.min(items), Ordering::Relaxed);
        self.last_success.store(now, Ordering::Relaxed);
        state.0 = ExporterState::Working;
    }

    /// A failed attempt. True when the exporter worked before it.
    pub(crate) fn failed(&self, message: String) -> bool {
        let mut state = self.state();
        state.1 = Some(Failure::new(&message));
        let worked = state.0 != ExporterState::Failing;
        state.0 = ExporterState::Failing;
        worked
    }

    /// Nothing can be sent before a thread can be started. One that is off stays off.
    pub(crate) fn cannot_start_yet(&self, why: &str) {
        if !matches!(self.state().0, ExporterState::Off | ExporterState::ShutDown) {
            self.failed(why.to_owned());
        }
    }

    /// The page is served from now on.
    #[cfg(feature = "prometheus")]
    pub(crate) fn listens_on(&self, addresses: Vec<SocketAddr>) {
        *self.addresses() = addresses;
        self.state().0 = ExporterState::Idle;
    }

    fn addresses(&self) -> std::sync::MutexGuard<'_, Vec<SocketAddr>> {
        self.addresses
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// A record that came when the exporter was off.
    pub(crate) fn recorded_when_off(&self) {
        self.shutdown.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn queue_full(&self) {
        self.left_out(1);
    }

    /// There was no room for these.
    pub(crate) fn left_out(&self, items: u64) {
        self.queue_full.fetch_add(items, Ordering::Relaxed);
    }

    pub(crate) fn refused(&self, items: u64) {
        self.refused.fetch_add(items, Ordering::Relaxed);
    }

    pub(crate) fn retried(&self) {
        self.retries.fetch_add(1, Ordering::Relaxed);
    }

    /// Whether the exporter has ended, or could not be built.
    pub(crate) fn is_off(&self) -> bool {
        self.waiting.is_off()
    }

    /// The end: what was not delivered is lost.
    pub(crate) fn shut_down(&self) {
        self.end(None);
    }

    /// The end, with this many items lost.
    #[cfg(feature = "prometheus")]
    pub(crate) fn shut_down_with(&self, lost: u64) {
        self.end(Some(lost));
    }

    fn end(&self, lost: Option<u64>) {
        // Under the lock, so that no snapshot sees the items twice or not at all.
        let mut state = self.state();
        let lost = lost.unwrap_or_else(|| self.not_delivered());
        self.waiting.set_off(true);
        self.waiting.clear();
        self.addresses().clear();
        self.shutdown.fetch_add(lost, Ordering::Relaxed);
        if state.0 != ExporterState::Off {
            state.0 = ExporterState::ShutDown;
        }
    }

    /// It could not be built. When nobody asks for it again this much of what waited is lost, and nothing more is taken;
    /// what came at this very moment waits, and counts at the end.
    pub(crate) fn stays_off(&self, lost: Option<u64>, why: Option<&str>) {
        let mut state = self.state();
        if let Some(lost) = lost {
            self.waiting.set_off(true);
            self.shutdown.fetch_add(lost, Ordering::Relaxed);
        }
        if let Some(message) = why {
            state.1 = Some(Failure::new(message));
        }
        state.0 = ExporterState::Off;
    }

    /// A sentence about all losses, when there are new ones: at once for the first, then at most one a minute, and one
    /// at the end.
    pub(crate) fn unreported_losses(&self, at_the_end: bool) -> Option<String> {
        let Dropped {
            queue_full,
            refused,
            rejected,
            shutdown,
        } = self.dropped();
        let total = queue_full + refused + rejected + shutdown;
        let mut reported = self.reported.lock().unwrap_or_else(PoisonError::into_inner);
        let (told, at) = *reported;
        if total == told || !at_the_end && at.is_some_and(|at| at.elapsed() < REPORT_EVERY) {
            return None;
        }
        *reported = (total, Some(Instant::now()));
        let reasons = [
            (queue_full, "because the queue was full"),
            (refused, "refused by the receiver"),
            (rejected, "rejected by the receiver"),
            (shutdown, "not delivered before the shutdown's deadline"),
        ];
        let reasons = reasons.iter().filter(|(items, _)| *items > 0);
        let reasons: Vec<_> = reasons
            .map(|(items, reason)| format!("{items} {reason}"))
            .collect();
        Some(format!(
            "{total} items are lost so far: {}",
            reasons.join(", ")
        ))
    }

    fn dropped(&self) -> Dropped {
        Dropped {
            queue_full: self.queue_full.load(Ordering::Relaxed),
            refused: self.refused.load(Ordering::Relaxed),
            rejected: self.rejected.load(Ordering::Relaxed),
            shutdown: self.shutdown.load(Ordering::Relaxed),
        }
    }

    /// Returns the number of items that are lost when nothing more is delivered. After the end they are counted already.
    fn not_delivered(&self) -> u64 {
        match &self.undelivered {
            Some(_) if self.is_off() => 0,
            Some(undelivered) => undelivered(),
            None => self.waiting.items(),
        }
    }

    pub(crate) fn signal(&self) -> Signal {
        self.signal
    }

    pub(crate) fn exporter(&self) -> Exporter {
        self.exporter
    }

    /// Counts what is still in the queue as lost from now on. The caller of a shutdown waits no longer than its limit, and
    /// may be a moment faster than the exporter.
    pub(crate) fn shutdown_returns(&self) {
        self.shutdown_returned.store(true, Ordering::SeqCst);
    }

    pub(crate) fn snapshot(&self) -> ExporterHealth {
        let known = self.state();
        let (mut state, last_error) = known.clone();
        let (mut queued, mut dropped) = (self.waiting.items(), self.dropped());
        if self.shutdown_returned.load(Ordering::SeqCst) {
            dropped.shutdown += self.not_delivered();
            queued = 0;
            if state != ExporterState::Off {
                state = ExporterState::ShutDown;
            }
        }
        let last_success = self.last_success.load(Ordering::Relaxed);
        ExporterHealth {
            signal: self.signal,
            exporter: self.exporter,
            state,
            delivered: self.delivered.load(Ordering::Relaxed),
            queued,
            dropped,
            retries: self.retries.load(Ordering::Relaxed),
            shortened: self.tally.shortened.load(Ordering::Relaxed),
            unreadable_bodies: self.tally.unreadable_bodies.load(Ordering::Relaxed),
            last_error,
            last_success: (last_success > 0)
                .then(|| UNIX_EPOCH + Duration::from_nanos(last_success)),
            addresses: self.addresses().clone(),
        }
    }

    fn state(&self) -> std::sync::MutexGuard<'_, (ExporterState, Option<Failure>)> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
