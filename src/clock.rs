//! The time of records.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Where the time of records comes from.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Clock;

impl Clock {
    /// Nanoseconds since 1970.
    pub(crate) fn now(self) -> u64 {
        nanos(SystemTime::now())
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
