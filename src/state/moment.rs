//! When something began, and how long it took.

use std::time::{Duration, Instant, SystemTime};

use crate::clock::{Clock, nanos};

/// A moment by the wall clock and, when it was observed rather than given, by the monotonic one: durations between
/// observed moments do not jump with the wall clock.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Moment {
    wall: u64,
    monotonic: Option<Instant>,
}

impl Moment {
    /// The given moment, or now.
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

    /// Nanoseconds since 1970.
    pub(crate) fn wall(&self) -> u64 {
        self.wall
    }

    /// This moment as the end of what began at `start`: never before it, and as much later as really passed.
    pub(crate) fn since(&self, start: &Self) -> (u64, Duration) {
        let took = match (start.monotonic, self.monotonic) {
            (Some(start), Some(end)) => end.saturating_duration_since(start),
            _ => Duration::from_nanos(self.wall.saturating_sub(start.wall)),
        };
        let nanos = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        (start.wall.saturating_add(nanos), took)
    }

    /// The same moment on the clock of `start`: when both were observed, it is as much later as really passed, so that
    /// what began at `start` and what begins now end together when they end at the same moment.
    pub(crate) fn on(self, start: &Self) -> Self {
        match (start.monotonic, self.monotonic) {
            (Some(_), Some(_)) => Self {
                wall: self.since(start).0,
                ..self
            },
            _ => self,
        }
    }

    /// The moment that lies `duration` before this one.
    pub(crate) fn before(&self, duration: Duration) -> Self {
        let nanos = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        Self {
            wall: self.wall.saturating_sub(nanos),
            monotonic: self.monotonic.and_then(|at| at.checked_sub(duration)),
        }
    }
}
