//! Closed lists of words: an enum, its text on the wire, and back.

#[cfg(feature = "serde")]
use std::fmt;
#[cfg(feature = "serde")]
use std::str::FromStr;

/// Makes a public enum whose variants have one text each.
macro_rules! string_enum {
    ($(#[$meta:meta])* $name:ident { $($(#[$doc:meta])* $variant:ident = $text:literal,)* }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum $name {
            $($(#[$doc])* #[doc = concat!("(`", $text, "`)")] $variant,)*
        }

        impl $name {
            /// The text on the wire.
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

        /// Reads the text on the wire; the case matters.
        impl ::std::str::FromStr for $name {
            type Err = $crate::record::ParseEnumError;

            #[doc = concat!("One of ", $("`", $text, "` "),*, "and nothing else.")]
            ///
            /// # Errors
            ///
            /// For any other text; the error lists the words that are understood.
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

/// A word that is none of those the documentation lists.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected one of {}", known.join(", "))]
pub struct ParseEnumError {
    /// The words that are understood.
    pub known: &'static [&'static str],
}

/// One of the words that an enum knows.
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
