//! Tool calls: the decision and the result.

use std::borrow::Cow;
use std::fmt;
use std::time::{Duration, SystemTime};

use serde::Serialize;

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
    /// Who or what took a permission decision.
    DecisionSource {
        /// The configuration: an allow or deny rule, or the mode.
        Config = "config",
        /// A hook.
        Hook = "hook",
        /// The user, for good.
        UserPermanent = "user_permanent",
        /// The user, for now.
        UserTemporary = "user_temporary",
        /// The user, by stopping the turn.
        UserAbort = "user_abort",
        /// The user, by saying no.
        UserReject = "user_reject",
    }
}

/// What stands in the place of an MCP tool's name.
pub(crate) const MCP_TOOL: &str = "mcp_tool";

/// The server and tool behind an MCP tool's name. The names are sent with `OTEL_LOG_TOOL_DETAILS` alone.
#[derive(Clone, PartialEq, Eq)]
pub struct McpTool {
    pub(crate) server: Cow<'static, str>,
    pub(crate) tool: Cow<'static, str>,
    pub(crate) scope: Option<Cow<'static, str>>,
}

impl McpTool {
    /// The tool `tool` of the server `server`.
    pub fn new(server: impl Into<Cow<'static, str>>, tool: impl Into<Cow<'static, str>>) -> Self {
        Self {
            server: server.into(),
            tool: tool.into(),
            scope: None,
        }
    }

    /// Where the server is configured, for example `user` or `project`: the attribute `mcp_server_scope`.
    pub fn scope(mut self, scope: impl Into<Cow<'static, str>>) -> Self {
        self.scope = optional(scope);
        self
    }

    /// The names in `mcp__server__tool`; nothing for another name.
    pub fn from_name(name: &str) -> Option<Self> {
        let (server, tool) = name.strip_prefix("mcp__")?.split_once("__")?;
        Some(Self::new(server.to_owned(), tool.to_owned()))
    }

    /// The parameters that follow from the names.
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

/// The name of a tool. That of an MCP tool is content, so `Debug` hides it.
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

    /// The name as events carry it.
    pub(crate) fn public(&self) -> &str {
        if self.is_mcp() { MCP_TOOL } else { &self.0 }
    }
}

impl fmt::Debug for ToolName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.public(), f)
    }
}

/// A permission decision about one tool call.
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
    /// A decision about a call of `tool_name`. A name of the form `mcp__server__tool` is sent as `mcp_tool`.
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

    /// The id of the call (`tool_use_id`), as the model gave it.
    pub fn tool_use_id(mut self, id: impl Into<Cow<'static, str>>) -> Self {
        self.tool_use_id = optional(id);
        self
    }

    /// The tool is an MCP server's, whatever its name looks like: the event carries `mcp_tool`.
    pub fn mcp(mut self, _: &McpTool) -> Self {
        self.tool_name = ToolName(Cow::Borrowed(MCP_TOOL));
        self
    }

    /// When it was taken; now by default. Moves the event.
    pub fn at(mut self, time: SystemTime) -> Self {
        self.at = Some(time);
        self
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
/// Emits the event `claude_code.tool_result`. Input, parameters and MCP names are sent with `OTEL_LOG_TOOL_DETAILS`
/// alone; the input is bounded to about 4 K characters.
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

/// Why a tool failed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Failure {
    pub(crate) error: Option<ErrorMessage>,
    pub(crate) error_type: Option<Cow<'static, str>>,
}

impl ToolResult {
    /// A call of `tool_name` that succeeded. A name of the form `mcp__server__tool` is sent as `mcp_tool`.
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

    /// The id of the call (`tool_use_id`), as the model gave it.
    pub fn tool_use_id(mut self, id: impl Into<Cow<'static, str>>) -> Self {
        self.tool_use_id = optional(id);
        self
    }

    /// The call failed, with this message (`error`). It needs no switch: put no content into it.
    pub fn failed(mut self, error: impl Into<Cow<'static, str>>) -> Self {
        self.failure.get_or_insert_default().error = optional(error).map(ErrorMessage);
        self
    }

    /// The class of the error (`error_type`), for example `ShellError`; the call failed.
    pub fn error_type(mut self, class: impl Into<Cow<'static, str>>) -> Self {
        self.failure.get_or_insert_default().error_type = optional(class);
        self
    }

    /// Whether the call succeeded, for a host that knows no more; [`failed`](Self::failed) says why.
    pub fn success(mut self, success: bool) -> Self {
        self.failure = if success {
            None
        } else {
            Some(self.failure.unwrap_or_default())
        };
        self
    }

    /// The duration of the execution, without the wait for permission (`duration_ms`, in whole milliseconds); 0 by default.
    pub fn duration(mut self, duration: Duration) -> Self {
        self.duration = duration;
        self
    }

    /// The tool's specific parameters as a JSON object (`tool_parameters`), where the host knows more than the call says.
    /// [`ShellParameters`](super::ShellParameters) and [`SkillParameters`](super::SkillParameters) make the documented
    /// ones.
    ///
    /// Parameters that are not given follow from the call: those of Bash, PowerShell and Skill from the
    /// [input](Self::input), those of an MCP tool from its names.
    pub fn parameters(mut self, parameters: impl Into<Content>) -> Self {
        self.parameters = Content::optional(parameters);
        self
    }

    /// The tool's arguments as JSON text.
    pub fn input(mut self, input: impl Into<Content>) -> Self {
        self.input = Content::optional(input);
        self
    }

    /// The size of the result in bytes (`tool_result_size_bytes`).
    pub fn result_size_bytes(mut self, bytes: u64) -> Self {
        self.result_size_bytes = Some(bytes);
        self
    }

    /// The permission decision that let it run (`decision_type`, `decision_source`).
    pub fn decision(mut self, decision: Decision, source: DecisionSource) -> Self {
        self.decision = Some((decision, source));
        self
    }

    /// The MCP server and tool behind it. A name of the form `mcp__server__tool` says them too.
    pub fn mcp(mut self, mcp: McpTool) -> Self {
        self.tool_name = ToolName(Cow::Borrowed(MCP_TOOL));
        self.mcp = Some(mcp);
        self
    }

    /// Where the MCP server is configured, when its names are not known; [`mcp`](Self::mcp) says all of it.
    pub fn mcp_server_scope(mut self, scope: impl Into<Cow<'static, str>>) -> Self {
        self.mcp_server_scope = optional(scope);
        self
    }

    /// When it completed; now by default. Moves the event.
    pub fn at(mut self, time: SystemTime) -> Self {
        self.at = Some(time);
        self
    }

    /// Bytes of its texts, content aside.
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

/// A tool result without what the switches hold back.
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
