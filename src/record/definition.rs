//! The definition of a record or of options: each field is stated once.

/// Defines a record or options, with constructor, setters and deserialization.
///
/// `new` lists the parameters of the constructor. `fields` lists the fields, each with its names in a transcript (a
/// file of JSON lines: `docs/TRANSCRIPT.md`); the last name is the documented one. The word before a field states how
/// it is set:
///
/// - `required`: by the constructor.
/// - `optional`: by a setter. A transcript may omit it.
/// - `required_in_transcript`: by a setter. A transcript must contain it, because no handle measures it.
/// - `custom`: by functions that are written by hand. A transcript may contain it.
/// - `unread`: by functions that are written by hand. The member of a transcript is ignored.
///
/// A field may end with its default, if that is not the default of its type. After the fields may stand the name of a
/// function that derives fields from others before the policy filters them, and one that checks a record from a
/// transcript.
macro_rules! record {
    (
        $(#[$meta:meta])*
        record $Record:ident: $($derive:ident),+;

        $(#[$new_meta:meta])*
        new($($argument:ident: $Argument:ty),* $(,)?);

        fields {$(
            $(#[$field_meta:meta])*
            $how:ident $field:ident: $Type:ident $(<$Inner:ident>)? =
                $name:literal $(| $alias:literal)* $(, default $default:expr)?;
        )*}
        $(derive fields with $derive_fields:ident;)?
        $(check with $check:ident;)?
    ) => {
        $(#[$meta])*
        #[derive($($derive),+)]
        pub struct $Record {
            $(pub(crate) $field: $Type $(<$Inner>)?,)*
        }

        impl $Record {
            $(#[$new_meta])*
            #[inline]
            pub fn new($($argument: $Argument),*) -> Self {
                Self {
                    $($field: $crate::record::definition::initial!(
                        $how $field $Type $(, $default)?
                    ),)*
                }
            }

            $($crate::record::setter! {
                $how [$(#[$field_meta])*] $field $Type $(<$Inner>)?
            })*
        }

        $crate::record::definition::default! { $Record($($argument)*) }

        impl $crate::content::Payload for $Record {
            fn size(&self) -> usize {
                0 $(+ $crate::content::Payload::size(&self.$field))*
            }

            #[inline]
            fn filter(&mut self, policy: &$crate::content::ContentPolicy) -> bool {
                $(self.$derive_fields(policy);)?
                true $(& $crate::content::Payload::filter(&mut self.$field, policy))*
            }
        }

        #[cfg(feature = "serde")]
        impl<'de> ::serde::Deserialize<'de> for $Record {
            fn deserialize<D: ::serde::Deserializer<'de>>(
                deserializer: D,
            ) -> Result<Self, D::Error> {
                #[derive(::serde::Deserialize)]
                struct $Record {$(
                    #[serde(rename = $name $(, alias = $alias)*)]
                    $field: Option<$crate::record::definition::Member!($how $Type $(<$Inner>)?)>,
                )*}

                let members = <$Record as ::serde::Deserialize>::deserialize(deserializer)?;
                let record = Self {$(
                    $field: $crate::record::definition::member!(
                        $how members.$field, [$name $(, $alias)*] $(, $default)?
                    ),
                )*};
                $(let record = Self::$check(record).map_err(::serde::de::Error::custom)?;)?
                Ok(record)
            }
        }

        #[cfg(feature = "serde")]
        $crate::serial::read! { $Record }
    };
}

/// Expands to the initial value of a field: an argument of the constructor, or the default.
macro_rules! initial {
    (required $field:ident Text) => {
        $field.into()
    };
    (required $field:ident $Type:ident) => {
        $Type::from($field)
    };
    ($how:ident $field:ident $Type:ident) => {
        ::std::default::Default::default()
    };
    ($how:ident $field:ident $Type:ident, $default:expr) => {
        $default
    };
}

/// Expands to an implementation of `Default` if the constructor has no parameters, and otherwise to no code.
macro_rules! default {
    ($Record:ident()) => {
        impl Default for $Record {
            fn default() -> Self {
                Self::new()
            }
        }
    };
    ($Record:ident($($argument:ident)+)) => {};
}

/// Expands to the type of a member of a transcript's line. The member of a field that is `unread` may have any type.
#[cfg(feature = "serde")]
macro_rules! Member {
    (unread $Type:ty) => {
        ::serde::de::IgnoredAny
    };
    ($how:ident $Type:ty) => {
        $crate::serial::Member<$Type>
    };
}

/// Expands to the value of a field from a transcript: the member, or the default. A missing member of a field that is
/// `required` or `required_in_transcript` is an error.
#[cfg(feature = "serde")]
macro_rules! member {
    (required $member:expr, $names:expr) => {
        $crate::serial::required($member, &$names)?
    };
    (required_in_transcript $member:expr, $names:expr) => {
        $crate::serial::required($member, &$names)?
    };
    (unread $member:expr, $names:expr) => {{
        let _ = $member;
        ::std::default::Default::default()
    }};
    ($how:ident $member:expr, $names:expr) => {
        $member.map(|member| member.0).unwrap_or_default()
    };
    ($how:ident $member:expr, $names:expr, $default:expr) => {
        $member.map_or($default, |member| member.0)
    };
}

#[cfg(feature = "serde")]
pub(crate) use {Member, member};
pub(crate) use {default, initial, record};
