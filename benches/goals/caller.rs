//! The cost of a record for its caller: time compared with the peers, and allocations.

use std::hint::black_box;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use claude_code_telemetry::Telemetry;

use crate::line::{at_least, at_most, note, shown, unknown};
use crate::support::alloc;
use crate::support::contender::{CALLS, Contender, cold, in_turns, two_threads, warm};
use crate::support::host::{self, Signals};
use crate::support::peers::{Appender, Careful, Documented, Export, Peer, contender};
use crate::support::proc;
use crate::support::receiver::Receiver;

const ROUNDS: usize = 31;
const COLD_ROUNDS: usize = 9;

pub(crate) fn measure() {
    let receiver = Receiver::start("http/protobuf");
    let started = [Signals::Both, Signals::Metrics, Signals::Events]
        .map(|signals| host::telemetry(signals, &receiver.endpoint(), "http/protobuf", &[]));
    let [both, metrics, events] = &started;
    let ours = |telemetry: &Telemetry| {
        let (prompt, telemetry) = (host::prompt(telemetry, 0), telemetry.clone());
        Contender::new(
            "ours",
            move |_| prompt.record_api_request(black_box(host::request())),
            move || assert!(telemetry.flush().is_complete(), "{}", telemetry.flush()),
        )
    };
    let a = Arc::new(Documented::new(Export::Count, 1));
    let b = Arc::new(Careful::new(Export::Count, 1));
    let c = Arc::new(Appender::new(Export::Count, 1));
    let all = [
        ours(both),
        contender("a", &a),
        contender("b", &b),
        contender("c", &c),
        ours(metrics),
        ours(events),
        Contender::new(
            "nothing",
            |number| {
                black_box(number);
            },
            || {},
        ),
    ];
    let (counts_a, counts_b) = (Arc::clone(&a), Arc::clone(&b));
    let (settle_a, settle_b) = (Arc::clone(&a), Arc::clone(&b));
    let only_metrics = [
        ours(metrics),
        Contender::new(
            "a",
            move |number| counts_a.metrics(number),
            move || settle_a.providers().settle(),
        ),
        Contender::new(
            "b",
            move |number| counts_b.metrics(number),
            move || settle_b.providers().settle(),
        ),
    ];

    compare(
        "caller",
        &all[..4],
        20.0,
        &in_turns(&all[..4], ROUNDS, warm),
    );
    compare(
        "caller-metrics-only",
        &only_metrics,
        50.0,
        &in_turns(&only_metrics, ROUNDS, warm),
    );
    compare(
        "caller-two-threads",
        &all[..4],
        10.0,
        &in_turns(&all[..4], ROUNDS, two_threads),
    );
    // Subtracts the cost of reading the clock, measured with cold caches too.
    let mut nanos = in_turns(&all, COLD_ROUNDS, cold);
    let clock = nanos.pop().unwrap_or(0.0);
    nanos.iter_mut().for_each(|nanos| *nanos -= clock);
    compare("caller-cold", &all[..4], 10.0, &nanos);

    allocations("metrics", &all[4], 0.0);
    allocations("event", &all[5], 1.0);
    allocations("metrics-and-event", &all[0], 1.0);
    for (name, peer) in [("a", &all[1]), ("b", &all[2]), ("c", &all[3])] {
        let (calls, bytes) = allocated(peer);
        note(format!(
            "({name}) allocates {calls:.1} times, {bytes:.0} bytes"
        ));
    }
    wake_ups(&all[0]);
    disabled();
    for (name, peer) in [
        ("a", a.providers()),
        ("b", b.providers()),
        ("c", c.providers()),
    ] {
        let exported = peer.counted.logs.load(Ordering::Relaxed);
        note(format!("({name}) exported {exported} events in all"));
    }
    let dropped: u64 = started
        .iter()
        .flat_map(|telemetry| telemetry.health().exporters)
        .map(|exporter| exporter.dropped.total())
        .sum();
    at_most("caller-dropped", dropped as f64, 0.0, "items");
}

/// Prints the ratios to (a) and (c), which have a target, and to (b), which has none.
fn compare(name: &str, contenders: &[Contender], target: f64, nanos: &[f64]) {
    for (contender, other) in contenders.iter().zip(nanos).skip(1) {
        let ratio = other / nanos[0];
        if contender.name == "b" {
            note(format!("{name}: {} times (b)", shown(ratio)));
        } else {
            at_least(
                &format!("{name}-vs-{}", contender.name),
                ratio,
                target,
                "times",
            );
        }
    }
    let figures: Vec<_> = contenders
        .iter()
        .zip(nanos)
        .map(|(contender, nanos)| format!("{} {} ns", contender.name, shown(*nanos)))
        .collect();
    note(format!("{name}: {}", figures.join(", ")));
}

/// Returns the average number and size of the allocations of a call.
fn allocated(contender: &Contender) -> (f64, f64) {
    (contender.settle)();
    let counted = alloc::during(|| {
        (contender.call)(0, CALLS);
    });
    (contender.settle)();
    (
        counted.calls as f64 / CALLS as f64,
        counted.bytes as f64 / CALLS as f64,
    )
}

fn allocations(name: &str, contender: &Contender, target: f64) {
    let (calls, bytes) = allocated(contender);
    // The queue allocates a block for every 31 records.
    at_most(
        &format!("allocations-{name}"),
        calls.floor(),
        target,
        "allocations",
    );
    note(format!(
        "allocations-{name}: {calls:.2} in the mean of {CALLS} calls, {bytes:.0} bytes"
    ));
}

/// Measures whether recording wakes a thread.
fn wake_ups(ours: &Contender) {
    (ours.settle)();
    // Waits until the work that the flush left behind is done.
    std::thread::sleep(Duration::from_millis(200));
    let before = proc::wake_ups();
    (ours.call)(0, CALLS);
    match before.zip(proc::wake_ups()) {
        Some((before, after)) => at_most(
            "wake-ups-of-400-records",
            after.saturating_sub(before) as f64,
            0.0,
            "wake-ups",
        ),
        None => unknown("wake-ups-of-400-records", "this system has no /proc"),
    }
    (ours.settle)();
}

fn disabled() {
    let telemetry = host::telemetry(Signals::Nothing, "http://127.0.0.1:9", "grpc", &[]);
    let prompt = host::prompt(&telemetry, 0);
    const MANY: u32 = 100_000;
    // The empty loop shows the part of the time that is not the call.
    let (mut best, mut empty) = (f64::INFINITY, f64::INFINITY);
    for _ in 0..ROUNDS {
        let start = Instant::now();
        for _ in 0..MANY {
            prompt.record_api_request(host::request());
            black_box(&prompt);
        }
        best = best.min(start.elapsed().as_nanos() as f64 / f64::from(MANY));
        let start = Instant::now();
        for _ in 0..MANY {
            black_box(&prompt);
        }
        empty = empty.min(start.elapsed().as_nanos() as f64 / f64::from(MANY));
    }
    at_most("disabled", best, 2.0, "ns");
    note(format!("disabled: of it {} ns for the loop", shown(empty)));
    let counted = alloc::during(|| prompt.record_api_request(host::request()));
    at_most(
        "disabled-allocations",
        counted.calls as f64,
        0.0,
        "allocations",
    );
}
