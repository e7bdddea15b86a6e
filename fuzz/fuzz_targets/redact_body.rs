//! Any string as a body, with any limit: the redacted body stays within the limit and contains no thinking.
#![no_main]

use claude_code_telemetry::fuzzing::redact_body;
use libfuzzer_sys::fuzz_target;
use serde_json::Value;

fuzz_target!(|input: (u16, &str)| {
    let (limit, json) = input;
    let limit = usize::from(limit);
    let whole = redact_body(json, usize::MAX);
    let cut = redact_body(json, limit);
    assert_eq!(
        (whole.length, whole.unreadable),
        (cut.length, cut.unreadable)
    );
    if whole.unreadable {
        assert_eq!(whole.text, "<REDACTED>");
        assert_eq!(whole.length, json.encode_utf16().count());
        // A body that `serde_json` can parse must not be withheld.
        assert!(!matches!(serde_json::from_str(json), Ok(Value::Object(_))));
        return;
    }
    assert_eq!(whole.length, whole.text.encode_utf16().count());
    assert!(!whole.truncated);
    assert_eq!(cut.truncated, whole.length > limit);
    assert!(cut.text.encode_utf16().count() <= limit);
    if cut.truncated {
        let head = cut.text.split("\n\n[TRUNCATED").next().unwrap_or_default();
        assert!(whole.text.starts_with(head));
    } else {
        assert_eq!(cut.text, whole.text);
    }
    assert_eq!(redact_body(&whole.text, usize::MAX), whole);
    if let Ok(value) = serde_json::from_str::<Value>(&whole.text) {
        assert_no_thinking(&value);
    }
});

/// Asserts that no object contains thinking. Of repeated keys, only the last one is in `value`.
fn assert_no_thinking(value: &Value) {
    match value {
        Value::Array(items) => items.iter().for_each(assert_no_thinking),
        Value::Object(members) => {
            let kind = members.get("type").and_then(Value::as_str);
            if matches!(kind, Some("thinking" | "redacted_thinking")) {
                for name in ["thinking", "data"] {
                    let text = members.get(name).and_then(Value::as_str);
                    assert!(text.is_none_or(|text| text == "<REDACTED>"));
                }
            }
            members.values().for_each(assert_no_thinking);
        }
        _ => {}
    }
}
