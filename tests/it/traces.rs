//! A host that exports three signals to a receiver, and helpers for the tree of the received spans.
#![allow(dead_code, unreachable_pub)]

use std::fmt::Write;
use std::ops::Deref;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use claude_code_telemetry::{Identity, Service, Session, SessionOptions, Telemetry};
use serde_json::Value;

use crate::host::{
    Diagnostics, ENABLE_TRACES, Protocol, config, environment, start_with_diagnostics,
};
use crate::support::{Received, Receiver, Span};

/// The `session.id` of [`Host::session`].
pub const SESSION: &str = "3f6d1c52-8b0e-4c77-9a51-0d2e6b8f4a10";

/// A receiver, telemetry that exports to it, and the diagnostics of the telemetry.
pub struct Host {
    pub receiver: Receiver,
    pub telemetry: Telemetry,
    pub diagnostics: Diagnostics,
}

impl Host {
    /// Starts telemetry with all signals on and all content off.
    pub fn new() -> Self {
        Self::with([])
    }

    /// Like [`Host::new`], with more variables, which take precedence.
    pub fn with<const N: usize>(more: [(&str, &str); N]) -> Self {
        let receiver = Receiver::http();
        let extra = [&ENABLE_TRACES[..], &more].concat();
        let environment = environment(&receiver.endpoint(), Protocol::HttpProtobuf, &extra);
        let service = Service::new("claude-code", "2.1.112");
        let builder = Telemetry::builder(config(environment), service);
        let (telemetry, diagnostics) = start_with_diagnostics(builder);
        Self {
            receiver,
            telemetry,
            diagnostics,
        }
    }

    /// Starts an interactive session with a fixed identity.
    pub fn session(&self) -> Session {
        self.telemetry.session(options())
    }

    /// Starts a session that takes its parent span from the environment.
    pub fn non_interactive_session(&self) -> Session {
        self.telemetry.session(options().interactive(false))
    }

    /// Shuts the telemetry down, asserts that no data was lost, and returns the received requests.
    #[track_caller]
    pub fn shut_down(&self) -> Received {
        let report = self.telemetry.shutdown();
        assert!(report.is_complete(), "{report}");
        self.receiver.received()
    }

    /// Shuts the telemetry down, and returns the received spans.
    #[track_caller]
    pub fn spans(&self) -> Spans {
        Spans(self.shut_down().spans())
    }
}

fn options() -> SessionOptions {
    SessionOptions::new()
        .id(SESSION)
        .identity(Identity::new().user_id("u-1"))
}

/// Returns a time in January 2027, plus the given milliseconds.
pub fn time_at_ms(milliseconds: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(1_800_000_000) + Duration::from_millis(milliseconds)
}

/// Returns the same time in nanoseconds since the epoch.
pub fn nanos_at(milliseconds: u64) -> u64 {
    time_at_ms(milliseconds)
        .duration_since(UNIX_EPOCH)
        .unwrap()
        .as_nanos() as u64
}

/// Spans with methods to find a span by name, tool or parent.
#[derive(Debug)]
pub struct Spans(pub Vec<Span>);

impl Deref for Spans {
    type Target = [Span];

    fn deref(&self) -> &[Span] {
        &self.0
    }
}

impl Spans {
    /// Returns the spans with this name. The name is given without `claude_code.`.
    pub fn named(&self, name: &str) -> Vec<&Span> {
        self.iter()
            .filter(|span| short_name(span) == name)
            .collect()
    }

    /// Returns the only span with this name.
    #[track_caller]
    pub fn one(&self, name: &str) -> &Span {
        let found = self.named(name);
        assert_eq!(found.len(), 1, "spans of the name {name}: {found:#?}");
        found[0]
    }

    /// Returns the only `tool` span of a tool.
    #[track_caller]
    pub fn tool(&self, tool: &str) -> &Span {
        let mut found = self.named("tool");
        found.retain(|span| span.attributes["tool_name"] == tool);
        assert_eq!(found.len(), 1, "spans of the tool {tool}: {found:#?}");
        found[0]
    }

    /// Returns the direct children of a span, ordered by start time.
    pub fn below(&self, parent: &Span) -> Vec<&Span> {
        let below = |span: &&Span| {
            span.trace_id == parent.trace_id && span.parent_span_id == parent.span_id
        };
        let mut children: Vec<_> = self.iter().filter(below).collect();
        children.sort_by_key(|span| span.start);
        children
    }

    /// Returns the only direct child with this name.
    #[track_caller]
    pub fn child(&self, parent: &Span, name: &str) -> &Span {
        let mut found = self.below(parent);
        found.retain(|span| short_name(span) == name);
        assert_eq!(found.len(), 1, "{name} below {}: {found:#?}", parent.name);
        found[0]
    }

    /// Formats the spans as a tree: a line for each span with the name of its tool, model or hook, indented by two
    /// spaces for each level and ordered by start time.
    pub fn outline(&self) -> String {
        let is_received = |id: &str| self.iter().any(|span| span.span_id == id);
        let mut roots: Vec<_> = self
            .iter()
            .filter(|span| !is_received(&span.parent_span_id))
            .collect();
        roots.sort_by_key(|span| span.start);
        let mut outline = String::new();
        for root in roots {
            self.outline_below(root, 0, &mut outline);
        }
        outline
    }

    fn outline_below(&self, span: &Span, depth: usize, outline: &mut String) {
        let word = ["tool_name", "model", "hook_name"]
            .iter()
            .find_map(|key| span.attributes.get(*key)?.as_str());
        let indent = 2 * depth;
        write!(outline, "{:indent$}{}", "", short_name(span)).unwrap();
        match word {
            Some(word) => writeln!(outline, " {word}").unwrap(),
            None => outline.push('\n'),
        }
        for child in self.below(span) {
            self.outline_below(child, depth + 1, outline);
        }
    }
}

/// Returns the name without `claude_code.`.
pub fn short_name(span: &Span) -> &str {
    span.name.strip_prefix("claude_code.").unwrap()
}

/// Attributes in the order in which they were sent.
pub type SentAttributes<'a> = Vec<(&'a str, Value)>;

/// Returns the attributes in the order in which they were sent: those that all spans have, and the specific ones
/// after `span.type`.
#[track_caller]
pub fn standard_and_specific_attributes(span: &Span) -> (SentAttributes<'_>, SentAttributes<'_>) {
    let mut all: Vec<_> = span
        .raw
        .attributes
        .iter()
        .map(|pair| (&*pair.key, span.attributes[&pair.key].clone()))
        .collect();
    let at = all.iter().position(|(key, _)| *key == "span.type");
    let mut own = all.split_off(at.unwrap());
    let (_, kind) = own.remove(0);
    assert_eq!(kind, short_name(span));
    (all, own)
}

/// Returns the specific attributes of the span, in the order in which they were sent.
#[track_caller]
pub fn specific_attributes(span: &Span) -> SentAttributes<'_> {
    standard_and_specific_attributes(span).1
}

/// Returns the keys of the specific attributes of the span, in the order in which they were sent.
#[track_caller]
pub fn keys(span: &Span) -> Vec<&str> {
    specific_attributes(span)
        .into_iter()
        .map(|(key, _)| key)
        .collect()
}
