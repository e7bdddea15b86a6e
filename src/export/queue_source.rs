//! A source that builds requests from the items of a queue.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::BoxFuture;
use super::queue::{BATCH_RECORDS, Queue};
use super::source::{Batch, Source, SourceConfig, split_last};
use crate::encode::Encode;
use crate::encode::shorten::MAX_ITEM_BYTES;
use crate::health::EncodeStats;

/// A source that converts queued items to the requests of one exporter.
pub(crate) struct QueueSource<T: Encode> {
    queue: Queue<T::Item>,
    /// Creates the encoder of a configuration.
    configured: fn(&SourceConfig) -> T,
    encoder: T,
    /// The number of items in the queue that the pass still has to deliver.
    left: usize,
    /// An item that did not fit into the last request.
    carried: Option<Entry<T::Item>>,
    /// The batches that are not acknowledged. The last one is the current one.
    batches: Vec<Vec<Entry<T::Item>>>,
    stats: Arc<EncodeStats>,
}

/// An item with its size in the queue.
type Entry<I> = (I, usize);

impl<T: Encode> QueueSource<T> {
    pub(crate) fn new(
        queue: Queue<T::Item>,
        configured: fn(&SourceConfig) -> T,
        stats: Arc<EncodeStats>,
    ) -> Self {
        Self {
            queue,
            encoder: configured(&SourceConfig::default()),
            configured,
            left: 0,
            carried: None,
            batches: Vec::new(),
            stats,
        }
    }

    /// Takes and encodes the next item of the pass.
    fn pop(&mut self) -> Option<(T::Record, Entry<T::Item>)> {
        if let Some(carried) = self.carried.take() {
            return Some((self.encode_again(&carried), carried));
        }
        if self.left == 0 {
            return None;
        }
        let entry = self.queue.pop()?;
        self.left -= 1;
        Some((self.encode(&entry.0, &self.stats), entry))
    }

    fn encode(&self, item: &T::Item, stats: &EncodeStats) -> T::Record {
        let mut record = self.encoder.encode(item, stats);
        if T::size(&record) > MAX_ITEM_BYTES {
            T::shorten(&mut record);
            stats.shortened.fetch_add(1, Ordering::Relaxed);
        }
        record
    }

    /// Encodes an item that was counted when it was first encoded.
    fn encode_again(&self, (item, _): &Entry<T::Item>) -> T::Record {
        self.encode(item, &EncodeStats::default())
    }

    /// Takes the items of the next batch, and returns their records.
    fn next(&mut self, max_bytes: usize) -> Vec<T::Record> {
        let (mut records, mut batch) = (Vec::new(), Vec::new());
        let mut bytes = 0;
        while records.len() < BATCH_RECORDS {
            let Some((record, entry)) = self.pop() else {
                break;
            };
            // A tag and a length prefix precede each record.
            bytes += T::size(&record) + 8;
            if bytes > max_bytes && !records.is_empty() {
                self.carried = Some(entry);
                break;
            }
            records.push(record);
            batch.push(entry);
        }
        if !batch.is_empty() {
            self.batches.push(batch);
        }
        records
    }

    /// Releases the space of items that are delivered or dropped. Returns their number.
    fn release(&self, entries: &[Entry<T::Item>]) -> u64 {
        let bytes = entries.iter().map(|(_, size)| size).sum();
        self.queue.release(entries.len(), bytes);
        entries.len() as u64
    }
}

impl<T: Encode> Source for QueueSource<T> {
    fn configure(&mut self, config: &SourceConfig) {
        self.encoder = (self.configured)(config);
    }

    fn begin(&mut self) {
        self.left = self.queue.len();
    }

    fn batch(&mut self, max_bytes: usize) -> Option<Batch> {
        let records: Vec<_> = match self.batches.last() {
            Some(batch) => batch.iter().map(|entry| self.encode_again(entry)).collect(),
            None => self.next(max_bytes),
        };
        (!records.is_empty()).then(|| Batch {
            items: records.len() as u64,
            losses: records.len() as u64,
            message: self.encoder.request(records),
        })
    }

    fn acknowledge(&mut self) {
        if let Some(batch) = self.batches.pop() {
            self.release(&batch);
        }
    }

    fn split(&mut self) -> bool {
        split_last(&mut self.batches)
    }

    fn discard(&mut self) -> u64 {
        let mut dropped: Vec<_> = self.batches.drain(..).flatten().collect();
        dropped.extend(self.carried.take());
        dropped.extend((0..self.queue.len()).filter_map(|_| self.queue.pop()));
        self.left = 0;
        self.release(&dropped)
    }

    fn is_full(&self) -> bool {
        self.queue.is_full()
    }

    fn filled(&self) -> BoxFuture<'_, ()> {
        Box::pin(self.queue.filled())
    }
}
