//! Memory with many open and ended sessions, each measured in a fresh process.

use std::time::Instant;

use claude_code_telemetry::Telemetry;

use crate::line::{argument, at_most, child, formatted, note, report};
use crate::support::host::{self, Signals};
use crate::support::receiver::Receiver;
use crate::support::{alloc, proc};

/// The number of sessions that are open at the same time, in the child `open`.
const OPEN_SESSIONS: usize = 10_000;
/// The number of sessions that are opened and ended one after another, by the child `ended`.
const ENDED_SESSIONS: usize = 1_000_000;
/// The number of ended sessions that the library remembers.
const REMEMBERED: f64 = 1_024.0;
/// The series of a session: session count, cost and four types of tokens.
const SERIES_PER_SESSION: f64 = 6.0;

pub(crate) fn measure() {
    let receiver = Receiver::start("http/protobuf");
    let open = child("open", &receiver.endpoint());
    let get = |name| open.get(name).unwrap_or(f64::INFINITY);
    at_most(
        "open-session",
        get("idle") / OPEN_SESSIONS as f64 / 1024.0,
        2.0,
        "KiB of heap",
    );
    at_most(
        "open-sessions-without-their-series",
        OPEN_SESSIONS as f64 * SERIES_PER_SESSION - get("delivered"),
        0.0,
        "points",
    );
    note(format!(
        "peak during a collection: {} KiB more for each session; resident memory {} MiB with {OPEN_SESSIONS} sessions",
        formatted((get("peak") - get("idle")) / OPEN_SESSIONS as f64 / 1024.0),
        formatted(get("resident") / 1024.0),
    ));
    let kept = get("after") / (get("idle") / OPEN_SESSIONS as f64);
    at_most("ended-sessions", kept, REMEMBERED, "open sessions' heap");
    note(format!(
        "after {OPEN_SESSIONS} sessions ended: {} KiB of heap for the last {REMEMBERED} (remembered)",
        formatted(get("after") / 1024.0)
    ));

    let ended = child("ended", &receiver.endpoint());
    let get = |name| ended.get(name).unwrap_or(f64::INFINITY);
    at_most(
        "heap-growth-with-ended-sessions",
        get("last") / get("first").max(1.0),
        1.1,
        "(heap after 1,000,000 sessions / heap after 20,000)",
    );
    note(format!(
        "{ENDED_SESSIONS} sessions: {} KiB of heap, resident memory {} MiB, {} s",
        formatted(get("last") / 1024.0),
        formatted(get("resident") / 1024.0),
        formatted(get("seconds")),
    ));
}

fn telemetry() -> Telemetry {
    host::telemetry(Signals::Metrics, &argument(), "http/protobuf", &[])
}

fn delivered(telemetry: &Telemetry) -> u64 {
    let health = telemetry.health();
    health
        .exporters
        .iter()
        .map(|exporter| exporter.delivered)
        .sum()
}

/// Measures the heap with [`OPEN_SESSIONS`] open sessions, and again after their end.
pub(crate) fn open_child() {
    alloc::count();
    let telemetry = telemetry();
    // The first session opens the connection and makes the allocations that all sessions share.
    host::session(&telemetry, OPEN_SESSIONS).record_api_request(host::request());
    assert!(telemetry.flush().is_complete());
    let (before, points) = (alloc::live(), delivered(&telemetry));
    let sessions: Vec<_> = (0..OPEN_SESSIONS)
        .map(|number| {
            let session = host::session(&telemetry, number);
            session.record_api_request(host::request());
            session
        })
        .collect();
    // Starts the measurement of the peak.
    alloc::take_peak();
    assert!(telemetry.flush().is_complete());
    let idle = alloc::live() - before;
    report("idle", idle);
    report("peak", alloc::take_peak() - before);
    report("delivered", delivered(&telemetry) - points);
    report("resident", proc::resident().unwrap_or(0));
    drop(sessions);
    // The first flush delivers the series of the ended sessions. The others release the series and sessions that are no
    // longer remembered.
    for _ in 0..3 {
        assert!(telemetry.flush().is_complete());
    }
    report("after", alloc::live() - before);
}

/// Measures the heap after 20,000 and after [`ENDED_SESSIONS`] ended sessions.
pub(crate) fn ended_child() {
    alloc::count();
    let telemetry = telemetry();
    let before = alloc::live();
    let start = Instant::now();
    for number in 1..=ENDED_SESSIONS {
        host::session(&telemetry, number).record_api_request(host::request());
        if number % 10_000 == 0 {
            assert!(telemetry.flush().is_complete());
        }
        if number == 20_000 {
            report("first", alloc::live() - before);
        }
    }
    report("seconds", start.elapsed().as_secs_f64());
    report("last", alloc::live() - before);
    report("resident", proc::resident().unwrap_or(0));
}
