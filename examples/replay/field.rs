//! Types of fields that check what they read, where no record of the library does.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use claude_code_telemetry::Content;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

/// Reads a line as a step, or as one of the library's records. Unknown fields are ignored.
///
/// It is read from its text at once: only so does the JSON inside keep the order of its keys.
pub(crate) fn read<T: DeserializeOwned>(json: &str) -> Result<T, String> {
    serde_json::from_str(json).map_err(|error| {
        // A transcript has a line of JSON for each line, so that serde's own line number would mislead.
        let place = format!(" at line {} column {}", error.line(), error.column());
        let mut message = error.to_string();
        if let Some(length) = message.strip_suffix(&place).map(str::len) {
            message.truncate(length);
        }
        format!("{message} (column {})", error.column())
    })
}

/// A duration in whole milliseconds that fits the wire.
#[derive(Clone, Copy, Deserialize)]
#[serde(try_from = "u64")]
pub(crate) struct Millis(pub(crate) Duration);

impl TryFrom<u64> for Millis {
    type Error = &'static str;

    fn try_from(value: u64) -> Result<Self, &'static str> {
        match i64::try_from(value) {
            Ok(_) => Ok(Self(Duration::from_millis(value))),
            Err(_) => Err("the number is too large"),
        }
    }
}

/// The duration, none when it is not given.
pub(crate) fn lasting(duration: Option<Millis>) -> Duration {
    duration.map_or(Duration::ZERO, |Millis(duration)| duration)
}

/// A time: ISO 8601 in UTC with up to nanoseconds.
#[derive(Clone, Copy, Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct At(pub(crate) SystemTime);

impl TryFrom<String> for At {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        humantime::parse_rfc3339(&text)
            .ok()
            .filter(|time| has_time_form(&text) && fits_the_wire(*time))
            .map(Self)
            .ok_or_else(|| format!("{text:?} is no time in UTC such as 2026-04-20T09:00:01.5Z"))
    }
}

/// The time that lies `duration` before `time`, or the first one that can be sent.
pub(crate) fn before(time: SystemTime, duration: Duration) -> SystemTime {
    time.checked_sub(duration).unwrap_or(UNIX_EPOCH)
}

/// Whether the seconds are followed by at most nine digits and the zone: `humantime` itself is not that strict.
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

/// Whether a time fits the 64 bits of nanoseconds that are sent.
fn fits_the_wire(time: SystemTime) -> bool {
    time.duration_since(UNIX_EPOCH)
        .is_ok_and(|since| u64::try_from(since.as_nanos()).is_ok())
}

/// A JSON object whose text is kept as it is.
#[derive(Deserialize)]
#[serde(try_from = "Box<RawValue>")]
pub(crate) struct Object(Box<RawValue>);

impl TryFrom<Box<RawValue>> for Object {
    type Error = &'static str;

    fn try_from(json: Box<RawValue>) -> Result<Self, &'static str> {
        if json.get().starts_with('{') {
            Ok(Self(json))
        } else {
            Err("expected a JSON object")
        }
    }
}

impl From<Object> for Content {
    fn from(object: Object) -> Self {
        Self::from(object.0)
    }
}
