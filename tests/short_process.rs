//! A process that exits immediately after recording delivers all data.
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

/// The variable that tells the child process how to end its telemetry.
const MARKER: &str = "SHORT_PROCESS_ENDS_BY";

/// The body of the child process, which runs this test binary again. Without the variable the test returns at once.
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
        // The session is still alive when the telemetry is dropped.
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
fn short_process_delivers_everything_with_a_shutdown() {
    assert_delivers("shutdown");
}

#[test]
fn short_process_delivers_everything_with_an_async_shutdown() {
    assert_delivers("async");
}

#[test]
fn short_process_delivers_everything_when_telemetry_is_dropped() {
    assert_delivers("drop");
}
