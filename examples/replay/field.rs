//! Types of fields that check what they read, so that a bad line is found before anything of it is recorded.

use std::fmt;
use std::str::FromStr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use claude_code_telemetry::Content;
use serde::Deserialize;
use serde::de::{DeserializeOwned, Deserializer, Error, MapAccess, Unexpected, Visitor};
use serde_json::value::RawValue;
use uuid::Uuid;

/// Reads a line as a step. Unknown fields are ignored.
///
/// It is read from its text at once: only so does the JSON inside keep the order of its keys.
pub(crate) fn read<T: DeserializeOwned>(json: &str) -> Result<T, String> {
    serde_json::from_str(json)
        .map_err(|error| format!("{} (column {})", reason(&error), error.column()))
}

/// What an error says without its place: a transcript has a line of JSON for each line, so that serde's own line number
/// would mislead.
pub(crate) fn reason(error: &serde_json::Error) -> String {
    let place = format!(" at line {} column {}", error.line(), error.column());
    let mut message = error.to_string();
    if let Some(length) = message.strip_suffix(&place).map(str::len) {
        message.truncate(length);
    }
    message
}

/// An int that is not negative and fits the wire: a count, a size, a duration in milliseconds.
#[derive(Clone, Copy, Deserialize)]
#[serde(try_from = "u64")]
pub(crate) struct Int(pub(crate) u64);

impl Int {
    /// As a duration in milliseconds.
    pub(crate) fn ms(self) -> Duration {
        Duration::from_millis(self.0)
    }
}

impl TryFrom<u64> for Int {
    type Error = &'static str;

    fn try_from(value: u64) -> Result<Self, &'static str> {
        match i64::try_from(value) {
            Ok(_) => Ok(Self(value)),
            Err(_) => Err("the number is too large"),
        }
    }
}

/// An amount of money.
#[derive(Clone, Copy, Deserialize)]
#[serde(try_from = "f64")]
pub(crate) struct Amount(pub(crate) f64);

impl TryFrom<f64> for Amount {
    type Error = &'static str;

    fn try_from(value: f64) -> Result<Self, &'static str> {
        if value.is_finite() && value >= 0.0 {
            Ok(Self(value))
        } else {
            Err("the amount is negative or no number")
        }
    }
}

/// A duration in seconds.
#[derive(Clone, Copy, Deserialize)]
#[serde(try_from = "f64")]
pub(crate) struct Seconds(pub(crate) Duration);

impl TryFrom<f64> for Seconds {
    type Error = std::time::TryFromFloatSecsError;

    fn try_from(value: f64) -> Result<Self, Self::Error> {
        Duration::try_from_secs_f64(value).map(Self)
    }
}

/// One of the words that an enum knows.
#[derive(Clone, Copy)]
pub(crate) struct Word<T>(pub(crate) T);

impl<'de, T: FromStr<Err: fmt::Display>> Deserialize<'de> for Word<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse()
            .map(Self)
            .map_err(|error| D::Error::custom(format_args!("unknown word {text:?}: {error}")))
    }
}

/// One of the words that `T` knows, or `unknown`: what a span says when nobody decided.
#[derive(Clone, Copy)]
pub(crate) enum OrUnknown<T> {
    Known(T),
    Unknown,
}

impl<T> OrUnknown<T> {
    /// The word, when it is known.
    pub(crate) fn known(self) -> Option<T> {
        match self {
            Self::Known(word) => Some(word),
            Self::Unknown => None,
        }
    }
}

impl<T: FromStr> FromStr for OrUnknown<T> {
    type Err = T::Err;

    fn from_str(text: &str) -> Result<Self, T::Err> {
        match text {
            "unknown" => Ok(Self::Unknown),
            _ => text.parse().map(Self::Known),
        }
    }
}

/// A boolean, also as the text that events carry.
#[derive(Clone, Copy)]
pub(crate) struct Flag(pub(crate) bool);

impl<'de> Deserialize<'de> for Flag {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct BoolOrText;

        impl Visitor<'_> for BoolOrText {
            type Value = Flag;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(r#"true, false, "true" or "false""#)
            }

            fn visit_bool<E: Error>(self, value: bool) -> Result<Flag, E> {
                Ok(Flag(value))
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Flag, E> {
                match text.parse() {
                    Ok(value) => Ok(Flag(value)),
                    Err(_) => Err(E::invalid_value(Unexpected::Str(text), &self)),
                }
            }
        }

        deserializer.deserialize_any(BoolOrText)
    }
}

/// A UUID, in the form with hyphens.
#[derive(Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct Id(pub(crate) String);

impl TryFrom<String> for Id {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        // Forms with braces or without hyphens have other lengths.
        if text.len() == 36 && Uuid::parse_str(&text).is_ok() {
            Ok(Self(text))
        } else {
            Err(format!("{text:?} is no UUID"))
        }
    }
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

impl Object {
    pub(crate) fn text(&self) -> &str {
        self.0.get()
    }
}

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

/// A JSON object of texts, in the order of its keys. A `null` is an absent one.
pub(crate) struct Texts(pub(crate) Vec<(String, String)>);

impl<'de> Deserialize<'de> for Texts {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members;

        impl<'de> Visitor<'de> for Members {
            type Value = Texts;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a JSON object of strings")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Texts, A::Error> {
                let mut texts = Vec::new();
                while let Some((key, value)) = map.next_entry::<String, Option<String>>()? {
                    texts.extend(value.map(|value| (key, value)));
                }
                Ok(Texts(texts))
            }
        }

        deserializer.deserialize_map(Members)
    }
}
