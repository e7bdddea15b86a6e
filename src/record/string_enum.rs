//! Enums whose variants are sent as text, with the conversions in both directions.

#[cfg(feature = "serde")]
use std::fmt;
#[cfg(feature = "serde")]
use std::str::FromStr;

/// Defines a public enum that has a text for each variant.
macro_rules! string_enum {
    ($(#[$meta:meta])* $name:ident { $($(#[$doc:meta])* $variant:ident = $text:literal,)* }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum $name {
            $($(#[$doc])* #[doc = concat!("(`", $text, "`)")] $variant,)*
        }

        impl $name {
            /// Returns the text that is sent as the value of the attribute.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $text,)*
                }
            }
        }

        #[cfg(feature = "serde")]
        impl<'de> ::serde::Deserialize<'de> for $name {
            fn deserialize<D: ::serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                $crate::record::string_enum::deserialize(deserializer)
            }
        }

        /// Parses the text of a variant. The comparison is case-sensitive.
        impl ::std::str::FromStr for $name {
            type Err = $crate::record::ParseEnumError;

            /// Parses the text of a variant. The accepted texts are:
            ///
            #[doc = concat!("One of ", $("`", $text, "` "),*, "and nothing else.")]
            ///
            /// # Errors
            ///
            /// Returns an error for any other text. The error lists the accepted texts.
            fn from_str(text: &str) -> Result<Self, Self::Err> {
                match text {
                    $($text => Ok(Self::$variant),)*
                    _ => Err($crate::record::ParseEnumError { known: &[$($text),*] }),
                }
            }
        }
    };
}

pub(crate) use string_enum;

/// The error for a text that is not among the documented values of an enum.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected one of {}", known.join(", "))]
pub struct ParseEnumError {
    /// The accepted texts.
    pub known: &'static [&'static str],
}

/// Deserializes an enum from the text of a variant.
#[cfg(feature = "serde")]
pub(crate) fn deserialize<'de, T, D>(deserializer: D) -> Result<T, D::Error>
where
    T: FromStr<Err: fmt::Display>,
    D: serde::Deserializer<'de>,
{
    parsed(&<String as serde::Deserialize>::deserialize(deserializer)?)
}

#[cfg(feature = "serde")]
pub(crate) fn parsed<T: FromStr<Err: fmt::Display>, E: serde::de::Error>(
    text: &str,
) -> Result<T, E> {
    text.parse()
        .map_err(|error| E::custom(format_args!("unknown word {text:?}: {error}")))
}
