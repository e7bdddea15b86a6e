//! What a host tells of a tool call: how it begins, how it is decided, how it ends.

use std::borrow::Cow;
use std::fmt;
use std::time::{Duration, SystemTime};

use super::tool_output::ToolOutput;
use crate::content::Content;
use crate::record::{
    Decision, DecisionSource, EditTool, ErrorMessage, Failure, MCP_TOOL, Mcp, ToolName, ToolResult,
    optional,
};

/// How a tool call begins. The name of the tool alone is enough.
#[derive(Clone)]
pub struct ToolCallOptions {
    pub(crate) name: ToolName,
    pub(crate) tool_use_id: Option<Cow<'static, str>>,
    pub(crate) input: Option<Content>,
    pub(crate) parameters: Option<Content>,
    pub(crate) mcp: Option<Mcp>,
    pub(crate) file_path: Option<Content>,
    pub(crate) language: Option<Cow<'static, str>>,
    pub(crate) at: Option<SystemTime>,
}

impl ToolCallOptions {
    /// A call of the tool `name`. A name of the form `mcp__server__tool` is content: events carry `mcp_tool`.
    pub fn new(name: impl Into<Cow<'static, str>>) -> Self {
        Self {
            name: ToolName(name.into()),
            tool_use_id: None,
            input: None,
            parameters: None,
            mcp: None,
            file_path: None,
            language: None,
            at: None,
        }
    }

    /// The id of the call (`tool_use_id`), as the model gave it.
    pub fn tool_use_id(mut self, id: impl Into<Cow<'static, str>>) -> Self {
        self.tool_use_id = optional(id);
        self
    }

    /// The arguments as JSON text. With `OTEL_LOG_TOOL_DETAILS` they are sent, bounded, and so is what follows from them
    /// (`tool_parameters`, `file_path`, `full_command`, `skill_name`, `subagent_type`).
    pub fn input(mut self, input: impl Into<Content>) -> Self {
        self.input = Content::optional(input);
        self
    }

    /// The tool's specific parameters as a JSON object (`tool_parameters`), sent only with `OTEL_LOG_TOOL_DETAILS`:
    /// [`ShellParameters`](crate::ShellParameters), [`SkillParameters`](crate::SkillParameters). They take precedence over
    /// those that follow from the [input](Self::input).
    pub fn parameters(mut self, parameters: impl Into<Content>) -> Self {
        self.parameters = Content::optional(parameters);
        self
    }

    /// The MCP server and tool behind it: the names are sent only with `OTEL_LOG_TOOL_DETAILS`, on the span as
    /// `mcp__server__tool`.
    pub fn mcp(mut self, mcp: Mcp) -> Self {
        self.mcp = Some(mcp);
        self
    }

    /// The file that it reads or edits; by default the `file_path` or `notebook_path` of the input. On the span, with
    /// `OTEL_LOG_TOOL_DETAILS` alone.
    pub fn file_path(mut self, path: impl Into<Content>) -> Self {
        self.file_path = Content::optional(path);
        self
    }

    /// The language of the file that it edits (`language` of `claude_code.code_edit_tool.decision`); by default that of the
    /// path's extension.
    pub fn language(mut self, language: impl Into<Cow<'static, str>>) -> Self {
        self.language = optional(language);
        self
    }

    /// When the call began; now by default.
    pub fn at(mut self, time: SystemTime) -> Self {
        self.at = Some(time);
        self
    }

    /// The result of this call, as far as its beginning tells.
    pub(crate) fn result(&self) -> ToolResult {
        ToolResult {
            tool_use_id: self.tool_use_id.clone(),
            input: self.input.clone(),
            parameters: self.parameters.clone(),
            mcp: self.mcp.clone(),
            ..ToolResult::new(self.name.0.clone())
        }
    }

    /// The language of the file, when the tool edits one.
    pub(crate) fn language_if_edit(&self) -> Option<Cow<'static, str>> {
        if self.language.is_some() || self.name.0.parse::<EditTool>().is_err() {
            return self.language.clone();
        }
        let path = self.file_path.as_ref().map(Content::language);
        let input = || {
            self.input
                .as_ref()
                .map(|input| input.language_of_member(PATH_MEMBERS))
        };
        path.or_else(input).map(Cow::Borrowed)
    }
}

/// The name of an MCP tool is content, whatever it looks like.
impl fmt::Debug for ToolCallOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            name,
            tool_use_id,
            input,
            parameters,
            mcp,
            file_path,
            language,
            at,
        } = self;
        let mcp_tool = ToolName(Cow::Borrowed(MCP_TOOL));
        f.debug_struct("ToolCallOptions")
            .field("name", if mcp.is_some() { &mcp_tool } else { name })
            .field("tool_use_id", tool_use_id)
            .field("input", input)
            .field("parameters", parameters)
            .field("mcp", mcp)
            .field("file_path", file_path)
            .field("language", language)
            .field("at", at)
            .finish()
    }
}

/// The members of an input that name its file.
pub(crate) const PATH_MEMBERS: &[&str] = &["file_path", "notebook_path"];

