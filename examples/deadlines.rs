//! Measures how long a flush and a shutdown take with every kind of receiver and host.
//!
//! `cargo run --example deadlines` prints a table in Markdown, and fails if a call exceeded its deadline by more than
//! 50 ms. Each cell contains two times in milliseconds: that of the slower of two concurrent flushes, and that of the
//! slower of two concurrent shutdowns.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout
)]

#[path = "../tests/support/mod.rs"]
mod support;

use std::process::ExitCode;
use std::thread;
use std::time::{Duration, Instant};

use claude_code_telemetry::{Commit, Config, Identity, Service, Telemetry, ToolResult};
use support::{Answer, Receiver, black_hole, refused_port};
use tokio::runtime::{Builder, Runtime};
use tonic::Code;

/// The configured timeout of flush and shutdown.
const DEADLINE: Duration = Duration::from_millis(250);
/// The time by which a call may exceed the deadline.
const TOLERANCE: Duration = Duration::from_millis(50);

const PROTOCOLS: [&str; 3] = ["grpc", "http/protobuf", "http/json"];

/// The behavior of the receiver.
#[derive(Clone, Copy)]
enum Fault {
    Healthy,
    Refused,
    Reset,
    BlackHole,
    SlowDrip,
    Unavailable,
    TooMany,
    BadRequest,
    Garbage,
}

const FAULTS: [(Fault, &str); 9] = [
    (Fault::Healthy, "healthy"),
    (Fault::Refused, "port refused"),
    (Fault::Reset, "connection reset"),
    (Fault::BlackHole, "black hole"),
    (Fault::SlowDrip, "slow drip"),
    (Fault::Unavailable, "503, UNAVAILABLE"),
    (
        Fault::TooMany,
        "429, RESOURCE_EXHAUSTED, with a requested wait of one hour",
    ),
    (Fault::BadRequest, "400, INVALID_ARGUMENT"),
    (Fault::Garbage, "200 with garbage"),
];

impl Fault {
    fn answer(self, grpc: bool) -> Answer {
        let hour = Duration::from_secs(3600);
        match (self, grpc) {
            (Self::Reset, _) => Answer::Reset,
            (Self::SlowDrip, _) => Answer::Drip,
            (Self::Garbage, _) => Answer::Garbage,
            (Self::Unavailable, true) => Answer::code(Code::Unavailable, "later"),
            (Self::Unavailable, false) => Answer::status(503),
            (Self::TooMany, true) => Answer::code(Code::ResourceExhausted, "").retry_after(hour),
            (Self::TooMany, false) => Answer::status(429).retry_after(hour),
            (Self::BadRequest, true) => Answer::code(Code::InvalidArgument, "no"),
            (Self::BadRequest, false) => Answer::status(400),
            (Self::Healthy | Self::Refused | Self::BlackHole, _) => Answer::Ok,
        }
    }
}

/// The kind of host that makes the calls.
#[derive(Clone, Copy)]
enum Host {
    Plain,
    CurrentSync,
    CurrentAsync,
    MultiSync,
    MultiAsync,
}

const HOSTS: [(Host, &str); 5] = [
    (Host::Plain, "no runtime"),
    (Host::CurrentSync, "current-thread, blocking"),
    (Host::CurrentAsync, "current-thread, async"),
    (Host::MultiSync, "multi-thread, blocking"),
    (Host::MultiAsync, "multi-thread, async"),
];

fn current() -> Runtime {
    Builder::new_current_thread().build().unwrap()
}

fn multi() -> Runtime {
    let mut builder = Builder::new_multi_thread();
    builder.worker_threads(2).build().unwrap()
}

/// The durations of a flush and of a shutdown.
type Times = [Duration; 2];

fn timed<T>(call: impl FnOnce() -> T) -> Duration {
    let start = Instant::now();
    let result = call();
    let took = start.elapsed();
    drop(result);
    took
}

/// Makes two concurrent calls from two threads. Returns the duration of the slower one.
fn both<T>(call: impl Fn() -> T + Sync) -> Duration {
    thread::scope(|scope| {
        let other = scope.spawn(|| timed(&call));
        timed(&call).max(other.join().unwrap())
    })
}

fn blocking(telemetry: &Telemetry) -> Times {
    let times = [both(|| telemetry.flush()), both(|| telemetry.shutdown())];
    check_third(times, timed(|| telemetry.shutdown()))
}

