//! A JSON scanner that copies nothing and returns the parts of a document as they are written.
//!
//! A JSON library would lose details that must be preserved: the order and repetition of keys, the spelling of numbers,
//! escapes of unpaired surrogates. It would also build a tree as deep and as large as its input. This scanner makes a
//! single pass over any input, and needs one bit of memory for each open array or object.

mod compact;
mod member;
mod merge;
#[cfg(test)]
pub(super) mod sample;
mod text;
mod write;

pub(crate) use compact::compact;
pub(crate) use member::{member, scalar};
pub(crate) use merge::merge;
pub(crate) use text::{Part, Text};
pub(crate) use write::Writer;

/// A reason why a text cannot be processed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unreadable {
    /// The text is not JSON.
    Syntax,
    /// Arrays and objects are nested deeper than the limit of the scanner.
    TooDeep,
    /// Thinking was found after it had been written.
    Thinking,
}

/// The next part of a document.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Event<'a> {
    /// `{`
    ObjectStart,
    /// `}`
    ObjectEnd,
    /// `[`
    ArrayStart,
    /// `]`
    ArrayEnd,
    /// The key of a member; its value follows.
    Key(Text<'a>),
    /// A string that is a value.
    String(Text<'a>),
    /// A number, `true`, `false` or `null`, as it is written.
    Scalar(&'a str),
}

/// The parts that the grammar allows at the scanner's position.
#[derive(Clone, Copy)]
enum Expect {
    Value,
    FirstKey,
    FirstItem,
    Key,
    /// A comma, or the end of the open array or object.
    More,
}

/// A scanner that reads a document from beginning to end, event by event.
pub(crate) struct Scanner<'a> {
    text: &'a str,
    at: usize,
    expect: Expect,
    /// For each open level one bit, which is set for an object; 64 levels to a word.
    objects: Vec<u64>,
    depth: usize,
    max_depth: usize,
}

impl<'a> Scanner<'a> {
    /// Creates a scanner of `text` that follows arrays and objects down to `max_depth` levels.
    pub(crate) fn new(text: &'a str, max_depth: usize) -> Self {
        Self {
            text,
            at: 0,
            expect: Expect::Value,
            objects: Vec::new(),
            depth: 0,
            max_depth,
        }
    }

    /// Returns the next event; `None` when the document is complete and only white space follows.
    pub(crate) fn next(&mut self) -> Result<Option<Event<'a>>, Unreadable> {
        loop {
            while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
                self.at += 1;
            }
            return match (self.expect, self.peek()) {
                (Expect::FirstItem, Some(b']')) => Ok(Some(self.close(Event::ArrayEnd))),
                (Expect::Value | Expect::FirstItem, Some(byte)) => self.value(byte).map(Some),
                (Expect::FirstKey, Some(b'}')) => Ok(Some(self.close(Event::ObjectEnd))),
                (Expect::FirstKey | Expect::Key, Some(b'"')) => self.key().map(Some),
                (Expect::More, None) if self.depth == 0 => Ok(None),
                (Expect::More, Some(byte)) if self.depth > 0 => match (byte, self.in_object()) {
                    (b',', in_object) => {
                        self.at += 1;
                        self.expect = if in_object {
                            Expect::Key
                        } else {
                            Expect::Value
                        };
                        continue;
                    }
                    (b'}', true) => Ok(Some(self.close(Event::ObjectEnd))),
                    (b']', false) => Ok(Some(self.close(Event::ArrayEnd))),
                    _ => Err(Unreadable::Syntax),
                },
                _ => Err(Unreadable::Syntax),
            };
        }
    }

    /// Skips the rest of the array or object that the last event opened.
    pub(crate) fn skip_open(&mut self) -> Result<(), Unreadable> {
        let outside = self.depth.saturating_sub(1);
        while self.depth > outside {
            self.next()?;
        }
        Ok(())
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn value(&mut self, byte: u8) -> Result<Event<'a>, Unreadable> {
        let event = match byte {
            b'{' => return self.open(true),
            b'[' => return self.open(false),
            b'"' => Event::String(self.string()?),
            b't' => self.word("true")?,
            b'f' => self.word("false")?,
            b'n' => self.word("null")?,
            _ => self.number()?,
        };
        self.expect = Expect::More;
        Ok(event)
    }

    fn open(&mut self, object: bool) -> Result<Event<'a>, Unreadable> {
        if self.depth == self.max_depth {
            return Err(Unreadable::TooDeep);
        }
        if self.depth.is_multiple_of(64) {
            self.objects.push(0);
        }
        let bit = 1 << (self.depth % 64);
        if let Some(word) = self.objects.last_mut() {
            *word = if object { *word | bit } else { *word & !bit };
        }
        self.depth += 1;
        self.at += 1;
        if object {
            self.expect = Expect::FirstKey;
            Ok(Event::ObjectStart)
        } else {
            self.expect = Expect::FirstItem;
            Ok(Event::ArrayStart)
        }
    }

    fn close(&mut self, event: Event<'a>) -> Event<'a> {
        self.depth -= 1;
        if self.depth.is_multiple_of(64) {
            self.objects.pop();
        }
        self.at += 1;
        self.expect = Expect::More;
        event
    }

    fn in_object(&self) -> bool {
        let bit = 1 << (self.depth.wrapping_sub(1) % 64);
        self.objects.last().is_some_and(|word| word & bit != 0)
    }

    fn key(&mut self) -> Result<Event<'a>, Unreadable> {
        let key = self.string()?;
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
        if self.peek() != Some(b':') {
            return Err(Unreadable::Syntax);
        }
        self.at += 1;
        self.expect = Expect::Value;
        Ok(Event::Key(key))
    }

    fn word(&mut self, word: &'static str) -> Result<Event<'a>, Unreadable> {
        if !self.text.as_bytes()[self.at..].starts_with(word.as_bytes()) {
            return Err(Unreadable::Syntax);
        }
        self.at += word.len();
        Ok(Event::Scalar(word))
    }

    fn number(&mut self) -> Result<Event<'a>, Unreadable> {
        let start = self.at;
        if self.peek() == Some(b'-') {
            self.at += 1;
        }
        if self.peek() == Some(b'0') {
            self.at += 1;
        } else {
            self.digits()?;
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            self.digits()?;
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            self.at += 1;
            if matches!(self.peek(), Some(b'+' | b'-')) {
                self.at += 1;
            }
            self.digits()?;
        }
        Ok(Event::Scalar(&self.text[start..self.at]))
    }

    fn digits(&mut self) -> Result<(), Unreadable> {
        let start = self.at;
        while matches!(self.peek(), Some(b'0'..=b'9')) {
            self.at += 1;
        }
        if self.at == start {
            return Err(Unreadable::Syntax);
        }
        Ok(())
    }

    /// Reads the string whose opening quote is at the position.
    fn string(&mut self) -> Result<Text<'a>, Unreadable> {
        let bytes = self.text.as_bytes();
        let start = self.at + 1;
        let mut at = start;
        let mut escaped = false;
        loop {
            at = find(bytes, at, |byte| {
                byte == b'"' || byte == b'\\' || byte < 0x20
            });
            match bytes.get(at) {
                Some(b'"') => break,
                Some(b'\\') => {
                    escaped = true;
                    at += match bytes.get(at + 1) {
                        Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => 2,
                        Some(b'u') if hex(&bytes[at + 2..]).is_some() => 6,
                        _ => return Err(Unreadable::Syntax),
                    };
                }
                _ => return Err(Unreadable::Syntax),
            }
        }
        self.at = at + 1;
        Ok(Text::new(&self.text[start..at], escaped))
    }
}

