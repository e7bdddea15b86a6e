//! Any `traceparent` and `tracestate`: what is read is handed on as it came.
#![no_main]

use claude_code_telemetry::TraceParent;
use libfuzzer_sys::fuzz_target;

// The first line is the `traceparent`; what follows is the `tracestate`.
fuzz_target!(|input: &str| {
    let (parent, state) = match input.split_once('\n') {
        Some((parent, state)) => (parent, Some(state)),
        None => (input, None),
    };
    let Ok(read) = TraceParent::parse(parent, state) else {
        return;
    };
    let text = read.to_string();
    assert_eq!(text.len(), 55);
    // All but the version and the flags that nobody knows.
    assert_eq!(text[2..53], parent.trim_matches([' ', '\t'])[2..53]);
    assert_eq!(TraceParent::parse(&text, state), Ok(read));
});
