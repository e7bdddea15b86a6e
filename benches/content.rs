//! Measures the recording of content: tool input and bodies, small and large.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout
)]

#[path = "support/mod.rs"]
mod support;

use std::time::{Duration, Instant};

use claude_code_telemetry::{ApiRequestBody, Prompt, ToolResult};
use criterion::{Criterion, Throughput};
use support::host::{self, Signals};
use support::receiver::Receiver;

#[global_allocator]
static ALLOCATOR: support::alloc::Counting = support::alloc::Counting;

fn main() {
    support::receiver::run_receiver_if_child();
    let mut criterion = Criterion::default()
        .sample_size(10)
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_secs(2))
        .configure_from_args();
    let receiver = Receiver::start("http/protobuf");
    let content_on = [
        ("OTEL_LOG_RAW_API_BODIES", "1"),
        ("OTEL_LOG_TOOL_DETAILS", "1"),
    ];
    let telemetry = host::telemetry(
        Signals::Events,
        &receiver.endpoint(),
        "http/protobuf",
        &content_on,
    );
    let prompt = host::prompt(&telemetry, 0);
    let input = |prompt: &Prompt, text: String| {
        prompt.record_tool_result(ToolResult::new("Write").input(text));
    };
    let body = |prompt: &Prompt, text: String| {
        prompt.record_api_request_body(ApiRequestBody::new(host::MODEL, text));
    };
    type Case<'a> = (&'a str, usize, &'a dyn Fn(&Prompt, String));
    let cases: [Case<'_>; 4] = [
        ("tool_result/4 KB", 4 * 1024, &input),
        ("tool_result/1 MB", 1024 * 1024, &input),
        ("api_request_body/60 KB", 60 * 1024, &body),
        ("api_request_body/10 MB", 10 * 1024 * 1024, &body),
    ];
    for (name, bytes, record) in cases {
        let text = host::body(bytes);
        let mut group = criterion.benchmark_group("content");
        group.throughput(Throughput::Bytes(text.len() as u64));
        group.bench_function(name, |bencher| {
            bencher.iter_custom(|calls| {
                let mut took = Duration::ZERO;
                for call in 0..calls {
                    let text = text.clone();
                    let start = Instant::now();
                    record(&prompt, text);
                    took += start.elapsed();
                    if call % 100 == 99 {
                        telemetry.flush();
                    }
                }
                telemetry.flush();
                took
            });
        });
        group.finish();
    }
    let report = telemetry.shutdown();
    assert!(report.is_complete(), "incomplete shutdown: {report}");
    criterion.final_summary();
}
