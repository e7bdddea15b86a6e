//! What was emitted, and how it is looked through.

use std::fmt;
use std::ops::Deref;
use std::time::{Duration, SystemTime};

use super::attributes::{Attribute, Attributes};

/// An event: one log record.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Event {
    /// The whole name, such as `claude_code.api_request`.
    pub name: String,
    /// When it happened.
    pub time: SystemTime,
    /// All attributes, the standard ones first.
    pub attributes: Attributes,
    /// Trace id and span id in hex, when a span is open.
    pub span: Option<(String, String)>,
}

/// One series of a metric, with its total.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Metric {
    /// The whole name, such as `claude_code.token.usage`.
    pub name: String,
    /// The unit, such as `tokens`.
    pub unit: String,
    /// The sum since the start.
    pub total: f64,
    /// All attributes.
    pub attributes: Attributes,
}

/// A span that has ended.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Span {
    /// The whole name, such as `claude_code.tool.execution`.
    pub name: String,
    /// The trace id in hex.
    pub trace_id: String,
    /// Its own id in hex.
    pub id: String,
    /// The id of its parent in hex; none for the root of a trace.
    pub parent: Option<String>,
    /// When it began.
    pub start: SystemTime,
    /// How long it took.
    pub duration: Duration,
    /// The message of its status when that is an error.
    pub error: Option<String>,
    /// All attributes, the standard ones first.
    pub attributes: Attributes,
    /// Its span events, such as `tool.output`.
    pub events: Vec<SpanEvent>,
}

/// A span event.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct SpanEvent {
    /// Its name, such as `tool.output`.
    pub name: String,
    /// Its attributes.
    pub attributes: Attributes,
}

/// Something that was emitted.
pub trait Item: Clone {
    /// The whole name.
    fn name(&self) -> &str;

    /// All attributes.
    fn attributes(&self) -> &Attributes;
}

macro_rules! items {
    ($($item:ident)*) => {$(
        impl Item for $item {
            fn name(&self) -> &str {
                &self.name
            }

            fn attributes(&self) -> &Attributes {
                &self.attributes
            }
        }
    )*};
}

items! { Event Metric Span SpanEvent }

/// A list of what was emitted: a slice that can be narrowed by name and attribute.
#[derive(Clone, Debug, PartialEq)]
pub struct Emitted<T>(pub(super) Vec<T>);

impl<T: Item> Emitted<T> {
    /// Those of this name, with or without `claude_code.` before it.
    pub fn named(&self, name: &str) -> Self {
        self.filter(|item| {
            item.name() == name || item.name().strip_prefix("claude_code.") == Some(name)
        })
    }

    /// Those that have this attribute with this value.
    pub fn with(&self, key: &str, value: impl Into<Attribute>) -> Self {
        let value = value.into();
        self.filter(|item| item.attributes().get(key) == Some(&value))
    }

    /// Those that do not have this attribute.
    pub fn without(&self, key: &str) -> Self {
        self.filter(|item| item.attributes().get(key).is_none())
    }

    /// Those for which this is true.
    pub fn filter(&self, keep: impl Fn(&T) -> bool) -> Self {
        Self(self.iter().filter(|item| keep(item)).cloned().collect())
    }

    /// The names in order, without `claude_code.` before them.
    pub fn names(&self) -> Vec<&str> {
        self.iter()
            .map(|item| {
                let name = item.name();
                name.strip_prefix("claude_code.").unwrap_or(name)
            })
            .collect()
    }

    /// The one that there is.
    ///
    /// # Errors
    ///
    /// When there is none, or more than one; it names those that there are.
    pub fn only(&self) -> Result<&T, NotOne> {
        match &self.0[..] {
            [item] => Ok(item),
            items => Err(NotOne {
                names: items.iter().map(|item| item.name().to_owned()).collect(),
            }),
        }
    }
}

impl Emitted<Metric> {
    /// The sum of the series.
    pub fn total(&self) -> f64 {
        self.iter().map(|metric| metric.total).sum()
    }
}

impl Emitted<Span> {
    /// The spans right below this one.
    pub fn children_of(&self, parent: &Span) -> Self {
        self.filter(|span| {
            span.trace_id == parent.trace_id && span.parent.as_deref() == Some(&parent.id)
        })
    }
}

impl<T> Deref for Emitted<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        &self.0
    }
}

impl<T> IntoIterator for Emitted<T> {
    type Item = T;
    type IntoIter = std::vec::IntoIter<T>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl<'a, T> IntoIterator for &'a Emitted<T> {
    type Item = &'a T;
    type IntoIter = std::slice::Iter<'a, T>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.iter()
    }
}

/// There is not one, but none or several.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotOne {
    /// The names of those that there are.
    pub names: Vec<String>,
}

impl fmt::Display for NotOne {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.names[..] {
            [] => f.write_str("expected one, but there is none"),
            names => write!(f, "expected one, but there are {}: {names:?}", names.len()),
        }
    }
}

impl std::error::Error for NotOne {}
