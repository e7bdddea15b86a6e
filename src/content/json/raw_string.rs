//! The strings of a document, unescaped only when they are read.

use super::super::utf16;
use super::{find_byte, parse_hex};

/// A string of a document, as it is written between its quotes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RawString<'a> {
    pub(super) raw: &'a str,
    /// True if the string contains an escape.
    pub(super) escaped: bool,
}

/// A piece of a string, unescaped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part<'a> {
    /// Characters written without escapes; none of them needs one.
    Plain(&'a str),
    /// A character written as an escape, or an unpaired surrogate. Only an escape can write the latter, and a Rust
    /// string cannot hold it.
    Escaped(Result<char, u16>),
}

impl<'a> Part<'a> {
    /// Returns the length in UTF-16 units.
    pub(crate) fn units(self) -> usize {
        match self {
            Self::Plain(plain) => utf16::len(plain),
            Self::Escaped(character) => character.map_or(1, char::len_utf16),
        }
    }
}

impl<'a> RawString<'a> {
    /// Returns the pieces, in order.
    pub(crate) fn parts(self) -> impl Iterator<Item = Part<'a>> {
        let mut rest = self;
        std::iter::from_fn(move || rest.take_part())
    }

    /// Returns the pieces of the longest beginning that fits into `units`. A surrogate pair is never split.
    pub(crate) fn head(self, mut units: usize) -> impl Iterator<Item = Part<'a>> {
        self.parts().map_while(move |part| {
            let head = match part {
                Part::Plain(plain) => Part::Plain(utf16::cut(plain, units).0),
                _ => part,
            };
            let left = units.checked_sub(head.units()).filter(|_| units > 0)?;
            units = if head == part { left } else { 0 };
            Some(head)
        })
    }

    /// Returns true if the string equals `text`, regardless of its escapes.
    pub(crate) fn is(self, text: &str) -> bool {
        if !self.escaped {
            return self.raw == text;
        }
        let rest = self.parts().try_fold(text, |rest, part| match part {
            Part::Plain(plain) => rest.strip_prefix(plain),
            Part::Escaped(character) => rest.strip_prefix(character.ok()?),
        });
        rest == Some("")
    }

    /// Returns the string as it is written; `None` if it contains an escape.
    pub(crate) fn plain(self) -> Option<&'a str> {
        (!self.escaped).then_some(self.raw)
    }

    /// Returns the unescaped string. U+FFFD replaces an unpaired surrogate.
    pub(crate) fn decoded(self) -> String {
        let mut out = String::with_capacity(self.raw.len());
        for part in self.parts() {
            match part {
                Part::Plain(plain) => out.push_str(plain),
                Part::Escaped(c) => out.push(c.unwrap_or(char::REPLACEMENT_CHARACTER)),
            }
        }
        out
    }

    /// Returns true if the string begins with `first`, regardless of its escapes.
    pub(crate) fn starts_with(self, first: char) -> bool {
        match self.parts().next() {
            Some(Part::Plain(plain)) => plain.starts_with(first),
            part => part == Some(Part::Escaped(Ok(first))),
        }
    }

    /// Returns the length of the unescaped string in UTF-16 units.
    pub(crate) fn units(self) -> usize {
        self.parts().map(Part::units).sum()
    }

    /// Takes the first piece from the beginning.
    #[inline]
    fn take_part(&mut self) -> Option<Part<'a>> {
        let bytes = self.raw.as_bytes();
        let first = *bytes.first()?;
        if !self.escaped || first != b'\\' {
            let length = match self.escaped {
                true => find_byte(bytes, 0, |byte| byte == b'\\'),
                false => bytes.len(),
            };
            return Some(Part::Plain(self.take(length)));
        }
        let character = match *bytes.get(1)? {
            b'u' => return self.take_unicode(),
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            other => char::from(other),
        };
        self.take(2);
        Some(Part::Escaped(Ok(character)))
    }

    /// Takes the character of an escape with `\u`. A surrogate pair consists of two such escapes.
    fn take_unicode(&mut self) -> Option<Part<'a>> {
        let unit = |raw: &str| parse_hex(raw.strip_prefix("\\u")?.as_bytes());
        let units = std::iter::once(unit(self.raw)?).chain(unit(&self.raw[6..]));
        let character = char::decode_utf16(units).next()?;
        let character = character.map_err(|lone| lone.unpaired_surrogate());
        self.take(6 * character.map_or(1, char::len_utf16));
        Some(Part::Escaped(character))
    }

    fn take(&mut self, bytes: usize) -> &'a str {
        let (head, rest) = self.raw.split_at(bytes);
        self.raw = rest;
        head
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::tests::sample;
    use super::super::{Event, Scanner};
    use super::*;

    fn text(json: &str) -> RawString<'_> {
        match Scanner::new(json, 0).next() {
            Ok(Event::String(text)) => text,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn is_and_starts_with_compare_unescaped_text() {
        assert!(text(r#""th\u0069nking""#).is("thinking"));
        assert!(text(r#""\u0074hinkin\u0067""#).is("thinking"));
        assert!(text(r#""\ud83d\ude00""#).is("😀"));
        assert!(!text(r#""th\u0069nkin""#).is("thinking"));
        assert!(!text(r#""th\u0069nkings""#).is("thinking"));
        assert!(!text(r#""\\u0069""#).is("i"));
        assert!(!text(r#""\ud83d""#).is("\u{fffd}"));
        assert!(text(r#""\u005fa""#).starts_with('_'));
        assert!(text(r#""_""#).starts_with('_'));
        assert!(!text(r#""a_""#).starts_with('_'));
        assert!(!text(r#""""#).starts_with('_'));
    }

    proptest! {
        #[test]
        fn escapes_do_not_change_the_text(
            units in sample::texts(0..40), other in sample::texts(0..2), style in sample::styles(),
        ) {
            let json = sample::Sample::Text(units.clone()).written(&style);
            prop_assert_eq!(text(&json).units(), units.len());
            let other = String::from_utf16_lossy(&other);
            let same = units == other.encode_utf16().collect::<Vec<_>>();
            prop_assert_eq!(text(&json).is(&other), same);
            if let Ok(meant) = String::from_utf16(&units) {
                prop_assert!(text(&json).is(&meant));
                if let Some(first) = meant.chars().next() {
                    prop_assert!(text(&json).starts_with(first));
                }
            }
        }
    }
}
