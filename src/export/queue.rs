//! The bounded queue between recording and one exporter.

use std::sync::Arc;

use crossbeam_queue::SegQueue;
use tokio::sync::Notify;

use crate::health::QueueDepth;

/// The most records that wait for one exporter, those in a request under way included.
pub(crate) const MAX_RECORDS: usize = 16_384;
/// The most bytes that wait for one exporter.
pub(crate) const MAX_BYTES: usize = 32 * 1024 * 1024;
/// The most records in one request.
pub(crate) const BATCH_RECORDS: usize = 512;
/// When so many bytes wait, the exporter is woken before its interval is over.
const WAKE_BYTES: usize = 1024 * 1024;
/// What a record takes beside its texts.
const RECORD_BYTES: usize = 512;

/// Records that wait for one exporter. Pushing neither locks nor waits; what does not fit is refused. Clones are the same
/// queue: whoever has one is a pointer away from what a push changes.
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

    /// Takes an item whose texts have `size` bytes; false when the queue is full.
    pub(crate) fn push(&self, item: T, size: usize) -> bool {
        let size = size + RECORD_BYTES;
        let (records, bytes) = self.waiting.add(size);
        // One record alone may be larger than the bound.
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

    /// Whether nobody takes items from here any more.
    pub(crate) fn is_off(&self) -> bool {
        self.waiting.is_off()
    }

    /// The next item with its size. Its place is free again when it is [settled](Self::settle).
    pub(crate) fn pop(&self) -> Option<(T, usize)> {
        self.items.pop()
    }

    /// Items that are not popped yet.
    pub(crate) fn len(&self) -> usize {
        self.items.len()
    }

    /// So much waits that it should not wait for the interval.
    pub(crate) fn is_full(&self) -> bool {
        let items = self.items.len();
        // What is counted and not there yet wakes the exporter again.
        items >= BATCH_RECORDS || (items > 0 && self.waiting.bytes() >= WAKE_BYTES)
    }

    /// Items were delivered or given up.
    pub(crate) fn settle(&self, records: usize, bytes: usize) {
        self.waiting.release(records, bytes);
    }

    /// Items that are neither delivered nor given up.
    pub(crate) fn waiting(&self) -> Arc<QueueDepth> {
        Arc::clone(&self.waiting)
    }

    /// Ends when a request's worth of items waits.
    pub(crate) async fn filled(&self) {
        self.wake.notified().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_full_by_records_and_by_bytes() {
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
        queue.settle(2, first + second);
        assert!(!queue.is_full());
    }
}
