//! The types of fields, which determine everything about an attribute except its key and its description: kind,
//! presence, gate, format and order.

use std::borrow::Cow;
use std::marker::PhantomData;
use std::time::Duration;

use super::{Out, Text, Value, countable};
use crate::content::{Body, ContentKind, ContentPolicy, Gated, Payload};
use crate::schema::{Attribute, Kind};

/// A type whose values are sent as `N` attributes, in order.
pub(crate) trait Field<const N: usize>: Payload {
    /// The attributes without keys and descriptions.
    const ATTRIBUTES: [Attribute; N];

    fn write(&self, keys: [&'static str; N], out: &mut dyn Out);
}

/// Returns the rows of the catalog for a field: the attributes of its type with these keys and descriptions.
pub(crate) const fn rows<T: Field<N>, const N: usize>(
    _: PhantomData<T>,
    names: [(&'static str, &'static str); N],
) -> [Attribute; N] {
    let mut rows = T::ATTRIBUTES;
    let mut i = 0;
    while i < N {
        rows[i] = rows[i].named(names[i].0, names[i].1);
        i += 1;
    }
    rows
}

/// Returns the rows of all fields as one list, whose length is that of [`count`].
pub(crate) const fn joined<const N: usize>(fields: &[&[Attribute]]) -> [Attribute; N] {
    let mut rows = [Attribute::of(Kind::Text); N];
    let (mut field, mut row) = (0, 0);
    while field < fields.len() {
        let mut i = 0;
        while i < fields[field].len() {
            rows[row] = fields[field][i];
            row += 1;
            i += 1;
        }
        field += 1;
    }
    rows
}

/// Returns the number of rows of all fields.
pub(crate) const fn count(fields: &[&[Attribute]]) -> usize {
    let (mut field, mut rows) = (0, 0);
    while field < fields.len() {
        rows += fields[field].len();
        field += 1;
    }
    rows
}

/// Returns the rows of the catalog for some fields: `Type = "key", "description";`, with a key and a description for each
/// attribute of the type.
macro_rules! rows {
    ($($Type:ident $(<$Inner:ident>)? = $($key:literal, $description:literal),+;)*) => {{
        use $crate::record::field::{count, joined};
        const FIELDS: &[&[$crate::schema::Attribute]] = &[$(&$crate::record::field::rows(
            ::std::marker::PhantomData::<$Type $(<$Inner>)?>,
            [$(($key, $description)),+],
        )),*];
        const ROWS: [$crate::schema::Attribute; count(FIELDS)] = joined(FIELDS);
        &ROWS
    }};
}
pub(crate) use rows as attribute_rows;

/// An optional field is sent when its value is known.
impl<T: Field<N>, const N: usize> Field<N> for Option<T> {
    const ATTRIBUTES: [Attribute; N] = {
        let mut attributes = T::ATTRIBUTES;
        let mut i = 0;
        while i < N {
            attributes[i] = attributes[i].when_known();
            i += 1;
        }
        attributes
    };

    fn write(&self, keys: [&'static str; N], out: &mut dyn Out) {
        if let Some(value) = self {
            value.write(keys, out);
        }
    }
}

/// A type whose values are sent as one attribute.
pub(crate) trait Scalar: Payload {
    /// The attribute without a key and a description.
    const ATTRIBUTE: Attribute;

    /// Returns the value of the attribute; `None` if it is not sent.
    fn value(&self) -> Option<Value<'_>>;
}

impl<T: Scalar> Field<1> for T {
    const ATTRIBUTES: [Attribute; 1] = [T::ATTRIBUTE];

    fn write(&self, [key]: [&'static str; 1], out: &mut dyn Out) {
        if let Some(value) = self.value() {
            out.value(key, value);
        }
    }
}

/// Implements [`Scalar`]: `Type: Kind = |value| ...`, where the expression is optional and has the kind's type.
macro_rules! scalars {
    ($($type:ty: $Kind:ident $(.$with:ident($($argument:expr),*))* = |$value:ident| $expression:expr;)*) => {$(
        impl $crate::record::Scalar for $type {
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
pub(crate) use scalars;

scalars! {
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
fn integer(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// Returns a duration in whole milliseconds, at most `i64::MAX`.
fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

fn quoted(value: bool) -> Cow<'static, str> {
    if value { "true" } else { "false" }.into()
}

impl<K: ContentKind> Scalar for Gated<K> {
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

/// A body, its length, and whether it was truncated.
impl Field<3> for Body {
    const ATTRIBUTES: [Attribute; 3] = [
        Attribute::of(Kind::Text).gated(Self::GATE),
        u64::ATTRIBUTE,
        Quoted::ATTRIBUTE.one_of(&["true"]).when_known(),
    ];

    fn write(&self, [text, length, truncated]: [&'static str; 3], out: &mut dyn Out) {
        let body = self.redacted();
        if body.unreadable {
            out.unreadable_body();
        }
        out.text(text, &body.text);
        out.value(length, Value::Int(integer(body.length as u64)));
        if body.truncated {
            out.value(truncated, Value::Text(quoted(true)));
        }
    }
}

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
