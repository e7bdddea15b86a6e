//! A small harness for callgrind, which counts the instructions of the calls that matter: `.ci/guard` compares them with
//! `benches/instructions.txt`.
//!
//! Every scenario makes its calls in a function of its own, which callgrind is told to look at alone. Nothing is sent, no
//! clock is asked and nothing is woken, so that the counts are the same at each run. With `cold` behind its name the calls
//! of a scenario find the caches full of something else, for `--cache-sim=yes`.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout
)]

#[path = "support/mod.rs"]
mod support;

use std::hint::black_box;
use std::time::Duration;

use claude_code_telemetry::{Prompt, ToolOutcome, ToolResult};
use support::host::{self, Signals};

#[global_allocator]
static ALLOCATOR: support::alloc::Counting = support::alloc::Counting;

/// So many calls are counted: fewer than wake the exporter.
const CALLS: usize = 300;

/// So many calls find the caches full of something else, and this is how much of it.
const COLD_CALLS: usize = 20;
const WASTE: usize = 8 * 1024 * 1024;

/// What the telemetry exports, and one call.
type Scenario = (&'static str, Signals, fn(&Prompt));

const SCENARIOS: [Scenario; 7] = [
    ("disabled", Signals::Nothing, request),
    ("metrics", Signals::Metrics, request),
    ("event", Signals::Events, request),
    ("both", Signals::Both, request),
    ("span", Signals::All, span),
    ("tool_result", Signals::Both, tool_result),
    ("tool", Signals::All, tool),
];

fn request(prompt: &Prompt) {
    prompt.record_api_request(host::request());
}

fn span(prompt: &Prompt) {
    prompt.llm_request(host::MODEL).finish(host::request());
}

fn tool_result(prompt: &Prompt) {
    let result = ToolResult::new("Read")
        .tool_use_id("toolu_01")
        .duration(Duration::from_millis(4))
        .result_size_bytes(1_280);
    prompt.record_tool_result(result);
}

fn tool(prompt: &Prompt) {
    let tool = prompt.tool("Read");
    tool.executing();
    tool.finish(ToolOutcome::new().result_size_bytes(31));
}

/// What callgrind looks at.
#[inline(never)]
fn counted_calls(prompt: &Prompt, call: fn(&Prompt), calls: usize) {
    for _ in 0..calls {
        call(black_box(prompt));
    }
}

fn main() {
    let name = std::env::args().nth(1).unwrap_or_default();
    let Some((_, signals, call)) = SCENARIOS.iter().find(|(known, ..)| *known == name) else {
        for (name, ..) in SCENARIOS {
            println!("{name}");
        }
        return;
    };
    // Nobody listens there, and nobody is asked: the interval is an hour.
    let telemetry = host::telemetry(*signals, "http://127.0.0.1:9", "http/protobuf", &[]);
    let prompt = host::prompt(&telemetry, 0);
    // The first call opens the series.
    call(&prompt);
    if std::env::args().nth(2).as_deref() == Some("cold") {
        // For callgrind's caches: what a call misses then is what it has to fetch.
        let mut waste = vec![1_u8; WASTE];
        for _ in 0..COLD_CALLS {
            black_box(&mut waste)
                .iter_mut()
                .step_by(64)
                .for_each(|byte| *byte ^= 1);
            counted_calls(&prompt, *call, 1);
        }
    } else {
        counted_calls(&prompt, *call, CALLS);
    }
    // No shutdown: it would wait for the receiver that is not there.
    std::process::exit(0);
}
