//! Requests out of a queue: translated records, as many as fit.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use prost::Message;

use super::queue::{BATCH_RECORDS, Queue};
use super::sink::Request;
use super::{Batch, Source};
use crate::health::Tally;
use crate::signal::message::{MAX_ITEM_BYTES, shorten};

/// How one signal's queued items become OTLP.
pub(crate) trait Translate: Send + 'static {
    /// What is queued.
    type Item: Send + Sync;
    /// A log record or a span.
    type Record: Message + Default + Send;
    /// The request.
    type Request: Request;

    fn translate(&self, item: &Self::Item, tally: &Tally) -> Self::Record;

    /// The texts that may be cut when the record alone is too large.
    fn texts(record: &mut Self::Record) -> Vec<&mut String>;

    fn request(&self, records: Vec<Self::Record>) -> Self::Request;
}

/// Turns queued items into requests for one exporter.
pub(crate) struct QueueSource<T: Translate> {
    queue: Arc<Queue<T::Item>>,
    translator: T,
    /// Items that the pass still has to deliver.
    left: usize,
    /// A translated item that did not fit into the last request, and its size in the queue.
    carried: Option<(T::Record, usize)>,
    tally: Arc<Tally>,
}

/// What the queue gets back when a request is settled.
pub(crate) struct Places {
    records: usize,
    bytes: usize,
}

impl<T: Translate> QueueSource<T> {
    pub(crate) fn new(queue: Arc<Queue<T::Item>>, translator: T, tally: Arc<Tally>) -> Self {
        Self {
            queue,
            translator,
            left: 0,
            carried: None,
            tally,
        }
    }

    fn pop(&mut self) -> Option<(T::Record, usize)> {
        if let Some(carried) = self.carried.take() {
            return Some(carried);
        }
        if self.left == 0 {
            return None;
        }
        let (item, size) = self.queue.pop()?;
        self.left -= 1;
        let mut record = self.translator.translate(&item, &self.tally);
        if record.encoded_len() > MAX_ITEM_BYTES {
            shorten(&mut record, T::texts);
            self.tally.shortened.fetch_add(1, Ordering::Relaxed);
        }
        Some((record, size))
    }
}

impl<T: Translate> Source for QueueSource<T> {
    type Message = T::Request;
    type Ticket = Places;

    fn begin(&mut self) {
        self.left = self.queue.len();
    }

    fn next(&mut self, max_bytes: usize) -> Option<Batch<T::Request, Places>> {
        let mut records = Vec::new();
        let (mut encoded, mut bytes) = (0, 0);
        while records.len() < BATCH_RECORDS {
            let Some((record, size)) = self.pop() else {
                break;
            };
            // A tag and a length prefix stand before a record.
            encoded += record.encoded_len() + 8;
            if encoded > max_bytes && !records.is_empty() {
                self.carried = Some((record, size));
                break;
            }
            bytes += size;
            records.push(record);
        }
        if records.is_empty() {
            return None;
        }
        let ticket = Places {
            records: records.len(),
            bytes,
        };
        Some(Batch {
            items: ticket.records as u64,
            message: self.translator.request(records),
            ticket,
        })
    }

    fn settle(&mut self, places: Places) {
        self.queue.settle(places.records, places.bytes);
    }

    fn waiting(&self) -> Arc<AtomicU64> {
        self.queue.waiting()
    }

    fn is_full(&self) -> bool {
        self.queue.len() >= BATCH_RECORDS
    }

    fn filled(&self) -> impl Future<Output = ()> + Send {
        let queue = &self.queue;
        async move { queue.filled().await }
    }
}
