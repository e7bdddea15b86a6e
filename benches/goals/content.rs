//! The cost of content for the caller: copies, allocations, passes over the string.

use std::time::Instant;

use claude_code_telemetry::{ApiRequestBody, Prompt, ToolResult, UserPrompt};

use crate::line::{at_most, formatted, note};
use crate::support::alloc::{self, Allocations};
use crate::support::host::{self, Signals};
use crate::support::receiver::Receiver;

/// The documented limit of a body, in UTF-16 code units.
const LIMIT: usize = 61_440;
/// The upper limit for the size of a record without its strings, in bytes.
const MAX_RECORD_OVERHEAD_BYTES: f64 = 1_024.0;
const ROUNDS: usize = 9;

pub(crate) fn measure() {
    let receiver = Receiver::start("http/protobuf");
    let start = |extra: &[(&str, &str)]| {
        host::telemetry(
            Signals::Events,
            &receiver.endpoint(),
            "http/protobuf",
            extra,
        )
    };
    let content_off = start(&[]);
    let prompt = host::prompt(&content_off, 0);
    let big = host::body(1024 * 1024);
    let allocations = [
        allocated(&big, |text| prompt.record_api_request_body(request(text))),
        allocated(&big, |text| {
            prompt.record_user_prompt(UserPrompt::new(text))
        }),
        allocated(&big, |text| {
            prompt.record_tool_result(ToolResult::new("Read").input(text));
        }),
    ];
    let most = allocations.iter().map(|one| one.bytes).max().unwrap_or(0);
    at_most(
        "content-held-back-1-MB",
        most as f64,
        MAX_RECORD_OVERHEAD_BYTES,
        "bytes allocated",
    );

    let content_on = start(&[
        ("OTEL_LOG_RAW_API_BODIES", "1"),
        ("OTEL_LOG_USER_PROMPTS", "1"),
        ("OTEL_LOG_TOOL_DETAILS", "1"),
    ]);
    let prompt = host::prompt(&content_on, 0);
    // The goal permits one copy of the body, which a host makes if it keeps its string. Here the string is moved, so
    // that no copy is expected.
    let owned = allocated(&host::body(60 * 1024), |text| {
        prompt.record_api_request_body(request(text));
    });
    at_most(
        "content-60-KB-body",
        owned.bytes as f64,
        60.0 * 1024.0 + MAX_RECORD_OVERHEAD_BYTES,
        "bytes allocated",
    );
    assert!(content_on.flush().is_complete());

    let ten = host::body(10 * 1024 * 1024);
    let cut = allocated(&ten, |text| prompt.record_api_request_body(request(text)));
    at_most(
        "content-10-MB-body",
        cut.bytes as f64,
        LIMIT as f64 + 4.0 * MAX_RECORD_OVERHEAD_BYTES,
        "bytes allocated",
    );
    note(format!("content-10-MB-body: {} allocations", cut.calls));
    assert!(content_on.flush().is_complete());
    let per_byte = [1024 * 1024, 10 * 1024 * 1024].map(|bytes| nanos_per_byte(&prompt, bytes));
    at_most(
        "content-linear",
        per_byte[1] / per_byte[0],
        1.5,
        "(time for each byte at 10 MB / at 1 MB)",
    );
    note(format!(
        "10 MB: {} ns for each byte",
        formatted(per_byte[1])
    ));
    content_on.flush();
}

fn request(text: String) -> ApiRequestBody {
    ApiRequestBody::new(host::MODEL, text)
}

/// Returns the allocations for a string that the host moves into a record.
fn allocated(text: &str, record: impl Fn(String)) -> Allocations {
    // The first record may initialize state.
    record(text[..0].to_owned());
    let text = text.to_owned();
    alloc::during(|| record(text))
}

fn nanos_per_byte(prompt: &Prompt, bytes: usize) -> f64 {
    let text = host::body(bytes);
    let mut best = f64::INFINITY;
    for _ in 0..ROUNDS {
        let text = text.clone();
        let length = text.len() as f64;
        let start = Instant::now();
        prompt.record_api_request_body(request(text));
        best = best.min(start.elapsed().as_nanos() as f64 / length);
    }
    best
}
