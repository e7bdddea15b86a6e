//! How much of one exporter's data waits.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// Bits of the bytes in a number that holds items too: a terabyte, of which the bound of a queue is a tiny part.
const BYTES_BITS: u32 = 40;
/// The most items that it can count, far above the bounds of queue and registry.
const MAX_ITEMS: usize = (1 << (u64::BITS - BYTES_BITS)) - 1;

/// Items, and their bytes where those are bounded, in one number: adding to both is one step.
#[derive(Debug, Default)]
pub(crate) struct QueueDepth {
    both: AtomicU64,
    /// Nothing is taken from here any more.
    off: AtomicBool,
}

impl QueueDepth {
    /// Whether the exporter has ended: what comes now would wait for ever.
    pub(crate) fn is_off(&self) -> bool {
        self.off.load(Ordering::Relaxed)
    }

    pub(crate) fn set_off(&self, off: bool) {
        self.off.store(off, Ordering::Relaxed);
    }

    /// Adds an item; returns the items and bytes that were there before.
    pub(crate) fn add(&self, bytes: usize) -> (usize, usize) {
        parts(self.both.fetch_add(join(1, bytes), Ordering::Relaxed))
    }

    /// Takes items away, but no more than there are: the end of the exporter may have taken them first.
    pub(crate) fn release(&self, items: usize, bytes: usize) {
        let less = |waiting| {
            let (all, size) = parts(waiting);
            Some(join(all.saturating_sub(items), size.saturating_sub(bytes)))
        };
        let _ = self
            .both
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, less);
    }

    /// So many items wait, whatever did before.
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

    /// Nothing waits any more; returns the items that did.
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
    fn items_and_bytes_are_kept_apart_and_never_below_nothing() {
        let waiting = QueueDepth::default();
        assert_eq!(waiting.add(1_000), (0, 0));
        assert_eq!(waiting.add(1 << 30), (1, 1_000));
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
