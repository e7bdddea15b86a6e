//! Field types for times, and for durations in milliseconds.

// The program `claude-code-telemetry` includes this file by its path, so the file must not depend on the rest of the
// crate.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::Deserialize;

/// A duration in whole milliseconds that fits into the 64-bit signed integers of OTLP.
#[derive(Clone, Copy, Deserialize)]
#[serde(try_from = "u64")]
pub(super) struct Millis(pub(super) Duration);

impl TryFrom<u64> for Millis {
    type Error = &'static str;

    fn try_from(value: u64) -> Result<Self, &'static str> {
        match i64::try_from(value) {
            Ok(_) => Ok(Self(Duration::from_millis(value))),
            Err(_) => Err("the number is too large"),
        }
    }
}

/// A time in the format of ISO 8601, in UTC, with a precision of up to nanoseconds.
#[derive(Clone, Copy, Deserialize)]
#[serde(try_from = "String")]
pub(super) struct At(pub(super) SystemTime);

impl TryFrom<String> for At {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        humantime::parse_rfc3339(&text)
            .ok()
            .filter(|time| has_time_form(&text) && fits_the_wire(*time))
            .map(Self)
            .ok_or_else(|| format!("{text:?} is not a time in UTC such as 2026-04-20T09:00:01.5Z"))
    }
}

/// Returns true if only a fraction of at most nine digits and the time zone follow the seconds. `humantime` also accepts
/// other characters between the seconds and a final `Z`, such as a second time zone.
fn has_time_form(text: &str) -> bool {
    let zone = text.strip_suffix('Z').or(text.strip_suffix("+00:00"));
    let fraction = zone.and_then(|text| text.get("2026-04-20T09:00:01".len()..));
    fraction.is_some_and(|fraction| {
        fraction.is_empty()
            || fraction.strip_prefix('.').is_some_and(|digits| {
                (1..=9).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit())
            })
    })
}

/// Returns true if the time fits into the 64 bits of nanoseconds since the Unix epoch that OTLP uses.
fn fits_the_wire(time: SystemTime) -> bool {
    time.duration_since(UNIX_EPOCH)
        .is_ok_and(|since| u64::try_from(since.as_nanos()).is_ok())
}
