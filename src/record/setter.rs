//! Setters of records and options.

/// Defines the public setter of a field, with the parameter that the type of the field determines. Text and content that
/// are empty count as absent. Fields that are set in another way have no setter.
macro_rules! setter {
    (required $($rest:tt)*) => {};
    (custom $($rest:tt)*) => {};
    ($how:ident $meta:tt $field:ident $place:tt Option<Text>) => {
        $crate::record::setter!(
            @ $meta $field $place impl Into<$crate::record::Text>, $crate::record::optional
        );
    };
    ($how:ident $meta:tt $field:ident $place:tt Gated<$Shape:ident>) => {
        $crate::record::setter!(
            @ $meta $field $place impl Into<$crate::content::Content>,
            $crate::content::Gated::optional
        );
    };
    ($how:ident $meta:tt $field:ident $place:tt Option<$Type:ident>) => {
        $crate::record::setter!(@ $meta $field $place $Type, Some);
    };
    ($how:ident $meta:tt $field:ident $place:tt Measured<$Type:ident>) => {
        $crate::record::setter!(@ $meta $field $place $Type, |value| Measured(Some(value)));
    };
    ($how:ident $meta:tt $field:ident $place:tt Quoted) => {
        $crate::record::setter!(@ $meta $field $place bool, Quoted);
    };
    ($how:ident $meta:tt $field:ident $place:tt Usd) => {
        $crate::record::setter!(@ $meta $field $place f64, |usd| Usd(Some(usd)));
    };
    ($how:ident $meta:tt $field:ident $place:tt Number) => {
        $crate::record::setter!(@ $meta $field $place u64, Number);
    };
    ($how:ident $meta:tt $field:ident $place:tt Status) => {
        $crate::record::setter!(@ $meta $field $place u16, |status| Status(Some(status)));
    };
    ($how:ident $meta:tt $field:ident $place:tt $Type:ident) => {
        $crate::record::setter!(@ $meta $field $place $Type, |value| value);
    };
    (@ [$($meta:tt)*] $field:ident [$($place:tt)*] $Parameter:ty, $convert:expr) => {
        $($meta)*
        #[inline]
        pub fn $field(mut self, value: $Parameter) -> Self {
            self.$($place)* = $convert(value);
            self
        }
    };
}

/// Defines public setters of fields, one for each `name: Type`.
macro_rules! setters {
    ($($(#[$meta:meta])* $field:ident: $Type:ident $(<$Inner:ident>)?,)*) => {$(
        $crate::record::setter! { optional [$(#[$meta])*] $field [$field] $Type $(<$Inner>)? }
    )*};
}

pub(crate) use {setter, setters};
