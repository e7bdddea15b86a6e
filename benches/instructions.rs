//! A harness for callgrind, which counts the instructions of the most important calls. `.ci/guard` compares the counts
//! with `benches/instructions.txt`.
//!
//! Each scenario makes its calls in a separate function, and callgrind counts only that function. No data is sent, at
//! most one thread is woken (see [`CALLS`]), and instructions are counted instead of time, so that the counts are the
//! same in every run. With the argument `cold` after its name, a scenario evicts the caches before each call, for
//! `--cache-sim=yes`.
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

use claude_code_telemetry::{Prompt, Text, ToolOutcome, ToolResult};
use support::host::{self, Signals};

#[global_allocator]
static ALLOCATOR: support::alloc::Counting = support::alloc::Counting;

/// The number of counted calls. A queue wakes its exporter at a full batch (512 records), which only the scenario
/// `tool` reaches: it adds three spans in each call.
const CALLS: usize = 300;

/// The number of calls with cold caches.
const COLD_CALLS: usize = 20;
/// The size of the data that evicts the caches before each of these calls, in bytes.
const EVICTION_BYTES: usize = 8 * 1024 * 1024;

/// The name of the tool.
const READ: Text = Text::from_static("Read");

/// A name, the exported signals, and one call.
type Scenario = (&'static str, Signals, fn(&Prompt));

const SCENARIOS: [Scenario; 7] = [
    ("disabled", Signals::Off, request),
    ("metrics", Signals::Metrics, request),
    ("event", Signals::Events, request),
    ("both", Signals::MetricsAndEvents, request),
    ("span", Signals::All, span),
    ("tool_result", Signals::MetricsAndEvents, tool_result),
    ("tool", Signals::All, tool),
];

fn request(prompt: &Prompt) {
    prompt.record_api_request(host::request());
}

fn span(prompt: &Prompt) {
    let model = Text::from_static(host::MODEL);
    prompt.llm_request(model).finish(host::request());
}

fn tool_result(prompt: &Prompt) {
    let result = ToolResult::new(READ)
        .tool_use_id(Text::from_static("toolu_01"))
        .duration(Duration::from_millis(4))
        .result_size_bytes(1_280);
    prompt.record_tool_result(result);
}

fn tool(prompt: &Prompt) {
    let tool = prompt.tool(READ);
    tool.executing();
    tool.finish(ToolOutcome::new().result_size_bytes(31));
}

/// The only function that callgrind counts.
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
    // No receiver listens on this port, and none is contacted: the interval is one hour.
    let telemetry = host::telemetry(*signals, "http://127.0.0.1:9", "http/protobuf", &[]);
    let prompt = host::prompt(&telemetry, 0);
    // The first call opens the series, so it is not counted.
    call(&prompt);
    if std::env::args().nth(2).as_deref() == Some("cold") {
        // Evicts callgrind's simulated caches, so that its misses are the data that a call has to fetch.
        let mut waste = vec![1_u8; EVICTION_BYTES];
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
    // Exits without a shutdown, which would wait for the missing receiver.
    std::process::exit(0);
}
