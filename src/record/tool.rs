//! Tool calls: the permission decision and the result.

use std::borrow::Cow;
use std::fmt;
use std::time::{Duration, SystemTime};

use serde::Serialize;

use super::setters::setters;
use super::string_enum::string_enum;
use super::{
    Attributes, ErrorMessage, EventRecord, Record, millis, optional, text_size, tool_parameters,
};
use crate::catalog::{Event, event, key};
use crate::content::{Content, ContentPolicy, ToolInput, ToolParameters};

string_enum! {
    /// The outcome of a permission decision.
    Decision {
        /// The tool may run.
        Accept = "accept",
        /// The tool may not run.
        Reject = "reject",
    }
}

string_enum! {
    /// The source of a permission decision.
    DecisionSource {
        /// The configuration: an allow or deny rule, or the permission mode.
        Config = "config",
        /// A hook.
        Hook = "hook",
        /// The user, permanently.
        UserPermanent = "user_permanent",
        /// The user, temporarily.
        UserTemporary = "user_temporary",
        /// The user, by stopping the turn.
        UserAbort = "user_abort",
        /// The user, by rejecting the call.
        UserReject = "user_reject",
    }
}

/// The text that events carry instead of the name of an MCP tool.
pub(crate) const MCP_TOOL: &str = "mcp_tool";

/// The server and the tool that the name of an MCP tool denotes. The names are sent only with `OTEL_LOG_TOOL_DETAILS`.
#[derive(Clone, PartialEq, Eq)]
pub struct McpTool {
    pub(crate) server: Cow<'static, str>,
    pub(crate) tool: Cow<'static, str>,
    pub(crate) scope: Option<Cow<'static, str>>,
}

impl McpTool {
    /// Creates the name of the tool `tool` of the server `server` (`mcp_tool_name`, `mcp_server_name`).
    pub fn new(server: impl Into<Cow<'static, str>>, tool: impl Into<Cow<'static, str>>) -> Self {
        Self {
            server: server.into(),
            tool: tool.into(),
            scope: None,
        }
    }

    setters! {
        /// Sets the scope in which the server is configured (`mcp_server_scope`), for example `user` or `project`.
        scope: Option<Text>,
    }

    /// Parses a name of the form `mcp__server__tool`. Returns `None` for any other name.
    pub fn from_name(name: &str) -> Option<Self> {
        let (server, tool) = name.strip_prefix("mcp__")?.split_once("__")?;
        Some(Self::new(server.to_owned(), tool.to_owned()))
    }

    /// Returns the parameters of a call (`tool_parameters`), which contain the two names.
    pub(crate) fn parameters(&self) -> Content {
        #[derive(Serialize)]
        struct Parameters<'a> {
            mcp_server_name: &'a str,
            mcp_tool_name: &'a str,
        }
        Content::json(&Parameters {
            mcp_server_name: &self.server,
            mcp_tool_name: &self.tool,
        })
    }
}

impl fmt::Debug for McpTool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("McpTool")
            .field("scope", &self.scope)
            .finish_non_exhaustive()
    }
}

/// The name of a tool. The name of an MCP tool is content, so `Debug` hides it.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct ToolName(pub(crate) Cow<'static, str>);

impl ToolName {
    pub(crate) fn is_mcp(&self) -> bool {
        self.0 == MCP_TOOL || self.0.starts_with("mcp__")
    }

    /// Returns the name in the form `mcp__server__tool`.
    pub(crate) fn of_mcp(&self, mcp: &McpTool) -> Self {
        if self.0.starts_with("mcp__") {
            return self.clone();
        }
        Self(format!("mcp__{}__{}", mcp.server, mcp.tool).into())
    }

    /// Returns the name that events carry: `mcp_tool` for every MCP tool.
    pub(crate) fn public(&self) -> &str {
        if self.is_mcp() { MCP_TOOL } else { &self.0 }
    }
}

impl fmt::Debug for ToolName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.public(), f)
    }
}

/// A permission decision about a tool call.
///
/// Emits the event `claude_code.tool_decision`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ToolDecision {
    pub(crate) tool_name: ToolName,
    pub(crate) decision: Decision,
    pub(crate) source: DecisionSource,
    pub(crate) tool_use_id: Option<Cow<'static, str>>,
    pub(crate) at: Option<SystemTime>,
}

impl ToolDecision {
    /// Creates a decision about a call of `tool_name`. A name of the form `mcp__server__tool` is sent as `mcp_tool`.
    pub fn new(
        tool_name: impl Into<Cow<'static, str>>,
        decision: Decision,
        source: DecisionSource,
    ) -> Self {
        Self {
            tool_name: ToolName(tool_name.into()),
            decision,
            source,
            tool_use_id: None,
            at: None,
        }
    }

    setters! {
        /// Sets the id that the model gave the call (`tool_use_id`).
        tool_use_id: Option<Text>,
    }

