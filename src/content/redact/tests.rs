//! Tests of the redaction of thinking.

use proptest::prelude::*;

use super::super::json::tests::sample::{Sample, documents, scalars, styles, texts};
use super::super::truncate::{DEFAULT_LIMIT, marker};
use super::*;

fn whole(json: &str) -> String {
    let body = redact_body(json, DEFAULT_LIMIT);
    assert!(!body.truncated && !body.unreadable, "{body:?}");
    assert_eq!(body.length, utf16::len(&body.text));
    body.text
}

#[test]
fn only_thinking_is_redacted() {
    let json = concat!(
        r#"{"model": "m", "temperature": 0.70, "thinking": {"type": "enabled", "budget_tokens": 2048},"#,
        r#" "tools": [{"properties": {"thinking": {"type": ["string", "null"]}, "data": {"type": "x"}}}],"#,
        r#" "messages": [{"content": "– ファイル 😀"}, {"content": [{"type": "thinking", "thinking": "secret","#,
        r#" "signature": "c2ln"}, {"type": "redacted_thinking", "data": "secret"}, {"type": "tool_result","#,
        r#" "content": [{"signature": "c2ln", "thinking": "secret \" secret", "type": "thinking"}]},"#,
        r#" {"type": "image", "data": "aGk=", "thinking": "stays"}]}]}"#,
    );
    assert_eq!(
        whole(json),
        concat!(
            r#"{"model":"m","temperature":0.70,"thinking":{"type":"enabled","budget_tokens":2048},"#,
            r#""tools":[{"properties":{"thinking":{"type":["string","null"]},"data":{"type":"x"}}}],"#,
            r#""messages":[{"content":"– ファイル 😀"},{"content":[{"type":"thinking","thinking":"<REDACTED>","#,
            r#""signature":"c2ln"},{"type":"redacted_thinking","data":"<REDACTED>"},{"type":"tool_result","#,
            r#""content":[{"signature":"c2ln","thinking":"<REDACTED>","type":"thinking"}]},"#,
            r#"{"type":"image","data":"aGk=","thinking":"stays"}]}]}"#,
        )
    );
}

#[test]
fn escaped_spellings_of_thinking_are_redacted() {
    for json in [
        r#"{"type":"thinking","thinking":"secret"}"#,
        r#"{"t\u0079pe":"th\u0069nking","thinkin\u0067":"secret"}"#,
        r#"{"thinking":"secret","type":"text","type":"thinking"}"#,
        r#"{"type":"thinking","thinking":"secret","type":"text"}"#,
        r#"{"thinking":"secret","type":"thinking","thinking":"secret","type":1}"#,
        r#"{"data":"secret","x":{"type":"text","thinking":"a","y":{"data":"b"}},"type":"thinking"}"#,
        r#"{"delta":{"type":"thinking_delta","thinking":"secret"}}"#,
        r#"{"x":[[{"thinking":"secret","x":[{}],"type":"redacted_thinking"}]]}"#,
        r#"{"type":"redacted_thinking","data":["secret",{"x":["secret"]}],"thinking":{"x":"secret"}}"#,
    ] {
        assert!(!whole(json).contains("secret"), "{json}");
    }
}

#[test]
fn only_direct_members_of_a_thinking_object_are_redacted() {
    for json in [
        r#"{"type":"thinking","thinking":1,"data":null,"x":{"thinking":"z","data":["y"]}}"#,
        r#"{"type":"enabled","thinking":{"a":"x"},"data":["y"]}"#,
        r#"{"x":{"type":"thinking"},"thinking":"a","y":[{"type":"thinking"}],"data":"b"}"#,
        r#"{"type":["thinking"],"thinking":"a"}"#,
        r#"{"x":"type","y":"thinking","thinking":"a"}"#,
        r#"{"type":{"type":"thinking"},"thinking":"a"}"#,
        r#"{"type":"Thinking","thinking":"a"}"#,
    ] {
        assert_eq!(whole(json), json);
    }
}

