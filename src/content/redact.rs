//! Redaction of the model's thinking from request and response bodies.

use super::json::{Event, Scanner, Text, Unreadable, Writer};
use super::{truncate, utf16};

/// The replacement for redacted text.
pub(crate) const REDACTED: &str = "<REDACTED>";
/// [`REDACTED`] as JSON.
const REDACTED_JSON: &str = "\"<REDACTED>\"";
/// The nesting limit. Deeper bodies are not processed.
const MAX_DEPTH: usize = 128;
/// The `type`s of objects whose thinking is removed. `thinking_delta` is not a content block but a fragment of one in a
/// stream: bodies are whole messages and should not contain it, but a host that collected raw stream events would
/// expose the same thinking in them.
const TYPES: [&str; 3] = ["thinking", "redacted_thinking", "thinking_delta"];
/// The members that contain thinking.
const MEMBERS: [&str; 2] = ["thinking", "data"];

/// A redacted body, which may be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RedactedBody {
    /// Compact JSON without thinking, within the limit.
    pub(crate) text: String,
    /// The length in UTF-16 units before truncation; for an unreadable body the original length.
    pub(crate) length: usize,
    /// True if the body was truncated at the limit.
    pub(crate) truncated: bool,
    /// True if the body is withheld because it could not be searched for thinking.
    pub(crate) unreadable: bool,
}

/// Returns `json` without thinking, within `limit` UTF-16 units.
///
/// Makes a single pass over any body. If an object states its `type` only after its thinking, no text is read twice:
/// the text stays undecided until the object ends. Memory is bounded by the limit: an undecided text is a reference
/// into `json`, and there are no more of them than keys that fit into the limit.
pub(crate) fn redact_body(json: &str, limit: usize) -> RedactedBody {
    match Redactor::new(json, limit).run() {
        Ok(body) => body,
        Err(_) => RedactedBody {
            text: REDACTED.to_owned(),
            length: utf16::len(json),
            truncated: false,
            unreadable: true,
        },
    }
}

/// The role of a member, determined by its name.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Member {
    Type,
    /// A member in [`MEMBERS`].
    Candidate,
    Other,
}

/// An object that has not ended.
struct Object {
    /// True if one of its `type` members is one of [`TYPES`]. If `type` is repeated, a harmless one never overrides.
    thinks: bool,
    /// The length of its undecided texts without redaction.
    plain: usize,
    /// The length of its undecided texts with redaction.
    redacted: usize,
    /// The number of undecided texts of enclosing objects when this object began.
    pending: usize,
    /// True if a member in [`MEMBERS`] was an object or an array, and was written before the object was known to be
    /// thinking.
    nested: bool,
}

/// A text that was undecided when it was read: the object's `type` was not known yet.
struct Open<'a> {
    /// Its position in the kept text.
    at: usize,
    text: Text<'a>,
    redacted: bool,
}

struct Redactor<'a> {
    scanner: Scanner<'a>,
    limit: usize,
    /// The body without the undecided texts.
    out: Writer,
    /// The length of the formerly undecided texts whose object has ended.
    settled: usize,
    open: Vec<Open<'a>>,
    /// The indices into `open` of texts whose object has not ended. The texts of an object come last when it ends,
    /// because those of the objects inside it have been removed by then.
    pending: Vec<usize>,
    objects: Vec<Object>,
}

impl<'a> Redactor<'a> {
    fn new(json: &'a str, limit: usize) -> Self {
        Self {
            scanner: Scanner::new(json, MAX_DEPTH),
            limit,
            out: Writer::with_room(limit, json.len()),
            settled: 0,
            open: Vec::new(),
            pending: Vec::new(),
            objects: Vec::new(),
        }
    }

