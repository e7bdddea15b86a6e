//! A long run, over gRPC and then over HTTP, against a receiver that is killed and restarted ten times.
//!
//! `cargo run --release --example soak [RECORDS]` prints the numbers of items that were recorded, received, and dropped
//! and counted. It fails if the sums differ, if an item was resent with changes, or if memory exceeded its limit.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout
)]

#[path = "../tests/support/soak.rs"]
mod soak;

use std::path::Path;
use std::process::{Command, ExitCode};
use std::time::Duration;

/// Returns the command that runs this program as the receiver. `item_log` is the file in which it logs each item.
fn receiver(port: u16, protocol: &str, item_log: &Path) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args(["receive", &port.to_string(), protocol])
        .arg(item_log);
    command
}

fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    if let [word, port, protocol, item_log] = &arguments[..]
        && word == "receive"
    {
        soak::receive(port.parse().unwrap(), protocol, Path::new(item_log));
        return ExitCode::SUCCESS;
    }
    let records = arguments.first().map_or(2_000_000, |count| {
        count.parse().expect("a number of records")
    });
    let mut exit = ExitCode::SUCCESS;
    for protocol in ["grpc", "http/protobuf"] {
        let summary = soak::run(&soak::Parameters {
            protocol,
            records,
            threads: 8,
            restarts: 10,
            rate: 50_000,
            downtime: Duration::from_millis(800),
            receiver,
            max_memory: 128 * 1024 * 1024,
        });
        println!("{summary}\n");
        if !summary.failures.is_empty() {
            exit = ExitCode::FAILURE;
        }
    }
    exit
}
