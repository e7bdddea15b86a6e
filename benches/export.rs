//! Measures the export of 10,000 events: CPU time of this process and size of the requests, for each protocol, with and
//! without gzip.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout
)]

#[path = "support/mod.rs"]
mod support;

use support::cpu;
use support::host::{self, Signals};
use support::receiver::Receiver;

#[global_allocator]
static ALLOCATOR: support::alloc::Counting = support::alloc::Counting;

const EVENTS: u64 = 10_000;
const ROUNDS: usize = 7;

fn main() {
    support::receiver::run_receiver_if_child();
    println!("| protocol | compression | CPU, ms | bytes | requests |");
    println!("| --- | --- | ---: | ---: | ---: |");
    for protocol in ["grpc", "http/protobuf", "http/json"] {
        for compression in ["none", "gzip"] {
            measure(protocol, compression);
        }
    }
}

fn measure(protocol: &str, compression: &str) {
    let mut receiver = Receiver::start(protocol);
    let extra = [("OTEL_EXPORTER_OTLP_COMPRESSION", compression)];
    let telemetry = host::telemetry(Signals::Events, &receiver.endpoint(), protocol, &extra);
    let prompt = host::prompt(&telemetry, 0);
    assert!(telemetry.flush().is_complete());
    let mut min_cpu = u64::MAX;
    // The bytes and the requests of the last round.
    let mut received = (0, 0);
    for _ in 0..ROUNDS {
        let before = receiver.received();
        let start = cpu::process();
        for _ in 0..EVENTS {
            prompt.record_api_request(host::request());
        }
        assert!(telemetry.flush().is_complete());
        min_cpu = min_cpu.min(cpu::process() - start);
        let after = receiver.received();
        received = (after.0 - before.0, after.1 - before.1);
    }
    println!(
        "| {protocol} | {compression} | {:.1} | {} | {} |",
        min_cpu as f64 / 1e6,
        received.0,
        received.1
    );
}
