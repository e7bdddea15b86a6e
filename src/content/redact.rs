//! Redaction of the model's thinking from request and response bodies.

use super::json::{Event, RawString, Scanner, Unreadable, Writer};
use super::{truncate, utf16};

/// The replacement for redacted text.
pub(crate) const REDACTED: &str = "<REDACTED>";
/// [`REDACTED`] as JSON.
const REDACTED_JSON: &str = "\"<REDACTED>\"";
/// The nesting limit. Deeper bodies are withheld.
const MAX_DEPTH: usize = 128;
/// The `type`s of objects whose thinking is removed. `thinking_delta` is not a content block but a fragment of one in a
/// stream: bodies are whole messages and should not contain it, but a host that collected raw stream events would
/// expose the same thinking in them.
const TYPES: [&str; 3] = ["thinking", "redacted_thinking", "thinking_delta"];
/// The members that contain thinking.
const MEMBERS: [&str; 2] = ["thinking", "data"];

/// A redacted body, which may be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RedactedBody {
    /// Compact JSON without thinking, within the limit.
    pub text: String,
    /// The length in UTF-16 units before truncation; for an unreadable body the original length.
    pub length: usize,
    /// True if the body was truncated at the limit.
    pub truncated: bool,
    /// True if the body is withheld because it could not be searched for thinking.
    pub unreadable: bool,
}

/// Returns `json` without thinking, within `limit` UTF-16 units.
///
/// Makes one pass over the body, and a second one if an object states its `type` only after its thinking. A body is
/// withheld if such an object has thinking before its `type` that is an array or an object.
pub fn redact_body(json: &str, limit: usize) -> RedactedBody {
    let written = write_redacted(json, limit, &[]).and_then(|(out, mut missed)| {
        if missed.is_empty() {
            return Ok(out);
        }
        missed.sort_unstable();
        write_redacted(json, limit, &missed).map(|(out, _)| out)
    });
    let Ok(out) = written else {
        return RedactedBody {
            text: REDACTED.to_owned(),
            length: utf16::len(json),
            truncated: false,
            unreadable: true,
        };
    };
    let (mut text, length) = out.finish();
    let truncated = length > limit;
    if truncated {
        text = truncate::shorten(text, limit, limit);
    }
    RedactedBody {
        text,
        length,
        truncated,
        unreadable: false,
    }
}

/// Writes the body without the thinking of all objects that state their `type` before it, or begin at one of the sorted
/// positions `thinking`. Also returns the positions of the other thinking objects, whose thinking was written. Returns an
/// error if such thinking is an array or an object.
fn write_redacted(
    json: &str,
    limit: usize,
    thinking: &[usize],
) -> Result<(Writer, Vec<usize>), Unreadable> {
    let mut scanner = Scanner::new(json, MAX_DEPTH);
    let mut out = Writer::new(limit, json);
    let mut missed = Vec::new();
    let mut objects: Vec<Object> = Vec::new();
    let mut key: Option<RawString<'_>> = None;
    loop {
        let event = scanner.next()?;
        if let (Some(key), Some(object)) = (key.take(), objects.last_mut())
            && object.hides(key, event)
        {
            scanner.skip(event)?;
            out.event(Event::Scalar(REDACTED_JSON));
            continue;
        }
        match event {
            Event::End => return Ok((out, missed)),
            Event::Key(name) => key = Some(name),
            Event::ObjectStart => {
                let at = scanner.position();
                objects.push(Object {
                    at,
                    thinks: thinking.binary_search(&at).is_ok(),
                    ..Object::default()
                });
            }
            Event::ObjectEnd => match objects.pop().filter(|object| object.thinks) {
                Some(object) if object.wrote_nested => return Err(Unreadable),
                Some(object) if object.wrote_text => missed.push(object.at),
                _ => {}
            },
            // The body is not an object.
            _ if objects.is_empty() => return Err(Unreadable),
            _ => {}
        }
        out.event(event);
    }
}

/// An object that has not ended.
#[derive(Default)]
struct Object {
    /// The position where it begins.
    at: usize,
    /// True if one of its `type` members is one of [`TYPES`]. If `type` is repeated, a harmless one never overrides.
    thinks: bool,
    /// True if one of its [`MEMBERS`] was a string, and was written before the object was known to be thinking.
    wrote_text: bool,
    /// True if one of its [`MEMBERS`] was an object or an array, and was written before the object was known to be
    /// thinking.
    wrote_nested: bool,
}

impl Object {
    /// Returns true if the member whose value begins with `value` is thinking. Otherwise the member is written.
    fn hides(&mut self, key: RawString<'_>, value: Event<'_>) -> bool {
        if let Event::String(text) = value
            && key.is("type")
        {
            self.thinks |= TYPES.iter().any(|name| text.is(name));
            return false;
        }
        let is_text = matches!(value, Event::String(_));
        let is_nested = matches!(value, Event::ObjectStart | Event::ArrayStart);
        if !(is_text || is_nested) || !MEMBERS.iter().any(|name| key.is(name)) {
            return false;
        }
        self.wrote_text |= is_text && !self.thinks;
        self.wrote_nested |= is_nested && !self.thinks;
        self.thinks
    }
}

#[cfg(test)]
mod tests;
