//! The names of the catalog, with which the names in a test are compared.

use strsim::osa_distance;

use crate::catalog::{EVENT_ATTRIBUTES, EVENTS, METRICS, SPANS, STANDARD_ATTRIBUTES};
use crate::config::nearest;
use crate::schema::key::SPAN_TYPE;

/// A kind of item in the catalog.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ItemKind {
    Event,
    Metric,
    Span,
    SpanEvent,
}

impl ItemKind {
    /// Returns the word for an item in messages.
    fn word(self) -> &'static str {
        match self {
            Self::Event => "event",
            Self::Metric => "metric",
            Self::Span => "span",
            Self::SpanEvent => "span event",
        }
    }

    /// Returns the full names of all items of this kind.
    fn names(self) -> Vec<&'static str> {
        match self {
            // The full name of an event is the body of its log record.
            Self::Event => EVENTS.iter().map(|event| event.body).collect(),
            Self::Metric => METRICS.iter().map(|metric| metric.name).collect(),
            Self::Span => SPANS.iter().map(|span| span.name).collect(),
            Self::SpanEvent => {
                let events = SPANS.iter().flat_map(|span| span.events);
                events.map(|event| event.name).collect()
            }
        }
    }

    fn contains(self, name: &str) -> bool {
        let mut names = self.names().into_iter();
        names.any(|known| short(known) == short(name))
    }
}

/// Returns a name without the prefix that is optional in tests.
pub(super) fn short(name: &str) -> &str {
    name.strip_prefix("claude_code.").unwrap_or(name)
}

/// Panics if the catalog has no item of this kind with this name.
#[track_caller]
pub(super) fn check_name(kind: ItemKind, name: &str) {
    if kind.contains(name) {
        return;
    }
    for (other, method) in [
        (ItemKind::Event, "an event, use events()"),
        (ItemKind::Metric, "a metric, use metrics()"),
        (ItemKind::Span, "a span, use spans()"),
    ] {
        let word = kind.word();
        assert!(
            !other.contains(name),
            "the catalog has no {word} {name:?}: it is {method}"
        );
    }
    unknown(kind.word(), name, kind.names().into_iter().map(short));
}

/// Panics if neither the catalog nor the emitted data has an attribute with this key.
#[track_caller]
pub(super) fn check_key(key: &str, is_emitted: bool) {
    if is_emitted {
        return;
    }
    let span_events = SPANS.iter().flat_map(|span| span.events);
    let lists = [STANDARD_ATTRIBUTES, EVENT_ATTRIBUTES]
        .into_iter()
        .chain(METRICS.iter().map(|metric| metric.attributes))
        .chain(EVENTS.iter().map(|event| event.attributes))
        .chain(SPANS.iter().map(|span| span.attributes))
        .chain(span_events.map(|event| event.attributes));
    let known: Vec<_> = lists.flatten().map(|attribute| attribute.name).collect();
    let is_derived = |suffix| {
        let whole = key.strip_suffix(suffix);
        whole.is_some_and(|whole| known.contains(&whole))
    };
    let is_known = known.contains(&key)
        || key == SPAN_TYPE
        || is_derived("_truncated")
        || is_derived("_original_length");
    if !is_known {
        unknown("attribute", key, known.into_iter());
    }
}

/// Panics, because a test with a misspelled name would check nothing: an assertion that something is missing would pass.
#[track_caller]
#[allow(clippy::panic, reason = "only tests use this module")]
fn unknown<'n>(word: &str, name: &str, known: impl Iterator<Item = &'n str>) {
    match nearest(short(name), known).filter(|known| is_similar(short(name), known)) {
        Some(known) => panic!("the catalog has no {word} {name:?}; did you mean {known:?}?"),
        None => panic!("the catalog has no {word} {name:?}"),
    }
}

/// Returns true if `name` is a part of a name of the catalog, or at most a third of it has to be edited.
fn is_similar(name: &str, known: &str) -> bool {
    known.contains(name) || osa_distance(name, known) <= known.len() / 3
}
