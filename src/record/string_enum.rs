//! Enums whose variants are sent as strings, with the conversions in both directions.

/// Defines an enum that has a string for each variant.
macro_rules! string_enum {
    ($(#[$meta:meta])* $vis:vis enum $name:ident { $($(#[$doc:meta])* $variant:ident = $text:literal,)* }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        $vis enum $name {
            $($(#[$doc])* #[doc = concat!("(`", $text, "`)")] $variant,)*
        }

        impl $name {
            /// The strings of all variants, and `unknown`.
            #[allow(dead_code, reason = "only some enums can be unknown")]
            pub(crate) const OR_UNKNOWN: &[&str] = &[$($text,)* "unknown"];

            /// Returns the string that is sent as the value of the attribute.
            $vis const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $text,)*
                }
            }
        }

        impl $crate::content::Payload for $name {}

        $crate::record::fields! {
            $name: String.one_of(&[$($text),*]) = |value| Some(value.as_str().into());
        }

        #[cfg(feature = "serde")]
        impl<'de> ::serde::Deserialize<'de> for $name {
            fn deserialize<D: ::serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                $crate::serial::parse_enum(&<String as ::serde::Deserialize>::deserialize(deserializer)?)
            }
        }

        #[cfg(feature = "serde")]
        $crate::serial::read! { $name }

        /// Parses the string of a variant. The comparison is case-sensitive.
        impl ::std::str::FromStr for $name {
            type Err = $crate::record::ParseEnumError;

            /// Parses the string of a variant. The accepted strings are:
            ///
            #[doc = concat!($("- `", $text, "`\n"),*)]
            ///
            /// # Errors
            ///
            /// Returns an error for any other string. The error lists the accepted strings.
            fn from_str(text: &str) -> Result<Self, Self::Err> {
                match text {
                    $($text => Ok(Self::$variant),)*
                    _ => Err($crate::record::ParseEnumError { expected: &[$($text),*] }),
                }
            }
        }
    };
}

pub(crate) use string_enum;

/// The error for a string that is not among the documented values of an enum.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected one of {}", expected.join(", "))]
pub struct ParseEnumError {
    /// The accepted strings.
    pub expected: &'static [&'static str],
}
