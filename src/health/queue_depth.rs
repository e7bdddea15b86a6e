//! The number of queued items and bytes of one exporter.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// The counts of the items in a queue and, if the queue has a limit of bytes, of their bytes.
#[derive(Debug, Default)]
pub(crate) struct QueueDepth {
    items: AtomicUsize,
    bytes: AtomicUsize,
    /// True when the exporter takes no more items from the queue.
    off: AtomicBool,
}

impl QueueDepth {
    /// Returns true if the exporter takes no more items: a new item would stay in the queue forever.
    pub(crate) fn is_off(&self) -> bool {
        self.off.load(Ordering::Relaxed)
    }

    pub(crate) fn set_off(&self, off: bool) {
        self.off.store(off, Ordering::Relaxed);
    }

    /// Adds items. Returns the previous counts of items and bytes.
    pub(crate) fn add(&self, items: usize, bytes: usize) -> (usize, usize) {
        (
            self.items.fetch_add(items, Ordering::Relaxed),
            self.bytes.fetch_add(bytes, Ordering::Relaxed),
        )
    }

    /// Removes items, but no more than are left: the end of the exporter may have removed them first.
    pub(crate) fn release(&self, items: usize, bytes: usize) {
        for (count, less) in [(&self.items, items), (&self.bytes, bytes)] {
            let less = |now: usize| Some(now.saturating_sub(less));
            let _ = count.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less);
        }
    }

    /// Replaces the item count, and sets the byte count to 0.
    pub(crate) fn set(&self, items: usize) {
        self.items.store(items, Ordering::Relaxed);
        self.bytes.store(0, Ordering::Relaxed);
    }

    pub(crate) fn items(&self) -> u64 {
        self.items.load(Ordering::Relaxed) as u64
    }

    pub(crate) fn bytes(&self) -> usize {
        self.bytes.load(Ordering::Relaxed)
    }

    /// Sets both counts to 0. Returns the previous item count.
    pub(crate) fn clear(&self) -> u64 {
        self.bytes.store(0, Ordering::Relaxed);
        self.items.swap(0, Ordering::Relaxed) as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_and_bytes_are_separate_and_never_negative() {
        let waiting = QueueDepth::default();
        assert_eq!(waiting.add(1, 1_000), (0, 0));
        assert_eq!(waiting.add(1, 1 << 30), (1, 1_000));
        assert_eq!((waiting.items(), waiting.bytes()), (2, (1 << 30) + 1_000));
        waiting.release(1, 1_000);
        assert_eq!((waiting.items(), waiting.bytes()), (1, 1 << 30));
        assert_eq!(waiting.clear(), 1);
        waiting.release(1, 1 << 30);
        assert_eq!((waiting.items(), waiting.bytes()), (0, 0));
        waiting.set(60_000);
        assert_eq!(waiting.items(), 60_000);
    }
}
