//! Tool calls: the permission decision and the result.

use std::time::{Duration, SystemTime};

use super::event::event;
use super::string_enum::string_enum;
use super::tool_name::{MCP_TOOL, McpTool, ToolName};
use super::{BoolAsString, Text, ToolError, derived_parameters, fields};
use crate::content::{ContentPolicy, Gated, Payload, ToolInput, ToolParameters};

string_enum! {
    /// The outcome of a permission decision.
    pub enum Decision {
        /// The tool may run.
        Accept = "accept",
        /// The tool may not run.
        Reject = "reject",
    }
}

string_enum! {
    /// The source of a permission decision.
    pub enum DecisionSource {
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

/// A part of a decision on a span; `None` is sent as `unknown`.
#[derive(Clone, Copy)]
pub(crate) struct OrUnknown<T>(pub(crate) Option<T>);

impl<T> Default for OrUnknown<T> {
    fn default() -> Self {
        Self(None)
    }
}

impl<T> Payload for OrUnknown<T> {}

fields! {
    OrUnknown<Decision>: String.one_of(Decision::OR_UNKNOWN) =
        |decision| Some(decision.0.map_or("unknown", Decision::as_str).into());
    OrUnknown<DecisionSource>: String.one_of(DecisionSource::OR_UNKNOWN) =
        |source| Some(source.0.map_or("unknown", DecisionSource::as_str).into());
}

event! {
    /// A permission decision about a tool call.
    ///
    /// Emits the event `claude_code.tool_decision`.
    record ToolDecision: Clone, Debug, PartialEq, Eq;
    emits "tool_decision", "A tool call was permitted or denied";

    /// Creates a decision about a call of `tool_name`. A name of the form `mcp__server__tool` is sent as `mcp_tool`.
    new(tool_name: impl Into<Text>, decision: Decision, source: DecisionSource);

    sent {
        required decision: Decision = "decision", "Outcome";
        required source: DecisionSource = "source", "Source of the decision";
        required tool_name: ToolName = "tool_name",
            "Name of the tool; `mcp_tool` for every MCP tool";
        /// The model gives the call this id.
        optional tool_use_id: Option<Text> = "tool_use_id", "Id of the tool call";
    }
    unsent {
        /// Set only while a transcript is read.
        custom mcp: Option<McpTool> = "mcp";
        /// Sets the time of the decision and of its event. The default is the current time.
        optional at: Option<SystemTime> = "event.timestamp" | "at";
    }
    check with checked;
}

impl ToolDecision {
    /// Marks the tool as one of an MCP server, regardless of its name: the event carries `mcp_tool`.
    pub fn mcp(mut self, _: &McpTool) -> Self {
        self.tool_name = MCP_TOOL.into();
        self
    }
}

event! {
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
    record ToolResult: Clone, Debug;
    emits "tool_result", "A tool call completed";

    /// Creates the result of a call of `tool_name` that succeeded. A name of the form `mcp__server__tool` is sent as
    /// `mcp_tool`.
    new(tool_name: impl Into<Text>);

    sent {
        required tool_name: ToolName = "tool_name",
            "Name of the tool; `mcp_tool` for every MCP tool";
        /// The model gives the call this id.
        optional tool_use_id: Option<Text> = "tool_use_id", "Id of the tool call";
        custom success: BoolAsString = "success", "Success of the tool", default BoolAsString(true);
        /// The wait for permission does not count. The default is 0.
        optional duration: Duration = "duration_ms", "Duration of the execution in milliseconds";
        custom error_type: Option<Text> = "error_type",
            "Class of the error, when the tool failed";
        custom error: ToolError = "error", "Error message, when the tool failed";
        /// The host sets them as a JSON object if it knows more than the call contains.
        /// [`ShellParameters`](super::ShellParameters) and [`SkillParameters`](super::SkillParameters) create the
        /// documented parameters. Those of Bash, PowerShell and Skill that are not set are derived from the
        /// [input](Self::input), those of an MCP tool from its names.
        optional parameters: Gated<ToolParameters> = "tool_parameters" | "parameters",
            "JSON text of the tool's specific parameters, including those that are derived from the call";
        optional input: Gated<ToolInput> = "tool_input" | "input",
            "JSON text of the tool's arguments, bounded";
        optional result_size_bytes: Option<u64> = "tool_result_size_bytes" | "result_size_bytes",
            "Size of the result in bytes";
        custom decision_source: Option<DecisionSource> = "decision_source",
            "Source of the decision";
        custom decision_type: Option<Decision> = "decision_type", "Outcome of the decision";
        /// If the names of server and tool are known, [`mcp`](Self::mcp) sets all of them.
        optional mcp_server_scope: Option<Text> = "mcp_server_scope",
            "Scope of the MCP server, for MCP tools";
    }
    unsent {
        custom mcp: Option<McpTool> = "mcp";
        /// Sets the time at which the call ended, which is the time of the event. The default is the current time.
        optional at: Option<SystemTime> = "event.timestamp" | "at";
    }
    derive fields with derive;
    check with checked;
}

/// Defines the setters of the fields `success`, `error` and `error_type`.
macro_rules! failure_setters {
    () => {
        /// Marks the call as failed with this message (`error`). Do not put content into the message: no environment
        /// variable withholds it, only [`ConfigBuilder::error_messages`](crate::ConfigBuilder::error_messages).
        pub fn failed(mut self, error: impl Into<$crate::record::Text>) -> Self {
            self.success = $crate::record::BoolAsString(false);
            let message = $crate::record::optional(error);
            self.error.0 = message.map($crate::record::ErrorMessage);
            self
        }

        /// Marks the call as failed with this class of error (`error_type`), for example `ShellError`. Sent only on the
        /// event.
        pub fn error_type(mut self, class: impl Into<$crate::record::Text>) -> Self {
            self.success = $crate::record::BoolAsString(false);
            self.error_type = $crate::record::optional(class);
            self
        }

        /// Sets whether the call succeeded, for a host that has no message and no class of the error. The default is
        /// `true`. [`failed`](Self::failed) sets the message.
        pub fn success(mut self, success: bool) -> Self {
            self.success = $crate::record::BoolAsString(success);
            if success {
                self.error.0 = None;
                self.error_type = None;
            }
            self
        }
    };
}

pub(crate) use failure_setters;

impl ToolResult {
    failure_setters!();

    /// Sets the permission decision that allowed the call (`decision_type`, `decision_source`).
    pub fn decision(mut self, decision: Decision, source: DecisionSource) -> Self {
        self.decision_type = Some(decision);
        self.decision_source = Some(source);
        self
    }

    /// Sets the MCP server and the tool of the call. A name of the form `mcp__server__tool` contains them as well.
    pub fn mcp(mut self, mcp: McpTool) -> Self {
        self.tool_name = MCP_TOOL.into();
        self.mcp = Some(mcp);
        self
    }

    /// Derives the parameters and the scope of an MCP tool. Then removes the MCP names from the record, because the
    /// policy does not filter them there.
    fn derive(&mut self, policy: &ContentPolicy) {
        let (mcp, input) = (self.mcp.as_ref(), self.input.content());
        let derived = derived_parameters(&self.tool_name, mcp, input, policy);
        self.parameters.add_derived(derived);
        if let Some(scope) = self.mcp.take().and_then(|mcp| mcp.scope) {
            self.mcp_server_scope = Some(scope);
        }
    }
}
