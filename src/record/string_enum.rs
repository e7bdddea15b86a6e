//! Enums whose variants are sent as text, with the conversions in both directions.

/// Defines a public enum that has a text for each variant.
macro_rules! string_enum {
    ($(#[$meta:meta])* $name:ident { $($(#[$doc:meta])* $variant:ident = $text:literal,)* }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        #[allow(unreachable_pub, reason = "hosts need only some of the enums")]
        pub enum $name {
            $($(#[$doc])* #[doc = concat!("(`", $text, "`)")] $variant,)*
        }

        #[allow(unreachable_pub, reason = "hosts need only some of the enums")]
        impl $name {
            /// Returns the text that is sent as the value of the attribute.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $text,)*
                }
            }
        }

        impl $crate::content::Payload for $name {}

        $crate::record::scalars! {
            $name: Text.one_of(&[$($text),*]) = |value| Some(value.as_str().into());
        }

        impl $name {
            /// The texts of all variants, and `unknown`.
            #[allow(dead_code, reason = "only some enums can be unknown")]
            pub(crate) const OR_UNKNOWN: &[&str] = &[$($text,)* "unknown"];
        }

        #[cfg(feature = "serde")]
        impl<'de> ::serde::Deserialize<'de> for $name {
            fn deserialize<D: ::serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                $crate::serial::parsed(&<String as ::serde::Deserialize>::deserialize(deserializer)?)
            }
        }

        #[cfg(feature = "serde")]
        $crate::serial::read! { $name }

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
