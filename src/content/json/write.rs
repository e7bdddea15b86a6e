//! Compact JSON, written into bounded memory.

use super::super::utf16;
use super::{Part, Text};

/// Compact JSON as JavaScript's `JSON.stringify` writes it: keeps the first units, counts all.
pub(crate) struct Writer {
    kept: String,
    room: usize,
    units: usize,
}

impl Writer {
    /// A writer that keeps at most `limit` UTF-16 units.
    pub(crate) fn new(limit: usize) -> Self {
        Self {
            kept: String::new(),
            room: limit,
            units: 0,
        }
    }

    /// The same, with room for a text of so many bytes, as far as the limit lets it in.
    pub(crate) fn with_room(limit: usize, bytes: usize) -> Self {
        Self {
            kept: String::with_capacity(bytes.min(limit)),
            ..Self::new(limit)
        }
    }

    /// The text that was kept.
    pub(crate) fn kept(&self) -> &str {
        &self.kept
    }

    /// The text that was kept, and the length of all that was written.
    pub(crate) fn finish(self) -> (String, usize) {
        (self.kept, self.units)
    }

    /// Whether nothing more will be kept.
    pub(crate) fn is_full(&self) -> bool {
        self.room == 0
    }

    /// Keeps `units` less, for text that the caller puts in later.
    pub(crate) fn set_aside(&mut self, units: usize) {
        self.room = self.room.saturating_sub(units);
    }

    /// Writes JSON text as it is.
    pub(crate) fn push(&mut self, json: &str) {
        if self.room == 0 {
            self.units += utf16::len(json);
            return;
        }
        if json.len() <= self.room {
            let units = utf16::len(json);
            self.kept.push_str(json);
            self.room -= units;
            self.units += units;
            return;
        }
        let (head, units) = utf16::cut(json, self.room);
        let rest = &json[head.len()..];
        self.kept.push_str(head);
        // What was kept stays a prefix: after something was left out, nothing may follow.
        self.room = if rest.is_empty() {
            self.room - units
        } else {
            0
        };
        self.units += units + utf16::len(rest);
    }

    /// Writes a string with its quotes, with no more escapes than it needs.
    pub(crate) fn string(&mut self, text: Text<'_>) {
        self.push("\"");
        for part in text.parts() {
            self.part(part);
        }
        self.push("\"");
    }

    /// Writes a piece of a string.
    pub(crate) fn part(&mut self, part: Part<'_>) {
        match part {
            Part::Plain(plain) => self.push(plain),
            Part::Lone(unit) => self.push(&format!("\\u{unit:04x}")),
            Part::Char(character) => match character {
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
