//! The encoding of events and spans as OTLP messages.

pub(crate) mod events;
pub(crate) mod message;
pub(crate) mod protobuf;
pub(crate) mod shorten;
pub(crate) mod spans;
#[cfg(test)]
mod tests;

use bytes::Bytes;
use prost::Message;

use crate::health::EncodeStats;

/// Decodes a message that this crate encoded, which cannot fail.
pub(crate) fn decoded<M: Message + Default>(message: &[u8]) -> M {
    M::decode(message).unwrap_or_default()
}

/// Encodes the queued items of one signal as OTLP.
pub(crate) trait Encode: Send + 'static {
    /// The type of the queued items.
    type Item: Send + Sync;
    /// The type of an encoded item: a log record or a span.
    type Record: Send;

    fn encode(&self, item: &Self::Item, stats: &EncodeStats) -> Self::Record;

    /// Returns the size of the record in bytes of protobuf.
    fn size(record: &Self::Record) -> usize;

    /// Truncates a record that is larger than [`MAX_ITEM_BYTES`](shorten::MAX_ITEM_BYTES).
    fn shorten(record: &mut Self::Record);

    /// Builds an export request, in bytes of protobuf.
    fn request(&self, records: Vec<Self::Record>) -> Bytes;
}
