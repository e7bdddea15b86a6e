//! Field types that validate their values.

use std::fmt;
use std::str::FromStr;
use std::time::{Duration, SystemTime};

use serde::Deserialize;
use serde::de::{Deserializer, Error, MapAccess, Unexpected, Visitor};
use serde_json::value::RawValue;

use super::time::{At, Millis};
use crate::content::Content;
use crate::record::string_enum::parsed;
use crate::record::{
    ActivityType, Decision, DecisionSource, EditTool, InstallTrigger, McpTool, Speed, StartType,
    TokenType,
};
use crate::session::RequestContext;

/// A deserialized field, whose value a setter takes.
pub(super) trait Field {
    type Value;

    fn value(self) -> Self::Value;
}

/// Types that wrap their value.
macro_rules! wrappers {
    ($($type:ty => $value:ty,)*) => {$(
        impl Field for $type {
            type Value = $value;

            fn value(self) -> $value {
                self.0
            }
        }
    )*};
}

wrappers! {
    Amount => f64,
    Count => u64,
    Flag => bool,
    Id => String,
    Json => Content,
    Object => Content,
    Seconds => Duration,
    Status => Option<u16>,
    At => SystemTime,
    Millis => Duration,
}

/// Types that are their own value.
macro_rules! values {
    ($($type:ty),* $(,)?) => {$(
        impl Field for $type {
            type Value = Self;

            fn value(self) -> Self {
                self
            }
        }
    )*};
}

values! {
    String, Vec<String>, bool, u32, ActivityType, Decision, DecisionSource, EditTool, InstallTrigger,
    McpTool, RequestContext, Speed, StartType, TokenType,
}

/// A variant of an enum, or `None` for the text `unknown`, which a span carries without a decision.
#[derive(Clone, Copy)]
pub(super) struct OrUnknown<T>(pub(super) Option<T>);

impl<'de, T: FromStr<Err: fmt::Display>> Deserialize<'de> for OrUnknown<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Ok(Self(match &*text {
            "unknown" => None,
            text => Some(parsed(text)?),
        }))
    }
}

/// A count or a size: an integer that is not negative and fits into the 64-bit signed integers of OTLP.
#[derive(Clone, Copy, Deserialize)]
#[serde(try_from = "u64")]
pub(super) struct Count(pub(super) u64);

impl TryFrom<u64> for Count {
    type Error = &'static str;

    fn try_from(value: u64) -> Result<Self, &'static str> {
        match i64::try_from(value) {
            Ok(_) => Ok(Self(value)),
            Err(_) => Err("the number is too large"),
        }
    }
}

/// An amount of money: a finite number that is not negative.
#[derive(Clone, Copy, Deserialize)]
#[serde(try_from = "f64")]
pub(super) struct Amount(pub(super) f64);

impl TryFrom<f64> for Amount {
    type Error = &'static str;

    fn try_from(value: f64) -> Result<Self, &'static str> {
        if crate::record::countable(value) {
            Ok(Self(value))
        } else {
            Err("the amount is negative or no number")
        }
    }
}

/// A duration in seconds.
#[derive(Clone, Copy, Deserialize)]
#[serde(try_from = "f64")]
pub(super) struct Seconds(pub(super) Duration);

impl TryFrom<f64> for Seconds {
    type Error = std::time::TryFromFloatSecsError;

    fn try_from(value: f64) -> Result<Self, Self::Error> {
        Duration::try_from_secs_f64(value).map(Self)
    }
}

/// A boolean, or its text as events carry it.
#[derive(Clone, Copy)]
pub(super) struct Flag(pub(super) bool);

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

/// An HTTP status, or its text as events carry it. The text `undefined` becomes `None`.
#[derive(Clone, Copy)]
pub(super) struct Status(pub(super) Option<u16>);

impl<'de> Deserialize<'de> for Status {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct IntOrText;

        impl Visitor<'_> for IntOrText {
            type Value = Status;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(r#"an HTTP status or "undefined""#)
            }

            fn visit_u64<E: Error>(self, value: u64) -> Result<Status, E> {
                match u16::try_from(value) {
                    Ok(status) => Ok(Status(Some(status))),
                    Err(_) => Err(E::invalid_value(Unexpected::Unsigned(value), &self)),
                }
            }

            fn visit_i64<E: Error>(self, value: i64) -> Result<Status, E> {
                match u64::try_from(value) {
                    Ok(value) => self.visit_u64(value),
                    Err(_) => Err(E::invalid_value(Unexpected::Signed(value), &self)),
                }
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Status, E> {
                match (text, text.parse()) {
                    ("undefined", _) => Ok(Status(None)),
                    (_, Ok(status)) => Ok(Status(Some(status))),
                    _ => Err(E::invalid_value(Unexpected::Str(text), &self)),
                }
            }
        }

        deserializer.deserialize_any(IntOrText)
    }
}

/// A UUID, in the form with hyphens. An empty text is accepted, because the setters treat it as missing.
#[derive(Deserialize)]
#[serde(try_from = "String")]
pub(super) struct Id(pub(super) String);

impl TryFrom<String> for Id {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        // The length excludes the forms with braces or without hyphens.
        let is_uuid = || text.len() == 36 && uuid::Uuid::parse_str(&text).is_ok();
        if text.is_empty() || is_uuid() {
            Ok(Self(text))
        } else {
            Err(format!("{text:?} is no UUID"))
        }
    }
}

/// A JSON object, or a string with its JSON text as events carry it. The original text is kept, and thus the order of
/// the keys.
///
/// Only `serde_json` can deserialize this type. The order of the keys is known only if `serde_json` parses text, not a
/// `serde_json::Value`.
#[derive(Deserialize)]
#[serde(try_from = "Box<RawValue>")]
pub(super) struct Object(pub(super) Content);

impl TryFrom<Box<RawValue>> for Object {
    type Error = &'static str;

    fn try_from(json: Box<RawValue>) -> Result<Self, &'static str> {
        const EXPECTED: &str = "expected a JSON object";
        match json.get().as_bytes().first() {
            Some(b'{') => Ok(Self(json.into())),
            Some(b'"') => {
                let text: String = serde_json::from_str(json.get()).map_err(|_| EXPECTED)?;
                let inner: Box<RawValue> = serde_json::from_str(&text).map_err(|_| EXPECTED)?;
                match inner.get().as_bytes().first() {
                    Some(b'{') => Ok(Self(inner.into())),
                    _ => Err(EXPECTED),
                }
            }
            _ => Err(EXPECTED),
        }
    }
}

/// JSON of any kind, whose original text is kept.
#[derive(Deserialize)]
#[serde(from = "Box<RawValue>")]
pub(super) struct Json(pub(super) Content);

impl From<Box<RawValue>> for Json {
    fn from(json: Box<RawValue>) -> Self {
        Self(json.into())
    }
}

/// A JSON object of strings, in the order of its keys. A member whose value is `null` counts as missing.
pub(super) struct Texts(pub(super) Vec<(String, String)>);

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
