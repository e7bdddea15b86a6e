//! The types that describe the emitted data, and the descriptions that belong to no record.
//!
//! The description of an event stands with its record, in `record`. The module `catalog` lists all of them.

pub(crate) mod key;

pub use key::{EVENT_ATTRIBUTES, STANDARD_ATTRIBUTES};

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
    String,
    /// A signed 64-bit integer.
    Int,
    /// A 64-bit floating-point number.
    Double,
    /// A boolean.
    Bool,
    /// An array of strings.
    StringArray,
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

impl Kind {
    /// Returns the name of the type: `string`, `int`, `double`, `bool` or `string[]`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::String => "string",
            Self::Int => "int",
            Self::Double => "double",
            Self::Bool => "bool",
            Self::StringArray => "string[]",
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
    /// Returns an attribute of this type, without a key and a description.
    pub(crate) const fn of(kind: Kind) -> Self {
        Self {
            name: "",
            kind,
            description: "",
            values: &[],
            conditional: false,
            gate: None,
            redacted: false,
        }
    }

    pub(crate) const fn named(mut self, name: &'static str, description: &'static str) -> Self {
        self.name = name;
        self.description = description;
        self
    }

    pub(crate) const fn one_of(mut self, values: &'static [&'static str]) -> Self {
        self.values = values;
        self
    }

    pub(crate) const fn when_known(mut self) -> Self {
        self.conditional = true;
        self
    }

    pub(crate) const fn gated(mut self, gate: Gate) -> Self {
        self.gate = Some(gate);
        self
    }

    pub(crate) const fn redacted_without(mut self, gate: Gate) -> Self {
        self.redacted = true;
        self.gated(gate)
    }
}

/// An event of the catalog.
#[derive(Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Event {
    /// The short name: the attribute `event.name`.
    pub name: &'static str,
    /// The full name: the body and the `event_name` of the log record.
    pub body: &'static str,
    /// The occasion of the event, as the generated documentation describes it.
    pub description: &'static str,
    /// The variable that must be on for the event to be emitted; `None` if the event is always emitted.
    pub gate: Option<Gate>,
    /// The attributes that follow the standard and the event attributes, in order.
    pub attributes: &'static [Attribute],
}

/// A span of the catalog. All spans have the kind INTERNAL.
#[derive(Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Span {
    /// The name, as it is sent.
    pub name: &'static str,
    /// The attribute `span.type`: the name without `claude_code.`.
    pub span_type: &'static str,
    /// The work that the span covers, as the generated documentation describes it.
    pub description: &'static str,
    /// The attributes that follow the standard attributes and `span.type`, in order.
    pub attributes: &'static [Attribute],
    /// The span events that the span can have.
    pub events: &'static [&'static SpanEvent],
    /// The condition under which the status is ERROR. Otherwise the status is unset.
    pub error: Option<&'static str>,
}

/// A span event of the catalog.
#[derive(Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SpanEvent {
    /// The name, as it is sent.
    pub name: &'static str,
    /// The occasion of the span event, as the generated documentation describes it.
    pub description: &'static str,
    /// The attributes, in order.
    pub attributes: &'static [Attribute],
}

/// A metric of the catalog.
#[derive(Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Metric {
    /// The name, as it is sent.
    pub name: &'static str,
    /// The unit, in UCUM notation if UCUM defines the unit.
    pub unit: &'static str,
    /// The description, as it is sent.
    pub description: &'static str,
    /// The attributes of a data point that follow the standard attributes, in order.
    pub attributes: &'static [Attribute],
}
