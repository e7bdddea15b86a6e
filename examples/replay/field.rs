//! Types of fields that check what they read, where no record of the library does.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use claude_code_telemetry::Content;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use crate::time::Millis;

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

/// Reads an optional text. An empty text counts as not given.
pub(crate) fn optional<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<String>, D::Error> {
    let text = Option::<String>::deserialize(deserializer)?;
    Ok(text.filter(|text| !text.is_empty()))
}

/// The duration, none when it is not given.
pub(crate) fn lasting(duration: Option<Millis>) -> Duration {
    duration.map_or(Duration::ZERO, |Millis(duration)| duration)
}

/// The time that lies `duration` before `time`, or the first one that can be sent.
pub(crate) fn before(time: SystemTime, duration: Duration) -> SystemTime {
    time.checked_sub(duration).unwrap_or(UNIX_EPOCH)
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
