//! A host that exports events over OTLP, for tests of connections.
#![cfg(all(feature = "grpc", feature = "http"))]
#![allow(unreachable_pub, clippy::unwrap_used)]

use std::time::Duration;

use claude_code_telemetry::{Config, ExporterHealth, Service, SessionOptions, Signal, Telemetry};

use super::host::Protocol;

/// A timeout that exceeds the duration of every step.
pub const LONG: Duration = Duration::from_secs(60);

pub type Variable<'a> = (&'a str, &'a str);

/// Builds a configuration that exports only events, with credentials, unless `more` adds other signals. The events are
/// sent only by a flush.
pub fn configuration(protocol: Protocol, endpoint: &str, more: &[Variable<'_>]) -> Config {
    let base = [
        ("CLAUDE_CODE_ENABLE_TELEMETRY", "1"),
        ("OTEL_LOGS_EXPORTER", "otlp"),
        ("OTEL_LOGS_EXPORT_INTERVAL", "3600000"),
        ("CLAUDE_CODE_OTEL_FLUSH_TIMEOUT_MS", "60000"),
        ("CLAUDE_CODE_OTEL_SHUTDOWN_TIMEOUT_MS", "50"),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", protocol.name()),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint),
        ("OTEL_EXPORTER_OTLP_HEADERS", "authorization=Bearer CANARY"),
    ];
    Config::builder()
        .environment(base.iter().chain(more).copied())
        .installation_id_path("/nonexistent/installation-id")
        .build()
}

/// Starts telemetry with such a configuration, which must cause no warning.
pub fn start(protocol: Protocol, endpoint: &str, more: &[Variable<'_>]) -> Telemetry {
    let config = configuration(protocol, endpoint, more);
    assert_eq!(config.warnings(), [], "{protocol:?} {more:?}");
    Telemetry::start(config, Service::new("claude-code", "1.2.3"))
}

/// Records a prompt.
pub fn record(telemetry: &Telemetry) {
    let session = telemetry.session(SessionOptions::new().id("one"));
    session.prompt("Fix the bug").end();
}

/// Returns the health of the OTLP exporter of a signal.
pub fn exporter(telemetry: &Telemetry, signal: Signal) -> ExporterHealth {
    let all = telemetry.health().exporters;
    all.into_iter().find(|one| one.signal == signal).unwrap()
}

/// Returns the last error of the exporter of events; an empty string if there was none.
pub fn last_error(telemetry: &Telemetry) -> String {
    let error = exporter(telemetry, Signal::Logs).last_error;
    error.map_or(String::new(), |error| error.message)
}
