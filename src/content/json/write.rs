//! The writer of compact JSON into bounded memory.

use super::super::utf16;
use super::{Part, Text};

/// A writer of compact JSON, as `JSON.stringify` of JavaScript writes it. It keeps the first units up to a limit, and
/// counts all units.
pub(crate) struct Writer {
    kept: String,
    room: usize,
    units: usize,
}

impl Writer {
    /// Creates a writer that keeps at most `limit` UTF-16 units.
    pub(crate) fn new(limit: usize) -> Self {
        Self {
            kept: String::new(),
            room: limit,
            units: 0,
        }
    }

    /// Creates a writer with capacity for a text of `bytes` bytes, but no more than the limit allows.
    pub(crate) fn with_room(limit: usize, bytes: usize) -> Self {
        Self {
            kept: String::with_capacity(bytes.min(limit)),
            ..Self::new(limit)
        }
    }

    /// Returns the kept text.
    pub(crate) fn kept(&self) -> &str {
        &self.kept
    }

    /// Returns the kept text, and the length of everything that was written.
    pub(crate) fn finish(self) -> (String, usize) {
        (self.kept, self.units)
    }

    /// Returns true if no more text will be kept.
    pub(crate) fn is_full(&self) -> bool {
        self.room == 0
    }

    /// Reserves `units` of the limit for text that the caller inserts later.
    pub(crate) fn set_aside(&mut self, units: usize) {
        self.room = self.room.saturating_sub(units);
    }

    /// Writes JSON text unchanged.
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
        // The kept text must stay a prefix of the whole: after a part was left out, nothing more is kept.
        self.room = if rest.is_empty() {
            self.room - units
        } else {
            0
        };
        self.units += units + utf16::len(rest);
    }

    /// Writes a string with its quotes and with as few escapes as possible.
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
