//! The clock that gives records their timestamps.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// The source of the timestamps of records: the system clock, or a manual clock of a test.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Clock {
    /// The time of a manual clock, in nanoseconds since the Unix epoch; `None` = the system clock.
    manual: Option<&'static AtomicU64>,
}

impl Clock {
    /// Returns a manual clock, which changes only when it is moved. Its state is leaked, so that the clock can be
    /// copied: eight bytes for each test that creates one.
    #[cfg(feature = "testing")]
    pub(crate) fn manual(time: SystemTime) -> Self {
        Self {
            manual: Some(Box::leak(Box::new(AtomicU64::new(nanos(time))))),
        }
    }

    /// Moves a manual clock forward. Has no effect on the system clock.
    #[cfg(feature = "testing")]
    pub(crate) fn advance(self, duration: Duration) {
        if let Some(time) = self.manual {
            time.fetch_add(duration_nanos(duration), Ordering::Relaxed);
        }
    }

    /// Sets a manual clock, also to an earlier time. Has no effect on the system clock.
    #[cfg(all(test, feature = "testing"))]
    pub(crate) fn set(self, time: SystemTime) {
        if let Some(manual) = self.manual {
            manual.store(nanos(time), Ordering::Relaxed);
        }
    }

    /// Returns the current time in nanoseconds since the Unix epoch.
    pub(crate) fn now(self) -> u64 {
        match self.manual {
            Some(time) => time.load(Ordering::Relaxed),
            None => nanos(SystemTime::now()),
        }
    }

    /// Returns the current time of the monotonic clock; `None` for a manual clock.
    pub(crate) fn instant(self) -> Option<Instant> {
        self.manual.is_none().then(Instant::now)
    }
}

/// Converts a time to nanoseconds since the Unix epoch. A time outside the 64 bits of the wire format (before 1970 or
/// after 2554) is clamped to the nearest limit.
pub(crate) fn nanos(time: SystemTime) -> u64 {
    duration_nanos(time.duration_since(UNIX_EPOCH).unwrap_or_default())
}

/// Converts a duration to nanoseconds, at most [`u64::MAX`].
pub(crate) fn duration_nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// Formats a time as ISO 8601 in UTC with milliseconds.
pub(crate) fn iso8601(nanos: u64) -> String {
    humantime::format_rfc3339_millis(UNIX_EPOCH + Duration::from_nanos(nanos)).to_string()
}
