//! A protobuf writer that encodes recorded data directly. The types of `opentelemetry-proto` would copy every text once
//! more.
//!
//! The output equals the encoding of these types: fields in the order of their numbers, lengths in their
//! shortest form.

use crate::record::{Out, Value};

// The wire types of protobuf.
const VARINT: u8 = 0;
const FIXED_64: u8 = 1;
const LENGTH: u8 = 2;
const FIXED_32: u8 = 5;

/// An output that writes attributes as the field of this number, in encoded form.
pub(crate) struct Field<'a>(pub(crate) u8, pub(crate) &'a mut Writer);

impl Out for Field<'_> {
    fn value(&mut self, key: &str, value: Value<'_>) {
        self.1.nested(self.0, |pair| {
            pair.string_unless_empty(1, key);
            pair.nested(2, |any| match value {
                Value::String(value) => any.string(1, &value),
                Value::Bool(value) => any.varint(2, u64::from(value)),
                Value::Int(value) => any.varint(3, value.cast_unsigned()),
                Value::Double(value) => any.fixed_64(4, value.to_bits()),
                Value::StringArray(values) => any.nested(5, |array| {
                    for value in &values {
                        array.nested(1, |any| any.string(1, value));
                    }
                }),
            });
        });
    }
}

/// Returns the encoded size of a length-delimited field with content of this length. The field's number must be below
/// 16, so that its tag has one byte.
pub(crate) fn field_len(length: usize) -> usize {
    1 + prost::length_delimiter_len(length) + length
}

/// A buffer of encoded protobuf.
#[derive(Debug, Default)]
pub(crate) struct Writer(Vec<u8>);

impl Writer {
    pub(crate) fn with_capacity(bytes: usize) -> Self {
        Self(Vec::with_capacity(bytes))
    }

    pub(crate) fn finish(self) -> Vec<u8> {
        self.0
    }

    pub(crate) fn varint(&mut self, field: u8, value: u64) {
        self.tag(field, VARINT);
        self.number(value);
    }

    pub(crate) fn fixed_64(&mut self, field: u8, value: u64) {
        self.tag(field, FIXED_64);
        self.0.extend_from_slice(&value.to_le_bytes());
    }

    /// Writes a time in nanoseconds since the Unix epoch. A time of 0, the default of the field, is omitted.
    pub(crate) fn time(&mut self, field: u8, nanos: u64) {
        if nanos > 0 {
            self.fixed_64(field, nanos);
        }
    }

    pub(crate) fn fixed_32(&mut self, field: u8, value: u32) {
        self.tag(field, FIXED_32);
        self.0.extend_from_slice(&value.to_le_bytes());
    }

    /// Begins a field whose content of this length follows.
    pub(crate) fn begin(&mut self, field: u8, length: usize) {
        self.tag(field, LENGTH);
        self.number(length as u64);
    }

    pub(crate) fn bytes(&mut self, field: u8, value: &[u8]) {
        self.begin(field, value.len());
        self.0.extend_from_slice(value);
    }

    pub(crate) fn string(&mut self, field: u8, value: &str) {
        self.bytes(field, value.as_bytes());
    }

    pub(crate) fn string_unless_empty(&mut self, field: u8, value: &str) {
        if !value.is_empty() {
            self.string(field, value);
        }
    }

    /// Writes a nested message.
    pub(crate) fn nested(&mut self, field: u8, write: impl FnOnce(&mut Self)) {
        self.tag(field, LENGTH);
        // Most nested messages are short enough for a length prefix of one byte; the others are moved.
        let at = self.0.len();
        self.0.push(0);
        write(self);
        let length = self.0.len() - at - 1;
        if length < 0x80 {
            self.0[at] = length as u8;
            return;
        }
        let mut prefix = Self::with_capacity(10);
        prefix.number(length as u64);
        self.0.splice(at..=at, prefix.0);
    }

    fn tag(&mut self, field: u8, kind: u8) {
        self.number(u64::from(field) << 3 | u64::from(kind));
    }

    fn number(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.0.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.0.push(value as u8);
    }
}
