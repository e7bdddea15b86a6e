//! The side of the host: telemetry against a receiver, configured by an environment of its own.
//!
//! Tests of behaviour take it beside the receivers; it is no part of `mod support`, which the crate's own tests use too.
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
    Config, Exporter, ExporterHealth, Health, Identity, Service, SessionOptions, Signal, Telemetry,
};
use serde_json::Value;

use super::support::{Point, Received, Receiver};

/// What a deadline may be missed by on a busy machine.
pub const SLACK: Duration = Duration::from_secs(5);

/// How long a test waits for what must come.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// An interval that no test lives to see: only flushes and the shutdown export.
pub const NEVER: &str = "3600000";

/// A protocol of OTLP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    Grpc,
    HttpProtobuf,
    HttpJson,
}

impl Protocol {
    /// Those that are compiled in.
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

    /// One for tests to which it makes no difference.
    pub fn any() -> Self {
        Self::all()[0]
    }

    /// Its name in the configuration.
    pub fn name(self) -> &'static str {
        match self {
            Self::Grpc => "grpc",
            Self::HttpProtobuf => "http/protobuf",
            Self::HttpJson => "http/json",
        }
    }

    /// A server that speaks it.
    pub fn receiver(self) -> Receiver {
        match self {
            Self::Grpc => Receiver::grpc(),
            Self::HttpProtobuf | Self::HttpJson => Receiver::http(),
        }
    }
}

/// The variables of a host that sends metrics and events to `endpoint`, and only when it flushes. `extra` wins.
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
        // A busy machine is no failure; tests of the limits set their own.
        ("CLAUDE_CODE_OTEL_FLUSH_TIMEOUT_MS", "60000"),
        ("CLAUDE_CODE_OTEL_SHUTDOWN_TIMEOUT_MS", "60000"),
    ];
    base.iter()
        .chain(extra)
        .map(|&(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

/// The configuration of these variables; it touches no file of the user.
pub fn config(environment: BTreeMap<String, String>) -> Config {
    Config::builder()
        .environment(environment)
        .installation_id_path(std::env::temp_dir().join("claude-code-telemetry-tests-unused/id"))
        .build()
}

/// The host program.
pub fn service() -> Service {
    Service::new("claude-code", "1.2.3")
}

/// Started telemetry.
pub fn telemetry(endpoint: &str, protocol: Protocol, extra: &[(&str, &str)]) -> Telemetry {
    Telemetry::start(config(environment(endpoint, protocol, extra)), service())
}

/// Somebody, so that no test needs the installation's own id.
pub fn somebody() -> Identity {
    Identity::new().user_id("user-1")
}

/// A session of somebody with this id.
pub fn session(id: &str) -> SessionOptions {
    SessionOptions::new().id(id).identity(somebody())
}

/// The health of the OTLP exporter of a signal.
#[track_caller]
pub fn otlp(health: &Health, signal: Signal) -> ExporterHealth {
    exporter(health, signal, Exporter::Otlp)
}

/// The health of an exporter of a signal.
#[track_caller]
pub fn exporter(health: &Health, signal: Signal, kind: Exporter) -> ExporterHealth {
    let found = health
        .exporters
        .iter()
        .find(|exporter| exporter.signal == signal && exporter.exporter == kind);
    found.expect("the exporter is configured").clone()
}

/// Waits until the health fulfils `wanted`. There is nothing to be told by, so it looks again and again.
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

/// Asserts that `action` returns within `limit` and some slack, and returns what it returns.
#[track_caller]
pub fn within<T>(limit: Duration, action: impl FnOnce() -> T) -> T {
    let start = Instant::now();
    let result = action();
    let took = start.elapsed();
    assert!(took <= limit + SLACK, "took {took:?} instead of {limit:?}");
    result
}

/// What was delivered, with requests that were sent again counted once: the same bytes to the same path.
pub fn deduplicated(received: &Received) -> Received {
    let mut requests: Vec<super::support::Request> = Vec::new();
    for request in &received.accepted().requests {
        let known =
            |old: &super::support::Request| old.path == request.path && old.body == request.body;
        if !requests.iter().any(known) {
            requests.push(request.clone());
        }
    }
    Received { requests }
}

/// The name of a series: its metric and all attributes.
pub fn series_name(point: &Point) -> String {
    format!(
        "{} {}",
        point.name,
        serde_json::to_string(&point.attributes).unwrap()
    )
}

/// The points of each series, in the order in which they came.
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

/// The points of a metric whose attributes contain these.
pub fn select(points: &[Point], metric: &str, attributes: &[(&str, &str)]) -> Vec<Point> {
    let wanted = |point: &&Point| {
        point.name == metric
            && attributes.iter().all(|(key, value)| {
                point.attributes.get(*key).and_then(Value::as_str) == Some(value)
            })
    };
    points.iter().filter(wanted).cloned().collect()
}

/// The sum of points.
pub fn sum(points: &[Point]) -> f64 {
    points.iter().map(|point| point.value).sum()
}

/// Asserts that the delta points of every series are contiguous and not negative.
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

/// Asserts that the cumulative points of every series keep their start and never fall.
#[track_caller]
pub fn assert_cumulative(points: &[Point]) {
    for (name, points) in by_series(points) {
        for point in &points {
            assert_eq!((point.temporality, point.monotonic), (2, true), "{name}");
            assert_eq!(point.start, points[0].start, "{name} began anew");
            assert!(point.start < point.end, "{name}: {point:?}");
        }
        for pair in points.windows(2) {
            assert!(pair[0].value <= pair[1].value, "{name} fell");
            assert!(pair[0].end < pair[1].end, "{name} went back in time");
        }
    }
}

/// A console that keeps what is written.
#[derive(Clone, Default)]
pub struct Screen(Arc<(Mutex<Vec<u8>>, Condvar)>);

impl Screen {
    /// The lines so far, each a JSON object.
    #[track_caller]
    pub fn lines(&self) -> Vec<Value> {
        let text = self.text();
        assert!(text.is_empty() || text.ends_with('\n'), "half a line");
        text.lines()
            .map(|line| {
                let value: Value = serde_json::from_str(line).unwrap();
                assert!(value.is_object(), "{line}");
                value
            })
            .collect()
    }

    /// Everything that was written so far.
    #[track_caller]
    pub fn text(&self) -> String {
        String::from_utf8(self.0.0.lock().unwrap().clone()).unwrap()
    }

    /// Waits for `count` lines.
    #[track_caller]
    pub fn wait_for(&self, count: usize) -> Vec<Value> {
        let (text, written) = &*self.0;
        let enough =
            |text: &mut Vec<u8>| text.iter().filter(|byte| **byte == b'\n').count() < count;
        let waited = written
            .wait_timeout_while(text.lock().unwrap(), PATIENCE, enough)
            .unwrap();
        assert!(!waited.1.timed_out(), "{count} lines did not come");
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