#[test]
fn unreadable_bodies_are_withheld() {
    let levels = |count: usize| format!("{}1{}", "{\"a\":".repeat(count), "}".repeat(count));
    assert_eq!(whole(&levels(128)), levels(128));
    let long = format!("{{\"a\":\"{}\"", "é".repeat(100_000));
    for json in [
        "",
        "é",
        "[]",
        "[{\"type\":\"thinking\",\"thinking\":\"x\"}]",
        "\"x\"",
        "1",
        "{} {}",
        "{}x",
        "{\"type\":\"thinking\",\"thinking\":\"x\"",
        "data: {}",
        // The type follows thinking that is not a string.
        "{\"data\":[\"secret\"],\"type\":\"redacted_thinking\"}",
        "{\"x\":[{\"thinking\":{\"x\":\"secret\"},\"type\":\"thinking\"}]}",
        &levels(129),
        &levels(100_000),
        &"[".repeat(100_000),
        &long,
    ] {
        let body = redact_body(json, 200);
        assert_eq!(body.text, REDACTED, "{json}");
        assert_eq!(body.length, utf16::len(json));
        assert!(body.unreadable && !body.truncated);
    }
}

#[test]
fn length_is_measured_after_redaction_and_before_truncation() {
    let json = format!(
        "{{\"thinking\":\"{}\",\"type\":\"thinking\",\"x\":\"{}\"}}",
        "secret".repeat(100_000),
        "é".repeat(70_000)
    );
    let body = redact_body(&json, DEFAULT_LIMIT);
    let head = "{\"thinking\":\"<REDACTED>\",\"type\":\"thinking\",\"x\":\"";
    assert_eq!(body.length, head.len() + 70_000 + 2);
    assert!(body.truncated);
    assert_eq!(utf16::len(&body.text), DEFAULT_LIMIT);
    assert!(body.text.starts_with(head) && body.text.ends_with(&*marker(DEFAULT_LIMIT)));
}

#[test]
fn large_hostile_bodies_are_redacted_in_bounded_memory() {
    // The type comes last at every level, so that every text stays undecided for as long as possible. The 126 levels
    // are inside an object and an array, so that they reach the nesting limit of 128.
    let block = format!(
        "{}1{}",
        "{\"thinking\":\"secret\",\"x\":".repeat(126),
        ",\"type\":\"thinking\"}".repeat(126)
    );
    let mut json = String::from("{\"x\":[");
    while json.len() < 20_000_000 {
        json.push_str(&block);
        json.push(',');
    }
    json.push_str("0],\"type\":\"thinking\"}");
    let body = redact_body(&json, DEFAULT_LIMIT);
    assert!(body.truncated && !body.unreadable && !body.text.contains("secret"));
    assert!(body.text.capacity() <= 2 * DEFAULT_LIMIT);

    let text = "secret\\n".repeat(2_500_000);
    let json = format!("{{\"thinking\":\"{text}\",\"type\":\"thinking\"}}");
    assert_eq!(
        whole(&json),
        "{\"thinking\":\"<REDACTED>\",\"type\":\"thinking\"}"
    );
}

fn is_one_of(text: &[u16], words: &[&str]) -> bool {
    words
        .iter()
        .any(|word| text.iter().copied().eq(word.encode_utf16()))
}

/// Redacts a tree of values: the reference for the redaction of text. Returns `None` if the whole body must be
/// withheld.
fn model(value: &Sample) -> Option<Sample> {
    match value {
        Sample::Scalar(_) | Sample::Text(_) => Some(value.clone()),
        Sample::Array(items) => items
            .iter()
            .map(model)
            .collect::<Option<_>>()
            .map(Sample::Array),
        Sample::Object(members) => {
            let is_type = |(key, value): &(Vec<u16>, Sample)| {
                matches!(value, Sample::Text(text) if is_one_of(text, &TYPES))
                    && is_one_of(key, &["type"])
            };
            let type_at = members.iter().position(is_type);
            let member = |(at, (key, value)): (usize, &(Vec<u16>, Sample))| {
                let thinking = type_at.is_some() && is_one_of(key, &MEMBERS);
                let value = match value {
                    Sample::Text(_) if thinking => Sample::text(REDACTED),
                    Sample::Array(_) | Sample::Object(_) if thinking => {
                        type_at.filter(|type_at| *type_at < at)?;
                        Sample::text(REDACTED)
                    }
                    _ => model(value)?,
                };
                Some((key.clone(), value))
            };
            let members = members.iter().enumerate().map(member);
            members.collect::<Option<_>>().map(Sample::Object)
        }
    }
}

