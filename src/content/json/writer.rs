//! The writer of compact JSON into bounded memory.

use super::super::utf16;
use super::{Event, Part};

/// A writer of compact JSON, as `JSON.stringify` of JavaScript writes it. It keeps the first UTF-16 units up to a
/// limit, and counts all units.
pub(crate) struct Writer {
    kept: String,
    /// The number of UTF-16 units that can still be kept.
    room: usize,
    /// The number of UTF-16 units that were written.
    units: usize,
    /// True if a comma must precede the next item or member.
    follows: bool,
}

impl Writer {
    /// Creates a writer that keeps at most `limit` UTF-16 units, with capacity for the compact form of `json`.
    pub(crate) fn new(limit: usize, json: &str) -> Self {
        Self {
            kept: String::with_capacity(json.len().min(limit)),
            room: limit,
            units: 0,
            follows: false,
        }
    }

    /// Returns the kept text, and the length of everything that was written.
    pub(crate) fn finish(self) -> (String, usize) {
        (self.kept, self.units)
    }

    /// Writes a part of a document, and the comma before it.
    pub(crate) fn event(&mut self, event: Event<'_>) {
        if !matches!(event, Event::ObjectEnd | Event::ArrayEnd | Event::End) {
            self.comma();
        }
        match event {
            Event::ObjectStart => self.push("{"),
            Event::ObjectEnd => self.push("}"),
            Event::ArrayStart => self.push("["),
            Event::ArrayEnd => self.push("]"),
            Event::Key(key) => {
                self.quoted(key.parts(), "");
                self.push(":");
            }
            Event::String(text) => self.quoted(text.parts(), ""),
            Event::Scalar(scalar) => self.push(scalar),
            Event::End => {}
        }
        self.follows = !matches!(
            event,
            Event::ObjectStart | Event::ArrayStart | Event::Key(_)
        );
    }

    /// Writes a string that consists of the pieces and of `note`, which needs no escapes.
    pub(crate) fn annotated<'t>(&mut self, parts: impl Iterator<Item = Part<'t>>, note: &str) {
        self.comma();
        self.quoted(parts, note);
    }

    fn comma(&mut self) {
        if std::mem::replace(&mut self.follows, true) {
            self.push(",");
        }
    }

    /// Writes a string with its quotes and with as few escapes as possible.
    fn quoted<'t>(&mut self, parts: impl Iterator<Item = Part<'t>>, note: &str) {
        self.push("\"");
        for part in parts {
            self.part(part);
        }
        self.push(note);
        self.push("\"");
    }

    /// Writes JSON text unchanged.
    fn push(&mut self, json: &str) {
        let units = utf16::len(json);
        self.units += units;
        if units <= self.room {
            self.kept.push_str(json);
            self.room -= units;
        } else if self.room > 0 {
            self.kept.push_str(utf16::cut(json, self.room).0);
            // The kept text must stay a prefix of the whole: after a part was left out, nothing more is kept.
            self.room = 0;
        }
    }

    /// Writes a piece of a string.
    fn part(&mut self, part: Part<'_>) {
        match part {
            Part::Plain(plain) => self.push(plain),
            Part::Escaped(Err(unit)) => self.push(&format!("\\u{unit:04x}")),
            Part::Escaped(Ok(character)) => match character {
                '"' => self.push("\\\""),
                '\\' => self.push("\\\\"),
                '\u{8}' => self.push("\\b"),
                '\u{c}' => self.push("\\f"),
                '\n' => self.push("\\n"),
                '\r' => self.push("\\r"),
                '\t' => self.push("\\t"),
                '\0'..='\u{1f}' => self.push(&format!("\\u{:04x}", u32::from(character))),
                _ => self.push(character.encode_utf8(&mut [0; 4])),
            },
        }
    }
}
