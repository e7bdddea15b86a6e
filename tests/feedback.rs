//! The library's own traffic emits no `tracing` events, so a host that turns such events into telemetry causes no
//! feedback loop.
#![cfg(all(feature = "grpc", feature = "http"))]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr
)]

mod support;

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use claude_code_telemetry::{ApiRequest, Config, Identity, Service, Telemetry};
use support::tls::{Authority, Behavior, Files, TlsServer};
use support::{Receiver, refused_port};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

/// A subscriber that counts all spans and events of all threads.
#[derive(Clone, Default)]
struct Everything {
    total: Arc<AtomicUsize>,
    last: Arc<Mutex<String>>,
}

impl Everything {
    fn count(&self, what: &Metadata<'_>) {
        self.total.fetch_add(1, Ordering::SeqCst);
        *self.last.lock().unwrap() = format!("{what:?}");
    }
}

impl Subscriber for Everything {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, span: &Attributes<'_>) -> Id {
        self.count(span.metadata());
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        self.count(event.metadata());
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

/// Records a request and tries to export it. The timeouts are short, because `endpoint` may refuse connections.
fn run(protocol: &str, endpoint: &str, more: &[(&str, &str)]) {
    let base = [
        ("CLAUDE_CODE_ENABLE_TELEMETRY", "1"),
        ("OTEL_METRICS_EXPORTER", "otlp"),
        ("OTEL_LOGS_EXPORTER", "otlp"),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", protocol),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint),
        ("CLAUDE_CODE_OTEL_FLUSH_TIMEOUT_MS", "500"),
    ];
    let environment = base.iter().chain(more).copied();
    let config = Config::builder().environment(environment).build();
    let telemetry = Telemetry::start(config, Service::new("claude-code", "1.2.3"));
    let session = telemetry.session(Identity::new().user_id("user"));
    session.record_api_request(ApiRequest::new("model"));
    telemetry.flush();
    telemetry.shutdown_within(Duration::from_millis(300));
}

#[test]
fn export_traffic_emits_no_tracing_events() {
    let everything = Everything::default();
    tracing::subscriber::set_global_default(everything.clone()).unwrap();

    // The receivers run in this process and emit `tracing` events themselves, so only a port without a receiver is
    // silent.
    let unused_port = refused_port();
    for protocol in ["grpc", "http/protobuf", "http/json"] {
        run(protocol, &unused_port.endpoint(), &[]);
    }
    let count = everything.total.load(Ordering::SeqCst);
    assert_eq!(count, 0, "{}", everything.last.lock().unwrap());

    // Proves that the subscriber works: the receiver's thread is not suppressed.
    let receiver = Receiver::grpc();
    let deadline = Instant::now() + Duration::from_secs(60);
    while everything.total.load(Ordering::SeqCst) == 0 {
        assert!(
            Instant::now() < deadline,
            "the subscriber received no event"
        );
        run("grpc", &receiver.endpoint(), &[]);
    }
}

/// A logger that keeps the targets of all `log` records.
struct Targets(Mutex<BTreeSet<String>>);

static TARGETS: Targets = Targets(Mutex::new(BTreeSet::new()));

impl log::Log for Targets {
    fn enabled(&self, _: &log::Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &log::Record<'_>) {
        let mut targets = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        targets.insert(record.target().to_owned());
    }

    fn flush(&self) {}
}

/// Returns the targets that the guide documents.
fn documented_targets() -> Vec<String> {
    let guide = include_str!("../docs/GUIDE.md");
    let (_, section) = guide
        .split_once("\n## Log output of other crates\n")
        .unwrap();
    let section = section.split("\n## ").next().unwrap();
    let rows = section.lines().filter_map(|line| line.strip_prefix("| `"));
    let targets: Vec<_> = rows
        .map(|row| row.split('`').next().unwrap().to_owned())
        .collect();
    assert!(!targets.is_empty());
    targets
}

/// With the feature `tracing/log-always` in the dependency graph, which no library can prevent, records about traffic
/// reach the logger of `log`.
///
/// Run this test with `cargo test --features tracing/log-always,rustls/logging --test feedback only_documented`. The
/// filter excludes the other test, whose subscriber would count the events of this test's receivers.
#[test]
fn only_documented_targets_reach_the_logger_of_log() {
    log::set_logger(&TARGETS).unwrap();
    log::set_max_level(log::LevelFilter::Trace);
    const PROBE: &str = "feedback::probe";
    // The subscriber of the other test must not receive this event.
    tracing::dispatcher::with_default(&tracing::Dispatch::none(), || {
        tracing::trace!(target: PROBE, "is the feature on?");
    });
    let seen = || TARGETS.0.lock().unwrap().clone();
    if !seen().contains(PROBE) {
        eprintln!("skipped: needs the feature tracing/log-always");
        return;
    }

    let (authority, files) = (Authority::new("ours"), Files::new());
    let file = files.write("ca.pem", authority.pem());
    let trust_and_prometheus = [
        ("OTEL_EXPORTER_OTLP_CERTIFICATE", file.as_str()),
        ("OTEL_METRICS_EXPORTER", "otlp,prometheus"),
        ("OTEL_EXPORTER_PROMETHEUS_PORT", "0"),
    ];
    let unused_port = refused_port();
    for protocol in ["grpc", "http/protobuf", "http/json"] {
        let receiver = match protocol {
            "grpc" => Receiver::grpc(),
            _ => Receiver::http(),
        };
        let behavior = Behavior::new(authority.local(), protocol == "grpc");
        let tls_server = TlsServer::in_front_of(receiver.port(), &behavior);
        run(protocol, &unused_port.endpoint(), &[]);
        run(protocol, &receiver.endpoint(), &[]);
        run(protocol, &tls_server.endpoint(), &trust_and_prometheus);
    }

    let documented = documented_targets();
    let is_documented = |target: &String| {
        let mut names = documented.iter();
        names.any(|name| target == name || target.starts_with(&format!("{name}::")))
    };
    let seen = seen();
    let others: Vec<_> = seen
        .iter()
        .filter(|target| *target != PROBE && !is_documented(target))
        .collect();
    assert!(others.is_empty(), "not in docs/GUIDE.md: {others:?}");
    assert!(
        seen.iter().any(|target| target.starts_with("h2")),
        "{seen:?}"
    );
}
