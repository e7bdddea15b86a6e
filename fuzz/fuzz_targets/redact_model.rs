//! Any body whose objects look like content blocks and stream events: the redacted body equals that of a simple model.
//!
//! The input describes the body in a short notation, so that every input is a valid body: two bytes of the limit, two
//! bytes that seed the spelling, then members. `tk` means `"type":"thinking"`, `k"secret"` means `"thinking":"secret"`,
//! and `c[{tt}]` means `"content":[{"type":"text"}]`; see [`Body::key`] and [`Body::value`].
#![no_main]

use claude_code_telemetry::fuzzing::redact_body;
use libfuzzer_sys::fuzz_target;

const REDACTED: &str = "\"<REDACTED>\"";
/// The maximum depth of a generated body. The library reads a depth of 128, so that none of these bodies is withheld
/// for its depth.
const MAX_DEPTH: usize = 50;

/// A JSON value. Texts are UTF-16, because they can contain half a surrogate pair.
enum Value {
    Scalar(&'static str),
    Text(Vec<u16>),
    Array(Vec<Value>),
    Object(Vec<(Vec<u16>, Value)>),
}

fuzz_target!(|input: &[u8]| {
    let Some((&[low, high, one, two], body)) = input.split_first_chunk() else {
        return;
    };
    let limit = usize::from(u16::from_le_bytes([low, high]));
    let body = String::from_utf8_lossy(body);
    let value = Body(body.chars()).object(0);
    let mut spelling = Spelling(0x9e37_79b9_7f4a_7c15 ^ u64::from(u16::from_le_bytes([one, two])));
    let mut json = String::new();
    spelling.write(&value, &mut json);

    let whole = redact_body(&json, usize::MAX);
    let cut = redact_body(&json, limit);
    let Some(expected) = redacted(&value) else {
        for body in [whole, cut] {
            assert!(body.unreadable && body.text == "<REDACTED>", "{json}");
        }
        return;
    };
    assert!(!whole.unreadable, "{json}");
    assert_eq!(whole.text, expected, "{json}");
    assert_eq!(whole.length, expected.encode_utf16().count());
    assert_eq!(cut.length, whole.length);
    assert_eq!(cut.truncated, cut.length > limit);
    let units = cut.text.encode_utf16().count();
    if cut.truncated {
        assert!(units <= limit, "{json}");
        // The marker itself is truncated if it does not fit into the limit.
        let head = cut.text.split("\n\n[TRUNCATED").next().unwrap_or_default();
        assert!(expected.starts_with(head) || limit < 100, "{json}");
    } else {
        assert_eq!(cut.text, expected, "{json}");
    }
});

/// A parser of the notation that describes a body.
struct Body<'a>(std::str::Chars<'a>);

impl Body<'_> {
    fn object(&mut self, depth: usize) -> Value {
        let mut members = Vec::new();
        while let Some(character) = self.0.next().filter(|character| *character != '}') {
            let key = self.key(character);
            members.push((key, self.value(depth)));
        }
        Value::Object(members)
    }

    fn key(&mut self, character: char) -> Vec<u16> {
        match character {
            't' => utf16("type"),
            'k' => utf16("thinking"),
            'd' => utf16("data"),
            's' => utf16("signature"),
            'c' => utf16("content"),
            '"' => self.text(),
            other => utf16(other.encode_utf8(&mut [0; 4])),
        }
    }

    fn value(&mut self, depth: usize) -> Value {
        match self.0.next() {
            Some('{') if depth < MAX_DEPTH => self.object(depth + 1),
            Some('[') if depth < MAX_DEPTH => self.array(depth + 1),
            Some('k') => Value::Text(utf16("thinking")),
            Some('r') => Value::Text(utf16("redacted_thinking")),
            Some('d') => Value::Text(utf16("thinking_delta")),
            Some('t') => Value::Text(utf16("text")),
            Some('1') => Value::Scalar("1.50e+3"),
            Some('0') => Value::Scalar("-0"),
            Some('n') => Value::Scalar("null"),
            Some('f') => Value::Scalar("false"),
            Some('"') => Value::Text(self.text()),
            other => {
                Value::Text(other.map_or_else(Vec::new, |c| utf16(c.encode_utf8(&mut [0; 4]))))
            }
        }
    }

    fn array(&mut self, depth: usize) -> Value {
        let mut items = Vec::new();
        while self.0.clone().next().is_some_and(|next| next != ']') {
            items.push(self.value(depth));
        }
        self.0.next();
        Value::Array(items)
    }

    /// Reads a string up to the next quotation mark. `^` and `_` stand for the halves of a surrogate pair.
    fn text(&mut self) -> Vec<u16> {
        let mut text = Vec::new();
        for character in self.0.by_ref().take_while(|character| *character != '"') {
            match character {
                '^' => text.push(0xd83d),
                '_' => text.push(0xde00),
                other => text.extend(utf16(other.encode_utf8(&mut [0; 4]))),
            }
        }
        text
    }
}

