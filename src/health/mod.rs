//! The health of the telemetry: delivery counts, dropped items by reason, and the last error of each exporter.

mod counters;
mod queue_depth;

pub(crate) use counters::ExporterCounters;
pub(crate) use queue_depth::QueueDepth;

use std::fmt;
use std::net::SocketAddr;
use std::time::SystemTime;

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
    /// `prometheus`: a page for scrapes.
    Prometheus,
    /// `otlp` for host instruments: those of `Telemetry::providers`.
    HostOtlp,
    /// `console` for host instruments.
    HostConsole,
}

impl Exporter {
    /// Returns true for an exporter of host instruments, which are those of `Telemetry::providers`. The exporter
    /// counts their items only, separately from those of the catalog.
    ///
    /// ```
    /// # use claude_code_telemetry::Telemetry;
    /// # let telemetry = Telemetry::disabled();
    /// let exporters = telemetry.health().exporters;
    /// let host = exporters.iter().filter(|exporter| exporter.exporter.is_host());
    /// let delivered: u64 = host.map(|exporter| exporter.delivered).sum();
    /// # assert_eq!(delivered, 0);
    /// ```
    pub fn is_host(self) -> bool {
        matches!(self, Self::HostOtlp | Self::HostConsole)
    }

    /// Returns the exporter of the catalog with the same settings and the same destination.
    pub(crate) fn of_catalog(self) -> Self {
        match self {
            Self::Otlp | Self::HostOtlp => Self::Otlp,
            Self::Console | Self::HostConsole => Self::Console,
            Self::Prometheus => Self::Prometheus,
        }
    }
}

impl fmt::Display for Exporter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Otlp => "otlp",
            Self::Console => "console",
            Self::Prometheus => "prometheus",
            Self::HostOtlp => "otlp, host instruments",
            Self::HostConsole => "console, host instruments",
        })
    }
}

/// The state of an exporter after its last attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ExporterState {
    /// The exporter has made no attempt since it was last turned on.
    Idle,
    /// The last attempt succeeded.
    Working,
    /// The last attempt failed; data stays in the queue within its limits.
    Failing,
    /// The exporter is configured, but it cannot be built, or it ended because of an internal error: it sends nothing.
    /// The last error contains the reason.
    Off,
    /// The exporter was shut down, or a new configuration turned it off: it sends nothing more.
    ShutDown,
}

impl ExporterState {
    fn is_off(self) -> bool {
        matches!(self, Self::Off | Self::ShutDown)
    }
}

/// Dropped items, by reason: data points, log records or spans that will never be delivered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Dropped {
    /// Dropped because the queue was full.
    pub queue_full: u64,
    /// Dropped because the receiver rejected the request permanently.
    pub refused: u64,
    /// Rejected items of an accepted request (partial success).
    pub rejected: u64,
    /// Dropped because they were not delivered before the deadline of the shutdown, or of a configuration change that
    /// turned the exporter off, or because they were recorded while the exporter was off.
    pub shutdown: u64,
}

impl Dropped {
    /// Returns the sum over all reasons.
    ///
    /// ```
    /// # use claude_code_telemetry::Dropped;
    /// assert_eq!(Dropped::default().total(), 0);
    /// ```
    pub fn total(&self) -> u64 {
        self.queue_full + self.refused + self.rejected + self.shutdown
    }
}

/// A failed export attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Failure {
    /// The description of the failure. It never contains a header, a key or a control character. It may quote the
    /// receiver's message, shortened.
    pub message: String,
    /// The time of the failure.
    pub at: SystemTime,
}

