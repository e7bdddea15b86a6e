//! The definition of the record of an event: each field is stated once.

use std::time::SystemTime;

use super::Attributes;
use crate::content::{ContentPolicy, Filtered, Payload};
use crate::schema::Event;

/// A record that becomes an event.
pub(crate) trait Record: Sized {
    /// The fields that become attributes.
    type Event: EventFields;

    /// Returns the time that the host set. `None` means the current time.
    fn time(&self) -> Option<SystemTime>;

    /// Returns the size of the texts of the record in memory, in bytes.
    fn size(&self) -> usize;

    /// Derives fields of the event from others, before the policy filters them.
    fn derive_fields(&mut self, _policy: &ContentPolicy) {}

    fn into_event(self) -> Self::Event;

    /// Passes the record through the policy. Returns `None` if the policy withholds the whole event.
    #[inline]
    fn filtered(mut self, policy: &ContentPolicy) -> Option<Filtered<Self::Event>> {
        self.derive_fields(policy);
        policy.filter(self.into_event())
    }
}

/// The fields of a record that become attributes of its event.
pub(crate) trait EventFields: Payload + Send + Sync + 'static {
    const EVENT: &'static Event;

    /// Writes the attributes that follow the standard and the event attributes, in the order of the catalog.
    fn attributes<'a>(&'a self, out: &mut Attributes<'a>);
}

/// An event in the queue, without the content that must not be exported.
pub(crate) trait EventRecord: Send + Sync {
    fn event(&self) -> &'static Event;

    /// Writes the attributes that follow the standard and the event attributes, in the order of the catalog.
    fn attributes<'a>(&'a self, out: &mut Attributes<'a>);

    /// Returns the size of the texts that the record keeps in memory, in bytes. The limit of the queue includes it.
    fn size(&self) -> usize;
}

impl<E: EventFields> EventRecord for Filtered<E> {
    fn event(&self) -> &'static Event {
        E::EVENT
    }

    fn attributes<'a>(&'a self, out: &mut Attributes<'a>) {
        E::attributes(self, out);
    }

    fn size(&self) -> usize {
        E::size(self)
    }
}

/// Defines the record of an event, with its constructor, setters, deserialization, attributes and row of the catalog.
///
/// `new` lists the parameters of the constructor. `sent` lists the attributes in their order on the wire, each with its
/// key, other names that a transcript may use, and its description. A type that writes several attributes has a key and
/// a description for each. `unsent` lists what the event does not carry, with the names in a transcript; every record
/// has the field `at`. The words before the fields are those of [`record!`](super::definition).
///
/// The [types](super::field) of the fields determine the rest. After the fields may stand the name of a function that
/// derives fields of the event from others before the policy filters them, and one that checks a record from a transcript.
macro_rules! event {
    (
        $(#[$meta:meta])*
        record $Record:ident with event $Event:ident: $($derive:ident),+;
        emits $name:literal, $occasion:literal $(, only with $Gate:ident)?;

        $(#[$new_meta:meta])*
        new($($argument:ident: $Argument:ty),* $(,)?);

        sent {$(
            $(#[$meta_of_sent:meta])*
            $how:ident $field:ident: $Type:ident $(<$Inner:ident>)? =
                $key:literal $(| $alias:literal)*, $description:literal
                $(, $more:literal, $more_description:literal)*;
        )*}
        unsent {$(
            $(#[$meta_of_unsent:meta])*
            $unsent_how:ident $unsent:ident: $Unsent:ident $(<$UnsentInner:ident>)?
                = $unsent_name:literal $(| $unsent_alias:literal)*;
        )*}
        $(derive fields with $derive_fields:ident;)?
        $(check with $check:ident;)?
    ) => {
        $(#[$meta])*
        #[derive($($derive),+)]
        pub struct $Record {
            pub(crate) event: $Event,
            $(pub(crate) $unsent: $Unsent $(<$UnsentInner>)?,)*
        }

        #[doc = concat!("The attributes of the event of [`", stringify!($Record), "`].")]
        #[derive($($derive),+)]
        pub(crate) struct $Event {
            $(pub(crate) $field: $Type $(<$Inner>)?,)*
        }

        impl $Record {
            $(#[$new_meta])*
            #[inline]
            pub fn new($($argument: $Argument),*) -> Self {
                Self {
                    event: $Event {
                        $($field: $crate::record::definition::initial!($how $field $Type),)*
                    },
                    $($unsent: $crate::record::definition::initial!($unsent_how $unsent $Unsent),)*
                }
            }

            $($crate::record::setter! {
                $how [
                    #[doc = concat!("Sets the attribute `", $key, "`: ", $description, ".")]
                    $(#[$meta_of_sent])*
                ] $field [event.$field] $Type $(<$Inner>)?
            })*
            $($crate::record::setter! {
                $unsent_how [$(#[$meta_of_unsent])*] $unsent [$unsent] $Unsent $(<$UnsentInner>)?
            })*
        }

        impl $crate::record::event::Record for $Record {
            type Event = $Event;

            #[inline]
            fn time(&self) -> Option<::std::time::SystemTime> {
                self.at
            }

            fn size(&self) -> usize {
                use $crate::content::Payload;
                Payload::size(&self.event) $(+ Payload::size(&self.$unsent))*
            }

            $(fn derive_fields(&mut self, policy: &$crate::content::ContentPolicy) {
                self.$derive_fields(policy);
            })?

            #[inline]
            fn into_event(self) -> $Event {
                self.event
            }
        }

        impl $crate::record::event::EventFields for $Event {
            const EVENT: &'static $crate::schema::Event = {
                const GATES: &[$crate::schema::Gate] = &[$($crate::schema::Gate::$Gate)?];
                &$crate::schema::Event {
                    name: $name,
                    body: concat!("claude_code.", $name),
                    description: $occasion,
                    gate: GATES.first().copied(),
                    attributes: $crate::record::attribute_rows! {$(
                        $Type $(<$Inner>)? = $key, $description $(, $more, $more_description)*;
                    )*},
                }
            };

            fn attributes<'a>(&'a self, out: &mut $crate::record::Attributes<'a>) {
                use $crate::record::field::Field;
                $(Field::write(&self.$field, [$key $(, $more)*], out);)*
            }
        }

        impl $crate::content::Payload for $Event {
            #[inline]
            fn size(&self) -> usize {
                0 $(+ $crate::content::Payload::size(&self.$field))*
            }

            #[inline]
            fn filter(&mut self, policy: &$crate::content::ContentPolicy) -> bool {
                true $(& $crate::content::Payload::filter(&mut self.$field, policy))*
            }
        }

        $crate::record::definition::deserialize! {
            $Record {
                $($field: $Type $(<$Inner>)? = $key $(| $alias)*;)*
                $($unsent: $Unsent $(<$UnsentInner>)? = $unsent_name $(| $unsent_alias)*;)*
            }
            |members| Self {
                event: $Event {
                    $($field: $crate::record::definition::member!(
                        $how members.$field, $key $(, $alias)*
                    ),)*
                },
                $($unsent: $crate::record::definition::member!(
                    $unsent_how members.$unsent, $unsent_name $(, $unsent_alias)*
                ),)*
            }
            $(, $check)?
        }
    };
}

pub(crate) use event;
