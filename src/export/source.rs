//! The interface between a pipeline and the data that it delivers.

use std::future::{pending, ready};

use bytes::Bytes;

use super::BoxFuture;
use super::blocking::BlockingError;
use crate::encode::SourceConfig;

/// A source of data for one exporter. It hands out one batch at a time, which stays the current one until it is
/// acknowledged, split or discarded.
pub(crate) trait Source: Send {
    /// Applies a configuration to the requests that are built from now on.
    fn configure(&mut self, config: &SourceConfig);

    /// Begins a pass, which delivers everything that the source holds now.
    fn begin(&mut self);

    /// Prepares the data of the next requests of the pass. Only sources whose preparation takes time implement this.
    ///
    /// # Errors
    ///
    /// Returns an error if no thread can be started for the preparation. The data stays in the source for the next
    /// call.
    fn prepare(&mut self) -> BoxFuture<'_, Result<(), BlockingError>> {
        Box::pin(ready(Ok(())))
    }

    /// Returns the request of the current batch. Without a current batch, takes the next one of the pass: it has at
    /// most `max_bytes` of protobuf, unless a single item is larger.
    fn batch(&mut self, max_bytes: usize) -> Option<Batch>;

    /// Ends the current batch: it was delivered, or rejected permanently.
    fn acknowledge(&mut self);

    /// Splits the current batch, which is too large for the receiver, into two halves: the first one is the current
    /// batch from now on. Returns false if the batch is a single item.
    fn split(&mut self) -> bool;

    /// Drops all undelivered items, and returns their number.
    fn discard(&mut self) -> u64;

    /// Waits until the source holds enough data to begin a pass before the interval ends.
    fn filled(&self) -> BoxFuture<'_, ()> {
        Box::pin(pending())
    }
}

/// The request of the current batch.
pub(crate) struct Batch {
    /// The export request, in bytes of protobuf.
    pub(crate) message: Bytes,
    /// The number of data points, log records or spans.
    pub(crate) items: u64,
    /// The number of items that are lost if the receiver rejects the request: all except data points that repeat a
    /// delivered value.
    pub(crate) losses: u64,
}

/// Splits the last batch of a stack into two: the first half becomes the last batch. Returns false if there is no batch
/// with two items.
pub(crate) fn split_last<T>(batches: &mut Vec<Vec<T>>) -> bool {
    let Some(batch) = batches.last_mut().filter(|batch| batch.len() > 1) else {
        return false;
    };
    let rest = batch.split_off(batch.len() / 2);
    let first = std::mem::replace(batch, rest);
    batches.push(first);
    true
}
