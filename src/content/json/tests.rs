//! Tests of the scanner and the writer.

pub(crate) mod sample;

use proptest::prelude::*;
use serde::de::IgnoredAny;

use super::super::utf16;
use super::document::rewrite as rewritten;
use super::*;

#[test]
fn writer_matches_json_stringify() {
    let json = concat!(
        "\t{ \"b\" : [ 1.50e+3 , -0, true,false , null ] ,\r\n \"a\" : \"\\/\\u00e9\\u0001\\u001F\\u007f",
        "\u{7f}\u{2028}\\b\\f\\n\\r\\t\\\"\\\\\", \"a\" : { } , \"\\ud83d\\uDE00\" : [ ] } ",
    );
    assert_eq!(
        rewritten(json, 9).unwrap(),
        concat!(
            "{\"b\":[1.50e+3,-0,true,false,null],\"a\":\"/é\\u0001\\u001f\u{7f}",
            "\u{7f}\u{2028}\\b\\f\\n\\r\\t\\\"\\\\\",\"a\":{},\"😀\":[]}",
        )
    );
}

#[test]
fn unpaired_surrogates_are_preserved() {
    for (json, expected) in [
        (r#""\uD800""#, r#""\ud800""#),
        (r#""\uDC00\uD800""#, r#""\udc00\ud800""#),
        (r#""\ud83d\ud83d\ude00""#, r#""\ud83d😀""#),
        (r#""\ud83dx\ude00""#, r#""\ud83dx\ude00""#),
        (r#""\ud83d\u0041""#, r#""\ud83dA""#),
        (r#""\ud83d\\ude00""#, r#""\ud83d\\ude00""#),
    ] {
        assert_eq!(rewritten(json, 0).unwrap(), expected, "{json}");
    }
}

#[test]
fn scanner_rejects_invalid_json() {
    for json in [
        "",
        " ",
        "nul",
        "nulls",
        "tru",
        "{",
        "[",
        "}",
        "]",
        "[1,]",
        "[,1]",
        "{,}",
        "{\"a\"}",
        "{\"a\":}",
        "{\"a\":1,}",
        "{\"a\" 1}",
        "{a:1}",
        "{1:1}",
        "[1}",
        "{\"a\":1]",
        "[1 2]",
        "1 2",
        "[]]",
        "01",
        "-",
        "+1",
        "1.",
        ".5",
        "1e",
        "1e+",
        "-a",
        "0x1",
        "NaN",
        "'a'",
        "\"",
        "\"\\",
        "\"\\x\"",
        "\"\\u12\"",
        "\"\\u12g4\"",
        "\"\\u+123\"",
        "\"a\nb\"",
        "\u{feff}{}",
        "[\u{a0}]",
        "// {}",
        "{} x",
    ] {
        assert_eq!(rewritten(json, 9), Err(Unreadable), "{json}");
    }
}

#[test]
fn scanner_rejects_documents_deeper_than_the_limit() {
    let nested = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
    assert!(rewritten(&nested(128), 128).is_ok());
    assert_eq!(rewritten(&nested(129), 128), Err(Unreadable));
    let mixed = format!("{}1{}", "[{\"a\":".repeat(100_000), "}]".repeat(100_000));
    assert_eq!(rewritten(&mixed, usize::MAX).unwrap(), mixed);
}

#[test]
fn skip_skips_the_whole_value() {
    let mut scanner = Scanner::new(r#"[[1,{"a":[]}],2,3]"#, 9);
    scanner.next().unwrap();
    let value = scanner.next().unwrap();
    scanner.skip(value).unwrap();
    let value = scanner.next().unwrap();
    assert!(matches!(value, Event::Scalar("2")));
    scanner.skip(value).unwrap();
    assert!(matches!(scanner.next(), Ok(Event::Scalar("3"))));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn scanner_accepts_what_serde_json_accepts(
        tokens in proptest::collection::vec(prop_oneof![
            proptest::sample::select(vec![
                "{", "}", "[", "]", ",", ":", "\"a\"", "\"", "\"\\u", "d83d", "\\", "1", "0",
                "-", ".", "e", "+", "true", "null", " ", "\n", "{\"a\":", "é", "\u{1}",
            ]).prop_map(str::to_owned),
            any::<char>().prop_map(String::from),
        ], 0..8),
    ) {
        let json = tokens.concat();
        prop_assert_eq!(
            rewritten(&json, usize::MAX).is_ok(),
            serde_json::from_str::<IgnoredAny>(&json).is_ok()
        );
    }
}

proptest! {
    #[test]
    fn scanner_finds_the_same_values_as_serde_json(
        document in sample::documents(), style in sample::styles(), at in any::<prop::sample::Index>(),
    ) {
        let mut json = document.written(&style);
        let out = rewritten(&json, 127).unwrap();
        prop_assert_eq!(&out, &document.canonical());
        if let Ok(value) = serde_json::from_str::<serde_json::Value>(&json) {
            prop_assert_eq!(serde_json::from_str::<serde_json::Value>(&out).unwrap(), value);
        }
        // Inserting a character anywhere keeps both parsers in agreement.
        let boundaries: Vec<usize> = json.char_indices().map(|(at, _)| at).collect();
        json.insert(boundaries[at.index(boundaries.len())], ['"', '}', '\\', '1'][out.len() % 4]);
        prop_assert_eq!(
            rewritten(&json, 127).is_ok(),
            serde_json::from_str::<IgnoredAny>(&json).is_ok()
        );
    }

    #[test]
    fn kept_text_is_a_prefix_of_the_whole(document in sample::documents(), limit in 0..300_usize) {
        let full = document.canonical();
        let mut scanner = Scanner::new(&full, 127);
        let mut out = Writer::new(limit, &full);
        loop {
            match scanner.next().unwrap() {
                Event::End => break,
                event => out.event(event),
            }
        }
        let (kept, units) = out.finish();
        prop_assert_eq!(units, full.encode_utf16().count());
        prop_assert_eq!(kept, utf16::cut(&full, limit).0);
    }
}