impl<T: Into<Cow<'static, str>>> From<T> for ToolCallOptions {
    fn from(name: T) -> Self {
        Self::new(name)
    }
}

/// A permission decision, with what a host can say of it beside the decision itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Permission {
    pub(crate) decision: Decision,
    pub(crate) source: DecisionSource,
    pub(crate) waited: Option<Duration>,
    pub(crate) event: bool,
    pub(crate) on_result: bool,
    /// What the span says; `unknown` for what is not there.
    pub(crate) span: (Option<Decision>, Option<DecisionSource>),
    pub(crate) at: Option<SystemTime>,
    pub(crate) event_at: Option<SystemTime>,
}

impl Permission {
    /// A decision, taken now.
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

    /// The tool may run.
    pub fn accepted(source: DecisionSource) -> Self {
        Self::new(Decision::Accept, source)
    }

    /// The tool may not run.
    pub fn rejected(source: DecisionSource) -> Self {
        Self::new(Decision::Reject, source)
    }

    /// Nobody decided: only the span of the wait says so, and nothing else is recorded.
    pub(crate) fn unknown() -> Self {
        let permission = Self::new(Decision::Accept, DecisionSource::Config);
        permission
            .on_span(None, None)
            .without_event()
            .without_result()
    }

    /// How long the call waited for it; since the beginning of the call by default.
    pub fn waited(mut self, duration: Duration) -> Self {
        self.waited = Some(duration);
        self
    }

    /// Records neither the event nor the count of editing decisions, when they were recorded on their own.
    pub fn without_event(mut self) -> Self {
        self.event = false;
        self
    }

    /// Leaves the decision off the event `claude_code.tool_result`.
    pub fn without_result(mut self) -> Self {
        self.on_result = false;
        self
    }

    /// What the span of the wait says, when that differs; `None` is `unknown`.
    pub fn on_span(mut self, decision: Option<Decision>, source: Option<DecisionSource>) -> Self {
        self.span = (decision, source);
        self
    }

    /// When it was taken; now by default.
    pub fn at(mut self, time: SystemTime) -> Self {
        self.at = Some(time);
        self
    }

    /// The time of the event, when that is another one: a host that learns of the call once it is over keeps the order
    /// of its events.
    pub fn event_at(mut self, time: SystemTime) -> Self {
        self.event_at = Some(time);
        self
    }
}

/// How a tool call ended.
#[derive(Clone, Debug, Default)]
pub struct ToolOutcome {
    pub(crate) failure: Option<Failure>,
    pub(crate) parameters: Option<Content>,
    pub(crate) result_size_bytes: Option<u64>,
    pub(crate) result_tokens: Option<u64>,
    pub(crate) output: ToolOutput,
    pub(crate) at: Option<SystemTime>,
}

impl ToolOutcome {
    /// It succeeded.
    pub fn new() -> Self {
        Self::default()
    }

    /// How it ended by what the tool returned: a success, or a failure with the error's message.
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

    /// It failed, with this message (`error`). It needs no switch: put no content into it.
    pub fn failed(mut self, error: impl Into<Cow<'static, str>>) -> Self {
        self.failure.get_or_insert_default().error = optional(error).map(ErrorMessage);
        self
    }

    /// It failed, with an error of this class (`error_type`), for example `ShellError`. On the event alone.
    pub fn error_type(mut self, class: impl Into<Cow<'static, str>>) -> Self {
        self.failure.get_or_insert_default().error_type = optional(class);
        self
    }

    /// Whether it succeeded, for a host that knows no more.
    pub fn success(mut self, success: bool) -> Self {
        self.failure = if success {
            None
        } else {
            Some(self.failure.unwrap_or_default())
        };
        self
    }

    /// The tool's specific parameters as JSON text, when they are known at the end alone (a commit's id); they replace
    /// those that the call began with in the event `claude_code.tool_result`.
    pub fn parameters(mut self, parameters: impl Into<Content>) -> Self {
        self.parameters = Content::optional(parameters);
        self
    }

    /// The size of the result in bytes (`tool_result_size_bytes`). On the event alone.
    pub fn result_size_bytes(mut self, bytes: u64) -> Self {
        self.result_size_bytes = Some(bytes);
        self
    }

    /// The tokens of the result (`result_tokens`). On the span alone.
    pub fn result_tokens(mut self, tokens: u64) -> Self {
        self.result_tokens = Some(tokens);
        self
    }

    /// What the tool wrote and returned: the span event `tool.output` of a call that succeeded, when
    /// `OTEL_LOG_TOOL_CONTENT` is on. A text alone is the attribute `output`.
    pub fn output(mut self, output: impl Into<ToolOutput>) -> Self {
        self.output = output.into();
        self
    }

    /// When it ended; now by default.
    pub fn at(mut self, time: SystemTime) -> Self {
        self.at = Some(time);
        self
    }

    /// Adds what the end tells to the result.
    pub(crate) fn tell(self, result: &mut ToolResult) {
        result.failure = self.failure;
        result.parameters = self.parameters.or(result.parameters.take());
        result.result_size_bytes = self.result_size_bytes;
        result.at = self.at;
    }
}
