//! The types of fields, which determine everything about an attribute except its key and its description: kind,
//! presence, gate and format.

use std::borrow::Cow;
use std::time::Duration;

use super::{Out, Text, Value, is_valid_cost};
use crate::content::{ContentKind, ContentPolicy, Gated, Payload};
use crate::schema::{Attribute, Kind};

/// A type whose values are sent as an attribute.
pub(crate) trait Field: Payload {
    /// The attribute without a key and a description.
    const ATTRIBUTE: Attribute;

    /// Writes the attribute, unless the value is not sent.
    fn write(&self, key: &'static str, out: &mut dyn Out);
}

/// An optional field is sent when its value is known.
impl<T: Field> Field for Option<T> {
    const ATTRIBUTE: Attribute = T::ATTRIBUTE.when_known();

    fn write(&self, key: &'static str, out: &mut dyn Out) {
        if let Some(value) = self {
            value.write(key, out);
        }
    }
}

/// Expands to the catalog rows of a list of fields: `Type = "key", "description";`. The rows after `and` are of further
/// attributes that the type writes.
macro_rules! attribute_rows {
    ($($Type:ident $(<$Inner:ident>)? = $key:literal, $description:literal
        $(, and $($more:ident),+)?;)*) => {
        const {
            &[$(
                <$Type $(<$Inner>)? as $crate::record::Field>::ATTRIBUTE.named($key, $description)
                $(, $($more),+)?
            ),*]
        }
    };
}
pub(crate) use attribute_rows;

/// Implements [`Field`]: `Type: Kind = |value| ...`, where the expression returns an `Option` of the Rust type of the
/// kind. `None` sends no attribute. Functions of [`Attribute`] may follow the kind, for example `.when_known()`.
macro_rules! fields {
    ($($type:ty: $Kind:ident $(.$with:ident($($argument:expr),*))* = |$value:ident| $expression:expr;)*) => {$(
        impl $crate::record::Field for $type {
            const ATTRIBUTE: $crate::schema::Attribute =
                $crate::schema::Attribute::of($crate::schema::Kind::$Kind)
                    $(.$with($($argument),*))*;

            #[inline]
            fn write(&self, key: &'static str, out: &mut dyn $crate::record::Out) {
                let $value = self;
                if let Some(value) = $expression.map($crate::record::Value::$Kind) {
                    out.value(key, value);
                }
            }
        }
    )*};
}
pub(crate) use fields;

fields! {
    Text: String = |text| Some(Cow::Borrowed(&**text));
    bool: Bool = |value| Some(*value);
    u64: Int = |count| Some(integer(*count));
    Duration: Int = |duration| Some(millis(*duration));
    Measured<Duration>: Int = |duration| Some(millis(duration.0.unwrap_or_default()));
    Measured<u64>: Int = |length| Some(integer(length.0.unwrap_or_default()));
    Measured<u32>: Int = |attempts| Some(attempts.0.unwrap_or(1).into());
    // A cost. A negative or non-finite cost is omitted: the session does not add it to the metric either, and counts it
    // as invalid.
    Measured<f64>: Double = |usd| Some(usd.0.unwrap_or_default()).filter(|usd| is_valid_cost(*usd));
    BoolAsString: String.one_of(&["true", "false"]) = |value| Some(if value.0 { "true" } else { "false" }.into());
    StatusCodeString: String = |status| Some(match status.0 {
        Some(status) => Cow::Owned(status.to_string()),
        None => Cow::Borrowed("undefined"),
    });
    ErrorMessage: String = |message| Some(Cow::Borrowed(&*message.0));
    ToolError: String.when_known() = |error| error.0.as_ref().map(|message| Cow::Borrowed(&*message.0));
}

/// Returns a count as an integer of OTLP, at most `i64::MAX`.
fn integer(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// Returns a duration in whole milliseconds, at most `i64::MAX`.
fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

impl<K: ContentKind> Field for Gated<K> {
    const ATTRIBUTE: Attribute = match K::REDACTED {
        true => Attribute::of(Kind::String).redacted_without(K::GATE),
        false => Attribute::of(Kind::String).when_known().gated(K::GATE),
    };

    fn write(&self, key: &'static str, out: &mut dyn Out) {
        if let Some(text) = self.text() {
            out.value(key, Value::String(text));
        }
    }
}

/// A value that the host may set. Otherwise it is what was measured: a duration, a length, a number of attempts.
/// Without a measurement it is 0, and 1 for attempts. A cost is never measured.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Measured<T>(pub(crate) Option<T>);

impl<T> Payload for Measured<T> {}

/// A boolean that is sent as the string `true` or `false`, as the monitoring documentation specifies for some events.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct BoolAsString(pub(crate) bool);

impl Payload for BoolAsString {}

/// An HTTP status that is sent as a string: `undefined` if there is none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct StatusCodeString(pub(crate) Option<u16>);

impl Payload for StatusCodeString {}

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
