//! What a host reports: one typed record for each call, one file a domain.
//!
//! A record is made with `new(what is always there)` and chained setters, and is taken by value. What it becomes
//! (names, types, order, gates) is written beside it as a projection onto the [catalogue](crate::catalog).

mod api;
mod attributes;
mod body;
mod edit;
mod error_message;
mod parameters;
mod plugin;
mod prompt;
mod skill;
pub(crate) mod string_enum;
mod tool;
mod usage;

pub use api::{ApiError, ApiRequest, Speed, TokenUsage};
pub use body::{ApiRequestBody, ApiResponseBody};
pub use edit::{CodeEditDecision, EditTool};
pub(crate) use parameters::tool_parameters;
pub use parameters::{ShellParameters, SkillParameters};
pub use plugin::{InstallTrigger, PluginInstalled};
pub use prompt::UserPrompt;
pub use skill::SkillActivated;
pub use tool::{Decision, DecisionSource, McpTool, ToolDecision, ToolResult};
pub(crate) use tool::{Failure, MCP_TOOL, ToolName};
pub use usage::{
    ActiveTime, ActivityType, Commit, Cost, LinesOfCode, PullRequest, StartType, TokenType, Tokens,
};

pub use string_enum::ParseEnumError;

pub(crate) use attributes::{Attributes, Out, Value};
pub(crate) use error_message::ErrorMessage;
pub(crate) use prompt::AdmittedPrompt;

use std::borrow::Cow;
use std::time::{Duration, SystemTime};

use crate::catalog::Event;
use crate::content::ContentPolicy;

/// A record that becomes an event.
pub(crate) trait Record {
    /// The record after the policy has taken out what the switches hold back.
    type Admitted: EventRecord + 'static;

    /// The time the host gave; now, when it gave none.
    fn time(&self) -> Option<SystemTime>;

    /// Passes the record's content through the policy. Nothing when the whole event is held back.
    fn admit(self, policy: &ContentPolicy) -> Option<Self::Admitted>;
}

/// What an event's queue holds: a record without the content that must not leave.
pub(crate) trait EventRecord: Send + Sync {
    fn event(&self) -> &'static Event;

    /// The attributes after the standard and the event attributes, in the order of the catalogue.
    fn attributes<'a>(&'a self, out: &mut Attributes<'a>);

    /// Bytes of text that the record keeps alive, for the bound of the queue.
    fn size(&self) -> usize;
}

/// Returns an optional text of a record. An empty text counts as not given.
#[inline]
pub(crate) fn optional<T: AsRef<str>>(text: impl Into<T>) -> Option<T> {
    let text: T = text.into();
    match text.as_ref().is_empty() {
        true => None,
        false => Some(text),
    }
}

/// A duration in whole milliseconds.
pub(crate) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// A cost that can be counted: not negative, and a number.
pub(crate) fn countable(amount: f64) -> bool {
    amount.is_finite() && amount >= 0.0
}

/// The bytes of some texts.
pub(crate) fn text_size(texts: &[Option<&Cow<'static, str>>]) -> usize {
    texts.iter().flatten().map(|text| text.len()).sum()
}
