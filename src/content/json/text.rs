//! The strings of a document, unescaped only when they are read.

use super::super::utf16;
use super::{find, hex};

/// A string of a document, as it is written between its quotes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Text<'a> {
    raw: &'a str,
    escaped: bool,
}

/// A piece of a string, unescaped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part<'a> {
    /// Characters written without escapes; none of them needs one.
    Plain(&'a str),
    /// A character written as an escape.
    Char(char),
    /// An unpaired surrogate. Only an escape can write it, and a Rust string cannot hold it.
    Lone(u16),
}

impl<'a> Text<'a> {
    /// Wraps a string that the scanner accepted.
    pub(super) fn new(raw: &'a str, escaped: bool) -> Self {
        Self { raw, escaped }
    }

    /// Returns the pieces, in order.
    pub(crate) fn parts(self) -> Parts<'a> {
        Parts { rest: self }
    }

    /// Returns true if the string equals `text`, regardless of its escapes.
    pub(crate) fn is(self, text: &str) -> bool {
        if !self.escaped {
            return self.raw == text;
        }
        let mut rest = text;
        for part in self.parts() {
            let after = match part {
                Part::Plain(plain) => rest.strip_prefix(plain),
                Part::Char(character) => rest.strip_prefix(character),
                Part::Lone(_) => None,
            };
            match after {
                Some(after) => rest = after,
                None => return false,
            }
        }
        rest.is_empty()
    }

    /// Returns the unescaped string. U+FFFD replaces an unpaired surrogate.
    pub(crate) fn decoded(self) -> String {
        let mut out = String::with_capacity(self.raw.len());
        for part in self.parts() {
            match part {
                Part::Plain(plain) => out.push_str(plain),
                Part::Char(character) => out.push(character),
                Part::Lone(_) => out.push(char::REPLACEMENT_CHARACTER),
            }
        }
        out
    }

    /// Returns true if the string begins with `first`, regardless of its escapes.
    pub(crate) fn starts_with(self, first: char) -> bool {
        match self.parts().next() {
            Some(Part::Plain(plain)) => plain.starts_with(first),
            Some(Part::Char(character)) => character == first,
            Some(Part::Lone(_)) | None => false,
        }
    }

    /// Returns the length of the unescaped string in UTF-16 units.
    pub(crate) fn units(self) -> usize {
        let units = |part| match part {
            Part::Plain(plain) => utf16::len(plain),
            Part::Char(character) => character.len_utf16(),
            Part::Lone(_) => 1,
        };
        self.parts().map(units).sum()
    }
}

/// An iterator over the pieces of a string.
pub(crate) struct Parts<'a> {
    rest: Text<'a>,
}

impl<'a> Parts<'a> {
    fn advance(&mut self, bytes: usize) -> &'a str {
        let (head, rest) = self.rest.raw.split_at(bytes);
        self.rest.raw = rest;
        head
    }

    fn unicode(&mut self) -> Option<Part<'a>> {
        let first = hex(&self.advance(6).as_bytes()[2..])?;
        let second = self
            .rest
            .raw
            .strip_prefix("\\u")
            .and_then(|rest| hex(rest.as_bytes()));
        let pair = [first, second.unwrap_or_default()];
        let take = if second.is_some() { 2 } else { 1 };
        match char::decode_utf16(pair.into_iter().take(take)).next()? {
            Ok(character) => {
                if character.len_utf16() == 2 {
                    self.advance(6);
                }
                Some(Part::Char(character))
            }
            Err(lone) => Some(Part::Lone(lone.unpaired_surrogate())),
        }
    }
}

impl<'a> Iterator for Parts<'a> {
    type Item = Part<'a>;

    fn next(&mut self) -> Option<Part<'a>> {
        let bytes = self.rest.raw.as_bytes();
        if bytes.is_empty() {
            return None;
        }
        if !self.rest.escaped {
            return Some(Part::Plain(self.advance(bytes.len())));
        }
        if bytes[0] != b'\\' {
            let end = find(bytes, 0, |byte| byte == b'\\');
            return Some(Part::Plain(self.advance(end)));
        }
        let character = match bytes.get(1)? {
            b'u' => return self.unicode(),
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            &other => char::from(other),
        };
        self.advance(2);
        Some(Part::Char(character))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::{Event, Scanner, sample};
    use super::*;

    fn text(json: &str) -> Text<'_> {
        match Scanner::new(json, 0).next() {
            Ok(Some(Event::String(text))) => text,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn is_compares_unescaped_text() {
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
