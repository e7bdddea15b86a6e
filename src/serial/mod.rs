//! `serde::Deserialize` for records and options, whose field names are the documented attribute names, with underscores or
//! with dots.
//!
//! The names, defaults and rules are those of `docs/TRANSCRIPT.md`. Unknown fields are ignored, and `null` means that the
//! field is absent. A value that the library would reject is an error that names the expected form.

mod api;
mod fields;
mod handles;
mod session;
mod time;
mod tool;
mod usage;

/// Implements `Deserialize`: the arguments of the constructor, then required and optional fields with a
/// setter each.
macro_rules! deserialize {
    ($(
        $record:ident::$new:ident($($(#[$arg_meta:meta])* $arg:ident: $arg_type:ty),* $(,)?)
        $(required { $($required:ident: $required_type:ty => $apply:expr,)* })?
        { $($(#[$meta:meta])* $field:ident: $type:ty => $set:expr,)* }
    )*) => {$(
        impl<'de> ::serde::Deserialize<'de> for $record {
            fn deserialize<D: ::serde::Deserializer<'de>>(
                deserializer: D,
            ) -> Result<Self, D::Error> {
                #[derive(::serde::Deserialize)]
                struct $record {
                    $($(#[$arg_meta])* $arg: $arg_type,)*
                    $($($required: $required_type,)*)?
                    $($(#[$meta])* $field: Option<$type>,)*
                }
                #[allow(unused_imports, reason = "a record may have no fields with setters")]
                use $crate::serial::With;
                use $crate::serial::fields::Field;

                let fields = <$record as ::serde::Deserialize>::deserialize(deserializer)?;
                Ok(Self::$new($(fields.$arg.value()),*)
                    $($(.with(Some(fields.$required.value()), $apply))*)?
                    $(.with(fields.$field.map(Field::value), $set))*)
            }
        }
    )*};
}
use deserialize;

/// Applies setters for values that may be absent.
trait With: Sized {
    fn with<T>(self, value: Option<T>, set: impl FnOnce(Self, T) -> Self) -> Self {
        match value {
            Some(value) => set(self, value),
            None => self,
        }
    }
}

impl<R> With for R {}

/// Implements `Deserialize` through a struct of the fields, for rules between fields.
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
