//! The amounts of one model's series, which one thread at a time may change without a locked instruction for each.

use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};

/// The series of a model: its cost and the four types of its tokens.
pub(crate) const PLACES: usize = 5;

/// One part of the values of up to five series, side by side. Whoever has the turn adds to all of them at once; who finds
/// it taken does not wait, but adds to the other part, which each [`Cell`](super::cell::Cell) has for itself.
#[derive(Debug, Default)]
pub(crate) struct Turn {
    taken: AtomicBool,
    /// The places that belong to a series, one bit each; changed under the registry's lock. A place is given once: the
    /// amount of a series that is gone must not become another's.
    given: AtomicU8,
    amounts: [AtomicU64; PLACES],
}

impl Turn {
    /// Adds to every place; false when another thread has the turn.
    pub(crate) fn add(&self, amounts: [f64; PLACES]) -> bool {
        if self.taken.load(Ordering::Relaxed) || self.taken.swap(true, Ordering::Acquire) {
            return false;
        }
        for (sum, amount) in self.amounts.iter().zip(amounts) {
            // A sum of finite amounts stays finite.
            let all = (f64::from_bits(sum.load(Ordering::Relaxed)) + amount).min(f64::MAX);
            sum.store(all.to_bits(), Ordering::Release);
        }
        self.taken.store(false, Ordering::Release);
        true
    }

    pub(super) fn amount(&self, place: usize) -> f64 {
        f64::from_bits(self.amounts[place].load(Ordering::Acquire))
    }

    /// Gives a place to a series; false when one had it before.
    pub(super) fn give(&self, place: usize) -> bool {
        let bit = 1 << place;
        self.given.fetch_or(bit, Ordering::Relaxed) & bit == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn concurrent_additions_lose_no_amount() {
        let turn = Turn::default();
        let refused = AtomicU64::new(0);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..10_000 {
                        if !turn.add([1.0, 2.0, 0.0, 0.0, 0.5]) {
                            refused.fetch_add(1, Ordering::Relaxed);
                        }
                    }
                });
            }
        });
        let taken = (40_000 - refused.into_inner()) as f64;
        let amounts: Vec<_> = (0..PLACES).map(|place| turn.amount(place)).collect();
        assert_eq!(amounts, [taken, 2.0 * taken, 0.0, 0.0, taken / 2.0]);
    }

    #[test]
    fn place_is_assigned_only_once() {
        let turn = Turn::default();
        assert!(turn.give(0) && turn.give(4));
        assert!(!turn.give(0));
    }
}
