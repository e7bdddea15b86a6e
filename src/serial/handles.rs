//! The options and outcomes of requests, tool calls and hooks.

use serde::Deserialize;

use super::fields::{Count, Json, Object, OrUnknown, Texts};
use super::time::{At, Millis};
use super::tool::pair;
use super::{With, reads};
use crate::record::{Decision, DecisionSource, McpTool};
use crate::session::{
    HookOutcome, LlmRequestOptions, Permission, RequestContext, ToolCallOptions, ToolOutcome,
    ToolOutput,
};

reads! {
    LlmRequestOptions as LlmRequestOptionsFields,
    ToolCallOptions as ToolCallOptionsFields,
    Permission as PermissionFields,
    ToolOutcome as ToolOutcomeFields,
    ToolOutput as ToolOutputFields,
    HookOutcome as HookOutcomeFields,
}

#[derive(Deserialize)]
struct LlmRequestOptionsFields {
    model: String,
    query_source: Option<String>,
    #[serde(alias = "llm_request.context")]
    context: Option<RequestContext>,
    at: Option<At>,
}

impl LlmRequestOptionsFields {
    fn record(self) -> Result<LlmRequestOptions, String> {
        Ok(LlmRequestOptions::new(self.model)
            .with(self.query_source, LlmRequestOptions::query_source)
            .with(self.context, LlmRequestOptions::context)
            .with(self.at, |options, At(time)| options.at(time)))
    }
}

#[derive(Deserialize)]
struct ToolCallOptionsFields {
    tool_name: String,
    tool_use_id: Option<String>,
    #[serde(alias = "tool_input")]
    input: Option<Object>,
    #[serde(alias = "tool_parameters")]
    parameters: Option<Object>,
    mcp: Option<McpTool>,
    file_path: Option<String>,
    language: Option<String>,
    at: Option<At>,
}

impl ToolCallOptionsFields {
    fn record(self) -> Result<ToolCallOptions, String> {
        Ok(ToolCallOptions::new(self.tool_name)
            .with(self.tool_use_id, ToolCallOptions::tool_use_id)
            .with(self.input, |options, Object(input)| options.input(input))
            .with(self.parameters, |options, Object(parameters)| {
                options.parameters(parameters)
            })
            .with(self.mcp, ToolCallOptions::mcp)
            .with(self.file_path, ToolCallOptions::file_path)
            .with(self.language, ToolCallOptions::language)
            .with(self.at, |options, At(time)| options.at(time)))
    }
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

#[derive(Deserialize)]
struct HookOutcomeFields {
    num_hooks: Option<Count>,
    num_success: Option<Count>,
    num_blocking: Option<Count>,
    num_non_blocking_error: Option<Count>,
    num_cancelled: Option<Count>,
    hook_definitions: Option<Json>,
    at: Option<At>,
}

impl HookOutcomeFields {
    fn record(self) -> Result<HookOutcome, String> {
        Ok(HookOutcome::new()
            .with(self.num_hooks, |outcome, Count(hooks)| outcome.count(hooks))
            .with(self.num_success, |outcome, Count(hooks)| {
                outcome.succeeded(hooks)
            })
            .with(self.num_blocking, |outcome, Count(hooks)| {
                outcome.blocking(hooks)
            })
            .with(self.num_non_blocking_error, |outcome, Count(hooks)| {
                outcome.failed(hooks)
            })
            .with(self.num_cancelled, |outcome, Count(hooks)| {
                outcome.cancelled(hooks)
            })
            .with(self.hook_definitions, |outcome, Json(definitions)| {
                outcome.definitions(definitions)
            })
            .with(self.at, |outcome, At(time)| outcome.at(time)))
    }
}
