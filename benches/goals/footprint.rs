//! Start time, threads, memory and CPU time at rest, each measured in a fresh process.

use std::time::{Duration, Instant};

use claude_code_telemetry::Telemetry;

use crate::line::{at_most, child, children, formatted, note, report, smallest, unknown};
use crate::support::host::{self, Signals};
use crate::support::receiver::Receiver;
use crate::support::{cpu, proc};

const ROUNDS: usize = 9;

/// The time for which an idle child is measured: two export intervals of events.
const IDLE: Duration = Duration::from_secs(10);

/// An endpoint on which no receiver listens.
const UNUSED_ENDPOINT: &str = "http://127.0.0.1:9";

pub(crate) fn measure() {
    let started = children(ROUNDS, "start", UNUSED_ENDPOINT);
    let start = smallest(&started, "start_us").unwrap_or(f64::INFINITY);
    at_most("start", start, 200.0, "µs on the caller");
    if let Some(all) = smallest(&started, "first_record_us") {
        note(format!(
            "from the start of main to the first record, including configuration and session: {} µs",
            formatted(all)
        ));
    }
    if let Some(kib) = smallest(&started, "anonymous_kib") {
        at_most(
            "memory-at-rest",
            kib / 1024.0,
            2.0,
            "MiB of anonymous memory",
        );
    }
    // The resident memory also contains pages of the program's code, of which the system maps many at once. They are
    // shared, and reclaimed when memory is short. Therefore the goal above counts anonymous memory only.
    match smallest(&started, "resident_kib") {
        Some(kib) => at_most(
            "memory-at-rest-with-code",
            kib / 1024.0,
            2.0,
            "MiB resident",
        ),
        None => unknown("memory-at-rest-with-code", "this system has no /proc"),
    }
    let receiver = Receiver::start("grpc");
    let live = children(ROUNDS, "start", &receiver.endpoint());
    if let Some(took) = smallest(&live, "shutdown_us") {
        note(format!(
            "shutdown with a live receiver: {} µs",
            formatted(took)
        ));
    }
    let idle = child("idle", UNUSED_ENDPOINT);
    match idle.get("threads") {
        Some(threads) => at_most("threads", threads, 2.0, "long-lived threads"),
        None => unknown("threads", "this system has no /proc"),
    }
    match (idle.get("wake_ups"), idle.get("cpu_us")) {
        (Some(wake_ups), Some(cpu)) => note(format!(
            "idle: {} wake-ups and {} µs of CPU time for each second",
            formatted(wake_ups),
            formatted(cpu)
        )),
        _ => unknown("idle", "this system has no /proc"),
    }
}

/// Returns a configuration for all three signals over gRPC to `endpoint`, at the default intervals.
fn config(endpoint: &str) -> claude_code_telemetry::Config {
    let mut environment = host::environment(Signals::All, endpoint, "grpc", &[]);
    environment.retain(|name, _| !name.ends_with("_EXPORT_INTERVAL"));
    host::config(environment)
}

pub(crate) fn start_child() {
    let main = Instant::now();
    let (before, anonymous) = (proc::resident(), proc::anonymous());
    let config = config(&crate::line::argument());
    let start = Instant::now();
    let telemetry = Telemetry::start(config, host::service());
    report("start_us", start.elapsed().as_nanos() as f64 / 1_000.0);
    let session = host::session(&telemetry, 0);
    session.record_api_request(host::request());
    report(
        "first_record_us",
        main.elapsed().as_nanos() as f64 / 1_000.0,
    );
    // The exporters are built within this time.
    std::thread::sleep(Duration::from_millis(300));
    if let (Some(before), Some(now)) = (before, proc::resident()) {
        report("resident_kib", now.saturating_sub(before));
    }
    if let (Some(before), Some(now)) = (anonymous, proc::anonymous()) {
        report("anonymous_kib", now.saturating_sub(before));
    }
    let start = Instant::now();
    telemetry.shutdown_within(Duration::from_millis(500));
    report("shutdown_us", start.elapsed().as_nanos() as f64 / 1_000.0);
}

pub(crate) fn idle_child() {
    let threads = proc::threads();
    let telemetry = Telemetry::start(config(UNUSED_ENDPOINT), host::service());
    std::thread::sleep(Duration::from_millis(500));
    let (wake_ups, cpu) = (proc::wake_ups(), cpu::process());
    std::thread::sleep(IDLE);
    let seconds = IDLE.as_secs_f64();
    if let (Some(before), Some(now)) = (wake_ups, proc::wake_ups()) {
        // One of the wake-ups belongs to this thread.
        report("wake_ups", now.saturating_sub(before + 1) as f64 / seconds);
    }
    report("cpu_us", (cpu::process() - cpu) as f64 / 1_000.0 / seconds);
    // The threads that built the exporters have ended.
    if let (Some(before), Some(now)) = (threads, proc::threads()) {
        report("threads", now - before);
    }
    drop(telemetry);
}
