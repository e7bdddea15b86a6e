//! A small soak test: a receiver that is killed twice under load, and an exact count of all items.
//! `examples/soak.rs` runs the large version.
#![cfg(all(feature = "grpc", feature = "http"))]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "support/soak.rs"]
mod soak;

use std::path::Path;
use std::process::Command;
use std::time::Duration;

/// The variable that is set if this process has to be the receiver. It holds the port, the protocol, and the path of
/// the item log: the file in which the receiver logs each item.
const MARKER: &str = "SOAK_RECEIVER";

/// The body of the receiver process, which runs this test binary again. Without the variable the test returns at
/// once.
#[test]
fn child() {
    let Ok(what) = std::env::var(MARKER) else {
        return;
    };
    let mut words = what.splitn(3, ' ');
    let mut word = || words.next().unwrap();
    soak::receive(word().parse().unwrap(), word(), Path::new(word()));
}

fn receiver(port: u16, protocol: &str, item_log: &Path) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args(["--exact", "child", "--nocapture"])
        .env(MARKER, format!("{port} {protocol} {}", item_log.display()));
    command
}

/// Runs the small soak test, and asserts that every item is accounted for.
fn assert_all_accounted_for(protocol: &'static str) {
    let summary = soak::run(&soak::Parameters {
        protocol,
        records: 50_000,
        threads: 8,
        restarts: 2,
        rate: 20_000,
        downtime: Duration::from_millis(300),
        receiver,
        max_memory: 512 * 1024 * 1024,
    });
    assert!(summary.failures.is_empty(), "{summary}");
}

#[test]
fn every_item_is_accounted_for_when_the_grpc_receiver_is_killed() {
    assert_all_accounted_for("grpc");
}

#[test]
fn every_item_is_accounted_for_when_the_http_receiver_is_killed() {
    assert_all_accounted_for("http/protobuf");
}
