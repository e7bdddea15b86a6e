//! The options, the permission and the outcome of a tool call.

use std::fmt;
use std::time::{Duration, SystemTime};

use super::tool_output::ToolOutput;
use crate::content::{Content, ContentPolicy, Gated, ToolDetails, ToolInput, ToolParameters};
use crate::record::{
    BoolAsString, Decision, DecisionSource, EditTool, MCP_TOOL, McpTool, NameWithMcp, Text,
    ToolError, ToolName, ToolResult, failure_setters, record, setters,
};

record! {
    /// Options for beginning a tool call. The name of the tool alone is enough.
    record ToolCallOptions: Clone;

    /// Creates the options of a call of the tool `name`. A name of the form `mcp__server__tool` is content: events
    /// carry `mcp_tool` instead.
    new(name: impl Into<Text>);

    fields {
        required name: ToolName = "tool_name";
        /// Sets the id that the model gave the call (`tool_use_id`).
        optional tool_use_id: Option<Text> = "tool_use_id";
        /// Sets the arguments as JSON text. With `OTEL_LOG_TOOL_DETAILS` they are sent, shortened to a limit, together
        /// with the attributes that are derived from them (`tool_parameters`, `file_path`, `full_command`,
        /// `skill_name`, `subagent_type`).
        optional input: Gated<ToolInput> = "tool_input" | "input";
        /// Sets the tool's specific parameters as a JSON object (`tool_parameters`), sent only with
        /// `OTEL_LOG_TOOL_DETAILS`: [`ShellParameters`](crate::ShellParameters),
        /// [`SkillParameters`](crate::SkillParameters). They take precedence over those that are derived from the
        /// [input](Self::input).
        optional parameters: Gated<ToolParameters> = "tool_parameters" | "parameters";
        /// Sets the MCP server and tool of the call. Their names are sent only with `OTEL_LOG_TOOL_DETAILS`, on the
        /// span as `mcp__server__tool`.
        optional mcp: Option<McpTool> = "mcp";
        /// Sets the file that the tool reads or edits (`file_path`). The default is the `file_path` or `notebook_path`
        /// of the input. The path is sent only on the span, and only with `OTEL_LOG_TOOL_DETAILS`.
        optional file_path: Gated<ToolDetails> = "file_path";
        /// Sets the language of the edited file (`language` of `claude_code.code_edit_tool.decision`). The default is
        /// derived from the extension of the path.
        optional language: Option<Text> = "language";
        /// Sets the time at which the call began. The default is the current time.
        optional at: Option<SystemTime> = "at";
    }
}

impl ToolCallOptions {
    /// Returns the name of the tool that events carry.
    pub(crate) fn public_name(&self) -> Text {
        match self.mcp.is_some() || self.name.is_mcp() {
            true => MCP_TOOL.into(),
            false => self.name.0.clone(),
        }
    }

    /// Removes the content that the policy withholds, so that a later change of the policy does not send it. Keeps the
    /// language of an edited file, which is not content.
    pub(crate) fn withhold(&mut self, policy: &ContentPolicy) {
        self.language = self.language_if_edit();
        self.input.drop_if_closed(policy);
        self.parameters.drop_if_closed(policy);
        self.file_path.drop_if_closed(policy);
        if !policy.tool_details() {
            self.name = self.public_name().into();
            if let Some(mcp) = &mut self.mcp {
                (mcp.server, mcp.tool) = (Text::default(), Text::default());
            }
        }
    }

    /// Returns the name of the tool that spans carry.
    pub(crate) fn span_name(&self) -> NameWithMcp {
        let whole = match &self.mcp {
            // MCP servers choose the names of their tools freely; on spans the names have one form.
            Some(mcp) => Some(self.name.with_mcp_name(mcp).0),
            None => self.name.is_mcp().then(|| self.name.0.clone()),
        };
        NameWithMcp {
            without_mcp: self.public_name(),
            whole,
        }
    }

    /// Returns the result of this call with the fields that are known at its beginning.
    pub(crate) fn result(&self) -> ToolResult {
        let mut result = ToolResult::new(self.name.0.clone());
        result.tool_use_id.clone_from(&self.tool_use_id);
        result.input = self.input.clone();
        result.parameters = self.parameters.clone();
        match self.mcp.clone() {
            Some(mcp) => result.mcp(mcp),
            None => result,
        }
    }

    /// Removes the content, which is not needed after the end of the call.
    pub(crate) fn drop_content(&mut self) {
        self.input = Gated::default();
        self.parameters = Gated::default();
        self.file_path = Gated::default();
    }

    /// Returns true if the tool edits files.
    pub(crate) fn is_edit(&self) -> bool {
        self.name.0.parse::<EditTool>().is_ok()
    }

    /// Returns the language of the file if the tool edits one, or the language that the host set.
    fn language_if_edit(&self) -> Option<Text> {
        if self.language.is_some() || !self.is_edit() {
            return self.language.clone();
        }
        let path = self.file_path.content().map(Content::language);
        let input = || Some(self.input.content()?.language_of_member(PATH_MEMBERS));
        path.or_else(input).map(Text::from_static)
    }
}

/// Hides the name of an MCP tool, because it is content.
impl fmt::Debug for ToolCallOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ToolCallOptions")
            .field("name", &self.public_name())
            .field("tool_use_id", &self.tool_use_id)
            .finish_non_exhaustive()
    }
}

/// The members of a tool's input that name its file.
pub(crate) const PATH_MEMBERS: &[&str] = &["file_path", "notebook_path"];

impl<T: Into<Text>> From<T> for ToolCallOptions {
    fn from(name: T) -> Self {
        Self::new(name)
    }
}