    /// Marks the tool as one of an MCP server, regardless of its name: the event carries `mcp_tool`.
    pub fn mcp(mut self, _: &McpTool) -> Self {
        self.tool_name = ToolName(Cow::Borrowed(MCP_TOOL));
        self
    }

    setters! {
        /// Sets the time of the decision and of its event. The default is the current time.
        at: Option<SystemTime>,
    }
}

impl Record for ToolDecision {
    type Admitted = Self;

    fn time(&self) -> Option<SystemTime> {
        self.at
    }

    fn admit(self, _: &ContentPolicy) -> Option<Self> {
        Some(self)
    }
}

impl EventRecord for ToolDecision {
    fn event(&self) -> &'static Event {
        &event::TOOL_DECISION
    }

    fn attributes<'a>(&'a self, out: &mut Attributes<'a>) {
        out.text(key::DECISION, self.decision.as_str());
        out.text(key::SOURCE, self.source.as_str());
        out.text(key::TOOL_NAME, self.tool_name.public());
        out.text_if(key::TOOL_USE_ID, self.tool_use_id.as_deref());
    }

    fn size(&self) -> usize {
        text_size(&[Some(&self.tool_name.0), self.tool_use_id.as_ref()])
    }
}

/// A tool call that completed.
///
/// Emits the event `claude_code.tool_result`. Input, parameters and MCP names are sent only with
/// `OTEL_LOG_TOOL_DETAILS`; the input is shortened to about 4 K characters.
///
/// ```
/// use claude_code_telemetry::{Content, ToolResult};
/// use std::time::Duration;
///
/// let done = ToolResult::new("Read").duration(Duration::from_millis(4)).result_size_bytes(1_280);
/// let failed = ToolResult::new("Bash").failed("Shell command failed").error_type("ShellError");
/// ```
#[derive(Clone, Debug)]
pub struct ToolResult {
    pub(crate) tool_name: ToolName,
    pub(crate) tool_use_id: Option<Cow<'static, str>>,
    pub(crate) failure: Option<Failure>,
    pub(crate) duration: Duration,
    pub(crate) parameters: Option<Content>,
    pub(crate) input: Option<Content>,
    pub(crate) result_size_bytes: Option<u64>,
    pub(crate) decision: Option<(Decision, DecisionSource)>,
    pub(crate) mcp: Option<McpTool>,
    pub(crate) mcp_server_scope: Option<Cow<'static, str>>,
    pub(crate) at: Option<SystemTime>,
}

/// The reason why a tool failed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Failure {
    pub(crate) error: Option<ErrorMessage>,
    pub(crate) error_type: Option<Cow<'static, str>>,
}

impl ToolResult {
    /// Creates the result of a call of `tool_name` that succeeded. A name of the form `mcp__server__tool` is sent as
    /// `mcp_tool`.
    pub fn new(tool_name: impl Into<Cow<'static, str>>) -> Self {
        Self {
            tool_name: ToolName(tool_name.into()),
            tool_use_id: None,
            failure: None,
            duration: Duration::ZERO,
            parameters: None,
            input: None,
            result_size_bytes: None,
            decision: None,
            mcp: None,
            mcp_server_scope: None,
            at: None,
        }
    }

    setters! {
        /// Sets the id that the model gave the call (`tool_use_id`).
        tool_use_id: Option<Text>,
    }

    /// Marks the call as failed with this message (`error`). Do not put content into the message: no environment
    /// variable withholds it, only [`ConfigBuilder::error_messages`](crate::ConfigBuilder::error_messages).
    pub fn failed(mut self, error: impl Into<Cow<'static, str>>) -> Self {
        self.failure.get_or_insert_default().error = optional(error).map(ErrorMessage);
        self
    }

    /// Marks the call as failed with this class of error (`error_type`), for example `ShellError`.
    pub fn error_type(mut self, class: impl Into<Cow<'static, str>>) -> Self {
        self.failure.get_or_insert_default().error_type = optional(class);
        self
    }

    /// Sets whether the call succeeded, for a host that has no message and no class of the error. The default is
    /// `true`. [`failed`](Self::failed) sets the message.
    pub fn success(mut self, success: bool) -> Self {
        self.failure = (!success).then(|| self.failure.unwrap_or_default());
        self
    }

    setters! {
        /// Sets the duration of the execution, without the wait for permission (`duration_ms`, in whole milliseconds). The
        /// default is 0.
        duration: Duration,
        /// Sets the tool's specific parameters as a JSON object (`tool_parameters`), if the host knows more than the call
        /// contains. [`ShellParameters`](super::ShellParameters) and [`SkillParameters`](super::SkillParameters) create the
        /// documented parameters.
        ///
        /// Parameters that are not set are derived from the call: those of Bash, PowerShell and Skill from the
        /// [input](Self::input), those of an MCP tool from its names.
        parameters: Option<Content>,
        /// Sets the tool's arguments as JSON text (`tool_input`).
        input: Option<Content>,
        /// Sets the size of the result in bytes (`tool_result_size_bytes`).
        result_size_bytes: Option<u64>,
    }

