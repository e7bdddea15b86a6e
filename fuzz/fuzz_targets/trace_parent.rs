//! Any `traceparent` and `tracestate`: a parsed parent is formatted again with the same ids.
#![no_main]

use claude_code_telemetry::TraceParent;
use libfuzzer_sys::fuzz_target;

// The first line is the `traceparent`. The rest is the `tracestate`.
fuzz_target!(|input: &str| {
    let (parent, state) = match input.split_once('\n') {
        Some((parent, state)) => (parent, Some(state)),
        None => (input, None),
    };
    let Ok(read) = TraceParent::parse(parent, state) else {
        return;
    };
    let text = read.to_string();
    // `00-TRACE_ID-PARENT_ID-FLAGS`, in hexadecimal digits: 2, 32, 16 and 2.
    assert_eq!(text.len(), 55);
    // Excludes the version and the flags: a later version is written as 00, and unknown flags are cleared.
    assert_eq!(text[2..53], parent.trim_matches([' ', '\t'])[2..53]);
    assert_eq!(TraceParent::parse(&text, state), Ok(read));
});
