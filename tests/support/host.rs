//! Helpers for the host's side: telemetry that exports to a test receiver, configured by variables of the test.
//!
//! Integration tests include this module next to `support`. It is not part of `support`, which the crate's unit tests
//! also include.
#![allow(
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic
)]

use std::collections::BTreeMap;
use std::io::Write;
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use claude_code_telemetry::{
    Config, ConfigBuilder, Exporter, ExporterHealth, Health, Identity, Service, SessionOptions,
    Signal, Telemetry, TelemetryBuilder,
};
use serde_json::Value;

use super::support::{Point, Receiver};

/// The time by which a busy machine may exceed a deadline.
pub const SLACK: Duration = Duration::from_secs(5);

/// The longest time that a test waits for an expected event.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// An export interval that never elapses during a test: only flushes and the shutdown export.
pub const NEVER: &str = "3600000";

/// An OTLP protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    Grpc,
    HttpProtobuf,
    HttpJson,
}

impl Protocol {
    /// Returns the protocols that are compiled in.
    pub fn all() -> Vec<Self> {
        let mut all = Vec::new();
        if cfg!(feature = "grpc") {
            all.push(Self::Grpc);
        }
        if cfg!(feature = "http") {
            all.extend([Self::HttpProtobuf, Self::HttpJson]);
        }
        all
    }

    /// Returns any compiled-in protocol, for tests that do not depend on the protocol.
    pub fn any() -> Self {
        Self::all()[0]
    }

    /// Returns the value of `OTEL_EXPORTER_OTLP_PROTOCOL`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Grpc => "grpc",
            Self::HttpProtobuf => "http/protobuf",
            Self::HttpJson => "http/json",
        }
    }

    /// Starts a receiver that speaks this protocol.
    pub fn receiver(self) -> Receiver {
        match self {
            Self::Grpc => Receiver::grpc(),
            Self::HttpProtobuf | Self::HttpJson => Receiver::http(),
        }
    }
}

/// Variables that turn on traces, in addition to the signals of [`environment`].
pub const ENABLE_TRACES: [(&str, &str); 2] = [
    ("CLAUDE_CODE_ENHANCED_TELEMETRY_BETA", "1"),
    ("OTEL_TRACES_EXPORTER", "otlp"),
];