    /// Sets the permission decision that allowed the call (`decision_type`, `decision_source`).
    pub fn decision(mut self, decision: Decision, source: DecisionSource) -> Self {
        self.decision = Some((decision, source));
        self
    }

    /// Sets the MCP server and the tool of the call. A name of the form `mcp__server__tool` contains them as well.
    pub fn mcp(mut self, mcp: McpTool) -> Self {
        self.tool_name = ToolName(Cow::Borrowed(MCP_TOOL));
        self.mcp = Some(mcp);
        self
    }

    setters! {
        /// Sets the scope in which the MCP server is configured (`mcp_server_scope`), if the names of server and tool are
        /// not known. Otherwise [`mcp`](Self::mcp) sets all of them.
        mcp_server_scope: Option<Text>,
        /// Sets the time at which the call ended, which is the time of the event. The default is the current time.
        at: Option<SystemTime>,
    }

    /// Returns the size of the texts in bytes, without content.
    pub(crate) fn text_size(&self) -> usize {
        let failure = self.failure.as_ref();
        let mcp = self.mcp.as_ref();
        text_size(&[
            Some(&self.tool_name.0),
            self.tool_use_id.as_ref(),
            failure.and_then(|failure| Some(&failure.error.as_ref()?.0)),
            failure.and_then(|failure| failure.error_type.as_ref()),
            self.mcp_server_scope.as_ref(),
            mcp.map(|mcp| &mcp.server),
            mcp.map(|mcp| &mcp.tool),
        ])
    }
}

/// A tool result without the content that the policy withholds.
pub(crate) struct AdmittedResult {
    tool_name: ToolName,
    tool_use_id: Option<Cow<'static, str>>,
    failure: Option<Failure>,
    duration: Duration,
    parameters: Option<ToolParameters>,
    input: Option<ToolInput>,
    result_size_bytes: Option<u64>,
    decision: Option<(Decision, DecisionSource)>,
    mcp_server_scope: Option<Cow<'static, str>>,
}

impl Record for ToolResult {
    type Admitted = AdmittedResult;

    fn time(&self) -> Option<SystemTime> {
        self.at
    }

    fn admit(self, policy: &ContentPolicy) -> Option<AdmittedResult> {
        let mut failure = self.failure;
        if let Some(failure) = failure.as_mut().filter(|_| !policy.error_messages()) {
            failure.error = None;
        }
        let parameters = tool_parameters(
            &self.tool_name,
            self.mcp.as_ref(),
            self.parameters.as_ref(),
            self.input.as_ref(),
            policy,
        );
        Some(AdmittedResult {
            tool_name: if self.mcp.is_some() {
                ToolName(Cow::Borrowed(MCP_TOOL))
            } else {
                self.tool_name
            },
            tool_use_id: self.tool_use_id,
            failure,
            duration: self.duration,
            parameters,
            input: self.input.and_then(|input| policy.tool_input(input)),
            result_size_bytes: self.result_size_bytes,
            decision: self.decision,
            mcp_server_scope: self.mcp.and_then(|mcp| mcp.scope).or(self.mcp_server_scope),
        })
    }
}

impl EventRecord for AdmittedResult {
    fn event(&self) -> &'static Event {
        &event::TOOL_RESULT
    }

    fn attributes<'a>(&'a self, out: &mut Attributes<'a>) {
        out.text(key::TOOL_NAME, self.tool_name.public());
        out.text_if(key::TOOL_USE_ID, self.tool_use_id.as_deref());
        out.quoted(key::SUCCESS, self.failure.is_none());
        out.count(key::DURATION_MS, millis(self.duration));
        if let Some(failure) = &self.failure {
            out.text_if(key::ERROR_TYPE, failure.error_type.as_deref());
            out.text_if(key::ERROR, failure.error.as_ref().map(|error| &*error.0));
        }
        out.text_if(
            key::TOOL_PARAMETERS,
            self.parameters.as_ref().and_then(ToolParameters::json),
        );
        out.text_if(
            key::TOOL_INPUT,
            self.input.as_ref().and_then(ToolInput::text),
        );
        out.count_if(key::TOOL_RESULT_SIZE_BYTES, self.result_size_bytes);
        if let Some((decision, source)) = self.decision {
            out.text(key::DECISION_SOURCE, source.as_str());
            out.text(key::DECISION_TYPE, decision.as_str());
        }
        out.text_if(key::MCP_SERVER_SCOPE, self.mcp_server_scope.as_deref());
    }

    fn size(&self) -> usize {
        let failure = self.failure.as_ref();
        text_size(&[
            Some(&self.tool_name.0),
            self.tool_use_id.as_ref(),
            failure.and_then(|failure| Some(&failure.error.as_ref()?.0)),
            failure.and_then(|failure| failure.error_type.as_ref()),
            self.mcp_server_scope.as_ref(),
        ]) + self.parameters.as_ref().map_or(0, ToolParameters::size)
            + self.input.as_ref().map_or(0, ToolInput::size)
    }
}
