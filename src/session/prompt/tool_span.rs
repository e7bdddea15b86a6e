//! The three spans of a tool call.

use std::borrow::Cow;
use std::time::Duration;

use super::tool_options::{PATH_MEMBERS, Permission, ToolCallOptions, ToolOutcome};
use super::tool_output::{OutputEvent, TOOL_OUTPUT};
use crate::content::{ContentPolicy, Gated, Payload, ToolDetails, ToolInput, ToolParameters};
use crate::encode::spans::{SpanEvent, SpanRecord};
use crate::record::{
    Decision, DecisionSource, NameWithMcp, OrUnknown, Text, ToolError, derived_parameters, span,
};

span! {
    /// The data of the span `claude_code.tool`.
    #[derive(Default)]
    span ToolSpan emits "tool", "One tool call: the wait for permission and the execution",
        has events TOOL_OUTPUT;
    sent {
        name: NameWithMcp =
            "tool_name",
            "Name of the tool; of an MCP tool `mcp_tool`, or `mcp__server__tool` with \
             `OTEL_LOG_TOOL_DETAILS`";
        tool_use_id: Option<Text> = "tool_use_id", "Id of the tool call";
        tool_call_id: Option<Text> = "gen_ai.tool.call.id", "The same id";
        duration: Duration = "duration_ms", "Duration of wait and execution in milliseconds";
        result_tokens: Option<u64> = "result_tokens", "Tokens of the result";
        file_path: Gated<ToolDetails> = "file_path", "The file";
        full_command: Gated<ToolDetails> = "full_command", "The command";
        skill_name: Gated<ToolDetails> = "skill_name", "The skill";
        subagent_type: Gated<ToolDetails> = "subagent_type", "The subagent";
        input: Gated<ToolInput> = "tool_input", "JSON text of the tool's arguments, bounded";
    }
    other {
        /// The output of a successful call.
        output: OutputEvent;
    }
}

impl ToolSpan {
    /// Creates the data of a call without its details.
    pub(crate) fn begin(options: &ToolCallOptions, policy: &ContentPolicy) -> Self {
        let mut name = options.span_name();
        name.filter(policy);
        Self {
            name,
            tool_use_id: options.tool_use_id.clone(),
            tool_call_id: options.tool_use_id.clone(),
            ..Self::default()
        }
    }

    /// Adds the input and the details that it contains.
    pub(crate) fn add_details(&mut self, options: &ToolCallOptions, policy: &ContentPolicy) {
        let input = options.input.content();
        let detail = |text: Option<String>| match text {
            Some(text) => Gated::optional(text).filtered(policy),
            None => Gated::default(),
        };
        let member = |names: &[&str]| detail(input.and_then(|input| policy.member(input, names)));
        let derived = derived_parameters(&options.name, options.mcp.as_ref(), input, policy);
        let derived = derived.map_or_else(Gated::<ToolParameters>::default, Gated::from);
        let parameter = |name: &str| {
            let given = options.parameters.parameter(name);
            detail(given.or_else(|| derived.parameter(name)))
        };
        self.file_path = match options.file_path.content() {
            Some(_) => options.file_path.clone().filtered(policy),
            None => member(PATH_MEMBERS),
        };
        self.full_command = parameter("full_command");
        self.skill_name = parameter("skill_name");
        self.subagent_type = member(&["subagent_type"]);
        self.input = options.input.clone().filtered(policy);
    }

    /// Adds the outcome of a call that ended at `time`, in nanoseconds since the Unix epoch. Only a successful call
    /// carries its output. `is_edit` is true for a tool that edits files.
    pub(crate) fn finish(
        &mut self,
        is_edit: bool,
        outcome: &ToolOutcome,
        time: u64,
        policy: &ContentPolicy,
    ) {
        self.result_tokens = outcome.result_tokens;
        if outcome.success.0 {
            self.output = outcome.output.event(is_edit, policy, time);
        }
    }
}

impl SpanRecord for ToolSpan {
    fn events(&self) -> Vec<SpanEvent<'_>> {
        self.output.span_event().into_iter().collect()
    }
}

span! {
    /// The data of the span `claude_code.tool.blocked_on_user`.
    #[derive(Default)]
    span BlockedSpan emits "tool.blocked_on_user", "The wait for the permission decision";
    sent {
        duration: Duration = "duration_ms", "Duration in milliseconds";
        decision: OrUnknown<Decision> = "decision", "Outcome; `unknown` if no decision was made";
        source: OrUnknown<DecisionSource> =
            "source", "Source of the decision; `unknown` if no decision was made";
    }
}

impl BlockedSpan {
    /// Adds the decision and its source.
    pub(crate) fn decide(&mut self, permission: &Permission) {
        let (decision, source) = permission.span;
        self.decision = OrUnknown(decision);
        self.source = OrUnknown(source);
    }
}

impl SpanRecord for BlockedSpan {}

span! {
    /// The data of the span `claude_code.tool.execution`.
    #[derive(Default)]
    span ExecutionSpan emits "tool.execution", "The execution; absent when the call was denied",
        fails when "the tool failed; the message is the error's";
    sent {
        duration: Duration = "duration_ms", "Duration in milliseconds";
        success: bool = "success", "Success of the tool";
        error: ToolError = "error", "Error message";
    }
    other {
        /// `false` when the call ended without an outcome.
        finished: bool;
    }
}

impl ExecutionSpan {
    pub(crate) fn finish(&mut self, outcome: &ToolOutcome) {
        self.success = outcome.success.0;
        self.error.clone_from(&outcome.error);
        self.finished = true;
    }
}

impl SpanRecord for ExecutionSpan {
    fn failure(&self) -> Option<Cow<'_, str>> {
        let message = self.error.0.as_ref().map_or("", |error| &*error.0);
        (self.finished && !self.success).then_some(Cow::Borrowed(message))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::ToolOutput;

    #[test]
    fn output_has_only_the_parts_that_the_policy_admits() {
        let mut policy = ContentPolicy {
            user_prompts: true,
            tool_details: true,
            tool_content: true,
            raw_api_bodies: true,
            error_messages: true,
            max_length: 100,
        };
        let output = ToolOutput::new().bash_command("ls").output("src");
        let outcome = ToolOutcome::new().output(output);
        let finished = |policy: &ContentPolicy| {
            let mut span = ToolSpan::default();
            span.finish(false, &outcome, 0, policy);
            assert!(span.filter(policy));
            span
        };
        assert_eq!(finished(&policy).events()[0].attributes.len(), 2);
        policy.tool_details = false;
        assert_eq!(finished(&policy).events()[0].attributes.len(), 1);
        policy.tool_content = false;
        assert!(finished(&policy).events().is_empty());
    }
}
