//! `serde::Deserialize` for records and options, with the documented attribute names. A dot in a name may also be
//! written as an underscore.
//!
//! Each type has a struct of its fields, and a function that converts the fields into the type; no other code
//! determines the accepted fields. Names, defaults and rules are those of `docs/TRANSCRIPT.md`. Unknown fields are
//! ignored, and `null` is the same as a missing field. A value that the library would reject is an error whose message
//! names the expected value.

mod api;
mod fields;
mod handles;
mod session;
mod time;
mod tool;
mod usage;

/// A method that chains setters of optional values.
trait With: Sized {
    fn with<T>(self, value: Option<T>, set: impl FnOnce(Self, T) -> Self) -> Self {
        match value {
            Some(value) => set(self, value),
            None => self,
        }
    }
}

impl<R> With for R {}

/// Implements `Deserialize` for records by deserializing their fields.
macro_rules! reads {
    ($($record:ident as $fields:ident),* $(,)?) => {$(
        impl<'de> ::serde::Deserialize<'de> for $record {
            fn deserialize<D: ::serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let fields = <$fields as ::serde::Deserialize>::deserialize(deserializer)?;
                fields.record().map_err(::serde::de::Error::custom)
            }
        }
    )*};
}
use reads;

#[cfg(test)]
mod tests;
