//! Points in time, and the durations between them.

use std::time::{Duration, Instant, SystemTime};

use crate::clock::{Clock, duration_nanos, nanos};

/// A point in time on the wall clock and, if it was observed rather than given by the host, on the monotonic clock.
/// Durations between two observed moments do not jump when the wall clock is set.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Timestamp {
    wall: u64,
    monotonic: Option<Instant>,
}

impl Timestamp {
    /// Returns the given time, or the current time.
    pub(crate) fn new(given: Option<SystemTime>, clock: Clock) -> Self {
        match given {
            Some(time) => Self {
                wall: nanos(time),
                monotonic: None,
            },
            None => Self {
                wall: clock.now(),
                monotonic: clock.instant(),
            },
        }
    }

    /// Returns the nanoseconds since the Unix epoch.
    pub(crate) fn wall(&self) -> u64 {
        self.wall
    }

    /// Returns the time from `start` to this moment; zero if this moment is before `start`.
    pub(crate) fn duration_since(&self, start: &Self) -> Duration {
        match (start.monotonic, self.monotonic) {
            (Some(start), Some(end)) => end.saturating_duration_since(start),
            _ => Duration::from_nanos(self.wall.saturating_sub(start.wall)),
        }
    }

    /// Returns this moment, but never before `start`, on the wall clock of `start`, in nanoseconds since the Unix
    /// epoch: the start plus the [duration](Self::duration_since) since then.
    pub(crate) fn wall_after(&self, start: &Self) -> u64 {
        let nanos = duration_nanos(self.duration_since(start));
        start.wall.saturating_add(nanos)
    }

    /// Returns this moment on the wall clock of `start`. If both moments were observed, the result is later than
    /// `start` by the monotonic time between them. Thus a parent and a child that both use the clock of the parent's
    /// start get the same end time if they end at the same moment. A moment that cannot be converted, because the host
    /// gave one of the two times, is returned unchanged.
    pub(crate) fn on_clock_of(self, start: &Self) -> Self {
        match (start.monotonic, self.monotonic) {
            (Some(_), Some(_)) => Self {
                wall: self.wall_after(start),
                ..self
            },
            _ => self,
        }
    }

    /// Returns the earlier of two moments on the same wall clock.
    pub(crate) fn earlier(self, other: Self) -> Self {
        if other.wall < self.wall { other } else { self }
    }

    /// Returns the later of two moments on the same wall clock.
    pub(crate) fn later(self, other: Self) -> Self {
        if other.wall > self.wall { other } else { self }
    }

    /// Returns the moment that is `duration` earlier.
    pub(crate) fn before(&self, duration: Duration) -> Self {
        Self {
            wall: self.wall.saturating_sub(duration_nanos(duration)),
            monotonic: self.monotonic.and_then(|at| at.checked_sub(duration)),
        }
    }
}
