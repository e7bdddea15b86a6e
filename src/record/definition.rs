//! The definition of a record or of options: each field is stated once.

/// Defines a record or options, with constructor, setters and deserialization.
///
/// `new` lists the parameters of the constructor. `fields` lists the fields, each with its names in a transcript; the last
/// name is the documented one. The word before a field states how it is set:
///
/// - `required`: by the constructor.
/// - `optional`: by a setter. A transcript may omit it.
/// - `expected`: by a setter. A transcript must contain it, because no handle measures it there.
/// - `custom`: by functions that are written by hand.
///
/// After the fields may stand the name of a function that checks a record from a transcript.
macro_rules! record {
    (
        $(#[$meta:meta])*
        record $Record:ident: $($derive:ident),+;

        $(#[$new_meta:meta])*
        new($($argument:ident: $Argument:ty),* $(,)?);

        fields {$(
            $(#[$field_meta:meta])*
            $how:ident $field:ident: $Type:ident $(<$Inner:ident>)? =
                $name:literal $(| $alias:literal)*;
        )*}
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
                    $($field: $crate::record::definition::initial!($how $field $Type),)*
                }
            }

            $($crate::record::setter! {
                $how [$(#[$field_meta])*] $field [$field] $Type $(<$Inner>)?
            })*
        }

        impl $crate::content::Payload for $Record {
            fn size(&self) -> usize {
                0 $(+ $crate::content::Payload::size(&self.$field))*
            }
        }

        $crate::record::definition::deserialize! {
            $Record { $($field: $Type $(<$Inner>)? = $name $(| $alias)*;)* }
            |members| Self {
                $($field: $crate::record::definition::member!(
                    $how members.$field, $name $(, $alias)*
                ),)*
            }
            $(, $check)?
        }
    };
}

/// The initial value of a field: an argument of the constructor, or the default.
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
}

/// Implements `Deserialize` for a record that is built from members with these types and names.
macro_rules! deserialize {
    (
        $Record:ident {$(
            $field:ident: $Type:ident $(<$Inner:ident>)? = $name:literal $(| $alias:literal)*;
        )*}
        |$members:ident| $record:expr $(, $check:ident)?
    ) => {
        #[cfg(feature = "serde")]
        impl<'de> ::serde::Deserialize<'de> for $Record {
            fn deserialize<D: ::serde::Deserializer<'de>>(
                deserializer: D,
            ) -> Result<Self, D::Error> {
                #[derive(::serde::Deserialize)]
                struct $Record {$(
                    #[serde(rename = $name $(, alias = $alias)*)]
                    $field: Option<$crate::serial::Member<$Type $(<$Inner>)?>>,
                )*}

                let $members = <$Record as ::serde::Deserialize>::deserialize(deserializer)?;
                let record = $record;
                $(let record = Self::$check(record).map_err(::serde::de::Error::custom)?;)?
                Ok(record)
            }
        }

        #[cfg(feature = "serde")]
        $crate::serial::read! { $Record }
    };
}

/// The value of a field from a transcript.
#[cfg(feature = "serde")]
macro_rules! member {
    (required $member:expr, $($name:literal),+) => {
        $crate::serial::required($member, &[$($name),+])?
    };
    (expected $member:expr, $($name:literal),+) => {
        $crate::serial::required($member, &[$($name),+])?
    };
    ($how:ident $member:expr, $($name:literal),+) => {
        $member.map(|member| member.0).unwrap_or_default()
    };
}

#[cfg(feature = "serde")]
pub(crate) use member;
pub(crate) use {deserialize, initial, record};
