//! The shared amounts of one model's series, which one thread at a time updates without an atomic read-modify-write for
//! each.

use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};

/// The number of series of a model: its cost and the four types of its tokens.
pub(crate) const PLACES: usize = 5;

/// The shared part of the values of up to five series, side by side. The thread that holds the lock updates all five
/// sums. A thread that finds the lock taken does not wait: it adds to the other part, which each
/// [`Counter`](super::counter::Counter) has for itself.
#[derive(Debug, Default)]
pub(crate) struct Turn {
    taken: AtomicBool,
    /// The places that are assigned to a series, one bit each; changed under the registry's lock. A place is assigned
    /// only once: the amount of a series that was removed must not become that of another series.
    given: AtomicU8,
    amounts: [AtomicU64; PLACES],
}

impl Turn {
    /// Adds to every place. Returns `false`, and adds nothing, if another thread holds the lock.
    pub(crate) fn add(&self, amounts: [f64; PLACES]) -> bool {
        if self.taken.load(Ordering::Relaxed) || self.taken.swap(true, Ordering::Acquire) {
            return false;
        }
        for (sum, amount) in self.amounts.iter().zip(amounts) {
            // The sum is clamped, so that a sum of finite amounts stays finite.
            let all = (f64::from_bits(sum.load(Ordering::Relaxed)) + amount).min(f64::MAX);
            sum.store(all.to_bits(), Ordering::Release);
        }
        self.taken.store(false, Ordering::Release);
        true
    }

    pub(super) fn amount(&self, place: usize) -> f64 {
        f64::from_bits(self.amounts[place].load(Ordering::Acquire))
    }

    /// Assigns a place to a series. Returns `false` if the place was assigned before.
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
