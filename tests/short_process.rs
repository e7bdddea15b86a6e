//! A process that records and exits at once delivers everything.
#![cfg(all(feature = "grpc", feature = "http"))]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "support/host.rs"]
mod host;
mod support;

use std::process::Command;

use claude_code_telemetry::{ApiRequest, Commit, Config, Telemetry, TokenUsage};
use host::{Protocol, environment, service, session};
use serde_json::json;
use support::Receiver;

/// Names, in a child process, how it ends.
const MARKER: &str = "SHORT_PROCESS_ENDS_BY";

/// The child: this test binary again. Without the marker it does nothing.
#[test]
fn child() {
    let Ok(ends_by) = std::env::var(MARKER) else {
        return;
    };
    let telemetry = Telemetry::start(Config::load(), service());
    let session = telemetry.session(session("short"));
    let prompt = session.prompt("Fix the bug");
    for _ in 0..100 {
        prompt.record_api_request(
            ApiRequest::new("sonnet")
                .tokens(TokenUsage::new().input(2))
                .cost_usd(0.5),
        );
    }
    session.record_commit(Commit::new());
    match ends_by.as_str() {
        "shutdown" => drop(telemetry.shutdown()),
        // The session outlives it.
        "drop" => drop(telemetry),
        "async" => {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .build()
                .unwrap();
            drop(runtime.block_on(telemetry.shutdown_async()));
        }
        other => panic!("{other}"),
    }
    std::process::exit(0);
}

#[track_caller]
fn assert_delivers(ends_by: &str) {
    for protocol in Protocol::all() {
        let receiver: Receiver = protocol.receiver();
        let output = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "child", "--nocapture"])
            .env_clear()
            .envs(environment(&receiver.endpoint(), protocol, &[]))
            .env(MARKER, ends_by)
            .output()
            .unwrap();
        assert!(output.status.success(), "{output:?}");
        let received = receiver.received();
        let logs = received.logs();
        let sequence: Vec<_> = logs
            .iter()
            .map(|log| log.attributes["event.sequence"].clone())
            .collect();
        assert_eq!(sequence, (0..101).map(|n| json!(n)).collect::<Vec<_>>());
        let total = |metric, own| host::sum(&host::select(&received.points(), metric, own));
        assert_eq!(total("claude_code.session.count", &[]), 1.0);
        assert_eq!(total("claude_code.commit.count", &[]), 1.0);
        assert_eq!(
            total("claude_code.cost.usage", &[("model", "sonnet")]),
            50.0
        );
        assert_eq!(
            total("claude_code.token.usage", &[("type", "input")]),
            200.0
        );
    }
}

#[test]
fn with_a_shutdown() {
    assert_delivers("shutdown");
}

#[test]
fn with_a_shutdown_in_a_task() {
    assert_delivers("async");
}

#[test]
fn when_it_only_drops_the_telemetry() {
    assert_delivers("drop");
}
