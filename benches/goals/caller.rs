//! The cost of a record for its caller: time and allocations, compared with three uses of opentelemetry-rust: (a) as
//! documented, (b) optimized, (c) through `tracing`.

use std::hint::black_box;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use claude_code_telemetry::Telemetry;

use crate::line::{at_least, at_most, formatted, note, unknown};
use crate::support::alloc;
use crate::support::contender::{CALLS, Contender, cold, in_turns, two_threads, warm};
use crate::support::host::{self, Signals};
use crate::support::peers::{Appender, Documented, Export, Optimized, Peer, contender};
use crate::support::proc;
use crate::support::receiver::Receiver;

const ROUNDS: usize = 31;
const COLD_ROUNDS: usize = 9;

pub(crate) fn measure() {
    let receiver = Receiver::start("http/protobuf");
    let started = [Signals::MetricsAndEvents, Signals::Metrics, Signals::Events]
        .map(|signals| host::telemetry(signals, &receiver.endpoint(), "http/protobuf", &[]));
    let [both, metrics, events] = &started;
    let ours = |telemetry: &Telemetry| {
        let (prompt, telemetry) = (host::prompt(telemetry, 0), telemetry.clone());
        Contender::new(
            "ours",
            move |_| prompt.record_api_request(black_box(host::request())),
            move || {
                let report = telemetry.flush();
                assert!(report.is_complete(), "{report}");
            },
        )
    };
    let a = Arc::new(Documented::new(Export::Count, 1));
    let b = Arc::new(Optimized::new(Export::Count, 1));
    let c = Arc::new(Appender::new(Export::Count, 1));
    // By index: 0 is this crate with both signals, 1 to 3 are the peers, 4 and 5 are this crate with one signal, and 6
    // is an empty call.
    let all = [
        ours(both),
        contender("a", &a),
        contender("b", &b),
        contender("c", &c),
        ours(metrics),
        ours(events),
        Contender::new(
            "empty call",
            |number| {
                black_box(number);
            },
            || {},
        ),
    ];
    let (metrics_a, metrics_b) = (Arc::clone(&a), Arc::clone(&b));
    let (flush_a, flush_b) = (Arc::clone(&a), Arc::clone(&b));
    let only_metrics = [
        ours(metrics),
        Contender::new(
            "a",
            move |number| metrics_a.metrics(number),
            move || flush_a.providers().flush(),
        ),
        Contender::new(
            "b",
            move |number| metrics_b.metrics(number),
            move || flush_b.providers().flush(),
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
    // The empty call, also measured with cold caches, shows the cost of reading the clock.
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
            "({name}) makes {calls:.1} allocations of {bytes:.0} bytes in total for each call"
        ));
    }
    wake_ups(&all[0]);
    disabled();
    for (name, peer) in [
        ("a", a.providers()),
        ("b", b.providers()),
        ("c", c.providers()),
    ] {
        let exported = peer.counts.logs.load(Ordering::Relaxed);
        note(format!("({name}) exported {exported} events in total"));
    }
    let dropped: u64 = started
        .iter()
        .flat_map(|telemetry| telemetry.health().exporters)
        .map(|exporter| exporter.dropped.total())
        .sum();
    at_most("caller-dropped", dropped as f64, 0.0, "items");
}

/// Prints how many times slower each peer is than this crate. (a) and (c) have a target, (b) has none.
fn compare(name: &str, contenders: &[Contender], target: f64, nanos: &[f64]) {
    for (contender, other) in contenders.iter().zip(nanos).skip(1) {
        let ratio = other / nanos[0];
        if contender.name == "b" {
            note(format!("{name}: {} times (b)", formatted(ratio)));
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
        .map(|(contender, nanos)| format!("{} {} ns", contender.name, formatted(*nanos)))
        .collect();
    note(format!("{name}: {}", figures.join(", ")));
}

/// Returns the average number and the average size in bytes of the allocations of a call.
fn allocated(contender: &Contender) -> (f64, f64) {
    (contender.flush)();
    let counted = alloc::during(|| {
        (contender.call)(0, CALLS);
    });
    (contender.flush)();
    (
        counted.calls as f64 / CALLS as f64,
        counted.bytes as f64 / CALLS as f64,
    )
}

/// Prints the goal for the number of allocations of a call.
fn allocations(name: &str, contender: &Contender, target: f64) {
    let (calls, bytes) = allocated(contender);
    // Rounding down ignores the blocks of the queue (crossbeam's `SegQueue`), one for every 31 records.
    at_most(
        &format!("allocations-{name}"),
        calls.floor(),
        target,
        "allocations",
    );
    note(format!(
        "allocations-{name}: {calls:.2} of {bytes:.0} bytes in total, on average over {CALLS} calls"
    ));
}

/// Measures how often recording wakes a thread of the library.
fn wake_ups(ours: &Contender) {
    (ours.flush)();
    // Gives the work that the flush left behind 200 ms to finish.
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
    (ours.flush)();
}

/// Measures a record call while telemetry is off.
fn disabled() {
    let telemetry = host::telemetry(Signals::Off, "http://127.0.0.1:9", "grpc", &[]);
    let prompt = host::prompt(&telemetry, 0);
    const DISABLED_CALLS: u32 = 100_000;
    // The same loop without the call shows the cost of the loop itself.
    let (mut best, mut empty) = (f64::INFINITY, f64::INFINITY);
    for _ in 0..ROUNDS {
        let start = Instant::now();
        for _ in 0..DISABLED_CALLS {
            prompt.record_api_request(host::request());
            black_box(&prompt);
        }
        best = best.min(start.elapsed().as_nanos() as f64 / f64::from(DISABLED_CALLS));
        let start = Instant::now();
        for _ in 0..DISABLED_CALLS {
            black_box(&prompt);
        }
        empty = empty.min(start.elapsed().as_nanos() as f64 / f64::from(DISABLED_CALLS));
    }
    at_most("disabled", best, 2.0, "ns");
    note(format!(
        "disabled: {} ns of this are the loop itself",
        formatted(empty)
    ));
    let counted = alloc::during(|| prompt.record_api_request(host::request()));
    at_most(
        "disabled-allocations",
        counted.calls as f64,
        0.0,
        "allocations",
    );
}
