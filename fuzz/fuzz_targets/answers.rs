//! Any response of a receiver yields an optional wait before the retry, and a message.
#![no_main]

use claude_code_telemetry::fuzzing::answer;
use libfuzzer_sys::fuzz_target;

// The first line is the value of `Retry-After` or `Date`. The rest is the percent-encoded gRPC status message.
fuzz_target!(|input: &[u8]| {
    let end = input.iter().position(|byte| *byte == b'\n');
    let (first, second) = input.split_at(end.unwrap_or(input.len()));
    let second = second.strip_prefix(b"\n").unwrap_or_default();
    let (wait, _, message) = answer(first, second);
    if let Ok(seconds) = std::str::from_utf8(first)
        .unwrap_or_default()
        .parse::<u64>()
    {
        assert_eq!(wait.map(|wait| wait.as_secs()), Some(seconds));
    }
    if !second.contains(&b'%') {
        assert_eq!(message, String::from_utf8_lossy(second));
    }
});
