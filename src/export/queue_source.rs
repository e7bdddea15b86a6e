//! A source that builds requests from the items of a queue.

use std::sync::Arc;

use super::BoxFuture;
use super::queue::{BATCH_RECORDS, Queue};
use super::source::{Batch, Source, split_last};
use crate::encode::shorten::{MAX_ITEM_BYTES, Shorten};
use crate::encode::{Encode, SourceConfig};
use crate::health::ExporterCounters;

/// A source that converts queued items to the requests of one exporter.
pub(crate) struct QueueSource<T: Encode> {
    queue: Queue<T::Item>,
    encoder: T,
    /// The number of items that were in the queue at the last call of `begin` and are not taken yet.
    left: usize,
    /// The batches that are not acknowledged. The last one is the current one.
    batches: Vec<Vec<Entry<T::Item>>>,
    counters: Arc<ExporterCounters>,
}

/// An item that was taken from the queue.
struct Entry<I> {
    item: I,
    /// The size of the item in the queue.
    size: usize,
    /// True after the item was encoded for the first time, so that the changes of the encoding are counted once.
    is_counted: bool,
}

impl<T: Encode> QueueSource<T> {
    pub(crate) fn new(queue: Queue<T::Item>, counters: Arc<ExporterCounters>) -> Self {
        Self {
            queue,
            encoder: T::new(&SourceConfig::default()),
            left: 0,
            batches: Vec::new(),
            counters,
        }
    }

    /// Takes the items of the next batch.
    fn take(&mut self) -> Vec<Entry<T::Item>> {
        let count = self.left.min(BATCH_RECORDS);
        self.left -= count;
        let taken = (0..count).map_while(|_| self.queue.pop());
        let entry = |(item, size)| Entry {
            item,
            size,
            is_counted: false,
        };
        taken.map(entry).collect()
    }

    fn encode(&self, entry: &mut Entry<T::Item>) -> Vec<u8> {
        let mut unreadable_bodies = 0;
        let mut record = self.encoder.encode(&entry.item, &mut unreadable_bodies);
        let is_too_large = record.len() > MAX_ITEM_BYTES;
        if is_too_large {
            T::Message::shorten_encoded(&mut record);
        }
        let is_changed = is_too_large || unreadable_bodies > 0;
        if !std::mem::replace(&mut entry.is_counted, true) && is_changed {
            self.counters.encoded(is_too_large, unreadable_bodies);
        }
        record
    }

    /// Releases the space of items that are delivered or dropped. Returns their number.
    fn release(&self, sizes: impl ExactSizeIterator<Item = usize>) -> u64 {
        let items = sizes.len();
        self.queue.release(items, sizes.sum());
        items as u64
    }
}

impl<T: Encode> Source for QueueSource<T> {
    fn configure(&mut self, config: &SourceConfig) {
        self.encoder = T::new(config);
    }

    fn begin(&mut self) {
        self.left = self.queue.len();
    }

    fn batch(&mut self, max_bytes: usize) -> Option<Batch> {
        let mut batch = self.batches.pop().unwrap_or_else(|| self.take());
        if batch.is_empty() {
            return None;
        }
        let (mut records, mut bytes) = (Vec::with_capacity(batch.len()), 0);
        for entry in &mut batch {
            let record = self.encode(entry);
            // A tag and a length prefix precede each record.
            bytes += self.encoder.size(&entry.item, &record) + 8;
            if bytes > max_bytes && !records.is_empty() {
                break;
            }
            records.push(record);
        }
        let rest = batch.split_off(records.len());
        if !rest.is_empty() {
            self.batches.push(rest);
        }
        let items = batch.iter().map(|entry| &entry.item);
        let message = self.encoder.request(&records, items);
        self.batches.push(batch);
        Some(Batch {
            items: records.len() as u64,
            losses: records.len() as u64,
            message,
        })
    }

    fn acknowledge(&mut self) {
        if let Some(batch) = self.batches.pop() {
            self.release(batch.iter().map(|entry| entry.size));
        }
    }

    fn split(&mut self) -> bool {
        split_last(&mut self.batches)
    }

    fn discard(&mut self) -> u64 {
        let entries = self.batches.drain(..).flatten();
        let mut sizes: Vec<_> = entries.map(|entry| entry.size).collect();
        let left = (0..self.queue.len()).filter_map(|_| self.queue.pop());
        sizes.extend(left.map(|(_, size)| size));
        self.left = 0;
        self.release(sizes.into_iter())
    }

    fn filled(&self) -> BoxFuture<'_, ()> {
        Box::pin(self.queue.filled())
    }
}