fn words(words: &'static [&'static str]) -> impl Strategy<Value = Vec<u16>> {
    proptest::sample::select(words).prop_map(|word| word.encode_utf16().collect())
}

/// Generates objects in which relevant names and types are frequent.
fn bodies() -> impl Strategy<Value = Sample> {
    let keys = || {
        prop_oneof![
            8 => words(&["type", "thinking", "data", "signature", "content", "text"]),
            1 => texts(0..3),
        ]
    };
    let values = prop_oneof![
        6 => words(&["thinking", "redacted_thinking", "thinking_delta", "text", "Thinking"]),
        3 => texts(0..40),
    ];
    let value = values
        .prop_map(Sample::Text)
        .prop_recursive(5, 60, 6, move |inner| {
            prop_oneof![
                1 => proptest::collection::vec(inner.clone(), 0..6).prop_map(Sample::Array),
                3 => proptest::collection::vec((keys(), inner), 0..6).prop_map(Sample::Object),
            ]
        });
    proptest::collection::vec((keys(), value), 0..6).prop_map(Sample::Object)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn redaction_matches_the_model(body in bodies(), style in styles(), limit in 60..400_usize) {
        let json = body.written(&style);
        let Some(full) = model(&body) else {
            let shown = redact_body(&json, limit);
            prop_assert!(shown.unreadable && shown.text == REDACTED);
            return Ok(());
        };
        let full = full.canonical();
        let length = utf16::len(&full);
        prop_assert_eq!(&whole(&json), &full);
        // Redacting a redacted body changes nothing.
        prop_assert_eq!(&whole(&full), &full);

        let cut = redact_body(&json, limit);
        prop_assert_eq!((cut.length, cut.truncated), (length, length > limit));
        prop_assert_eq!(&*cut.text, &*truncate::fit(&full, limit, limit).text);
    }

    #[test]
    fn thinking_never_remains(
        members in Just(vec![
            ("type", Sample::text("thinking")),
            ("thinking", Sample::text("CANARY")),
            ("thinking", Sample::text("\"CANARY\u{1}")),
            ("data", Sample::text("CANARY")),
            ("signature", Sample::text("kept")),
            ("type", Sample::text("text")),
            ("content", Sample::Array(vec![Sample::Object(Vec::new())])),
        ]).prop_shuffle(),
        around in proptest::collection::vec((any::<bool>(), scalars()), 0..120),
        style in styles(),
        limit in 60..2_000_usize,
    ) {
        let key = |key: &str| key.encode_utf16().collect::<Vec<_>>();
        let members = members.into_iter().map(|(name, value)| (key(name), value)).collect();
        let mut body = Sample::Object(members);
        for (array, sibling) in around {
            body = if array {
                Sample::Array(vec![body, sibling])
            } else {
                Sample::Object(vec![(key("a"), sibling), (key("thinking"), body)])
            };
        }
        let body = Sample::Object(vec![(key("type"), body)]);
        let out = whole(&body.written(&style));
        prop_assert!(!out.contains("CANARY"));
        prop_assert!(out.contains("kept"));
        prop_assert!(!redact_body(&body.written(&style), limit).text.contains("CANARY"));
    }

    #[test]
    fn other_content_is_unchanged(document in documents(), style in styles()) {
        let body = Sample::Object(vec![("type".encode_utf16().collect(), document)]);
        prop_assert_eq!(whole(&body.written(&style)), body.canonical());
    }

    #[test]
    fn redaction_never_panics(text in any::<String>(), limit in 0..100_usize) {
        for json in [format!("{{\"thinking\":{text:?},\"type\":\"thinking\"}}"), text] {
            let body = redact_body(&json, limit);
            prop_assert!(body.unreadable || utf16::len(&body.text) <= limit);
        }
    }
}
