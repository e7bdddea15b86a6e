//! The values of a JSON line, with the rules of `docs/TRANSCRIPT.md`.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;
use std::time::{Duration, SystemTime};

use serde::Deserialize;
use serde::de::{Deserializer, Error, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::time::{At, Millis};
use crate::content::Content;

/// A type of values that a JSON line can contain.
pub(crate) trait Read: Sized {
    fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error>;

    /// Returns an optional value: `None` for an empty text.
    fn optional(self) -> Option<Self> {
        Some(self)
    }
}

/// A value of a JSON line.
pub(crate) struct Member<T>(pub(crate) T);

impl<'de, T: Read> Deserialize<'de> for Member<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        T::read(deserializer).map(Self)
    }
}

impl<T: Read> Read for Option<T> {
    fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        T::read(deserializer).map(T::optional)
    }
}

/// Implements [`Read`] for types that `serde` can deserialize.
macro_rules! read {
    ($($type:ty),* $(,)?) => {$(
        impl $crate::serial::Read for $type {
            fn read<'de, D: ::serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                <Self as ::serde::Deserialize>::deserialize(deserializer)
            }
        }
    )*};
}

/// Implements [`Read`] for types whose values are read as another type.
macro_rules! read_as {
    ($($type:ty: $other:ty => $convert:expr;)*) => {$(
        impl $crate::serial::Read for $type {
            fn read<'de, D: ::serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                <$other as $crate::serial::Read>::read(deserializer).map($convert)
            }
        }
    )*};
}
pub(crate) use {read, read_as};

read! {
    At, Box<RawValue>, Millis, String, Texts, Vec<String>, bool, u32,
}

read_as! {
    Duration: Millis => |Millis(duration)| duration;
    Json: Box<RawValue> => |json| Self(json.into());
    SystemTime: At => |At(time)| time;
}

/// A count or a size: an integer that is not negative and fits into the 64-bit signed integers of OTLP.
impl Read for u64 {
    fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = Self::deserialize(deserializer)?;
        match i64::try_from(value) {
            Ok(_) => Ok(value),
            Err(_) => Err(D::Error::custom("the number is too large")),
        }
    }
}

/// An amount of money: a finite number that is not negative.
impl Read for f64 {
    fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = Self::deserialize(deserializer)?;
        match value.is_finite() && value >= 0.0 {
            true => Ok(value),
            false => Err(D::Error::custom("the amount is negative or no number")),
        }
    }
}

impl Read for Cow<'static, str> {
    fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(Self::Owned)
    }

    fn optional(self) -> Option<Self> {
        (!self.is_empty()).then_some(self)
    }
}

/// A JSON object, or a string with its JSON text as events carry it. The original text is kept, and thus the order of
/// the keys.
///
/// Only `serde_json` can deserialize this type. The order of the keys is known only if `serde_json` parses text, not a
/// `serde_json::Value`.
impl Read for Content {
    fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let expected = || D::Error::custom("expected a JSON object");
        let mut json = Box::<RawValue>::deserialize(deserializer)?;
        if json.get().starts_with('"') {
            let text: String = serde_json::from_str(json.get()).map_err(|_| expected())?;
            json = serde_json::from_str(&text).map_err(|_| expected())?;
        }
        match json.get().starts_with('{') {
            true => Ok(json.into()),
            false => Err(expected()),
        }
    }
}

/// JSON of any kind, whose original text is kept.
pub(crate) struct Json(pub(crate) Content);

/// A UUID, in the form with hyphens. An empty text is accepted, because the setters treat it as missing.
pub(crate) struct Id(pub(crate) String);

impl Read for Id {
    fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        // The length excludes the forms with braces or without hyphens.
        let is_uuid = || text.len() == 36 && uuid::Uuid::parse_str(&text).is_ok();
        if text.is_empty() || is_uuid() {
            Ok(Self(text))
        } else {
            Err(D::Error::custom(format_args!("{text:?} is no UUID")))
        }
    }
}

/// Returns the variant of an enum that has this text.
pub(crate) fn parsed<T: FromStr<Err: fmt::Display>, E: Error>(text: &str) -> Result<T, E> {
    text.parse()
        .map_err(|error| E::custom(format_args!("unknown word {text:?}: {error}")))
}

/// A variant of an enum, or `None` for the text `unknown`, which a span carries without a decision.
pub(crate) struct OrUnknown<T>(pub(crate) Option<T>);

impl<T: FromStr<Err: fmt::Display>> Read for OrUnknown<T> {
    fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Ok(Self(match &*text {
            "unknown" => None,
            text => Some(parsed(text)?),
        }))
    }
}

/// A boolean, or its text as events carry it.
pub(crate) struct Flag(pub(crate) bool);

impl Read for Flag {
    fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        const EXPECTED: &str = r#"expected true, false, "true" or "false""#;
        #[derive(Deserialize)]
        #[serde(untagged, expecting = r#"expected true, false, "true" or "false""#)]
        enum BoolOrText {
            Bool(bool),
            Text(String),
        }
        match BoolOrText::deserialize(deserializer)? {
            BoolOrText::Bool(value) => Ok(Self(value)),
            BoolOrText::Text(text) => text
                .parse()
                .map(Self)
                .map_err(|_| D::Error::custom(EXPECTED)),
        }
    }
}

/// An HTTP status, or its text as events carry it. The text `undefined` becomes `None`.
pub(crate) struct HttpStatus(pub(crate) Option<u16>);

impl Read for HttpStatus {
    fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        const EXPECTED: &str = r#"expected an HTTP status or "undefined""#;
        #[derive(Deserialize)]
        #[serde(untagged, expecting = r#"expected an HTTP status or "undefined""#)]
        enum IntOrText {
            Int(u16),
            Text(String),
        }
        match IntOrText::deserialize(deserializer)? {
            IntOrText::Int(status) => Ok(Self(Some(status))),
            IntOrText::Text(text) if text == "undefined" => Ok(Self(None)),
            IntOrText::Text(text) => {
                let status = text.parse().map_err(|_| D::Error::custom(EXPECTED))?;
                Ok(Self(Some(status)))
            }
        }
    }
}

/// A JSON object of strings, in the order of its keys. A member whose value is `null` counts as missing.
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
