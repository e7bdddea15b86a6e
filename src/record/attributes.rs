//! The attributes of an event or span, before they are encoded as OTLP.

use std::borrow::Cow;

/// The value of an attribute. Each variant corresponds to a [`Kind`](crate::schema::Kind) of the catalog.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Value<'a> {
    String(Cow<'a, str>),
    Int(i64),
    Double(f64),
    Bool(bool),
    StringArray(Vec<Cow<'a, str>>),
}

/// A destination of attributes, in the order in which they are sent.
pub(crate) trait Out {
    fn value(&mut self, key: &str, value: Value<'_>);

    fn text(&mut self, key: &str, value: &str) {
        self.value(key, Value::String(value.into()));
    }

    /// Counts a body that is redacted as a whole, because it could not be searched for the model's thinking.
    fn unreadable_body(&mut self) {}
}
