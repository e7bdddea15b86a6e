//! Telemetry that exports to a receiver, for tests that check every record.
#![allow(dead_code, unreachable_pub)]

use std::time::Duration;

use claude_code_telemetry::{Config, ConfigBuilder, Service, Telemetry};

use super::host::Protocol;
use super::support::{Received, Receiver};

/// Returns variables that turn on all signals and export to this receiver.
pub fn variables(receiver: &Receiver, protocol: Protocol) -> Vec<(String, String)> {
    let endpoint = receiver.endpoint();
    [
        ("CLAUDE_CODE_ENABLE_TELEMETRY", "1"),
        ("CLAUDE_CODE_ENHANCED_TELEMETRY_BETA", "1"),
        ("OTEL_METRICS_EXPORTER", "otlp"),
        ("OTEL_LOGS_EXPORTER", "otlp"),
        ("OTEL_TRACES_EXPORTER", "otlp"),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", protocol.name()),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", &endpoint),
        // Slow operations of debug builds must not time out.
        ("CLAUDE_CODE_OTEL_SHUTDOWN_TIMEOUT_MS", "60000"),
        ("OTEL_EXPORTER_OTLP_TIMEOUT", "30000"),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .into()
}

/// Returns a configuration with [`variables`] and `more` of them, which does not read the environment of the process.
/// The installation id is stored in a temporary directory.
pub fn config(
    receiver: &Receiver,
    protocol: Protocol,
    more: &[(&str, &str)],
) -> (ConfigBuilder, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let mut all = variables(receiver, protocol);
    all.extend(
        more.iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned())),
    );
    let config = Config::builder()
        .environment(all)
        .installation_id_path(folder.path().join("installation-id"));
    (config, folder)
}

/// Returns the data that telemetry with this configuration delivers when `what` records with it.
pub fn delivered(
    receiver: &Receiver,
    config: ConfigBuilder,
    what: impl FnOnce(&Telemetry),
) -> Received {
    receiver.clear();
    let telemetry = Telemetry::start(config.build(), Service::new("claude-code", "1.2.3"));
    what(&telemetry);
    let report = telemetry.shutdown();
    assert!(report.is_complete(), "{report}");
    receiver.received().accepted()
}

/// Like [`delivered`], over gRPC and with more variables.
pub fn recorded(more: &[(&str, &str)], what: impl FnOnce(&Telemetry)) -> Received {
    let receiver = Receiver::grpc();
    let (config, _folder) = config(&receiver, Protocol::Grpc, more);
    delivered(&receiver, config, what)
}

/// The longest time that a test waits for work in the background.
pub const SOON: Duration = Duration::from_secs(60);
