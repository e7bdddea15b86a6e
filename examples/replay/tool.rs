//! The step `tool`: a tool call with its decision and its result.

use std::time::{Duration, SystemTime};

use claude_code_telemetry::{
    Decision, DecisionSource, Mcp, Permission, ToolCallOptions, ToolOutcome, ToolOutput,
};
use serde::Deserialize;

use crate::field::{Int, Object, OrUnknown, Texts, Word, before, reason};
use crate::scope::Scope;

#[derive(Deserialize)]
pub(crate) struct ToolStep {
    tool_name: String,
    tool_use_id: Option<String>,
    input: Option<Object>,
    parameters: Option<Object>,
    mcp: Option<McpField>,
    decision: Option<Word<Decision>>,
    source: Option<Word<DecisionSource>>,
    decision_event: Option<bool>,
    result_decision: Option<bool>,
    span_decision: Option<Word<OrUnknown<Decision>>>,
    span_source: Option<Word<OrUnknown<DecisionSource>>>,
    blocked_ms: Option<Int>,
    duration_ms: Option<Int>,
    span_duration_ms: Option<Int>,
    executed: Option<bool>,
    success: Option<bool>,
    error: Option<String>,
    error_type: Option<String>,
    result_tokens: Option<Int>,
    result_size_bytes: Option<Int>,
    file_path: Option<String>,
    language: Option<String>,
    output: Option<Texts>,
    parent_tool: Option<String>,
}

/// The server and tool behind an MCP tool's name.
#[derive(Deserialize)]
#[serde(try_from = "Object")]
pub(crate) struct McpField(pub(crate) Mcp);

impl TryFrom<Object> for McpField {
    type Error = String;

    fn try_from(object: Object) -> Result<Self, String> {
        #[derive(Deserialize)]
        struct Names {
            server: String,
            tool: String,
            scope: Option<String>,
        }
        let Names {
            server,
            tool,
            scope,
        } = serde_json::from_str(object.text()).map_err(|error| reason(&error))?;
        let mcp = Mcp::new(server, tool);
        Ok(Self(match scope {
            Some(scope) => mcp.scope(scope),
            None => mcp,
        }))
    }
}

/// A decision and its source, which are given together or not at all.
pub(crate) fn pair(
    decision: Option<Word<Decision>>,
    source: Option<Word<DecisionSource>>,
) -> Result<Option<(Decision, DecisionSource)>, String> {
    match (decision, source) {
        (Some(Word(decision)), Some(Word(source))) => Ok(Some((decision, source))),
        (None, None) => Ok(None),
        (Some(_), None) => Err("a decision without its source".to_owned()),
        (None, Some(_)) => Err("a decision's source without the decision".to_owned()),
    }
}

impl ToolStep {
    /// Records the decision and, when the tool ran, its result; it was over at `end`.
    pub(crate) fn record(mut self, scope: &mut Scope, end: SystemTime) -> Result<(), String> {
        let decided = pair(self.decision, self.source)?;
        let rejected = matches!(decided, Some((Decision::Reject, _)));
        let executed = self.executed.unwrap_or(!rejected);

        let ms = |duration: Option<Int>| duration.map_or(Duration::ZERO, Int::ms);
        let ran = match executed {
            true => ms(self.duration_ms),
            false => Duration::ZERO,
        };
        let took = match self.span_duration_ms {
            Some(took) => took.ms(),
            None => ms(self.blocked_ms) + ran,
        };
        let execution = before(end, ran);

        let id = self.tool_use_id.take();
        let parent = self.parent_tool.take();
        let permission = self.permission(decided).at(execution).event_at(end);
        let outcome = self.outcome().at(end);
        let options = self.options(id.clone()).at(before(end, took));

        let tool = scope.begin_tool(id.as_deref(), parent.as_deref(), options);
        tool.decided_as(permission);
        if let Some(id) = id {
            scope.tool_ended(id, tool.recorder().clone());
        }
        if executed {
            tool.executing_at(execution);
            scope.tool_ran(tool.child_env());
            tool.finish(outcome);
        } else {
            tool.end_at(end);
        }
        Ok(())
    }

    fn permission(&self, decided: Option<(Decision, DecisionSource)>) -> Permission {
        let mut permission = match decided {
            Some((decision, source)) => Permission::new(decision, source),
            // Nobody decided: the wait is all that is recorded.
            None => Permission::new(Decision::Accept, DecisionSource::Config)
                .without_event()
                .without_result(),
        };
        let (decision, source) = decided.unzip();
        permission = permission.on_span(
            match self.span_decision {
                Some(Word(decision)) => decision.known(),
                None => decision,
            },
            match self.span_source {
                Some(Word(source)) => source.known(),
                None => source,
            },
        );
        if let Some(blocked) = self.blocked_ms {
            permission = permission.waited(blocked.ms());
        }
        if self.decision_event == Some(false) {
            permission = permission.without_event();
        }
        if self.result_decision == Some(false) {
            permission = permission.without_result();
        }
        permission
    }

    fn outcome(&mut self) -> ToolOutcome {
        let success = self.success.unwrap_or(true);
        let mut outcome = ToolOutcome::new().success(success);
        if let Some(error) = self.error.take().filter(|_| !success) {
            outcome = outcome.failed(error);
        }
        if let Some(class) = self.error_type.take().filter(|_| !success) {
            outcome = outcome.error_type(class);
        }
        if let Some(Int(bytes)) = self.result_size_bytes {
            outcome = outcome.result_size_bytes(bytes);
        }
        if let Some(Int(tokens)) = self.result_tokens {
            outcome = outcome.result_tokens(tokens);
        }
        if let Some(Texts(texts)) = self.output.take() {
            outcome = outcome.output(output(texts));
        }
        outcome
    }

    fn options(self, id: Option<String>) -> ToolCallOptions {
        let mut options = ToolCallOptions::new(self.tool_name);
        if let Some(id) = id {
            options = options.tool_use_id(id);
        }
        if let Some(input) = self.input {
            options = options.input(input);
        }
        if let Some(parameters) = self.parameters {
            options = options.parameters(parameters);
        }
        if let Some(McpField(mcp)) = self.mcp {
            options = options.mcp(mcp);
        }
        if let Some(path) = self.file_path {
            options = options.file_path(path);
        }
        if let Some(language) = self.language {
            options = options.language(language);
        }
        options
    }
}

/// The attributes of `tool.output`, in the order of the step. Others than those that it may have are left out.
fn output(texts: Vec<(String, String)>) -> ToolOutput {
    texts
        .into_iter()
        .fold(ToolOutput::new(), |output, (key, text)| match &*key {
            "output" => output.output(text),
            "content" => output.content(text),
            "diff" => output.diff(text),
            "bash_command" => output.bash_command(text),
            "file_path" => output.file_path(text),
            _ => output,
        })
}
