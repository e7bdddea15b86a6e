//! Telemetry that exports to a receiver, for tests that check every record.
#![allow(dead_code, unreachable_pub)]

use claude_code_telemetry::{Config, ConfigBuilder, Telemetry};

use crate::host::{ENABLE_TRACES, Protocol, environment, service};
use crate::support::{Received, Receiver};

/// Returns a configuration that exports all signals to `receiver`. Entries of `more` take precedence. The installation
/// id is stored in a temporary directory.
pub fn config(
    receiver: &Receiver,
    protocol: Protocol,
    more: &[(&str, &str)],
) -> (ConfigBuilder, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let extra = [&ENABLE_TRACES[..], more].concat();
    let config = Config::builder()
        .environment(environment(&receiver.endpoint(), protocol, &extra))
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
    let telemetry = Telemetry::start(config.build(), service());
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
