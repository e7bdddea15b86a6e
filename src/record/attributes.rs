//! The attributes of an event or span, before they are encoded as OTLP.

use std::borrow::Cow;

/// The value of an attribute. Each variant corresponds to a [`Kind`](crate::catalog::Kind) of the catalog.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Value<'a> {
    Text(Cow<'a, str>),
    Int(i64),
    Double(f64),
    Bool(bool),
    Texts(Vec<Cow<'a, str>>),
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

    fn push(&mut self, key: &'static str, value: Value<'a>) {
        match &mut self.out {
            Some(out) => out.value(key, value),
            None => self.list.push((key, value)),
        }
    }

    pub(crate) fn text(&mut self, key: &'static str, value: impl Into<Cow<'a, str>>) {
        self.push(key, Value::Text(value.into()));
    }

    /// Adds an optional text. An empty text is omitted, as if it were `None`.
    pub(crate) fn text_if(&mut self, key: &'static str, value: Option<impl Into<Cow<'a, str>>>) {
        if let Some(value) = value.map(Into::into).filter(|value| !value.is_empty()) {
            self.text(key, value);
        }
    }

    /// Adds a boolean as the text `true` or `false`, where the monitoring documentation specifies a text.
    pub(crate) fn quoted(&mut self, key: &'static str, value: bool) {
        self.text(key, if value { "true" } else { "false" });
    }

    pub(crate) fn int(&mut self, key: &'static str, value: i64) {
        self.push(key, Value::Int(value));
    }

    /// Adds a count. A count above `i64::MAX`, the largest integer of OTLP, is sent as `i64::MAX`.
    pub(crate) fn count(&mut self, key: &'static str, value: u64) {
        self.int(key, i64::try_from(value).unwrap_or(i64::MAX));
    }

    pub(crate) fn count_if(&mut self, key: &'static str, value: Option<u64>) {
        if let Some(value) = value {
            self.count(key, value);
        }
    }

    pub(crate) fn double(&mut self, key: &'static str, value: f64) {
        self.push(key, Value::Double(value));
    }

    pub(crate) fn bool(&mut self, key: &'static str, value: bool) {
        self.push(key, Value::Bool(value));
    }

    pub(crate) fn texts(&mut self, key: &'static str, values: Vec<Cow<'a, str>>) {
        self.push(key, Value::Texts(values));
    }

    pub(crate) fn bool_if(&mut self, key: &'static str, value: Option<bool>) {
        if let Some(value) = value {
            self.bool(key, value);
        }
    }

    pub(crate) fn into_iter(self) -> impl Iterator<Item = (&'static str, Value<'a>)> {
        self.list.into_iter()
    }
}
