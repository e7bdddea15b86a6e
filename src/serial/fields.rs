//! The values of a JSON line, with the rules of `docs/TRANSCRIPT.md`.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use serde::Deserialize;
use serde::de::{Deserializer, Error};
use serde_json::value::RawValue;

use super::time::{At, Millis};
use crate::content::Content;
use crate::text::Text;

/// A type of values that a JSON line can contain.
pub(crate) trait FromJsonMember: Sized {
    fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error>;

    /// Converts the value of an optional field. Types that treat an empty string as missing return `None`.
    fn optional(self) -> Option<Self> {
        Some(self)
    }
}

/// A value of a JSON line.
pub(crate) struct Member<T>(pub(crate) T);

impl<'de, T: FromJsonMember> Deserialize<'de> for Member<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        T::read(deserializer).map(Self)
    }
}

impl<T: FromJsonMember> FromJsonMember for Option<T> {
    fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        T::read(deserializer).map(T::optional)
    }
}

/// Implements [`FromJsonMember`] for types that `serde` can deserialize.
macro_rules! read {
    ($($type:ty),* $(,)?) => {$(
        impl $crate::serial::FromJsonMember for $type {
            fn read<'de, D: ::serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                <Self as ::serde::Deserialize>::deserialize(deserializer)
            }
        }
    )*};
}

/// Implements [`FromJsonMember`] for types whose values are read as another type.
macro_rules! read_as {
    ($($type:ty: $other:ty => $convert:expr;)*) => {$(
        impl $crate::serial::FromJsonMember for $type {
            fn read<'de, D: ::serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                <$other as $crate::serial::FromJsonMember>::read(deserializer).map($convert)
            }
        }
    )*};
}
pub(crate) use {read, read_as};

read! { At, Box<RawValue>, Millis, String, bool, u32 }

read_as! {
    Arc<str>: String => Self::from;
    Duration: Millis => |Millis(duration)| duration;
    SystemTime: At => |At(time)| time;
}

/// A count or a size: an integer that is not negative and fits into the 64-bit signed integers of OTLP.
impl FromJsonMember for u64 {
    fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = Self::deserialize(deserializer)?;
        match i64::try_from(value) {
            Ok(_) => Ok(value),
            Err(_) => Err(D::Error::custom("the number is too large")),
        }
    }
}

/// A cost: a finite number that is not negative.
impl FromJsonMember for f64 {
    fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = Self::deserialize(deserializer)?;
        match value.is_finite() && value >= 0.0 {
            true => Ok(value),
            false => Err(D::Error::custom(
                "the value must be a finite number that is not negative",
            )),
        }
    }
}

impl FromJsonMember for Text {
    fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(Self::from)
    }

    fn optional(self) -> Option<Self> {
        (!self.is_empty()).then_some(self)
    }
}

/// A JSON object, or a string with its JSON text as events carry it. The original text is kept, and thus the order of
/// the keys.
///
/// Only `serde_json` can deserialize this type. The order of the keys is known only if `serde_json` parses JSON text, not a
/// `serde_json::Value`.
impl FromJsonMember for Content {
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

/// Returns the variant of an enum that has this string.
pub(crate) fn parse_enum<T: FromStr<Err: fmt::Display>, E: Error>(text: &str) -> Result<T, E> {
    text.parse()
        .map_err(|error| E::custom(format_args!("unknown value {text:?}: {error}")))
}