/// Returns the variables of a host that sends metrics and events to `endpoint` only when it flushes. Entries of
/// `extra` take precedence.
pub fn environment(
    endpoint: &str,
    protocol: Protocol,
    extra: &[(&str, &str)],
) -> BTreeMap<String, String> {
    let base = [
        ("CLAUDE_CODE_ENABLE_TELEMETRY", "1"),
        ("OTEL_METRICS_EXPORTER", "otlp"),
        ("OTEL_LOGS_EXPORTER", "otlp"),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", protocol.name()),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint),
        ("OTEL_METRIC_EXPORT_INTERVAL", NEVER),
        ("OTEL_LOGS_EXPORT_INTERVAL", NEVER),
        ("OTEL_TRACES_EXPORT_INTERVAL", NEVER),
        ("OTEL_EXPORTER_OTLP_TIMEOUT", "30000"),
        // A busy machine must not fail a test. Tests of these deadlines set their own values.
        ("CLAUDE_CODE_OTEL_FLUSH_TIMEOUT_MS", "60000"),
        ("CLAUDE_CODE_OTEL_SHUTDOWN_TIMEOUT_MS", "60000"),
    ];
    base.iter()
        .chain(extra)
        .map(|&(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

/// Returns a builder with these variables, whose configuration reads and writes no file of the user.
pub fn config_builder(environment: BTreeMap<String, String>) -> ConfigBuilder {
    Config::builder()
        .environment(environment)
        .installation_id_path(std::env::temp_dir().join("claude-code-telemetry-tests-unused/id"))
}

/// Builds the configuration of [`config_builder`].
pub fn config(environment: BTreeMap<String, String>) -> Config {
    config_builder(environment).build()
}

/// Returns the service identity of the host program.
pub fn service() -> Service {
    Service::new("claude-code", "1.2.3")
}

/// Starts telemetry that exports to `endpoint`.
pub fn telemetry(endpoint: &str, protocol: Protocol, extra: &[(&str, &str)]) -> Telemetry {
    Telemetry::start(config(environment(endpoint, protocol, extra)), service())
}

/// Starts telemetry, and collects its diagnostics.
pub fn start_with_diagnostics(builder: TelemetryBuilder) -> (Telemetry, Diagnostics) {
    let diagnostics = Diagnostics::default();
    let all = Arc::clone(&diagnostics.0);
    let telemetry = builder
        .on_diagnostic(move |diagnostic| all.lock().unwrap().push(diagnostic.to_string()))
        .start();
    (telemetry, diagnostics)
}

/// The diagnostics that the host received so far. The library delivers them on a separate thread.
#[derive(Clone, Default)]
pub struct Diagnostics(Arc<Mutex<Vec<String>>>);

impl Diagnostics {
    pub fn all(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }

    /// Returns the number of diagnostics that contain this string.
    pub fn count(&self, text: &str) -> usize {
        self.all().iter().filter(|one| one.contains(text)).count()
    }

    /// Waits for a diagnostic that contains this string, asserts that there is only one, and returns it.
    #[track_caller]
    pub fn assert_once(&self, text: &str) -> String {
        let deadline = Instant::now() + PATIENCE;
        while self.count(text) == 0 {
            assert!(
                Instant::now() < deadline,
                "{text:?} is missing: {:?}",
                self.all()
            );
            std::thread::sleep(Duration::from_millis(2));
        }
        let mut found = self.all();
        found.retain(|one| one.contains(text));
        assert_eq!(found.len(), 1, "{found:?}");
        found.remove(0)
    }
}

/// Returns a fixed identity, so that no test creates an installation id.
pub fn test_identity() -> Identity {
    Identity::new().user_id("user-1")
}

/// Returns options for a session with this id and the fixed identity.
pub fn session(id: &str) -> SessionOptions {
    SessionOptions::new().id(id).identity(test_identity())
}

/// Returns the health of a signal's OTLP exporter.
#[track_caller]
pub fn otlp(health: &Health, signal: Signal) -> ExporterHealth {
    exporter(health, signal, Exporter::Otlp)
}

/// Returns the health of a signal's exporter of this kind.
#[track_caller]
pub fn exporter(health: &Health, signal: Signal, kind: Exporter) -> ExporterHealth {
    let found = health
        .exporters
        .iter()
        .find(|exporter| exporter.signal == signal && exporter.exporter == kind);
    found.expect("the exporter is configured").clone()
}

/// Waits until `condition` returns true. Polls, for conditions without a notification.
#[track_caller]
pub fn wait_until(condition: impl Fn() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !condition() {
        assert!(Instant::now() < deadline, "not within {PATIENCE:?}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// Waits until the health satisfies `wanted`, and returns it.
#[track_caller]
pub fn wait_for_health(telemetry: &Telemetry, wanted: impl Fn(&Health) -> bool) -> Health {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let health = telemetry.health();
        if wanted(&health) {
            return health;
        }
        assert!(
            Instant::now() < deadline,
            "not within {PATIENCE:?}: {health:#?}"
        );
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// Asserts that `action` returns within `limit` plus [`SLACK`], and returns its result.
#[track_caller]
pub fn within<T>(limit: Duration, action: impl FnOnce() -> T) -> T {
    let start = Instant::now();
    let result = action();
    let took = start.elapsed();
    assert!(took <= limit + SLACK, "took {took:?} instead of {limit:?}");
    result
}

/// Returns the name of a series: the metric's name and all attributes.
pub fn series_name(point: &Point) -> String {
    format!(
        "{} {}",
        point.name,
        serde_json::to_string(&point.attributes).unwrap()
    )
}

/// Groups the data points by series, in order of arrival.
pub fn by_series(points: &[Point]) -> BTreeMap<String, Vec<Point>> {
    let mut series: BTreeMap<String, Vec<Point>> = BTreeMap::new();
    for point in points {
        series
            .entry(series_name(point))
            .or_default()
            .push(point.clone());
    }
    series
}

/// Returns the data points of a metric whose attributes include the given ones.
pub fn select(points: &[Point], metric: &str, attributes: &[(&str, &str)]) -> Vec<Point> {
    let wanted = |point: &&Point| {
        point.name == metric
            && attributes.iter().all(|(key, value)| {
                point.attributes.get(*key).and_then(Value::as_str) == Some(value)
            })
    };
    points.iter().filter(wanted).cloned().collect()
}

/// Adds up the values of data points.
pub fn sum(points: &[Point]) -> f64 {
    points.iter().map(|point| point.value).sum()
}

/// Asserts that each series has contiguous delta points without negative values.
#[track_caller]
pub fn assert_delta(points: &[Point]) {
    for (name, points) in by_series(points) {
        for point in &points {
            assert_eq!((point.temporality, point.monotonic), (1, true), "{name}");
            assert!(point.value >= 0.0, "a negative point of {name}: {point:?}");
            assert!(
                point.start < point.end,
                "an empty window of {name}: {point:?}"
            );
        }
        for pair in points.windows(2) {
            assert_eq!(pair[0].end, pair[1].start, "a gap or overlap in {name}");
        }
    }
}

/// Asserts that each series has cumulative points with a constant start time and values that never decrease.
#[track_caller]
pub fn assert_cumulative(points: &[Point]) {
    for (name, points) in by_series(points) {
        for point in &points {
            assert_eq!((point.temporality, point.monotonic), (2, true), "{name}");
            assert_eq!(
                point.start, points[0].start,
                "the start time of {name} changed"
            );
            assert!(point.start < point.end, "{name}: {point:?}");
        }
        for pair in points.windows(2) {
            assert!(pair[0].value <= pair[1].value, "{name} decreased");
            assert!(
                pair[0].end < pair[1].end,
                "the times of {name} are not ascending"
            );
        }
    }
}

/// A console writer that keeps its output in memory.
#[derive(Clone, Default)]
pub struct Screen(Arc<(Mutex<Vec<u8>>, Condvar)>);

impl Screen {
    /// Returns the lines written so far, each parsed as a JSON object.
    #[track_caller]
    pub fn lines(&self) -> Vec<Value> {
        let text = self.text();
        assert!(
            text.is_empty() || text.ends_with('\n'),
            "the last line is incomplete"
        );
        text.lines()
            .map(|line| {
                let value: Value = serde_json::from_str(line).unwrap();
                assert!(value.is_object(), "{line}");
                value
            })
            .collect()
    }

    /// Returns the output written so far.
    #[track_caller]
    pub fn text(&self) -> String {
        String::from_utf8(self.0.0.lock().unwrap().clone()).unwrap()
    }

    /// Waits until `count` lines have been written, and returns all lines.
    #[track_caller]
    pub fn wait_for(&self, count: usize) -> Vec<Value> {
        let (text, written) = &*self.0;
        let too_few =
            |text: &mut Vec<u8>| text.iter().filter(|byte| **byte == b'\n').count() < count;
        let waited = written
            .wait_timeout_while(text.lock().unwrap(), PATIENCE, too_few)
            .unwrap();
        assert!(
            !waited.1.timed_out(),
            "fewer than {count} lines were written"
        );
        drop(waited);
        self.lines()
    }
}

impl Write for Screen {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.0.lock().unwrap().extend_from_slice(bytes);
        self.0.1.notify_all();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
