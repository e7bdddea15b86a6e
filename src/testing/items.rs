//! The emitted items.

use std::time::{Duration, SystemTime};

use super::attributes::Attributes;
use super::names::ItemKind;

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

/// An emitted item: an event, a series of a metric, a span or a span event.
pub trait Item: Clone {
    #[doc(hidden)]
    const KIND: ItemKind;

    /// Returns the full name.
    fn name(&self) -> &str;

    /// Returns all attributes.
    fn attributes(&self) -> &Attributes;
}

macro_rules! items {
    ($($item:ident),*) => {$(
        impl Item for $item {
            const KIND: ItemKind = ItemKind::$item;

            fn name(&self) -> &str {
                &self.name
            }

            fn attributes(&self) -> &Attributes {
                &self.attributes
            }
        }
    )*};
}

items!(Event, Metric, Span, SpanEvent);
