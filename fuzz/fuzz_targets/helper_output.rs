//! Any output of a headers helper yields valid headers or an error, and neither of them displays a header value.
#![no_main]

use claude_code_telemetry::fuzzing::helper_output;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let (headers, displayed) = helper_output(bytes);
    for (n, (name, value)) in headers.iter().flatten().enumerate() {
        assert!(!name.is_empty() && !name.contains(char::is_uppercase));
        assert!(value.is_ascii() && !value.contains(['\r', '\n', '\0']));
        assert!(
            headers
                .iter()
                .flatten()
                .take(n)
                .all(|(before, _)| before != name)
        );
        // Names are displayed, and a value may be a part of one of them.
        let is_in_name = headers
            .iter()
            .flatten()
            .any(|(name, _)| name.contains(value.as_str()));
        if value.len() > 12 && !is_in_name {
            assert!(!displayed.contains(value.as_str()), "{displayed}");
        }
    }
});
