//! A description of all emitted data: every metric, event and span with its attributes, units and gates.
//!
//! The recorders use the names of this module, and the tables of `docs/TELEMETRY.md` are generated from it. Only the
//! data that is listed here is emitted. Source: the monitoring documentation of Claude Code, edition 2026-04-16.

pub(crate) mod event;
pub(crate) mod key;
pub(crate) mod metric;
pub(crate) mod span;
mod standard;

pub use event::{EVENTS, Event};
pub use metric::{METRICS, Metric};
pub use span::{SPANS, Span, SpanEvent};
pub use standard::{EVENT_ATTRIBUTES, STANDARD_ATTRIBUTES};

/// The names of the instrumentation scopes, one for each signal.
pub mod scope {
    /// The instrumentation scope of the metrics. Its version is the version of the service.
    pub const METRICS: &str = "com.anthropic.claude_code";
    /// The instrumentation scope of the events. Its version is the version of the service.
    pub const EVENTS: &str = "com.anthropic.claude_code.events";
    /// The instrumentation scope of the spans.
    pub const SPANS: &str = "com.anthropic.claude_code.tracing";
    /// The version of the instrumentation scope of the spans.
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

/// A configuration variable that must be on for an attribute or an event to be sent.
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
    /// Returns the name of the variable.
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

/// An attribute of a data point, an event or a span.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Attribute {
    /// The key, as it is sent.
    pub name: &'static str,
    /// The type of the value.
    pub kind: Kind,
    /// The meaning of the attribute, as the generated documentation describes it.
    pub description: &'static str,
    /// The possible values, if they are a closed list; otherwise empty.
    pub values: &'static [&'static str],
    /// Set if the attribute is sent only when its value is known or applies.
    pub conditional: bool,
    /// The variable that must be on for the attribute to be sent; `None` if the attribute is always sent.
    pub gate: Option<Gate>,
    /// Set if the value is sent as `<REDACTED>` while the variable of the gate is off. Other gated attributes are
    /// omitted.
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
/// The speed modes of a model request.
const SPEEDS: &[&str] = &["fast", "normal"];
/// The values of a boolean that is sent as text.
const QUOTED_BOOLEANS: &[&str] = &["true", "false"];
