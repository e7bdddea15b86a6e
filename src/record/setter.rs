//! Setters of records and options.

/// Defines the public setter of a field, with the parameter that the type of the field determines. An empty `Text` or
/// content counts as absent; an empty `SharedText` is kept, because an empty terminal type replaces the detected one.
/// Fields that are set in another way have no setter.
macro_rules! setter {
    (required $($rest:tt)*) => {};
    (custom $($rest:tt)*) => {};
    (unread $($rest:tt)*) => {};
    ($how:ident $meta:tt $field:ident Option<Text>) => {
        $crate::record::setter!(
            @ $meta $field impl Into<$crate::record::Text>, $crate::record::optional
        );
    };
    ($how:ident $meta:tt $field:ident Option<SharedText>) => {
        $crate::record::setter!(
            @ $meta $field impl Into<::std::sync::Arc<str>>, |text| Some(Into::into(text))
        );
    };
    ($how:ident $meta:tt $field:ident Gated<$Shape:ident>) => {
        $crate::record::setter!(
            @ $meta $field impl Into<$crate::content::Content>, $crate::content::Gated::optional
        );
    };
    ($how:ident $meta:tt $field:ident Option<$Type:ident>) => {
        $crate::record::setter!(@ $meta $field $Type, Some);
    };
    ($how:ident $meta:tt $field:ident Measured<$Type:ident>) => {
        $crate::record::setter!(@ $meta $field $Type, |value| Measured(Some(value)));
    };
    ($how:ident $meta:tt $field:ident StatusCodeString) => {
        $crate::record::setter!(
            @ $meta $field impl Into<Option<u16>>, |status| StatusCodeString(Into::into(status))
        );
    };
    ($how:ident $meta:tt $field:ident BoolAsString) => {
        $crate::record::setter!(@ $meta $field bool, BoolAsString);
    };
    ($how:ident $meta:tt $field:ident $Type:ident) => {
        $crate::record::setter!(@ $meta $field $Type, |value| value);
    };
    (@ [$($meta:tt)*] $field:ident $Parameter:ty, $convert:expr) => {
        $($meta)*
        #[inline]
        pub fn $field(mut self, value: $Parameter) -> Self {
            self.$field = $convert(value);
            self
        }
    };
}

/// Defines public setters of fields, one for each `name: Type`.
macro_rules! setters {
    ($($(#[$meta:meta])* $field:ident: $Type:ident $(<$Inner:ident>)?,)*) => {$(
        $crate::record::setter! { optional [$(#[$meta])*] $field $Type $(<$Inner>)? }
    )*};
}

pub(crate) use {setter, setters};
