//! The bounded form of the arguments of a tool call.

use super::json::{Event, Scanner, Unreadable, Writer};

/// The length, in UTF-16 units, above which a string is truncated.
const STRING_LIMIT: usize = 512;
/// The units that a truncated string keeps.
const STRING_KEPT: usize = 128;
/// The items of an array and the members of an object that are processed.
const COUNT_LIMIT: usize = 20;
/// The levels that are expanded: the value itself and its direct children.
const EXPANDED: usize = 2;
/// The length limit of the whole text, in UTF-16 units.
const TEXT_LIMIT: usize = 4_096;
/// The marker at the end of a truncated text.
const CUT: &str = "…[truncated]";
/// The nesting limit of the scanner, which also reads the levels that are not expanded. The scanner keeps one byte for
/// each level, so the memory that a hostile input can take is bounded to 1 MiB. Real input never comes near the limit.
const MAX_DEPTH: usize = 1 << 20;

/// Returns the JSON text of a tool's input without everything long, wide and deep; `None` when the input is not JSON.
///
/// A long string is truncated wherever it is shown, and its length is appended. Members are counted as written: a
/// repeated key counts each time.
pub fn shape(json: &str) -> Option<String> {
    let mut shaper = Shaper {
        scanner: Scanner::new(json, MAX_DEPTH),
        out: Writer::new(TEXT_LIMIT, json),
    };
    let first = shaper.scanner.next().ok()?;
    shaper.value(first, 0).ok()?;
    // Anything after the value is an error.
    shaper.scanner.next().ok()?;
    let (mut text, length) = shaper.out.finish();
    if length > TEXT_LIMIT {
        text.push_str(CUT);
    }
    Some(text)
}

struct Shaper<'a> {
    scanner: Scanner<'a>,
    out: Writer,
}

impl<'a> Shaper<'a> {
    /// Writes the value that begins with `event`, inside `depth` others.
    fn value(&mut self, event: Event<'a>, depth: usize) -> Result<(), Unreadable> {
        match event {
            Event::ArrayStart | Event::ObjectStart if depth < EXPANDED => {
                self.container(event, depth)?;
            }
            Event::ArrayStart | Event::ObjectStart => {
                self.scanner.skip(event)?;
                self.out.event(Event::Scalar("\"<nested>\""));
            }
            Event::String(text) => match text.units() {
                0..=STRING_LIMIT => self.out.event(event),
                units => {
                    let note = format!("…[{units} chars]");
                    self.out.annotated(text.head(STRING_KEPT), &note);
                }
            },
            _ => self.out.event(event),
        }
        Ok(())
    }

