//! The records that a host reports: a type for each kind of record, and a file for each domain.
//!
//! A record is created by `new` with the required fields, completed with chained setters, and passed by value. The same
//! file contains the projection of the record onto the [catalog](crate::catalog): the names, types, order and gates of
//! its attributes.

mod api;
mod attributes;
mod body;
mod edit;
mod error_message;
mod parameters;
mod plugin;
mod prompt;
mod setters;
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
pub(crate) use setters::setters;

use std::borrow::Cow;
use std::time::{Duration, SystemTime};

use crate::catalog::Event;
use crate::content::ContentPolicy;

/// A record that becomes an event.
pub(crate) trait Record {
    /// The record without the content that the policy withholds.
    type Admitted: EventRecord + 'static;

    /// Returns the time that the host set. `None` means the current time.
    fn time(&self) -> Option<SystemTime>;

    /// Passes the record's content through the policy. Returns `None` if the policy withholds the whole event.
    fn admit(self, policy: &ContentPolicy) -> Option<Self::Admitted>;
}

/// A record in the event queue, without the content that must not be exported.
pub(crate) trait EventRecord: Send + Sync {
    fn event(&self) -> &'static Event;

    /// Adds the attributes that follow the standard and the event attributes, in the order of the catalog.
    fn attributes<'a>(&'a self, out: &mut Attributes<'a>);

    /// Returns the size of the texts that the record keeps in memory, in bytes. The limit of the queue includes it.
    fn size(&self) -> usize;
}

/// Returns an optional text of a record; `None` for an empty text.
#[inline]
pub(crate) fn optional<T: AsRef<str>>(text: impl Into<T>) -> Option<T> {
    let text: T = text.into();
    match text.as_ref().is_empty() {
        true => None,
        false => Some(text),
    }
}

/// Returns a duration in whole milliseconds, at most `u64::MAX`.
pub(crate) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// Returns whether a cost can be added to a metric: it is finite and not negative.
pub(crate) fn countable(amount: f64) -> bool {
    amount.is_finite() && amount >= 0.0
}

/// Returns the total size of the texts in bytes.
pub(crate) fn text_size(texts: &[Option<&Cow<'static, str>>]) -> usize {
    texts.iter().flatten().map(|text| text.len()).sum()
}