    fn run(mut self) -> Result<RedactedBody, Unreadable> {
        let mut member = Member::Other;
        let mut comma = false;
        while let Some(event) = self.scanner.next()? {
            if self.objects.is_empty() && !matches!(event, Event::ObjectStart | Event::ObjectEnd) {
                return Err(Unreadable::Syntax);
            }
            let ends = matches!(event, Event::ObjectEnd | Event::ArrayEnd);
            if comma && !ends {
                self.out.push(",");
            }
            comma = !matches!(
                event,
                Event::ObjectStart | Event::ArrayStart | Event::Key(_)
            );
            let of = std::mem::replace(&mut member, Member::Other);
            match event {
                Event::ObjectStart | Event::ArrayStart if self.hides(of) => {
                    self.scanner.skip_open()?;
                    self.out.push(REDACTED_JSON);
                    comma = true;
                }
                Event::ObjectStart => self.begin(),
                Event::ObjectEnd => self.end()?,
                Event::ArrayStart => self.out.push("["),
                Event::ArrayEnd => self.out.push("]"),
                Event::Scalar(scalar) => self.out.push(scalar),
                Event::Key(key) => {
                    member = classify(key);
                    self.out.string(key);
                    self.out.push(":");
                }
                Event::String(text) => self.string(text, of),
            }
        }
        Ok(self.finish())
    }

    /// Returns true if an object or array, as such a member, is redacted. Known thinking blocks have only strings
    /// there. If the object turns out to be thinking later, the whole body is withheld.
    fn hides(&mut self, of: Member) -> bool {
        match self.objects.last_mut() {
            Some(object) if of == Member::Candidate => {
                object.nested |= !object.thinks;
                object.thinks
            }
            _ => false,
        }
    }

    fn begin(&mut self) {
        self.out.push("{");
        self.objects.push(Object {
            thinks: false,
            plain: 0,
            redacted: 0,
            pending: self.pending.len(),
            nested: false,
        });
    }

    fn end(&mut self) -> Result<(), Unreadable> {
        self.out.push("}");
        let Some(object) = self.objects.pop() else {
            return Ok(());
        };
        if object.thinks && object.nested {
            return Err(Unreadable::Thinking);
        }
        self.settled += if object.thinks {
            object.redacted
        } else {
            object.plain
        };
        for index in self.pending.drain(object.pending..) {
            if let Some(open) = self.open.get_mut(index) {
                open.redacted = object.thinks;
            }
        }
        Ok(())
    }

    fn string(&mut self, text: Text<'a>, of: Member) {
        match (of, self.objects.last_mut()) {
            (Member::Candidate, Some(object)) if object.thinks => self.out.push(REDACTED_JSON),
            (Member::Candidate, Some(object)) => {
                let units = written_units(text);
                object.plain += units;
                object.redacted += REDACTED_JSON.len();
                if !self.out.is_full() {
                    self.pending.push(self.open.len());
                    self.open.push(Open {
                        at: self.out.kept().len(),
                        text,
                        redacted: false,
                    });
                    // The text will need at least this much room, so the kept text is long enough in both cases.
                    self.out.set_aside(units.min(REDACTED_JSON.len()));
                }
            }
            (Member::Type, Some(object)) => {
                object.thinks |= TYPES.iter().any(|name| text.is(name));
                self.out.string(text);
            }
            _ => self.out.string(text),
        }
    }

    fn finish(self) -> RedactedBody {
        let (kept, units) = self.out.finish();
        let length = units + self.settled;
        let mut text = if self.open.is_empty() {
            kept
        } else {
            filled(&kept, &self.open, self.limit)
        };
        let truncated = length > self.limit;
        if truncated {
            text = truncate::shorten(text, self.limit);
        }
        RedactedBody {
            text,
            length,
            truncated,
            unreadable: false,
        }
    }
}

/// Returns the first `limit` units of the body after all texts are decided.
fn filled(kept: &str, open: &[Open<'_>], limit: usize) -> String {
    let mut out = Writer::new(limit);
    let mut from = 0;
    for open in open {
        out.push(&kept[from..open.at]);
        from = open.at;
        if out.is_full() {
            break;
        }
        if open.redacted {
            out.push(REDACTED_JSON);
        } else {
            out.string(open.text);
        }
    }
    out.push(&kept[from..]);
    out.finish().0
}

fn classify(key: Text<'_>) -> Member {
    if key.is("type") {
        Member::Type
    } else if MEMBERS.iter().any(|name| key.is(name)) {
        Member::Candidate
    } else {
        Member::Other
    }
}

/// Returns the length of a string as it is written, with its quotes.
fn written_units(text: Text<'_>) -> usize {
    let mut out = Writer::new(0);
    out.string(text);
    out.finish().1
}

#[cfg(test)]
mod tests;
