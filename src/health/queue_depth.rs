//! The number of queued items and bytes of one exporter.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// The bits of the byte count in the combined number: up to a terabyte, far above the limit of a queue.
const BYTES_BITS: u32 = 40;
/// The largest item count, far above the limits of queue and registry.
const MAX_ITEMS: usize = (1 << (u64::BITS - BYTES_BITS)) - 1;

/// The item count, and the byte count where bytes are limited, in one atomic number, so that both change in one atomic
/// operation.
#[derive(Debug, Default)]
pub(crate) struct QueueDepth {
    both: AtomicU64,
    /// True when the exporter takes no more items from the queue.
    off: AtomicBool,
}

impl QueueDepth {
    /// Returns true if the exporter has ended: a new item would stay in the queue forever.
    pub(crate) fn is_off(&self) -> bool {
        self.off.load(Ordering::Relaxed)
    }

    pub(crate) fn set_off(&self, off: bool) {
        self.off.store(off, Ordering::Relaxed);
    }

    /// Adds items. Returns the previous counts of items and bytes.
    pub(crate) fn add(&self, items: usize, bytes: usize) -> (usize, usize) {
        parts(self.both.fetch_add(join(items, bytes), Ordering::Relaxed))
    }

    /// Removes items, but no more than are left: the end of the exporter may have removed them first.
    pub(crate) fn release(&self, items: usize, bytes: usize) {
        let less = |waiting| {
            let (all, size) = parts(waiting);
            Some(join(all.saturating_sub(items), size.saturating_sub(bytes)))
        };
        let _ = self
            .both
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, less);
    }

    /// Replaces the item count, and sets the byte count to 0.
    pub(crate) fn set(&self, items: usize) {
        let items = items.min(MAX_ITEMS);
        self.both.store(join(items, 0), Ordering::Relaxed);
    }

    pub(crate) fn items(&self) -> u64 {
        parts(self.both.load(Ordering::Relaxed)).0 as u64
    }

    pub(crate) fn bytes(&self) -> usize {
        parts(self.both.load(Ordering::Relaxed)).1
    }

    /// Sets both counts to 0. Returns the previous item count.
    pub(crate) fn clear(&self) -> u64 {
        parts(self.both.swap(0, Ordering::Relaxed)).0 as u64
    }
}

fn join(items: usize, bytes: usize) -> u64 {
    ((items as u64) << BYTES_BITS) + bytes as u64
}

fn parts(waiting: u64) -> (usize, usize) {
    let bytes = waiting & ((1 << BYTES_BITS) - 1);
    ((waiting >> BYTES_BITS) as usize, bytes as usize)
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
