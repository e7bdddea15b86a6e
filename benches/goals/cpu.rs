//! The total CPU time of a record, on all threads, until its OTLP bytes are produced.

use std::sync::Arc;

use crate::line::{at_most, formatted, note};
use crate::support::contender::{Contender, in_turns};
use crate::support::cpu;
use crate::support::host::{self, Signals};
use crate::support::peers::{Appender, Documented, Export, Optimized, contender};
use crate::support::receiver::Receiver;

const ROUNDS: usize = 9;
const CALLS: usize = 4_000;

/// Measures the total CPU time of this crate and of three uses of opentelemetry-rust: (a) as documented, (b) optimized,
/// (c) through `tracing`. The figure of this crate includes the sending over loopback to a receiver in another
/// process; the figures of the peers end where an exporter would send the bytes.
pub(crate) fn measure() {
    let receiver = Receiver::start("http/protobuf");
    let telemetry = host::telemetry(
        Signals::MetricsAndEvents,
        &receiver.endpoint(),
        "http/protobuf",
        &[],
    );
    let (prompt, flushing) = (host::prompt(&telemetry, 0), telemetry.clone());
    let all = [
        Contender::new(
            "ours",
            move |_| prompt.record_api_request(host::request()),
            move || assert!(flushing.flush().is_complete()),
        ),
        contender("a", &Arc::new(Documented::new(Export::Encode, 1))),
        contender("b", &Arc::new(Optimized::new(Export::Encode, 1))),
        contender("c", &Arc::new(Appender::new(Export::Encode, 1))),
    ];
    let nanos = in_turns(&all, ROUNDS, |contender| {
        let before = cpu::process();
        contender.time(CALLS);
        (cpu::process() - before) as f64 / CALLS as f64
    });
    at_most(
        "total-cpu-relative-to-a",
        nanos[0] / nanos[1],
        0.25,
        "times",
    );
    let names = ["ours, sent", "a", "b", "c"].iter().zip(&nanos);
    let figures: Vec<_> = names
        .map(|(name, nanos)| format!("{name} {} ns", formatted(*nanos)))
        .collect();
    note(format!("total CPU of a record: {}", figures.join(", ")));
}
