//! What is emitted, as data: every metric, event and span with its attributes, units and gates.
//!
//! The recorders take their names from here and the tables of `docs/TELEMETRY.md` are generated from here. Nothing that
//! is not listed here is emitted. Source: the monitoring documentation of Claude Code, edition 2026-04-16.

pub(crate) mod event;
pub(crate) mod key;
pub(crate) mod metric;
pub(crate) mod span;
mod standard;

pub use event::{EVENTS, Event};
pub use metric::{METRICS, Metric};
pub use span::{SPANS, Span, SpanEvent};
pub use standard::{EVENT_ATTRIBUTES, STANDARD_ATTRIBUTES};

/// Names of the instrumentation scopes, one a signal.
pub mod scope {
    /// The scope of the metrics; its version is the service's.
    pub const METRICS: &str = "com.anthropic.claude_code";
    /// The scope of the events; its version is the service's.
    pub const EVENTS: &str = "com.anthropic.claude_code.events";
    /// The scope of the spans.
    pub const SPANS: &str = "com.anthropic.claude_code.tracing";
    /// The version of the spans' scope.
    pub const SPANS_VERSION: &str = "1.0.0";
}

/// The type of an attribute's value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Kind {
    /// A string.
    Text,
    /// A signed 64-bit integer.
    Int,
    /// A 64-bit floating-point number.
    Double,
    /// A boolean.
    Bool,
    /// An array of strings.
    TextArray,
}

/// What has to be switched on for an attribute or an event to be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Gate {
    /// `OTEL_LOG_USER_PROMPTS`
    UserPrompts,
    /// `OTEL_LOG_TOOL_DETAILS`
    ToolDetails,
    /// `OTEL_LOG_TOOL_CONTENT`
    ToolContent,
    /// `OTEL_LOG_RAW_API_BODIES`
    RawApiBodies,
    /// `OTEL_METRICS_INCLUDE_SESSION_ID`
    SessionId,
    /// `OTEL_METRICS_INCLUDE_VERSION`
    Version,
    /// `OTEL_METRICS_INCLUDE_ACCOUNT_UUID`
    AccountUuid,
}

impl Gate {
    /// The variable that switches it.
    pub const fn variable(self) -> &'static str {
        match self {
            Self::UserPrompts => "OTEL_LOG_USER_PROMPTS",
            Self::ToolDetails => "OTEL_LOG_TOOL_DETAILS",
            Self::ToolContent => "OTEL_LOG_TOOL_CONTENT",
            Self::RawApiBodies => "OTEL_LOG_RAW_API_BODIES",
            Self::SessionId => "OTEL_METRICS_INCLUDE_SESSION_ID",
            Self::Version => "OTEL_METRICS_INCLUDE_VERSION",
            Self::AccountUuid => "OTEL_METRICS_INCLUDE_ACCOUNT_UUID",
        }
    }
}

/// One attribute of a data point, an event or a span.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Attribute {
    /// The key on the wire.
    pub name: &'static str,
    /// The type of the value.
    pub kind: Kind,
    /// What it says, in the words of the generated documentation.
    pub description: &'static str,
    /// The values it can have, where they are a closed list.
    pub values: &'static [&'static str],
    /// Sent only when it is known or applies.
    pub conditional: bool,
    /// The switch without which it is not sent.
    pub gate: Option<Gate>,
    /// Sent as `<REDACTED>` while the gate is closed, instead of being left out.
    pub redacted: bool,
}

impl Attribute {
    const fn new(name: &'static str, kind: Kind, description: &'static str) -> Self {
        Self {
            name,
            kind,
            description,
            values: &[],
            conditional: false,
            gate: None,
            redacted: false,
        }
    }

    const fn text(name: &'static str, description: &'static str) -> Self {
        Self::new(name, Kind::Text, description)
    }

    const fn int(name: &'static str, description: &'static str) -> Self {
        Self::new(name, Kind::Int, description)
    }

    const fn double(name: &'static str, description: &'static str) -> Self {
        Self::new(name, Kind::Double, description)
    }

    const fn bool(name: &'static str, description: &'static str) -> Self {
        Self::new(name, Kind::Bool, description)
    }

    const fn texts(name: &'static str, description: &'static str) -> Self {
        Self::new(name, Kind::TextArray, description)
    }

    const fn one_of(mut self, values: &'static [&'static str]) -> Self {
        self.values = values;
        self
    }

    const fn when_known(mut self) -> Self {
        self.conditional = true;
        self
    }

    const fn gated(mut self, gate: Gate) -> Self {
        self.gate = Some(gate);
        self
    }

    const fn redacted_without(mut self, gate: Gate) -> Self {
        self.gate = Some(gate);
        self.redacted = true;
        self
    }
}

/// The sources of a permission decision.
const SOURCES: &[&str] = &[
    "config",
    "hook",
    "user_permanent",
    "user_temporary",
    "user_abort",
    "user_reject",
];
/// The outcomes of a permission decision.
const DECISIONS: &[&str] = &["accept", "reject"];
/// Whether fast mode was active.
const SPEEDS: &[&str] = &["fast", "normal"];
/// A boolean that the documentation quotes.
const QUOTED_BOOLEANS: &[&str] = &["true", "false"];
