//! The emitted items, and their queries.

use std::ops::Deref;
use std::time::{Duration, SystemTime};

use super::attributes::{Attribute, Attributes};

/// An event: one log record.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Event {
    /// The full name, such as `claude_code.api_request`.
    pub name: String,
    /// The time of the event.
    pub time: SystemTime,
    /// All attributes, the standard ones first.
    pub attributes: Attributes,
    /// The trace id and the span id in hex, if a span was open.
    pub span: Option<(String, String)>,
}

/// A series of a metric, with its total.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Metric {
    /// The full name, such as `claude_code.token.usage`.
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
    /// The full name, such as `claude_code.tool.execution`.
    pub name: String,
    /// The trace id in hex.
    pub trace_id: String,
    /// The span id in hex.
    pub id: String,
    /// The id of the parent span in hex; `None` for the root of a trace.
    pub parent: Option<String>,
    /// The start time.
    pub start: SystemTime,
    /// The duration.
    pub duration: Duration,
    /// The message of the span's status, if that is an error.
    pub error: Option<String>,
    /// All attributes, the standard ones first.
    pub attributes: Attributes,
    /// The span events, such as `tool.output`.
    pub events: Vec<SpanEvent>,
}

/// A span event.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct SpanEvent {
    /// The name, such as `tool.output`.
    pub name: String,
    /// The attributes.
    pub attributes: Attributes,
}

/// An emitted item.
pub trait Item: Clone {
    /// Returns the full name.
    fn name(&self) -> &str;

    /// Returns all attributes.
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

/// A list of emitted items: a slice that can be filtered by name and attribute.
#[derive(Clone, Debug, PartialEq)]
pub struct Emitted<T>(pub(super) Vec<T>);

impl<T: Item> Emitted<T> {
    /// Returns the items with this name, with or without the prefix `claude_code.`.
    ///
    /// ```
    /// # use claude_code_telemetry::{Commit, Identity, Telemetry};
    /// # let telemetry = Telemetry::in_memory();
    /// # let session = telemetry.session(Identity::new());
    /// session.record_commit(Commit::new());
    /// assert_eq!(telemetry.metrics().named("commit.count").len(), 1);
    /// ```
    pub fn named(&self, name: &str) -> Self {
        self.filter(|item| {
            item.name() == name || item.name().strip_prefix("claude_code.") == Some(name)
        })
    }

    /// Returns the items that have this attribute with this value.
    ///
    /// ```
    /// # use claude_code_telemetry::{Identity, LinesOfCode, Telemetry};
    /// # let telemetry = Telemetry::in_memory();
    /// # let session = telemetry.session(Identity::new());
    /// session.record_lines_of_code(LinesOfCode::new().added(12).removed(5));
    /// let removed = telemetry.metrics().named("lines_of_code.count").with("type", "removed");
    /// assert_eq!(removed.total(), 5.0);
    /// ```
    pub fn with(&self, key: &str, value: impl Into<Attribute>) -> Self {
        let value = value.into();
        self.filter(|item| item.attributes().get(key) == Some(&value))
    }

    /// Returns the items that do not have this attribute.
    ///
    /// ```
    /// # use claude_code_telemetry::{Identity, Telemetry};
    /// # let telemetry = Telemetry::in_memory();
    /// # let session = telemetry.session(Identity::new());
    /// assert!(telemetry.metrics().without("session.id").is_empty());
    /// ```
    pub fn without(&self, key: &str) -> Self {
        self.filter(|item| item.attributes().get(key).is_none())
    }

    /// Returns the items for which `keep` returns true.
    ///
    /// ```
    /// # use claude_code_telemetry::{Identity, Telemetry};
    /// # let telemetry = Telemetry::in_memory();
    /// # let session = telemetry.session(Identity::new());
    /// session.prompt("hi").end();
    /// let short = telemetry.spans().filter(|span| span.duration.as_secs() < 60);
    /// assert_eq!(short.len(), 1);
    /// ```
    pub fn filter(&self, keep: impl Fn(&T) -> bool) -> Self {
        Self(self.iter().filter(|item| keep(item)).cloned().collect())
    }

    /// Returns the names in order, without the prefix `claude_code.`.
    ///
    /// ```
    /// # use claude_code_telemetry::{Identity, Telemetry};
    /// # let telemetry = Telemetry::in_memory();
    /// # let session = telemetry.session(Identity::new());
    /// session.prompt("hi").end();
    /// assert_eq!(telemetry.events().names(), ["user_prompt"]);
    /// ```
    pub fn names(&self) -> Vec<&str> {
        self.iter()
            .map(|item| {
                let name = item.name();
                name.strip_prefix("claude_code.").unwrap_or(name)
            })
            .collect()
    }

    /// Returns the only item.
    ///
    /// # Errors
    ///
    /// Returns an error if there are no items, or more than one. The error lists the names of the items.
    ///
    /// ```
    /// # use claude_code_telemetry::{Identity, Telemetry};
    /// # let telemetry = Telemetry::in_memory();
    /// # let session = telemetry.session(Identity::new());
    /// session.prompt("hi").end();
    /// assert_eq!(telemetry.events().only()?.name, "claude_code.user_prompt");
    /// # Ok::<(), claude_code_telemetry::testing::NotOne>(())
    /// ```
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
    /// Returns the sum of all series.
    ///
    /// ```
    /// # use claude_code_telemetry::{Commit, Identity, Telemetry};
    /// # let telemetry = Telemetry::in_memory();
    /// # let session = telemetry.session(Identity::new());
    /// session.record_commit(Commit::new().count(2));
    /// assert_eq!(telemetry.metrics().named("commit.count").total(), 2.0);
    /// ```
    pub fn total(&self) -> f64 {
        self.iter().map(|metric| metric.total).sum()
    }
}

impl Emitted<Span> {
    /// Returns the direct children of a span.
    ///
    /// ```
    /// # use claude_code_telemetry::{HookOutcome, Identity, Telemetry};
    /// # let telemetry = Telemetry::in_memory();
    /// # let session = telemetry.session(Identity::new());
    /// let prompt = session.prompt("hi");
    /// prompt.hook("PreToolUse", "PreToolUse:Bash").finish(HookOutcome::new());
    /// prompt.end();
    /// let spans = telemetry.spans();
    /// let root = spans.named("interaction").only()?.clone();
    /// assert_eq!(spans.children_of(&root).names(), ["hook"]);
    /// # Ok::<(), claude_code_telemetry::testing::NotOne>(())
    /// ```
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

/// The error of [`Emitted::only`]: there is not exactly one item.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected one, but there {}", match &.names[..] {
    [] => "is none".to_owned(),
    names => format!("are {}: {names:?}", names.len()),
})]
pub struct NotOne {
    /// The names of the items.
    pub names: Vec<String>,
}
