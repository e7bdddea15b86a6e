//! A description of all emitted data: every metric, event and span with its attributes, units and gates.
//!
//! The descriptions of attributes follow from the definitions of the records, and the tables of `docs/TELEMETRY.md` are
//! generated from them. Only the data that is listed here is emitted. Source: the monitoring documentation of Claude
//! Code, edition 2026-04-16.

pub use crate::metrics::METRICS;
pub use crate::schema::{
    Attribute, EVENT_ATTRIBUTES, Event, Gate, Kind, Metric, STANDARD_ATTRIBUTES, Span, SpanEvent,
    scope,
};

use crate::record::{
    ApiError, ApiRequest, ApiRequestBody, ApiResponseBody, PluginInstalled, SkillActivated,
    ToolDecision, ToolResult, UserPrompt,
};
use crate::session::{BlockedSpan, ExecutionSpan, HookSpan, InteractionSpan, LlmSpan, ToolSpan};

/// All events.
pub static EVENTS: &[&Event] = &[
    UserPrompt::EVENT,
    ApiRequest::EVENT,
    ApiError::EVENT,
    ApiRequestBody::EVENT,
    ApiResponseBody::EVENT,
    ToolDecision::EVENT,
    ToolResult::EVENT,
    PluginInstalled::EVENT,
    SkillActivated::EVENT,
];

/// All spans, parents before their children.
pub static SPANS: &[&Span] = &[
    InteractionSpan::SPAN,
    LlmSpan::SPAN,
    ToolSpan::SPAN,
    BlockedSpan::SPAN,
    ExecutionSpan::SPAN,
    HookSpan::SPAN,
];
