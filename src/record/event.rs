//! The definition of the record of an event: each field is stated once.

use std::time::SystemTime;

use super::Out;
use crate::content::Payload;
use crate::schema::Event;

/// A record that becomes an event.
pub(crate) trait EventRecord: Payload + Send + Sync + 'static {
    fn event(&self) -> &'static Event;

    /// Returns the time that the host set. `None` means the current time.
    fn time(&self) -> Option<SystemTime>;

    /// Writes the attributes that follow the standard and the event attributes, in the order of the catalog.
    fn attributes(&self, out: &mut dyn Out);
}

/// Defines the record of an event: a [`record!`](super::definition) with attributes and a row of the catalog.
///
/// `sent` lists the attributes in their order on the wire, each with its key, other names that a transcript (a file of
/// JSON lines: `docs/TRANSCRIPT.md`) may use, and its description. `and` lists further attributes that the type writes.
/// `other` lists the fields that are not among these attributes; their strings are only the names in a transcript.
/// Every record has the field `at`, the time of the event. The [types](super::field) of the fields determine the kind,
/// presence, gate and format of the attributes.
macro_rules! event {
    (
        $(#[$meta:meta])*
        record $Record:ident: $($derive:ident),+;
        emits $name:literal, $occasion:literal $(, only with $Gate:ident)?;

        $(#[$new_meta:meta])*
        new($($argument:ident: $Argument:ty),* $(,)?);

        sent {$(
            $(#[$sent_meta:meta])*
            $how:ident $field:ident: $Type:ident $(<$Inner:ident>)? =
                $key:literal $(| $alias:literal)*, $description:literal
                $(, and $($more:ident),+)? $(, default $default:expr)?;
        )*}
        other {$(
            $(#[$other_meta:meta])*
            $other_how:ident $other:ident: $Other:ident $(<$OtherInner:ident>)? =
                $other_name:literal $(| $other_alias:literal)* $(, default $other_default:expr)?;
        )*}
        $(derive fields with $derive_fields:ident;)?
        $(check with $check:ident;)?
    ) => {
        $crate::record::record! {
            $(#[$meta])*
            record $Record: $($derive),+;

            $(#[$new_meta])*
            new($($argument: $Argument),*);

            fields {
                $(
                    #[doc = concat!("Sets the attribute `", $key, "`: ", $description, ".")]
                    $(#[$sent_meta])*
                    $how $field: $Type $(<$Inner>)? = $key $(| $alias)* $(, default $default)?;
                )*
                $(
                    $(#[$other_meta])*
                    $other_how $other: $Other $(<$OtherInner>)? =
                        $other_name $(| $other_alias)* $(, default $other_default)?;
                )*
            }
            $(derive fields with $derive_fields;)?
            $(check with $check;)?
        }

        impl $Record {
            pub(crate) const EVENT: &'static $crate::schema::Event = {
                const GATES: &[$crate::schema::Gate] = &[$($crate::schema::Gate::$Gate)?];
                &$crate::schema::Event {
                    name: $name,
                    body: concat!("claude_code.", $name),
                    description: $occasion,
                    gate: GATES.first().copied(),
                    attributes: $crate::record::attribute_rows! {$(
                        $Type $(<$Inner>)? = $key, $description $(, and $($more),+)?;
                    )*},
                }
            };
        }

        impl $crate::record::EventRecord for $Record {
            fn event(&self) -> &'static $crate::schema::Event {
                Self::EVENT
            }

            #[inline]
            fn time(&self) -> Option<::std::time::SystemTime> {
                self.at
            }

            fn attributes(&self, out: &mut dyn $crate::record::Out) {
                $($crate::record::Field::write(&self.$field, $key, out);)*
            }
        }
    };
}

pub(crate) use event;
