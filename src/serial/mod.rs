//! `serde::Deserialize` for what a host reports: the documented attribute names, with their dots as underscores or as
//! they are.
//!
//! What a record takes is written here and nowhere else: a struct of its fields, and how they become the record. Names,
//! defaults and rules are those of `docs/TRANSCRIPT.md`. A field that is not known is ignored, `null` is the same as
//! nothing, and a value that the library would refuse is an error that says what was expected.

mod api;
mod fields;
mod handles;
mod session;
mod time;
mod tool;
mod usage;

/// Chains setters of values that may be missing.
trait With: Sized {
    fn with<T>(self, value: Option<T>, set: impl FnOnce(Self, T) -> Self) -> Self {
        match value {
            Some(value) => set(self, value),
            None => self,
        }
    }
}

impl<R> With for R {}

/// Reads a record as its fields.
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
