//! Any string as a tool's input: the result has a bounded length, and exists exactly if the string is valid JSON.
#![no_main]

use claude_code_telemetry::fuzzing::tool_input;
use libfuzzer_sys::fuzz_target;
use serde::de::IgnoredAny;

fuzz_target!(|json: &str| {
    let shaped = tool_input(json);
    assert_eq!(
        shaped.is_some(),
        serde_json::from_str::<IgnoredAny>(json).is_ok()
    );
    let Some(text) = shaped else { return };
    // The limit is 4,096 UTF-16 units without the marker. A surrogate pair that would cross it is omitted completely.
    match text.strip_suffix("…[truncated]") {
        Some(head) => assert!((4_095..=4_096).contains(&head.encode_utf16().count())),
        None => {
            assert!(text.encode_utf16().count() <= 4_096);
            assert!(serde_json::from_str::<IgnoredAny>(&text).is_ok());
        }
    }
});