/// The state of one exporter of one signal. Counts begin at the start of the telemetry.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ExporterHealth {
    /// The signal.
    pub signal: Signal,
    /// The exporter.
    pub exporter: Exporter,
    /// The state of the exporter.
    pub state: ExporterState,
    /// Items that the receiver acknowledged; for the Prometheus page all items of every scrape.
    pub delivered: u64,
    /// Items in the queue. For metrics: the points of the current collection.
    pub queued: u64,
    /// Dropped items.
    pub dropped: Dropped,
    /// Requests that were resent after a failure.
    pub retries: u64,
    /// Items whose longest text was truncated, because the item alone exceeded the size limit of a request.
    pub shortened: u64,
    /// Bodies that were sent as `<REDACTED>`, because they were not a JSON object, were nested too deep, or contained
    /// an object of the model's thinking whose `type` follows an object or array in it.
    pub unreadable_bodies: u64,
    /// The last failure, also when the exporter works again.
    pub last_error: Option<Failure>,
    /// The time at which the receiver last acknowledged a request.
    pub last_success: Option<SystemTime>,
    /// The addresses at which the Prometheus page is served. Empty for other exporters, and while the port is in use by
    /// another process.
    pub addresses: Vec<SocketAddr>,
}

/// A snapshot of delivery counts and failures.
///
/// ```
/// # use claude_code_telemetry::Telemetry;
/// # let telemetry = Telemetry::disabled();
/// let health = telemetry.health();
/// for exporter in &health.exporters {
///     if let Some(failure) = &exporter.last_error {
///         eprintln!("{}: {}", exporter.signal, failure.message);
///     }
/// }
/// if health.series_overflow > 0 {
///     eprintln!("{} of {} series", health.series, health.series_limit);
/// }
/// ```
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Health {
    /// The exporters of all signals.
    pub exporters: Vec<ExporterHealth>,
    /// Measurements that were dropped because they were negative, infinite or not a number.
    pub invalid_measurements: u64,
    /// Measurements that were dropped because they were recorded after the shutdown.
    pub after_shutdown: u64,
    /// Measurements that were dropped because the limit of series, or of bytes of their attributes, was reached.
    pub series_overflow: u64,
    /// Spans that the shutdown ended, because they were open: prompts, requests, tool calls and hooks, each counted
    /// once.
    pub unfinished_spans: u64,
    /// Model requests, tool calls and hooks that have no outcome, because their handle was dropped. A canceled future
    /// does that. The first one is reported in the diagnostics.
    pub dropped_handles: u64,
    /// Requests that were recorded without a cost, which is sent as 0. Each model is reported once in the diagnostics.
    pub requests_without_cost: u64,
    /// Series of metrics in memory, including those of ended sessions that are remembered, so that they can continue.
    pub series: u64,
    /// The limit of series; 0 when metrics have no exporter. A host that comes near the limit declares how many
    /// sessions it [expects](crate::TelemetryBuilder::expected_sessions).
    pub series_limit: u64,
    /// Bytes of the attributes of these series. A text or an attribute set that several series share counts once.
    pub series_bytes: u64,
    /// The limit of these bytes (64 MiB); 0 when metrics have no exporter.
    pub series_bytes_limit: u64,
    /// Attributes of metrics whose text was truncated at 1,024 UTF-16 units. Each counts when a session begins to use
    /// it; the name of a model or of a language also counts when there is no room for its series.
    pub shortened_attributes: u64,
}

impl ExporterHealth {
    /// Returns true if the queue is empty, no item was dropped, and the exporter could be built.
    ///
    /// ```
    /// # use claude_code_telemetry::Telemetry;
    /// # let telemetry = Telemetry::disabled();
    /// let exporters = telemetry.health().exporters;
    /// let late = exporters.iter().filter(|exporter| !exporter.is_complete());
    /// assert_eq!(late.count(), 0);
    /// ```
    pub fn is_complete(&self) -> bool {
        self.queued == 0 && self.has_no_losses()
    }

    /// Returns true if no item was dropped and the exporter could be built, also with items in the queue.
    pub(crate) fn has_no_losses(&self) -> bool {
        self.dropped.total() == 0 && self.state != ExporterState::Off
    }

    /// Records a failure, and the state that follows from it.
    fn fail(&mut self, message: &str, state: ExporterState) {
        self.last_error = Some(Failure {
            message: visible(message),
            at: SystemTime::now(),
        });
        self.state = state;
    }
}
