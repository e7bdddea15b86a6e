//! Exponential back-off between attempts.

use std::time::Duration;

/// The first wait.
const FIRST: Duration = Duration::from_millis(500);
/// The longest wait.
const LONGEST: Duration = Duration::from_secs(30);

/// A back-off whose waits double, with jitter so that many agents do not retry at the same time.
#[derive(Debug)]
pub(crate) struct Backoff {
    wait: Duration,
    longest: Duration,
}

impl Backoff {
    /// Creates a back-off. No wait is longer than the export interval (or than the first wait, if that is longer), so
    /// that after an outage data waits at most one interval longer.
    pub(crate) fn new(interval: Duration) -> Self {
        Self {
            wait: FIRST,
            longest: interval.clamp(FIRST, LONGEST),
        }
    }

    /// Returns the next wait: a random time between half and all of the current wait, which then doubles.
    pub(crate) fn next(&mut self) -> Duration {
        let wait = self.wait.min(self.longest);
        self.wait = self.wait.saturating_mul(2).min(LONGEST);
        let random = f64::from(getrandom::u32().unwrap_or(u32::MAX)) / f64::from(u32::MAX);
        wait.mul_f64(0.5 + random / 2.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_to_a_bound() {
        let mut backoff = Backoff::new(Duration::from_secs(60));
        let waits: Vec<_> = (0..12).map(|_| backoff.next()).collect();
        assert!(waits[0] >= FIRST / 2 && waits[0] <= FIRST);
        assert!(waits[3] > waits[0]);
        assert!(waits.iter().all(|wait| *wait <= LONGEST));
        assert!(waits[11] >= LONGEST / 2);
    }

    #[test]
    fn no_wait_is_longer_than_the_interval() {
        let mut backoff = Backoff::new(Duration::from_secs(5));
        assert!((0..12).all(|_| backoff.next() <= Duration::from_secs(5)));
    }
}
