//! The encoding of events and spans as OTLP messages.

pub(crate) mod events;
pub(crate) mod message;
pub(crate) mod protobuf;
pub(crate) mod shorten;
mod source_config;
pub(crate) mod spans;
#[cfg(test)]
mod tests;

pub(crate) use source_config::SourceConfig;

use bytes::Bytes;
use prost::Message;

use shorten::Shorten;

/// Decodes a message that this crate encoded, which cannot fail.
pub(crate) fn decoded<M: Message + Default>(message: &[u8]) -> M {
    M::decode(message).unwrap_or_default()
}

/// Encodes the queued items of one signal as OTLP, in bytes of protobuf.
pub(crate) trait Encode: Send + 'static {
    /// The type of the queued items.
    type Item: Send + Sync;
    /// The type of the OTLP message of an item: a log record or a span.
    type Message: Shorten;

    /// Creates the encoder of a configuration.
    fn new(config: &SourceConfig) -> Self;

    /// Encodes an item as its message. Counts the bodies that are replaced by `<REDACTED>`, because they cannot be
    /// searched for the model's thinking, in `unreadable_bodies`.
    fn encode(&self, item: &Self::Item, unreadable_bodies: &mut u64) -> Vec<u8>;

    /// Returns the size of the item in a request, in bytes. `record` is the encoded item.
    fn size(&self, _item: &Self::Item, record: &[u8]) -> usize {
        record.len()
    }

    /// Builds an export request from encoded items. `items` are the items themselves, in the same order.
    fn request<'a>(
        &self,
        records: &[Vec<u8>],
        items: impl Iterator<Item = &'a Self::Item>,
    ) -> Bytes;
}
