//! Generated JSON documents for tests: the values, independent of their spelling.

use std::ops::Range;

use proptest::prelude::*;

/// A JSON value. Keys keep their order and may repeat. Strings are UTF-16 as in JavaScript, including unpaired
/// surrogates.
#[derive(Clone, Debug)]
pub(crate) enum Sample {
    Scalar(&'static str),
    Text(Vec<u16>),
    Array(Vec<Sample>),
    Object(Vec<(Vec<u16>, Sample)>),
}

impl Sample {
    pub(crate) fn text(text: &str) -> Self {
        Self::Text(text.encode_utf16().collect())
    }

    /// Writes the document as `JSON.stringify` does.
    pub(crate) fn canonical(&self) -> String {
        self.written(&[0])
    }

    /// Writes the document with white space and escapes selected by `style`, which is cycled. Zero selects neither.
    pub(crate) fn written(&self, style: &[u8]) -> String {
        let mut out = String::new();
        self.write(&mut out, &mut style.iter().copied().cycle());
        out
    }

    fn write(&self, out: &mut String, style: &mut impl Iterator<Item = u8>) {
        space(out, style);
        match self {
            Self::Scalar(scalar) => out.push_str(scalar),
            Self::Text(units) => quoted(units, out, style),
            Self::Array(items) => {
                out.push('[');
                for (index, item) in items.iter().enumerate() {
                    if index > 0 {
                        out.push(',');
                    }
                    item.write(out, style);
                }
                space(out, style);
                out.push(']');
            }
            Self::Object(members) => {
                out.push('{');
                for (index, (key, value)) in members.iter().enumerate() {
                    if index > 0 {
                        out.push(',');
                    }
                    space(out, style);
                    quoted(key, out, style);
                    space(out, style);
                    out.push(':');
                    value.write(out, style);
                }
                space(out, style);
                out.push('}');
            }
        }
        space(out, style);
    }
}

fn space(out: &mut String, style: &mut impl Iterator<Item = u8>) {
    out.push_str(match style.next() {
        Some(1) => " ",
        Some(2) => "\r\n\t",
        _ => "",
    });
}

fn quoted(units: &[u16], out: &mut String, style: &mut impl Iterator<Item = u8>) {
    out.push('"');
    for character in char::decode_utf16(units.iter().copied()) {
        let style = style.next().unwrap_or_default();
        match character {
            Err(lone) => out.push_str(&format!("\\u{:04x}", lone.unpaired_surrogate())),
            Ok(character) if style == 1 || style == 2 => {
                for unit in character.encode_utf16(&mut [0; 2]) {
                    out.push_str(&if style == 1 {
                        format!("\\u{unit:04x}")
                    } else {
                        format!("\\u{unit:04X}")
                    });
                }
            }
            Ok('/') if style == 3 => out.push_str("\\/"),
            Ok('"') => out.push_str("\\\""),
            Ok('\\') => out.push_str("\\\\"),
            Ok('\u{8}') => out.push_str("\\b"),
            Ok('\u{c}') => out.push_str("\\f"),
            Ok('\n') => out.push_str("\\n"),
            Ok('\r') => out.push_str("\\r"),
            Ok('\t') => out.push_str("\\t"),
            Ok(control) if control < ' ' => {
                out.push_str(&format!("\\u{:04x}", u32::from(control)));
            }
            Ok(character) => out.push(character),
        }
    }
    out.push('"');
}

/// Generates a style for [`Sample::written`].
pub(crate) fn styles() -> impl Strategy<Value = Vec<u8>> {
    proptest::collection::vec(0..8_u8, 1..40)
}

/// Generates strings with all characters that need special treatment.
pub(crate) fn texts(length: Range<usize>) -> impl Strategy<Value = Vec<u16>> {
    let units = prop_oneof![
        6 => 0x20..0x7f_u16,
        1 => 0..0x20_u16,
        1 => Just(u16::from(b'"')),
        1 => Just(u16::from(b'\\')),
        1 => 0x80..0xd800_u16,
        2 => 0xd83d..0xd83f_u16,
        2 => 0xde00..0xde10_u16,
        1 => 0xe000..=0xffff_u16,
    ];
    proptest::collection::vec(units, length)
}

/// Generates numbers, booleans and `null`.
pub(crate) fn scalars() -> impl Strategy<Value = Sample> {
    proptest::sample::select(vec![
        "null",
        "true",
        "false",
        "0",
        "-0",
        "1",
        "-17",
        "1.50",
        "2e3",
        "1E-2",
        "1.0e+10",
        "12345678901234567890123",
    ])
    .prop_map(Sample::Scalar)
}

/// Generates whole documents of any kind.
pub(crate) fn documents() -> impl Strategy<Value = Sample> {
    let leaf = prop_oneof![scalars(), texts(0..30).prop_map(Sample::Text)];
    leaf.prop_recursive(6, 60, 8, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..8).prop_map(Sample::Array),
            proptest::collection::vec((texts(0..4), inner), 0..8).prop_map(Sample::Object),
        ]
    })
}
