//! A JSON scanner that copies nothing and returns the parts of a document as they are written.
//!
//! A JSON library would lose details that must be preserved: the order and repetition of keys, the spelling of numbers,
//! escapes of unpaired surrogates. It would also build a tree as deep and as large as its input. This scanner makes a
//! single pass over any input, and needs one byte of memory for each open array or object.

mod document;
mod raw_string;
#[cfg(test)]
pub(super) mod tests;
mod writer;

pub(crate) use document::{compact, member, merge, scalar, visit};
pub(crate) use raw_string::{Part, RawString};
pub(crate) use writer::Writer;

/// The error for a text that is not JSON of the expected form, or is nested deeper than the limit of the scanner.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Unreadable;

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
    Key(RawString<'a>),
    /// A string that is a value.
    String(RawString<'a>),
    /// A number, `true`, `false` or `null`, as it is written.
    Scalar(&'a str),
    /// The end of the text, after a complete value.
    End,
}

/// The parts that the grammar allows at the scanner's position.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Expect {
    /// A value: the whole document, or the value of a member.
    Value,
    /// The first item or member of the array or object that was just opened, or its end.
    First,
    /// A comma with the next item or member, or the end of the open array or object.
    More,
}

/// A scanner that reads a document from beginning to end, event by event.
pub(crate) struct Scanner<'a> {
    text: &'a str,
    /// The number of bytes that were read.
    at: usize,
    expect: Expect,
    /// The bytes that close the open arrays and objects.
    open: Vec<u8>,
    max_depth: usize,
}

impl<'a> Scanner<'a> {
    /// Creates a scanner of `text` that follows arrays and objects down to `max_depth` levels.
    pub(crate) fn new(text: &'a str, max_depth: usize) -> Self {
        Self {
            text,
            at: 0,
            expect: Expect::Value,
            open: Vec::new(),
            max_depth,
        }
    }

    /// Returns the number of bytes that the events up to now have read.
    pub(crate) fn position(&self) -> usize {
        self.at
    }

