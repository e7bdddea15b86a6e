//! The bounded queue between recording and one exporter.

use std::sync::Arc;

use crossbeam_queue::SegQueue;
use tokio::sync::Notify;

use crate::health::QueueDepth;

/// The most records in the queue of one exporter, including those of a request in flight.
pub(crate) const MAX_RECORDS: usize = 16_384;
/// The most bytes in the queue of one exporter.
pub(crate) const MAX_BYTES: usize = 32 * 1024 * 1024;
/// The most records in one request.
pub(crate) const BATCH_RECORDS: usize = 512;
/// The number of queued bytes at which the exporter is woken before its interval ends.
const WAKE_BYTES: usize = 1024 * 1024;
/// The estimated size of a record without its texts, in bytes.
const RECORD_OVERHEAD_BYTES: usize = 512;

/// A queue of records for one exporter. Pushing neither locks nor waits; a record that does not fit is refused. Clones
/// share one queue, and each clone points directly to the data that a push changes.
#[derive(Debug)]
pub(crate) struct Queue<T> {
    items: Arc<SegQueue<(T, usize)>>,
    waiting: Arc<QueueDepth>,
    wake: Arc<Notify>,
}

impl<T> Clone for Queue<T> {
    fn clone(&self) -> Self {
        Self {
            items: Arc::clone(&self.items),
            waiting: Arc::clone(&self.waiting),
            wake: Arc::clone(&self.wake),
        }
    }
}

impl<T> Queue<T> {
    pub(crate) fn new() -> Self {
        Self {
            items: Arc::default(),
            waiting: Arc::default(),
            wake: Arc::default(),
        }
    }

    /// Adds an item whose texts have `size` bytes. Returns false if the queue is full.
    pub(crate) fn push(&self, item: T, size: usize) -> bool {
        let size = size + RECORD_OVERHEAD_BYTES;
        let (records, bytes) = self.waiting.add(1, size);
        // A single record may be larger than the bound.
        if records >= MAX_RECORDS || (records > 0 && bytes + size > MAX_BYTES) {
            self.waiting.release(1, size);
            return false;
        }
        self.items.push((item, size));
        // Records in flight count too: every further batch wakes the exporter again.
        let fills_a_batch = (records + 1).is_multiple_of(BATCH_RECORDS);
        if fills_a_batch || (bytes < WAKE_BYTES && bytes + size >= WAKE_BYTES) {
            self.wake.notify_one();
        }
        true
    }

    /// Returns true if the exporter takes no more items from the queue.
    pub(crate) fn is_off(&self) -> bool {
        self.waiting.is_off()
    }

    /// Removes and returns the next item with its size. The item occupies the queue until it is
    /// [released](Self::release).
    pub(crate) fn pop(&self) -> Option<(T, usize)> {
        self.items.pop()
    }

    /// Returns the number of items that are not popped yet.
    pub(crate) fn len(&self) -> usize {
        self.items.len()
    }

    /// Returns true if the queue holds enough items to be exported before the interval ends.
    fn is_full(&self) -> bool {
        let items = self.items.len();
        // An item may be counted and not inserted yet. A push that reaches a limit wakes the exporter after the
        // insertion.
        items >= BATCH_RECORDS || (items > 0 && self.waiting.bytes() >= WAKE_BYTES)
    }

    /// Releases the space of items that were delivered or dropped.
    pub(crate) fn release(&self, records: usize, bytes: usize) {
        self.waiting.release(records, bytes);
    }

    /// Returns the counters of the items that are neither delivered nor dropped.
    pub(crate) fn waiting(&self) -> Arc<QueueDepth> {
        Arc::clone(&self.waiting)
    }

    /// Waits until the queue holds enough items or bytes to be exported before the interval ends.
    pub(crate) async fn filled(&self) {
        if !self.is_full() {
            self.wake.notified().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queue_holds_enough_for_an_export_by_records_or_by_bytes() {
        let queue = Queue::new();
        for _ in 0..BATCH_RECORDS {
            assert!(!queue.is_full());
            assert!(queue.push((), 0));
        }
        assert!(queue.is_full());
        let queue = Queue::new();
        assert!(queue.push((), WAKE_BYTES / 2) && !queue.is_full());
        assert!(queue.push((), WAKE_BYTES / 2) && queue.is_full());
        let (((), first), ((), second)) = (queue.pop().unwrap(), queue.pop().unwrap());
        queue.release(2, first + second);
        assert!(!queue.is_full());
    }
}
