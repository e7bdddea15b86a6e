//! The truncation of log records and spans that are too large for a request.

use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use opentelemetry_proto::tonic::logs::v1::LogRecord;
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message;

use super::decoded;
use crate::content::{truncate::marker, utf16};

/// The size limit of a single record or span, in bytes of protobuf: the limit of a request, because a record cannot be
/// split.
pub(crate) const MAX_ITEM_BYTES: usize = 3_670_016;
/// The bytes reserved for the truncation marker; more than any marker needs.
const MARKER_ROOM: usize = 128;

/// A record that can be truncated.
pub(crate) trait Shorten: Message + Default + Clone + 'static {
    /// Returns the texts that may be truncated.
    fn texts(&mut self) -> Vec<&mut String>;

    /// Truncates the longest text of a record that is too large, so that the record fits.
    fn shorten(&mut self) {
        loop {
            let size = self.encoded_len();
            if size <= MAX_ITEM_BYTES {
                return;
            }
            let longest = self.texts().into_iter().max_by_key(|text| text.len());
            let Some(text) = longest.filter(|text| !text.is_empty()) else {
                return;
            };
            // A short text gets no marker, which would make it longer.
            let marked = text.len() > MARKER_ROOM;
            // Reserving room for the marker makes one iteration sufficient unless several texts are too long.
            let mut keep = text
                .len()
                .saturating_sub(size - MAX_ITEM_BYTES + MARKER_ROOM);
            while !text.is_char_boundary(keep) {
                keep -= 1;
            }
            text.truncate(keep);
            if marked {
                let units = utf16::len(text);
                text.push_str(&marker(units));
            }
        }
    }

    /// Truncates an encoded record.
    fn shorten_encoded(bytes: &mut Vec<u8>) {
        let mut record: Self = decoded(bytes);
        record.shorten();
        *bytes = record.encode_to_vec();
    }
}

impl Shorten for LogRecord {
    fn texts(&mut self) -> Vec<&mut String> {
        let body = self.body.as_mut().and_then(text);
        texts(&mut self.attributes).chain(body).collect()
    }
}

impl Shorten for Span {
    fn texts(&mut self) -> Vec<&mut String> {
        let events = self.events.iter_mut();
        let events = events.flat_map(|event| texts(&mut event.attributes));
        let message = self.status.as_mut().map(|status| &mut status.message);
        let texts = texts(&mut self.attributes).chain(events);
        texts.chain(message).collect()
    }
}

/// Returns the texts among attribute values.
fn texts(attributes: &mut [KeyValue]) -> impl Iterator<Item = &mut String> {
    let values = attributes
        .iter_mut()
        .filter_map(|attribute| attribute.value.as_mut());
    values.filter_map(text)
}

fn text(value: &mut AnyValue) -> Option<&mut String> {
    match value.value.as_mut()? {
        Value::StringValue(text) => Some(text),
        _ => None,
    }
}