/// A permission decision and its details.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Permission {
    pub(crate) decision: Decision,
    pub(crate) source: DecisionSource,
    pub(crate) waited: Option<Duration>,
    /// False if the host records the event and the metric of the decision separately.
    pub(crate) event: bool,
    /// True if the event `claude_code.tool_result` carries the decision.
    pub(crate) on_result: bool,
    /// The decision and source on the span of the wait; `None` is sent as `unknown`.
    pub(crate) span: (Option<Decision>, Option<DecisionSource>),
    pub(crate) at: Option<SystemTime>,
    pub(crate) event_at: Option<SystemTime>,
}

impl Permission {
    /// Creates a decision that is made now.
    pub fn new(decision: Decision, source: DecisionSource) -> Self {
        Self {
            decision,
            source,
            waited: None,
            event: true,
            on_result: true,
            span: (Some(decision), Some(source)),
            at: None,
            event_at: None,
        }
    }

    /// Creates the decision that the tool may run.
    pub fn accepted(source: DecisionSource) -> Self {
        Self::new(Decision::Accept, source)
    }

    /// Creates the decision that the tool may not run.
    pub fn rejected(source: DecisionSource) -> Self {
        Self::new(Decision::Reject, source)
    }

    setters! {
        /// Sets how long the call waited for the decision. The default is the time since the call began. A longer
        /// wait makes the call begin earlier too.
        waited: Option<Duration>,
    }

    /// Suppresses the event of the decision, and the metric of decisions about editing tools, for a host that records
    /// them separately.
    pub fn without_event(mut self) -> Self {
        self.event = false;
        self
    }

    /// Omits the decision from the event `claude_code.tool_result`.
    pub fn without_result(mut self) -> Self {
        self.on_result = false;
        self
    }

    /// Sets a different decision and source for the span of the wait; `None` is sent as `unknown`.
    pub fn on_span(mut self, decision: Option<Decision>, source: Option<DecisionSource>) -> Self {
        self.span = (decision, source);
        self
    }

    setters! {
        /// Sets the time of the decision. The default is the current time.
        at: Option<SystemTime>,
        /// Sets the time of the event, if it differs from that of the decision. A host that learns of the call only
        /// after its end can keep its events in order.
        event_at: Option<SystemTime>,
    }
}

record! {
    /// The outcome of a tool call.
    record ToolOutcome: Clone, Debug;

    /// Creates a successful outcome.
    new();

    fields {
        custom success: BoolAsString = "success", default BoolAsString(true);
        custom error: ToolError = "error";
        custom error_type: Option<Text> = "error_type";
        /// Sets the duration of the execution (`duration_ms` of `claude_code.tool_result` and
        /// `claude_code.tool.execution`). The default is the time since [`executing`](crate::ToolCall::executing).
        ///
        /// The span of the execution then begins this much before its end, and the wait for the decision ends there.
        /// If the call began later, the spans of the call and of the wait begin there too (that of the prompt does not:
        /// see [`PromptEnd::duration`](crate::PromptEnd::duration)). If the wait ended before, by
        /// [`decided`](crate::ToolCall::decided) or `executing`, the execution never begins before the end of the wait:
        /// a longer duration is sent only on the event.
        optional duration: Option<Duration> = "duration_ms";
        /// Sets the tool's specific parameters as JSON text, if they are known only at the end (the id of a commit).
        /// They replace the parameters from the beginning of the call in the event `claude_code.tool_result`.
        optional parameters: Gated<ToolParameters> = "tool_parameters" | "parameters";
        /// Sets the size of the result in bytes (`tool_result_size_bytes`). Sent only on the event.
        optional result_size_bytes: Option<u64> = "tool_result_size_bytes" | "result_size_bytes";
        /// Sets the number of tokens of the result (`result_tokens`). Sent only on the span.
        optional result_tokens: Option<u64> = "result_tokens";
        custom output: ToolOutput = "output";
        /// Sets the time at which the call ended. The default is the current time.
        optional at: Option<SystemTime> = "at";
    }
    check with checked;
}

impl ToolOutcome {
    /// Creates an outcome from the tool's result: a success, or a failure with the message of the error.
    ///
    /// `Ok` is always a success. For a command whose exit status is not 0, or a response that states an error, use
    /// [`failed`](Self::failed). Do not use this function if the text of the error can contain content.
    ///
    /// ```
    /// use claude_code_telemetry::ToolOutcome;
    /// let result = std::fs::read_to_string("/no/such/file");
    /// let outcome = ToolOutcome::from_result(&result);
    /// ```
    pub fn from_result<T, E: fmt::Display>(result: &Result<T, E>) -> Self {
        match result {
            Ok(_) => Self::new(),
            Err(error) => Self::new().failed(error.to_string()),
        }
    }

    failure_setters!();

    /// Sets the output of the tool: the span event `tool.output` of a successful call, sent only with
    /// `OTEL_LOG_TOOL_CONTENT`. A plain text becomes the attribute `output`.
    pub fn output(mut self, output: impl Into<ToolOutput>) -> Self {
        self.output = output.into();
        self
    }

    /// Adds the outcome to the result record. Keeps the measured duration unless the host set another one.
    pub(crate) fn apply_to(self, result: &mut ToolResult) {
        result.success = self.success;
        result.error = self.error;
        result.error_type = self.error_type;
        result.duration = self.duration.unwrap_or(result.duration);
        if self.parameters.content().is_some() {
            result.parameters = self.parameters;
        }
        result.result_size_bytes = self.result_size_bytes;
        result.at = self.at;
    }
}
