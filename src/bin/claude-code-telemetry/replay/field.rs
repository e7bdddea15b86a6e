//! Field types and parsers for the fields that do not belong to a record of the library.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use claude_code_telemetry::Content;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use super::time::Millis;

/// Parses a line of a transcript as `T`: some fields of its step, or a record of the library. Other fields are ignored.
///
/// The line is parsed directly from its text, because an intermediate value would not keep the order of the keys of
/// nested JSON.
pub(crate) fn read<T: DeserializeOwned>(json: &str) -> Result<T, String> {
    serde_json::from_str(json).map_err(|error| {
        // Each line of a transcript is parsed separately, so serde's line number would be misleading.
        let place = format!(" at line {} column {}", error.line(), error.column());
        let mut message = error.to_string();
        if let Some(length) = message.strip_suffix(&place).map(str::len) {
            message.truncate(length);
        }
        // An error that a record finds only after its last member, such as a missing field, has no column.
        match error.column() {
            0 => message,
            column => format!("{message} (column {column})"),
        }
    })
}

/// Parses an optional text. An empty text counts as missing.
pub(crate) fn optional<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<String>, D::Error> {
    let text = Option::<String>::deserialize(deserializer)?;
    Ok(text.filter(|text| !text.is_empty()))
}

/// The maximum length of an id, in bytes. Ids are limited because error messages, and the answers to the steps
/// `child_env` and `trace_context`, repeat them.
const LONGEST_ID: usize = 1_024;

/// The host's id of a tool call or a request.
#[derive(Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct Id(pub(crate) String);

impl TryFrom<String> for Id {
    type Error = String;

    fn try_from(id: String) -> Result<Self, String> {
        match id.len() {
            0 => Err("an id must not be empty".to_owned()),
            1..=LONGEST_ID => Ok(Self(id)),
            _ => Err(format!("an id must not be longer than {LONGEST_ID} bytes")),
        }
    }
}

/// Returns the duration; zero if it is missing.
pub(crate) fn lasting(duration: Option<Millis>) -> Duration {
    duration.map_or(Duration::ZERO, |Millis(duration)| duration)
}

/// Returns the time `duration` before `time`, but not before the Unix epoch.
pub(crate) fn before(time: SystemTime, duration: Duration) -> SystemTime {
    time.checked_sub(duration).unwrap_or(UNIX_EPOCH)
}

/// A JSON object whose original text is kept.
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
