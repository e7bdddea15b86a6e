//! The time of records.

#[cfg(feature = "testing")]
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Where the time of records comes from.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Clock {
    /// The time that a test set, in nanoseconds since 1970.
    #[cfg(feature = "testing")]
    set: Option<&'static AtomicU64>,
}

impl Clock {
    /// A clock that stands until it is moved. It lives as long as the process, so that a clock can be copied: eight bytes
    /// for each test that asks for one.
    #[cfg(feature = "testing")]
    pub(crate) fn standing(time: SystemTime) -> Self {
        Self {
            set: Some(Box::leak(Box::new(AtomicU64::new(nanos(time))))),
        }
    }

    /// Moves a clock that stands; another one goes by itself.
    #[cfg(feature = "testing")]
    pub(crate) fn advance(self, duration: Duration) {
        if let Some(set) = self.set {
            let nanos = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
            set.fetch_add(nanos, Ordering::Relaxed);
        }
    }

    /// Sets a clock that stands, also back.
    #[cfg(all(test, feature = "testing"))]
    pub(crate) fn set(self, time: SystemTime) {
        if let Some(set) = self.set {
            set.store(nanos(time), Ordering::Relaxed);
        }
    }

    /// Nanoseconds since 1970.
    pub(crate) fn now(self) -> u64 {
        #[cfg(feature = "testing")]
        if let Some(set) = self.set {
            return set.load(Ordering::Relaxed);
        }
        nanos(SystemTime::now())
    }

    /// Now on the monotonic clock, where the wall clock goes by itself.
    pub(crate) fn instant(self) -> Option<Instant> {
        #[cfg(feature = "testing")]
        if self.set.is_some() {
            return None;
        }
        Some(Instant::now())
    }
}

/// Nanoseconds since 1970; what lies outside the 64 bits of the wire (before 1970, after 2554) is moved to its edge.
pub(crate) fn nanos(time: SystemTime) -> u64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}

/// ISO 8601 in UTC with milliseconds.
pub(crate) fn iso8601(nanos: u64) -> String {
    humantime::format_rfc3339_millis(UNIX_EPOCH + Duration::from_nanos(nanos)).to_string()
}
