//! A record allocates no more than the documented limit, and content that a switch holds back is not copied.
//!
//! This is a single test, because the counting allocator serves the whole process.
#![cfg(feature = "http")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "../benches/support/alloc.rs"]
#[allow(dead_code, unreachable_pub)]
mod alloc;
#[path = "../benches/support/host.rs"]
#[allow(dead_code, unreachable_pub)]
mod host;

use std::borrow::Cow;

use claude_code_telemetry::{
    ApiRequestBody, Commit, Content, Prompt, Telemetry, Text, ToolResult, UserPrompt,
};
use host::Signals;

#[global_allocator]
static ALLOCATOR: alloc::Counting = alloc::Counting;

/// No server listens on this port. The export interval is an hour, so the exporter never connects.
const UNUSED_ENDPOINT: &str = "http://127.0.0.1:9";
/// A number of calls that does not wake the exporter, which happens at 512 records.
const CALLS: u64 = 200;
/// The maximum number of blocks that the queue (crossbeam's `SegQueue`) allocates: one for every 31 records.
const BLOCKS: u64 = CALLS / 31 + 1;

fn telemetry(signals: Signals, extra: &[(&str, &str)]) -> Telemetry {
    host::telemetry(signals, UNUSED_ENDPOINT, "http/protobuf", extra)
}

/// Counts the allocations of [`CALLS`] calls, after two calls that create the series and buffers.
fn allocations(prompt: &Prompt, call: impl Fn(&Prompt)) -> u64 {
    call(prompt);
    call(prompt);
    let counted = alloc::during(|| (0..CALLS).for_each(|_| call(prompt)));
    counted.calls
}

/// Counts the bytes that are allocated when a call takes ownership of a string.
fn bytes(text: &str, call: impl Fn(String)) -> u64 {
    call(String::new());
    let text = text.to_owned();
    alloc::during(|| call(text)).bytes
}

/// Checks how many allocations each form of a string makes. Strings of up to 24 bytes need none as a [`Text`].
fn check_strings() {
    const LONG: &str = "a string of more than twenty-four bytes";
    let owned = || LONG.to_owned();
    let made = |expected: u64, what: &str, call: &mut dyn FnMut()| {
        assert_eq!(alloc::during(call).calls, expected, "{what}");
    };
    let mut text = Text::default();
    made(0, "a short &str", &mut || text = "claude-sonnet-4-6".into());
    made(1, "a long &str", &mut || text = LONG.into());
    let (moved, cow) = (owned(), Cow::<'static, str>::Owned(owned()));
    let mut strings = (Some(moved), Some(cow));
    made(0, "a String", &mut || {
        text = strings.0.take().unwrap().into()
    });
    made(0, "an owned Cow", &mut || {
        text = strings.1.take().unwrap().into()
    });
    made(0, "a borrowed Cow", &mut || {
        text = Cow::Borrowed(LONG).into()
    });
    made(0, "from_static", &mut || text = Text::from_static(LONG));
    assert_eq!(text, LONG);

    let mut content = Content::from_static("");
    // The reference count of content is allocated.
    made(1, "content of a &str", &mut || content = LONG.into());
    let (moved, cow) = (owned(), Cow::<'static, str>::Owned(owned()));
    let mut strings = (Some(moved), Some(cow));
    made(1, "content of a String", &mut || {
        content = strings.0.take().unwrap().into()
    });
    made(1, "content of an owned Cow", &mut || {
        content = strings.1.take().unwrap().into()
    });
    made(0, "content of a borrowed Cow", &mut || {
        content = Cow::Borrowed(LONG).into()
    });
    made(0, "content from_static", &mut || {
        content = Content::from_static(LONG)
    });
    drop(content);
}

#[test]
fn record_stays_within_documented_allocations() {
    check_strings();
    let request = |prompt: &Prompt| prompt.record_api_request(host::request());
    for (signals, each) in [
        (Signals::Off, 0),
        (Signals::Metrics, 0),
        (Signals::Events, 1),
        (Signals::MetricsAndEvents, 1),
    ] {
        let telemetry = telemetry(signals, &[]);
        let prompt = host::prompt(&telemetry, 0);
        let made = allocations(&prompt, request);
        let most = each * (CALLS + BLOCKS);
        assert!(made <= most, "{signals:?}: {made} for {CALLS} calls");
        let made = allocations(&prompt, |prompt| prompt.record_commit(Commit::new()));
        assert_eq!(made, 0, "{signals:?}: a commit");
        telemetry.shutdown_within(std::time::Duration::ZERO);
    }

    let switches_off = telemetry(Signals::Events, &[]);
    let prompt = host::prompt(&switches_off, 0);
    let made = allocations(&prompt, |prompt| drop(prompt.reserve_tool()));
    assert_eq!(made, 0, "a reserved tool call");
    let text = format!("{{\"text\":\"{}\"}}", "x".repeat(1024 * 1024));
    for (what, made) in [
        (
            "a body",
            bytes(&text, |text| {
                prompt.record_api_request_body(ApiRequestBody::new("m", text));
            }),
        ),
        (
            "a prompt",
            bytes(&text, |text| {
                prompt.record_user_prompt(UserPrompt::new(text));
            }),
        ),
        (
            "a tool's input",
            bytes(&text, |text| {
                prompt.record_tool_result(ToolResult::new("Read").input(text));
            }),
        ),
    ] {
        assert!(made <= 1024, "{what} that is held back: {made} bytes");
    }
    switches_off.shutdown_within(std::time::Duration::ZERO);

    let bodies_on = telemetry(Signals::Events, &[("OTEL_LOG_RAW_API_BODIES", "1")]);
    let prompt = host::prompt(&bodies_on, 0);
    let record = |text| prompt.record_api_request_body(ApiRequestBody::new("m", text));
    // A body within the limit is moved. A larger body is copied only up to the limit.
    let made = bytes(&text[..60 * 1024], record);
    assert!(made <= 1024, "a body of 60 KB: {made} bytes");
    let made = bytes(&text, record);
    assert!(made <= 61_440 + 4_096, "a body of 1 MB: {made} bytes");
    bodies_on.shutdown_within(std::time::Duration::ZERO);
}
