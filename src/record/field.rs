//! The types of fields, which determine everything about an attribute except its key and its description: kind,
//! presence, gate, format and order.

use std::borrow::Cow;
use std::time::Duration;

use super::{Out, Text, Value, countable};
use crate::content::{ContentKind, ContentPolicy, Gated, Payload};
use crate::schema::{Attribute, Kind};

/// A type whose values are sent as an attribute.
pub(crate) trait Field: Payload {
    /// The attribute without a key and a description.
    const ATTRIBUTE: Attribute;

    /// Returns the value of the attribute; `None` if it is not sent.
    fn value(&self) -> Option<Value<'_>>;

    fn write(&self, key: &'static str, out: &mut dyn Out) {
        if let Some(value) = self.value() {
            out.value(key, value);
        }
    }
}

/// Returns the rows of the catalog for some fields: `Type = "key", "description";`. The rows after `then` follow the
/// field's own row.
macro_rules! rows {
    ($($Type:ident $(<$Inner:ident>)? = $key:literal, $description:literal
        $(, then $($more:expr),+)?;)*) => {{
        const ROWS: &[$crate::schema::Attribute] = &[$(
            <$Type $(<$Inner>)? as $crate::record::Field>::ATTRIBUTE.named($key, $description)
            $(, $($more),+)?
        ),*];
        ROWS
    }};
}
pub(crate) use rows as attribute_rows;

/// An optional field is sent when its value is known.
impl<T: Field> Field for Option<T> {
    const ATTRIBUTE: Attribute = T::ATTRIBUTE.when_known();

    fn value(&self) -> Option<Value<'_>> {
        self.as_ref().and_then(T::value)
    }
}

/// Implements [`Field`]: `Type: Kind = |value| ...`, where the expression is optional and has the kind's type.
macro_rules! fields {
    ($($type:ty: $Kind:ident $(.$with:ident($($argument:expr),*))* = |$value:ident| $expression:expr;)*) => {$(
        impl $crate::record::Field for $type {
            const ATTRIBUTE: $crate::schema::Attribute =
                $crate::schema::Attribute::of($crate::schema::Kind::$Kind)
                    $(.$with($($argument),*))*;

            #[inline]
            fn value(&self) -> Option<$crate::record::Value<'_>> {
                let $value = self;
                $expression.map($crate::record::Value::$Kind)
            }
        }
    )*};
}
pub(crate) use fields;

fields! {
    Text: Text = |text| Some(Cow::Borrowed(&**text));
    bool: Bool = |value| Some(*value);
    u64: Int = |count| Some(integer(*count));
    Duration: Int = |duration| Some(millis(*duration));
    Measured<Duration>: Int = |duration| Some(millis(duration.0.unwrap_or_default()));
    Measured<u32>: Int = |attempts| Some(attempts.0.unwrap_or(1).into());
    f64: Double = |amount| Some(*amount).filter(|amount| countable(*amount));
    Quoted: Text.one_of(&["true", "false"]) = |value| Some(quoted(value.0));
    Status: Text = |status| Some(match status.0 {
        Some(status) => Cow::Owned(status.to_string()),
        None => Cow::Borrowed("undefined"),
    });
    ErrorMessage: Text = |message| Some(Cow::Borrowed(&*message.0));
    ToolError: Text.when_known() = |error| error.0.as_ref().map(|message| Cow::Borrowed(&*message.0));
}

/// Returns a count as an integer of OTLP, at most `i64::MAX`.
pub(super) fn integer(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// Returns a duration in whole milliseconds, at most `i64::MAX`.
fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

pub(super) fn quoted(value: bool) -> Cow<'static, str> {
    if value { "true" } else { "false" }.into()
}

impl<K: ContentKind> Field for Gated<K> {
    const ATTRIBUTE: Attribute = match K::REDACTED {
        true => Attribute::of(Kind::Text).redacted_without(K::GATE),
        false => Attribute::of(Kind::Text).when_known().gated(K::GATE),
    };

    fn value(&self) -> Option<Value<'_>> {
        // An empty text means that the value is absent, unless the prompt itself is empty.
        let text = self.text().filter(|text| K::REDACTED || !text.is_empty());
        text.map(Value::Text)
    }
}

/// A value that a handle measures unless the host sets it. Without a handle, a duration is sent as 0, and a number of
/// attempts as 1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Measured<T>(pub(crate) Option<T>);

impl<T> Payload for Measured<T> {}

/// A boolean that is sent as the text `true` or `false`, as the monitoring documentation specifies for some events.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Quoted(pub(crate) bool);

impl Payload for Quoted {}

/// An HTTP status that is sent as text: `undefined` if there is none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Status(pub(crate) Option<u16>);

impl Payload for Status {}

/// The message of an error. The message may repeat content (a command, a path, a part of a body), so `Debug` shows only
/// its length.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct ErrorMessage(pub(crate) Text);

impl<T: Into<Text>> From<T> for ErrorMessage {
    fn from(message: T) -> Self {
        Self(message.into())
    }
}

impl std::fmt::Debug for ErrorMessage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "ErrorMessage({} bytes)", self.0.len())
    }
}

impl Payload for ErrorMessage {
    fn size(&self) -> usize {
        self.0.len()
    }
}

/// The error message of a tool, which a host can withhold from all telemetry.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct ToolError(pub(crate) Option<ErrorMessage>);

impl Payload for ToolError {
    fn size(&self) -> usize {
        self.0.size()
    }

    fn filter(&mut self, policy: &ContentPolicy) -> bool {
        self.0.take_if(|_| !policy.error_messages());
        true
    }
}