    /// Returns the next event.
    pub(crate) fn next(&mut self) -> Result<Event<'a>, Unreadable> {
        if self.expect != Expect::Value {
            let end = self.open.last().copied();
            if self.peek() == end {
                return Ok(self.close());
            }
            if self.expect == Expect::More {
                // Only white space may follow a complete document.
                end.ok_or(Unreadable)?;
                self.take(b',')?;
            }
            if end == Some(b'}') {
                let key = self.string()?;
                self.take(b':')?;
                self.expect = Expect::Value;
                return Ok(Event::Key(key));
            }
        }
        let event = match self.peek() {
            Some(b'{') => return self.open(b'}', Event::ObjectStart),
            Some(b'[') => return self.open(b']', Event::ArrayStart),
            Some(b'"') => Event::String(self.string()?),
            _ => Event::Scalar(self.scalar()?),
        };
        self.expect = Expect::More;
        Ok(event)
    }

    /// Passes every event of a value to `each`. `first` is the event that [`next`](Self::next) returned last, with
    /// which the value begins.
    pub(crate) fn value(
        &mut self,
        first: Event<'a>,
        mut each: impl FnMut(Event<'a>),
    ) -> Result<(), Unreadable> {
        let opens = matches!(first, Event::ArrayStart | Event::ObjectStart);
        let outside = self.open.len() - usize::from(opens);
        each(first);
        while self.open.len() > outside {
            each(self.next()?);
        }
        Ok(())
    }

    /// Skips the value that begins with `first`, the event that [`next`](Self::next) returned last.
    pub(crate) fn skip(&mut self, first: Event<'a>) -> Result<(), Unreadable> {
        self.value(first, |_| {})
    }

    /// Returns the next byte after white space.
    fn peek(&mut self) -> Option<u8> {
        let bytes = self.text.as_bytes();
        while let Some(b' ' | b'\t' | b'\n' | b'\r') = bytes.get(self.at) {
            self.at += 1;
        }
        bytes.get(self.at).copied()
    }

    fn take(&mut self, byte: u8) -> Result<(), Unreadable> {
        if self.peek() != Some(byte) {
            return Err(Unreadable);
        }
        self.at += 1;
        Ok(())
    }

    fn open(&mut self, end: u8, event: Event<'a>) -> Result<Event<'a>, Unreadable> {
        if self.open.len() == self.max_depth {
            return Err(Unreadable);
        }
        self.open.push(end);
        self.at += 1;
        self.expect = Expect::First;
        Ok(event)
    }

    /// Closes the array or object whose end is at the position.
    fn close(&mut self) -> Event<'a> {
        let event = match self.open.pop() {
            Some(b'}') => Event::ObjectEnd,
            Some(_) => Event::ArrayEnd,
            None => return Event::End,
        };
        self.at += 1;
        self.expect = Expect::More;
        event
    }

    fn scalar(&mut self) -> Result<&'a str, Unreadable> {
        let rest = &self.text[self.at..];
        let is_part =
            |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.');
        let length = rest.bytes().take_while(is_part).count();
        let scalar = &rest[..length];
        if !is_number(scalar) && !matches!(scalar, "true" | "false" | "null") {
            return Err(Unreadable);
        }
        self.at += scalar.len();
        Ok(scalar)
    }

    fn string(&mut self) -> Result<RawString<'a>, Unreadable> {
        self.take(b'"')?;
        let bytes = self.text.as_bytes();
        let start = self.at;
        let mut end = start;
        let mut escaped = false;
        loop {
            end = find_byte(bytes, end, |byte| matches!(byte, b'"' | b'\\' | ..b' '));
            end += match (bytes.get(end), bytes.get(end + 1)) {
                (Some(b'"'), _) => break,
                (Some(b'\\'), Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't')) => 2,
                (Some(b'\\'), Some(b'u')) if parse_hex(&bytes[end + 2..]).is_some() => 6,
                _ => return Err(Unreadable),
            };
            escaped = true;
        }
        self.at = end + 1;
        let raw = &self.text[start..end];
        Ok(RawString { raw, escaped })
    }
}

/// Returns the first position at or after `from` of a byte for which `hit` is true, or the end.
fn find_byte(bytes: &[u8], from: usize, hit: impl Fn(u8) -> bool) -> usize {
    let rest = &bytes[from..];
    // Most keys and many values end within a few bytes, so that blocks would not pay off.
    if let Some(near) = rest.iter().take(16).position(|&byte| hit(byte)) {
        return from + near;
    }
    // A block has no early exit, so that the compiler can vectorize the test.
    let has_no_hit = |block: &&[u8; 64]| !block.iter().fold(false, |any, &byte| any | hit(byte));
    let blocks = rest.as_chunks().0.iter().take_while(has_no_hit).count();
    let far = &rest[64 * blocks..];
    let last = far.iter().position(|&byte| hit(byte));
    from + 64 * blocks + last.unwrap_or(far.len())
}

/// Returns true for a number of JSON: digits without a leading zero, perhaps a fraction and an exponent.
fn is_number(text: &str) -> bool {
    let are_digits =
        |digits: &str| !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, "0"));
    let whole = whole.strip_prefix('-').unwrap_or(whole);
    are_digits(whole)
        && (whole == "0" || !whole.starts_with('0'))
        && are_digits(fraction)
        && are_digits(exponent.strip_prefix(['+', '-']).unwrap_or(exponent))
}

/// Parses the four hexadecimal digits at the beginning of `bytes`.
fn parse_hex(bytes: &[u8]) -> Option<u16> {
    bytes.get(..4)?.iter().try_fold(0, |number, &byte| {
        let digit = char::from(byte).to_digit(16)?;
        Some(number << 4 | u16::try_from(digit).ok()?)
    })
}
