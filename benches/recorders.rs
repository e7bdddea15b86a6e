//! Measures `record_api_request` in all configurations and compares it with three uses of opentelemetry-rust
//! (`support/peers`). Also measures a tool result and a tool call with its spans.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout
)]

#[path = "support/mod.rs"]
mod support;

use std::sync::Arc;
use std::time::Duration;

use claude_code_telemetry::{Prompt, Telemetry, ToolOutcome, ToolResult};
use criterion::Criterion;
use support::contender::Contender;
use support::host::{self, Signals};
use support::peers::{Appender, Documented, Export, Optimized, Peer, contender};
use support::receiver::Receiver;

#[global_allocator]
static ALLOCATOR: support::alloc::Counting = support::alloc::Counting;

const PROTOCOL: &str = "http/protobuf";

fn main() {
    support::receiver::run_receiver_if_child();
    let mut criterion = Criterion::default()
        .sample_size(10)
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(2))
        .configure_from_args();
    let receiver = Receiver::start(PROTOCOL);
    for signals in [
        Signals::Off,
        Signals::Metrics,
        Signals::Events,
        Signals::MetricsAndEvents,
    ] {
        let telemetry = host::telemetry(signals, &receiver.endpoint(), PROTOCOL, &[]);
        let ours = ours("ours", &telemetry, 1, request);
        bench(
            &mut criterion,
            &format!("api_request/{signals:?}"),
            &ours,
            1,
        );
        shut_down(&telemetry);
    }
    let both = host::telemetry(
        Signals::MetricsAndEvents,
        &receiver.endpoint(),
        PROTOCOL,
        &[],
    );
    let all = host::telemetry(Signals::All, &receiver.endpoint(), PROTOCOL, &[]);
    let span = |prompt: &Prompt| prompt.llm_request(host::MODEL).finish(host::request());
    bench(
        &mut criterion,
        "api_request/with a span",
        &ours("ours", &all, 1, span),
        1,
    );
    let tool = |prompt: &Prompt| {
        let tool = prompt.tool("Read");
        tool.executing();
        tool.finish(ToolOutcome::new().result_size_bytes(31));
    };
    bench(
        &mut criterion,
        "tool call with its spans",
        &ours("ours", &all, 1, tool),
        1,
    );
    let result = |prompt: &Prompt| {
        prompt.record_tool_result(ToolResult::new("Read").duration(Duration::from_millis(4)));
    };
    bench(
        &mut criterion,
        "tool_result",
        &ours("ours", &both, 1, result),
        1,
    );

    for sessions in [1, 1_000] {
        let a = Arc::new(Documented::new(Export::Count, sessions));
        let b = Arc::new(Optimized::new(Export::Count, sessions));
        let c = Arc::new(Appender::new(Export::Count, sessions));
        let contenders = [
            ours("ours", &both, sessions, request),
            contender("a as documented", &a),
            contender("b optimized", &b),
            contender("c tracing", &c),
        ];
        for contender in &contenders {
            for threads in if sessions == 1 { &[1, 2, 8][..] } else { &[1] } {
                let name = format!("{}/{sessions} sessions, {threads} threads", contender.name);
                bench(&mut criterion, &name, contender, *threads);
            }
        }
        let providers = [a.providers(), b.providers(), c.providers()];
        for (name, providers) in ["a", "b", "c"].iter().zip(providers) {
            println!("({name}) exported {:?}", providers.counts);
        }
    }
    shut_down(&both);
    shut_down(&all);
    criterion.final_summary();
}

fn request(prompt: &Prompt) {
    prompt.record_api_request(host::request());
}

fn ours(
    name: &'static str,
    telemetry: &Telemetry,
    sessions: usize,
    call: impl Fn(&Prompt) + Sync + 'static,
) -> Contender {
    let prompts: Vec<_> = (0..sessions)
        .map(|number| host::prompt(telemetry, number))
        .collect();
    let telemetry = telemetry.clone();
    Contender::new(
        name,
        move |number| call(&prompts[number % prompts.len()]),
        move || {
            telemetry.flush();
        },
    )
}

/// Measures a contender, which flushes often enough that no record is dropped.
fn bench(criterion: &mut Criterion, name: &str, contender: &Contender, threads: usize) {
    criterion.bench_function(name, |bencher| {
        bencher.iter_custom(|calls| {
            let calls = usize::try_from(calls).unwrap_or(usize::MAX);
            match threads {
                1 => contender.time(calls),
                many => contender.time_threads(many, calls),
            }
        });
    });
}

fn shut_down(telemetry: &Telemetry) {
    let report = telemetry.shutdown();
    assert!(report.is_complete(), "incomplete shutdown: {report}");
}