    /// Writes the array or object that `start` opened. The recursion through its values is at most [`EXPANDED`] levels
    /// deep.
    fn container(&mut self, start: Event<'a>, depth: usize) -> Result<(), Unreadable> {
        self.out.event(start);
        let mut count = 0_usize;
        let end = loop {
            let first = self.scanner.next()?;
            let (key, value) = match first {
                Event::ArrayEnd | Event::ObjectEnd => break first,
                Event::Key(key) => (Some(key), self.scanner.next()?),
                value => (None, value),
            };
            count += 1;
            // Hidden keys count towards the limit before they are dropped.
            if count > COUNT_LIMIT || key.is_some_and(|key| key.starts_with('_')) {
                self.scanner.skip(value)?;
                continue;
            }
            if key.is_some() {
                self.out.event(first);
            }
            self.value(value, depth + 1)?;
        };
        if count > COUNT_LIMIT {
            let note = match start {
                Event::ArrayStart => format!("\"…[{count} items]\""),
                _ => format!("\"…\":\"{count} keys\""),
            };
            self.out.event(Event::Scalar(&note));
        }
        self.out.event(end);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::json::tests::sample::{Sample, scalars, styles, texts};
    use super::super::utf16;
    use super::*;

    fn shaped(json: &str) -> String {
        shape(json).unwrap()
    }

    #[test]
    fn short_input_is_only_compacted() {
        assert_eq!(
            shaped("{ \"command\": \"echo \\u0068i\\n\", \"timeout\" : 1.50, \"b\": null }"),
            "{\"command\":\"echo hi\\n\",\"timeout\":1.50,\"b\":null}"
        );
    }

    #[test]
    fn strings_longer_than_512_units_are_truncated() {
        let stays = format!("\"{}\"", "é".repeat(512));
        assert_eq!(shaped(&stays), stays);
        assert_eq!(
            shaped(&format!("{{\"a\":\"{}\"}}", "é".repeat(513))),
            format!("{{\"a\":\"{}…[513 chars]\"}}", "é".repeat(128))
        );
        assert_eq!(
            shaped(&format!("\"{}\"", "\\n".repeat(600))),
            format!("\"{}…[600 chars]\"", "\\n".repeat(128))
        );
    }

    #[test]
    fn truncation_never_splits_a_surrogate_pair() {
        for pair in ["😀", "\\ud83d\\ude00"] {
            assert_eq!(
                shaped(&format!("\"x{}\"", pair.repeat(300))),
                format!("\"x{}…[601 chars]\"", "😀".repeat(63))
            );
        }
        // Seven strings of 512 units fill the text up to the surrogate pair that would end it at 4,097.
        let filler = "x".repeat(512);
        let last = "x".repeat(4_096 - 7 * 515 - 3);
        let items = vec![format!("\"{filler}\""); 7].join(",");
        let json = format!("[{items},\"{last}😀\"]");
        assert_eq!(shaped(&json), format!("[{items},\"{last}…[truncated]"));
    }

    #[test]
    fn unpaired_surrogates_remain_escapes() {
        assert_eq!(shaped(r#"{"a":"\uD800"}"#), r#"{"a":"\ud800"}"#);
        let long = r"\udc00".repeat(513);
        assert_eq!(
            shaped(&format!("\"{long}\"")),
            format!("\"{}…[513 chars]\"", r"\udc00".repeat(128))
        );
    }

    #[test]
    fn arrays_longer_than_20_items_are_truncated() {
        let items = |count: usize| vec!["1"; count].join(",");
        assert_eq!(
            shaped(&format!("[{}]", items(20))),
            format!("[{}]", items(20))
        );
        assert_eq!(
            shaped(&format!("{{\"a\":[{}]}}", items(21))),
            format!("{{\"a\":[{},\"…[21 items]\"]}}", items(20))
        );
    }

    #[test]
    fn objects_are_truncated_at_20_keys_before_hidden_keys_are_dropped() {
        let members = |keys: std::ops::Range<usize>| {
            keys.map(|key| format!("\"k{key}\":{key}"))
                .collect::<Vec<_>>()
                .join(",")
        };
        assert_eq!(
            shaped(&format!("{{\"_a\":1,{},\"\\u005fb\":2}}", members(0..18))),
            format!("{{{}}}", members(0..18))
        );
        assert_eq!(
            shaped(&format!("{{\"_a\":1,{},\"_b\":2}}", members(0..20))),
            format!("{{{},\"…\":\"22 keys\"}}", members(0..19))
        );
        let hidden = vec!["\"_\":[]"; 21].join(",");
        assert_eq!(shaped(&format!("{{{hidden}}}")), "{\"…\":\"21 keys\"}");
    }

    #[test]
    fn two_levels_are_expanded() {
        assert_eq!(
            shaped(r#"{"a":{"b":[],"c":{},"d":"x","e":[1,[2]]},"f":[[],{"g":1},3],"h":{},"i":[]}"#),
            concat!(
                r#"{"a":{"b":"<nested>","c":"<nested>","d":"x","e":"<nested>"},"#,
                r#""f":["<nested>","<nested>",3],"h":{},"i":[]}"#
            )
        );
        assert_eq!(
            shaped("[[[1]],{\"a\":[]}]"),
            "[[\"<nested>\"],{\"a\":\"<nested>\"}]"
        );
    }

    #[test]
    fn any_json_value_is_accepted_and_nothing_else() {
        assert_eq!(shaped(" -1.0e5 "), "-1.0e5");
        assert_eq!(shaped("null"), "null");
        for json in [
            "",
            "{",
            "{\"a\":[[1}",
            "{} {}",
            "[1,2,]",
            "{\"_a\":[nul]}",
            "hello",
        ] {
            assert_eq!(shape(json), None, "{json}");
        }
    }

    #[test]
    fn deep_input_is_bounded() {
        let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
        assert_eq!(shaped(&deep), "[[\"<nested>\"]]");
        let deep = format!("{}1{}", "{\"a\":".repeat(100_000), "}".repeat(100_000));
        assert_eq!(shaped(&deep), "{\"a\":{\"a\":\"<nested>\"}}");
        assert_eq!(shape(&"[".repeat(100_000)), None);
        assert_eq!(shape(&"[".repeat(MAX_DEPTH + 1)), None);
    }

    #[test]
    fn large_input_is_bounded() {
        let text = "x\\n".repeat(7_000_000);
        let json = format!("{{\"{text}\":1}}");
        let out = shaped(&json);
        assert!(out.ends_with(CUT));
        assert!(out.capacity() < 4 * TEXT_LIMIT);
        assert_eq!(
            shaped(&format!("{{\"a\":\"{text}\"}}")),
            format!("{{\"a\":\"{}…[14000000 chars]\"}}", "x\\n".repeat(64))
        );
        let digits = "1".repeat(5_000_000);
        assert!(shaped(&digits).capacity() < 4 * TEXT_LIMIT);
        let items = format!("[{}0]", "[1,\"a\"],".repeat(100_000));
        assert!(shaped(&items).ends_with(",\"…[100001 items]\"]"));
    }

    /// Bounds a tree of values: the reference for `shape`.
    fn model(value: &Sample, depth: usize) -> Sample {
        match value {
            Sample::Scalar(_) => value.clone(),
            Sample::Text(units) if units.len() > 512 => {
                let pair = |at: usize| char::decode_utf16([units[at], units[at + 1]]).count() == 1;
                let kept = if pair(127) { 127 } else { 128 };
                let mut cut = units[..kept].to_vec();
                cut.extend(format!("…[{} chars]", units.len()).encode_utf16());
                Sample::Text(cut)
            }
            Sample::Text(_) => value.clone(),
            Sample::Array(_) | Sample::Object(_) if depth == 2 => Sample::text("<nested>"),
            Sample::Array(items) => {
                let mut kept: Vec<_> = items
                    .iter()
                    .take(20)
                    .map(|item| model(item, depth + 1))
                    .collect();
                if items.len() > 20 {
                    kept.push(Sample::text(&format!("…[{} items]", items.len())));
                }
                Sample::Array(kept)
            }
            Sample::Object(members) => {
                let mut kept: Vec<_> = members
                    .iter()
                    .take(20)
                    .filter(|(key, _)| key.first() != Some(&u16::from(b'_')))
                    .map(|(key, value)| (key.clone(), model(value, depth + 1)))
                    .collect();
                if members.len() > 20 {
                    let note = Sample::text(&format!("{} keys", members.len()));
                    kept.push(("…".encode_utf16().collect(), note));
                }
                Sample::Object(kept)
            }
        }
    }

    fn inputs() -> impl Strategy<Value = Sample> {
        let long = (texts(1..8), 100..300_usize).prop_map(|(text, times)| text.repeat(times));
        let leaf = prop_oneof![
            4 => scalars(),
            4 => texts(0..20).prop_map(Sample::Text),
            1 => long.prop_map(Sample::Text),
            1 => texts(505..520).prop_map(Sample::Text),
        ];
        let keys = prop_oneof![
            4 => texts(0..4),
            1 => texts(0..2).prop_map(|key| [vec![u16::from(b'_')], key].concat()),
        ];
        leaf.prop_recursive(4, 120, 24, move |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..25).prop_map(Sample::Array),
                proptest::collection::vec((keys.clone(), inner), 0..25).prop_map(Sample::Object),
            ]
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(128))]

        #[test]
        fn shape_matches_the_model(input in inputs(), style in styles()) {
            let full = model(&input, 0).canonical();
            let out = shape(&input.written(&style)).unwrap();
            if utf16::len(&full) <= 4_096 {
                prop_assert_eq!(out, full);
            } else {
                let head = out.strip_suffix(CUT).unwrap();
                prop_assert_eq!(head, utf16::cut(&full, 4_096).0);
            }
        }
    }
}
