//! OTLP messages of the three signals, from their typed state.

pub(crate) mod events;
mod item;
pub(crate) mod message;
pub(crate) mod protobuf;
pub(crate) mod spans;

pub(crate) use self::item::Item;

use crate::health::Tally;

/// How one signal's queued items become OTLP.
pub(crate) trait Translate: Send + 'static {
    /// What is queued.
    type Item: Send + Sync;
    /// A log record or a span.
    type Record: Send;
    /// The request.
    type Request: Send;

    fn translate(&self, item: &Self::Item, tally: &Tally) -> Self::Record;

    /// The bytes of protobuf that the record takes.
    fn size(record: &Self::Record) -> usize;

    /// Cuts a record that alone is too large.
    fn shorten(record: &mut Self::Record);

    fn request(&self, records: Vec<Self::Record>) -> Self::Request;
}
