//! The options and outcomes of requests, tool calls and hooks.

use serde::Deserialize;

use super::fields::{Count, Json, Object, OrUnknown, Texts};
use super::time::{At, Millis};
use super::tool::pair;
use super::{With, deserialize, reads};
use crate::record::{Decision, DecisionSource, McpTool};
use crate::session::{
    HookOutcome, LlmRequestOptions, Permission, RequestContext, ToolCallOptions, ToolOutcome,
    ToolOutput,
};

deserialize! {
    LlmRequestOptions::new(model: String) {
        query_source: String => Self::query_source,
        #[serde(alias = "llm_request.context")]
        context: RequestContext => Self::context,
        at: At => Self::at,
    }

    ToolCallOptions::new(tool_name: String) {
        tool_use_id: String => Self::tool_use_id,
        #[serde(alias = "tool_input")]
        input: Object => Self::input,
        #[serde(alias = "tool_parameters")]
        parameters: Object => Self::parameters,
        mcp: McpTool => Self::mcp,
        file_path: String => Self::file_path,
        language: String => Self::language,
        at: At => Self::at,
    }

    HookOutcome::new() {
        num_hooks: Count => Self::count,
        num_success: Count => Self::succeeded,
        num_blocking: Count => Self::blocking,
        num_non_blocking_error: Count => Self::failed,
        num_cancelled: Count => Self::cancelled,
        hook_definitions: Json => Self::definitions,
        at: At => Self::at,
    }
}

reads! {
    Permission as PermissionFields,
    ToolOutcome as ToolOutcomeFields,
    ToolOutput as ToolOutputFields,
}

/// The fields of a permission. Without a decision, only the span of the wait is recorded, with the decision `unknown`.
#[derive(Deserialize)]
struct PermissionFields {
    decision: Option<Decision>,
    source: Option<DecisionSource>,
    blocked_ms: Option<Millis>,
    decision_event: Option<bool>,
    result_decision: Option<bool>,
    span_decision: Option<OrUnknown<Decision>>,
    span_source: Option<OrUnknown<DecisionSource>>,
    at: Option<At>,
}

impl PermissionFields {
    fn record(self) -> Result<Permission, String> {
        let decided = pair(self.decision, self.source)?;
        let mut permission = match decided {
            Some((decision, source)) => Permission::new(decision, source),
            None => Permission::unknown(),
        };
        permission = permission.on_span(
            self.span_decision
                .map_or(self.decision, |OrUnknown(on_span)| on_span),
            self.span_source
                .map_or(self.source, |OrUnknown(on_span)| on_span),
        );
        if self.decision_event == Some(false) {
            permission = permission.without_event();
        }
        if self.result_decision == Some(false) {
            permission = permission.without_result();
        }
        Ok(permission
            .with(self.blocked_ms, |permission, Millis(time)| {
                permission.waited(time)
            })
            .with(self.at, |permission, At(time)| permission.at(time)))
    }
}

#[derive(Deserialize)]
struct ToolOutcomeFields {
    success: Option<bool>,
    error: Option<String>,
    error_type: Option<String>,
    #[serde(alias = "tool_result_size_bytes")]
    result_size_bytes: Option<Count>,
    result_tokens: Option<Count>,
    output: Option<ToolOutput>,
    at: Option<At>,
}

impl ToolOutcomeFields {
    fn record(self) -> Result<ToolOutcome, String> {
        let success = self.success.unwrap_or(true);
        Ok(ToolOutcome::new()
            .success(success)
            .with(self.error.filter(|_| !success), ToolOutcome::failed)
            .with(
                self.error_type.filter(|_| !success),
                ToolOutcome::error_type,
            )
            .with(self.result_size_bytes, |outcome, Count(bytes)| {
                outcome.result_size_bytes(bytes)
            })
            .with(self.result_tokens, |outcome, Count(tokens)| {
                outcome.result_tokens(tokens)
            })
            .with(self.output, ToolOutcome::output)
            .with(self.at, |outcome, At(time)| outcome.at(time)))
    }
}

#[derive(Deserialize)]
#[serde(transparent)]
struct ToolOutputFields(Texts);

impl ToolOutputFields {
    /// Returns the output with its texts in the order of the keys. Keys that the span event cannot have are ignored.
    fn record(self) -> Result<ToolOutput, String> {
        let Self(Texts(texts)) = self;
        let output = texts
            .into_iter()
            .fold(ToolOutput::new(), |output, (key, text)| match &*key {
                "output" => output.output(text),
                "content" => output.content(text),
                "diff" => output.diff(text),
                "bash_command" => output.bash_command(text),
                "file_path" => output.file_path(text),
                _ => output,
            });
        Ok(output)
    }
}
