//! The attributes of an event or span, before they are encoded as OTLP.

use std::borrow::Cow;

/// The value of an attribute. Each variant corresponds to a [`Kind`](crate::schema::Kind) of the catalog.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Value<'a> {
    Text(Cow<'a, str>),
    Int(i64),
    Double(f64),
    Bool(bool),
    TextArray(Vec<Cow<'a, str>>),
}

/// A destination of attributes.
pub(crate) trait Out {
    fn text(&mut self, key: &str, value: &str);

    fn value(&mut self, key: &str, value: Value<'_>);
}

/// The attributes of an event or span, in the order in which they are sent.
#[derive(Default)]
pub(crate) struct Attributes<'a> {
    list: Vec<(&'static str, Value<'a>)>,
    /// The destination to which each attribute is written immediately, instead of `list`.
    out: Option<&'a mut dyn Out>,
    /// The number of bodies that could not be parsed and are therefore redacted as a whole.
    pub(crate) unreadable_bodies: u64,
}

impl<'a> Attributes<'a> {
    /// Creates attributes that are written to `out` as they are added.
    pub(crate) fn writing_to(out: &'a mut dyn Out) -> Self {
        Self {
            out: Some(out),
            ..Self::default()
        }
    }

    pub(crate) fn push(&mut self, key: &'static str, value: Value<'a>) {
        match &mut self.out {
            Some(out) => out.value(key, value),
            None => self.list.push((key, value)),
        }
    }

    pub(crate) fn into_iter(self) -> impl Iterator<Item = (&'static str, Value<'a>)> {
        self.list.into_iter()
    }
}
