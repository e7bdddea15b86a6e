//! A host that exports events over OTLP, for tests of connections.
#![cfg(all(feature = "grpc", feature = "http"))]
#![allow(unreachable_pub)]

use std::time::{Duration, Instant};

use claude_code_telemetry::{Config, ExporterHealth, ExporterState, Signal, Telemetry};

use crate::host::{Protocol, config, environment, otlp, service, session, within};

/// A timeout that exceeds the duration of every step.
pub const LONG: Duration = Duration::from_secs(60);

pub type Variable<'a> = (&'a str, &'a str);

/// Builds a configuration that exports only events, with credentials, unless `more` adds other signals. The events are
/// sent only by a flush.
pub fn configuration(protocol: Protocol, endpoint: &str, more: &[Variable<'_>]) -> Config {
    let base = [
        ("OTEL_METRICS_EXPORTER", "none"),
        ("CLAUDE_CODE_OTEL_SHUTDOWN_TIMEOUT_MS", "50"),
        ("OTEL_EXPORTER_OTLP_HEADERS", "authorization=Bearer CANARY"),
    ];
    config(environment(endpoint, protocol, &[&base, more].concat()))
}

/// Starts telemetry with such a configuration, which must cause no warning.
pub fn start(protocol: Protocol, endpoint: &str, more: &[Variable<'_>]) -> Telemetry {
    let config = configuration(protocol, endpoint, more);
    assert_eq!(config.warnings(), [], "{protocol:?} {more:?}");
    Telemetry::start(config, service())
}

/// Records a prompt.
pub fn record(telemetry: &Telemetry) {
    telemetry
        .session(session("one"))
        .prompt("Fix the bug")
        .end();
}

/// Returns the health of the exporter of events.
pub fn events(telemetry: &Telemetry) -> ExporterHealth {
    otlp(&telemetry.health(), Signal::Logs)
}

/// Returns the last error of an exporter; an empty string if there was none.
fn last_error(health: &ExporterHealth) -> &str {
    let error = health.last_error.as_ref();
    error.map_or("", |error| &error.message)
}

/// Records a prompt, and asserts that a flush delivers it.
#[track_caller]
pub fn assert_flushes(telemetry: &Telemetry) {
    record(telemetry);
    let report = telemetry.flush_within(LONG);
    assert!(report.is_complete(), "{:?}", events(telemetry).last_error);
}

/// Records a prompt, and flushes until the reported error satisfies `expected`. Asserts that each flush keeps its
/// deadline and that no data is lost.
#[track_caller]
pub fn assert_fails(telemetry: &Telemetry, expected: impl Fn(&str) -> bool) {
    record(telemetry);
    let limit = Duration::from_millis(250);
    let begin = Instant::now();
    loop {
        let report = within(limit, || telemetry.flush_within(limit));
        assert!(!report.is_complete());
        let health = events(telemetry);
        let message = last_error(&health);
        if expected(message) {
            assert_eq!(health.state, ExporterState::Failing, "{health:?}");
            assert!(health.queued > 0, "{health:?}");
            assert_eq!(health.dropped.total(), 0, "{health:?}");
            return;
        }
        assert!(begin.elapsed() < LONG, "{message}");
    }
}
