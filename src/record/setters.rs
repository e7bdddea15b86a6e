//! Setters of records and options.

/// Defines public setters of fields, one for each `name: Type`, where `Type` is the type of the field.
///
/// A setter of an `Option` takes the value. Text and content that are empty count as absent.
macro_rules! setters {
    () => {};
    ($(#[$meta:meta])* $name:ident: Option<Text>, $($rest:tt)*) => {
        $(#[$meta])*
        #[inline]
        pub fn $name(mut self, text: impl Into<::std::borrow::Cow<'static, str>>) -> Self {
            self.$name = $crate::record::optional(text);
            self
        }

        $crate::record::setters! { $($rest)* }
    };
    ($(#[$meta:meta])* $name:ident: Option<Content>, $($rest:tt)*) => {
        $(#[$meta])*
        #[inline]
        pub fn $name(mut self, content: impl Into<$crate::content::Content>) -> Self {
            self.$name = $crate::content::Content::optional(content);
            self
        }

        $crate::record::setters! { $($rest)* }
    };
    ($(#[$meta:meta])* $name:ident: Option<$type:ty>, $($rest:tt)*) => {
        $(#[$meta])*
        #[inline]
        pub fn $name(mut self, value: $type) -> Self {
            self.$name = Some(value);
            self
        }

        $crate::record::setters! { $($rest)* }
    };
    ($(#[$meta:meta])* $name:ident: $type:ty, $($rest:tt)*) => {
        $(#[$meta])*
        #[inline]
        pub fn $name(mut self, value: $type) -> Self {
            self.$name = value;
            self
        }

        $crate::record::setters! { $($rest)* }
    };
}

pub(crate) use setters;
