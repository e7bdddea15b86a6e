//! The definition of the data of a span: each attribute is stated once.

use std::time::Duration;

use super::Out;
use crate::content::Payload;
use crate::schema::Span;

/// The attributes of one kind of span.
pub(crate) trait SpanAttributes: Payload + Send + Sync {
    fn span(&self) -> &'static Span;

    /// Sets the duration, an attribute of every span.
    fn set_duration(&mut self, duration: Duration);

    /// Writes the attributes after `span.type`, in the order of the catalog.
    fn attributes(&self, out: &mut dyn Out);
}

/// Defines the data of a span, with its attributes and its row of the catalog. `sent` lists the attributes as in
/// [`event!`](super::event). `other` lists data that is not an attribute, such as that of the span's events.
macro_rules! span {
    (
        $(#[$meta:meta])*
        span $Span:ident emits $name:literal, $work:literal
            $(, fails when $error:literal)? $(, has events $event:ident)?;
        sent {$(
            $field:ident: $Type:ident $(<$Inner:ident>)? =
                $key:literal, $description:literal;
        )*}
        $(other {$(
            $(#[$other_meta:meta])*
            $other:ident: $Other:ident $(<$OtherInner:ident>)?;
        )*})?
    ) => {
        $(#[$meta])*
        #[derive(Clone)]
        pub(crate) struct $Span {
            $(pub(crate) $field: $Type $(<$Inner>)?,)*
            $($($(#[$other_meta])* pub(crate) $other: $Other $(<$OtherInner>)?,)*)?
        }

        impl $Span {
            pub(crate) const SPAN: &'static $crate::schema::Span = {
                const ERRORS: &[&str] = &[$($error)?];
                &$crate::schema::Span {
                    name: concat!("claude_code.", $name),
                    span_type: $name,
                    description: $work,
                    attributes: $crate::record::attribute_rows! {$(
                        $Type $(<$Inner>)? = $key, $description;
                    )*},
                    events: &[$($event)?],
                    error: ERRORS.first().copied(),
                }
            };
        }

        impl $crate::record::SpanAttributes for $Span {
            fn span(&self) -> &'static $crate::schema::Span {
                Self::SPAN
            }

            fn set_duration(&mut self, duration: ::std::time::Duration) {
                self.duration = duration;
            }

            fn attributes(&self, out: &mut dyn $crate::record::Out) {
                $($crate::record::Field::write(&self.$field, $key, out);)*
            }
        }

        impl $crate::content::Payload for $Span {
            fn size(&self) -> usize {
                use $crate::content::Payload;
                0 $(+ Payload::size(&self.$field))* $($(+ Payload::size(&self.$other))*)?
            }

            fn filter(&mut self, policy: &$crate::content::ContentPolicy) -> bool {
                use $crate::content::Payload;
                true
                    $(& Payload::filter(&mut self.$field, policy))*
                    $($(& Payload::filter(&mut self.$other, policy))*)?
            }
        }
    };
}

pub(crate) use span;