/// A writer of JSON that varies whitespace and escapes; a pseudo-random generator.
struct Spelling(u64);

impl Spelling {
    /// Returns a pseudo-random number below `end`.
    fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % end
    }

    fn space(&mut self, out: &mut String) {
        out.push_str(["", "", "", " ", "\n", "\t\r "][self.below(6) as usize]);
    }

    fn write(&mut self, value: &Value, out: &mut String) {
        self.space(out);
        match value {
            Value::Scalar(scalar) => out.push_str(scalar),
            Value::Text(text) => self.string(text, out),
            Value::Array(items) => {
                out.push('[');
                for (at, item) in items.iter().enumerate() {
                    out.push_str(if at == 0 { "" } else { "," });
                    self.write(item, out);
                }
                self.space(out);
                out.push(']');
            }
            Value::Object(members) => {
                out.push('{');
                for (at, (key, value)) in members.iter().enumerate() {
                    out.push_str(if at == 0 { "" } else { "," });
                    self.space(out);
                    self.string(key, out);
                    self.space(out);
                    out.push(':');
                    self.write(value, out);
                }
                self.space(out);
                out.push('}');
            }
        }
        self.space(out);
    }

    fn string(&mut self, text: &[u16], out: &mut String) {
        out.push('"');
        for character in char::decode_utf16(text.iter().copied()) {
            let plain = character
                .as_ref()
                .ok()
                .copied()
                .filter(|c| *c >= ' ' && !"\"\\".contains(*c));
            let units: Vec<u16> = match &character {
                Ok(character) => character.encode_utf16(&mut [0; 2]).to_vec(),
                Err(half) => vec![half.unpaired_surrogate()],
            };
            match (self.below(4), plain) {
                (0..=1, Some(character)) => out.push(character),
                (2, Some('/')) => out.push_str("\\/"),
                (_, None) if units == [u16::from(b'"')] => out.push_str("\\\""),
                (2, _) => units
                    .iter()
                    .for_each(|unit| out.push_str(&format!("\\u{unit:04X}"))),
                _ => units
                    .iter()
                    .for_each(|unit| out.push_str(&format!("\\u{unit:04x}"))),
            }
        }
        out.push('"');
    }
}

/// The model: returns the redacted body as compact JSON, or `None` if the whole body must be withheld.
fn redacted(value: &Value) -> Option<String> {
    match value {
        Value::Scalar(scalar) => Some((*scalar).to_owned()),
        Value::Text(text) => Some(quoted(text)),
        Value::Array(items) => {
            let items: Option<Vec<_>> = items.iter().map(redacted).collect();
            Some(format!("[{}]", items?.join(",")))
        }
        Value::Object(members) => {
            let is_type = |(key, value): &(Vec<u16>, Value)| {
                let kinds = ["thinking", "redacted_thinking", "thinking_delta"];
                *key == utf16("type")
                    && matches!(value, Value::Text(text) if kinds.iter().any(|kind| *text == utf16(kind)))
            };
            let type_at = members.iter().position(is_type);
            let mut redacted_members = Vec::new();
            for (at, (key, value)) in members.iter().enumerate() {
                let is_thinking = *key == utf16("thinking") || *key == utf16("data");
                let value = match (value, type_at.filter(|_| is_thinking)) {
                    (Value::Text(_), Some(_)) => REDACTED.to_owned(),
                    // The thinking is not a string, and `type` follows only after it was written.
                    (Value::Array(_) | Value::Object(_), Some(type_at)) if type_at > at => {
                        return None;
                    }
                    (Value::Array(_) | Value::Object(_), Some(_)) => REDACTED.to_owned(),
                    _ => redacted(value)?,
                };
                redacted_members.push(format!("{}:{value}", quoted(key)));
            }
            Some(format!("{{{}}}", redacted_members.join(",")))
        }
    }
}

fn utf16(text: &str) -> Vec<u16> {
    text.encode_utf16().collect()
}

/// Returns a string as `JSON.stringify` writes it.
fn quoted(text: &[u16]) -> String {
    let mut out = String::from("\"");
    for character in char::decode_utf16(text.iter().copied()) {
        match character {
            Err(half) => out.push_str(&format!("\\u{:04x}", half.unpaired_surrogate())),
            Ok('"') => out.push_str("\\\""),
            Ok('\\') => out.push_str("\\\\"),
            Ok('\u{8}') => out.push_str("\\b"),
            Ok('\u{c}') => out.push_str("\\f"),
            Ok('\n') => out.push_str("\\n"),
            Ok('\r') => out.push_str("\\r"),
            Ok('\t') => out.push_str("\\t"),
            Ok(control @ '\0'..='\u{1f}') => {
                out.push_str(&format!("\\u{:04x}", u32::from(control)))
            }
            Ok(other) => out.push(other),
        }
    }
    out + "\""
}
