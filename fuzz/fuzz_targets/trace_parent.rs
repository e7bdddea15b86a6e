//! Any `traceparent` and `tracestate`: what is read is handed on as it came.
#![no_main]

use claude_code_telemetry::TraceParent;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (&str, Option<&str>)| {
    let (parent, state) = input;
    let Ok(read) = TraceParent::parse(parent, state) else {
        return;
    };
    let text = read.to_string();
    assert_eq!(text.len(), 55);
    // All but the version and the flags that nobody knows.
    assert_eq!(text[2..53], parent.trim_matches([' ', '\t'])[2..53]);
    assert_eq!(TraceParent::parse(&text, state), Ok(read));
});