/// Returns the first position at or after `from` whose byte is a `hit`, or the end.
fn find(bytes: &[u8], from: usize, hit: impl Fn(u8) -> bool) -> usize {
    /// The bytes to test one by one. Most keys and many values end within them, so that blocks would not pay off.
    const FEW: usize = 16;
    const BLOCK: usize = 64;
    let near = bytes.len().min(from + FEW);
    let mut at = from;
    while at < near {
        if hit(bytes[at]) {
            return at;
        }
        at += 1;
    }
    // A block has no early exit, so that the compiler can vectorize the test.
    for block in bytes[at..].as_chunks::<BLOCK>().0 {
        if block.iter().fold(false, |found, &byte| found | hit(byte)) {
            break;
        }
        at += BLOCK;
    }
    let rest = &bytes[at..];
    at + rest
        .iter()
        .position(|&byte| hit(byte))
        .unwrap_or(rest.len())
}

/// Parses the four hexadecimal digits at the beginning of `bytes`.
fn hex(bytes: &[u8]) -> Option<u16> {
    bytes.get(..4)?.iter().try_fold(0, |number, &byte| {
        let digit = char::from(byte).to_digit(16)?;
        Some(number << 4 | u16::try_from(digit).ok()?)
    })
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use proptest::prelude::*;
    use serde::de::IgnoredAny;

    use super::compact::rewrite as rewritten;
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
            assert_eq!(rewritten(json, 9), Err(Unreadable::Syntax), "{json}");
        }
    }

    #[test]
    fn scanner_rejects_documents_deeper_than_the_limit() {
        let nested = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
        assert!(rewritten(&nested(128), 128).is_ok());
        assert_eq!(rewritten(&nested(129), 128), Err(Unreadable::TooDeep));
        let mixed = format!("{}1{}", "[{\"a\":".repeat(100_000), "}]".repeat(100_000));
        assert_eq!(rewritten(&mixed, usize::MAX).unwrap(), mixed);
    }

    #[test]
    fn skip_open_skips_the_open_container() {
        let mut scanner = Scanner::new(r#"[[1,{"a":[]}],2]"#, 9);
        scanner.next().unwrap();
        scanner.next().unwrap();
        scanner.skip_open().unwrap();
        assert!(matches!(scanner.next(), Ok(Some(Event::Scalar("2")))));
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
            let mut out = Writer::new(limit);
            let mut expected = String::new();
            while let Some(event) = scanner.next().unwrap() {
                if let Event::String(text) | Event::Key(text) = event {
                    out.string(text);
                    let mut whole = Writer::new(usize::MAX);
                    whole.string(text);
                    let (whole, units) = whole.finish();
                    prop_assert_eq!(units, whole.encode_utf16().count());
                    write!(expected, "{whole}").unwrap();
                }
            }
            let (kept, units) = out.finish();
            prop_assert_eq!(units, expected.encode_utf16().count());
            prop_assert_eq!(kept, super::super::utf16::prefix(&expected, limit));
        }
    }
}
