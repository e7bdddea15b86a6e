//! The records that a host reports: a type for each kind of record, and a file for each domain.
//!
//! A record is created by `new` with the required fields, completed with chained setters, and passed by value. Its
//! definition also states what is emitted: the names, types, order and gates of its attributes, from which its row of the
//! [catalog](crate::schema) follows.

mod api;
mod attributes;
mod body;
pub(crate) mod definition;
mod edit;
mod event;
pub(crate) mod field;
mod identity;
mod parameters;
mod plugin;
mod prompt;
mod response;
#[cfg(feature = "serde")]
mod serial;
mod setter;
mod skill;
mod span;
mod streamed_response;
pub(crate) mod string_enum;
mod tool;
mod tool_name;
mod usage;

pub use api::{ApiError, ApiRequest, Speed, TokenUsage};
pub use body::{ApiRequestBody, ApiResponseBody};
pub use edit::{CodeEditDecision, EditTool};
pub use identity::Identity;
pub use parameters::{ShellParameters, SkillParameters};
pub use plugin::{InstallTrigger, PluginInstalled};
pub use prompt::UserPrompt;
pub use skill::SkillActivated;
pub use streamed_response::StreamedResponse;
pub use tool::{Decision, DecisionSource, ToolDecision, ToolResult};
pub use tool_name::McpTool;
pub use usage::{
    ActiveTime, ActivityType, Commit, Cost, LinesOfCode, PullRequest, StartType, TokenType, Tokens,
};

pub use string_enum::ParseEnumError;

pub(crate) use attributes::{Out, Value};
pub(crate) use definition::record;
pub(crate) use event::EventRecord;
pub(crate) use field::{
    BoolAsString, ErrorMessage, Field, Measured, StatusCodeString, ToolError, attribute_rows,
    fields,
};
pub(crate) use parameters::derived_parameters;
pub(crate) use setter::{setter, setters};
pub(crate) use span::{SpanAttributes, span};
pub(crate) use tool::{OrUnknown, failure_setters};
pub(crate) use tool_name::{MCP_TOOL, NameWithMcp, ToolName};
pub(crate) use usage::LineChange;
#[cfg(feature = "serde")]
pub(crate) use {prompt::UuidString, serial::pair};

pub(crate) use crate::text::Text;

/// Returns an optional string of a record; `None` for an empty string.
#[inline]
pub(crate) fn optional<T: AsRef<str>>(text: impl Into<T>) -> Option<T> {
    let text: T = text.into();
    match text.as_ref().is_empty() {
        true => None,
        false => Some(text),
    }
}

/// Returns whether a cost can be added to a metric: it is finite and not negative.
pub(crate) fn is_valid_cost(usd: f64) -> bool {
    usd.is_finite() && usd >= 0.0
}