async fn asynchronous(telemetry: Telemetry) -> Times {
    let start = Instant::now();
    drop(tokio::join!(
        telemetry.flush_async(),
        telemetry.flush_async()
    ));
    let flush = start.elapsed();
    let start = Instant::now();
    drop(tokio::join!(
        telemetry.shutdown_async(),
        telemetry.shutdown_async()
    ));
    let times = [flush, start.elapsed()];
    let start = Instant::now();
    drop(telemetry.shutdown_async().await);
    check_third(times, start.elapsed())
}

/// Checks that a third shutdown, which has nothing left to do, returns at once.
fn check_third(times: Times, third: Duration) -> Times {
    assert!(third < TOLERANCE, "the third shutdown took {third:?}");
    times
}

fn measure(host: Host, telemetry: Telemetry) -> Times {
    match host {
        Host::Plain => blocking(&telemetry),
        Host::CurrentSync => current().block_on(async { blocking(&telemetry) }),
        Host::CurrentAsync => current().block_on(asynchronous(telemetry)),
        Host::MultiSync => {
            let runtime = multi();
            let task = runtime.spawn(async move { blocking(&telemetry) });
            runtime.block_on(task).unwrap()
        }
        Host::MultiAsync => {
            let runtime = multi();
            let task = runtime.spawn(asynchronous(telemetry));
            runtime.block_on(task).unwrap()
        }
    }
}

/// Starts telemetry and records data to deliver.
fn start(endpoint: &str, protocol: &str) -> Telemetry {
    let limit = DEADLINE.as_millis().to_string();
    let config = Config::builder()
        .environment([
            ("CLAUDE_CODE_ENABLE_TELEMETRY", "1"),
            ("CLAUDE_CODE_ENHANCED_TELEMETRY_BETA", "1"),
            ("OTEL_METRICS_EXPORTER", "otlp"),
            ("OTEL_LOGS_EXPORTER", "otlp"),
            ("OTEL_TRACES_EXPORTER", "otlp"),
            ("OTEL_EXPORTER_OTLP_PROTOCOL", protocol),
            ("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint),
            ("CLAUDE_CODE_OTEL_FLUSH_TIMEOUT_MS", &limit),
            ("CLAUDE_CODE_OTEL_SHUTDOWN_TIMEOUT_MS", &limit),
        ])
        .build();
    let telemetry = Telemetry::start(config, Service::new("claude-code", "1.2.3"));
    let session = telemetry.session(Identity::new().user_id("user-1"));
    let prompt = session.prompt("Fix the bug");
    for _ in 0..1_000 {
        prompt.record_tool_result(ToolResult::new("Read"));
        prompt.record_commit(Commit::new());
    }
    prompt.end();
    telemetry
}

fn cell(fault: Fault, protocol: &str, host: Host) -> Times {
    let grpc = protocol == "grpc";
    match fault {
        Fault::Refused => {
            let port = refused_port();
            measure(host, start(&port.endpoint(), protocol))
        }
        Fault::BlackHole => {
            let hole = black_hole();
            measure(host, start(&hole.endpoint(), protocol))
        }
        _ => {
            let receiver = if grpc {
                Receiver::grpc()
            } else {
                Receiver::http()
            };
            receiver.answer(move |_| fault.answer(grpc));
            measure(host, start(&receiver.endpoint(), protocol))
        }
    }
}

fn main() -> ExitCode {
    let names = HOSTS.map(|(_, name)| name).join(" | ");
    println!("| receiver | protocol | {names} |");
    println!("| --- | --- {}|", "| ---: ".repeat(HOSTS.len()));
    let mut worst = Duration::ZERO;
    for (fault, name) in FAULTS {
        for protocol in PROTOCOLS {
            let cells = HOSTS.map(|(host, _)| {
                let times = cell(fault, protocol, host);
                for time in times {
                    worst = worst.max(time.saturating_sub(DEADLINE));
                }
                let [flush, shutdown] = times.map(|time| time.as_secs_f64() * 1e3);
                format!("{flush:.0} / {shutdown:.0}")
            });
            println!("| {name} | {protocol} | {} |", cells.join(" | "));
        }
    }
    println!(
        "\nDeadline {} ms; worst overshoot {:.1} ms.",
        DEADLINE.as_millis(),
        worst.as_secs_f64() * 1e3
    );
    if worst > TOLERANCE {
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}
