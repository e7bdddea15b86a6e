//! The step `tool`: a tool call with its decision and its result.

use std::time::SystemTime;

use claude_code_telemetry::{
    CodeEditDecision, Decision, DecisionSource, EditTool, Mcp, ToolDecision, ToolResult,
};
use serde::Deserialize;

use crate::field::{Int, Object, OrUnknown, Texts, Word, reason};
use crate::scope::Scope;

#[derive(Deserialize)]
#[allow(dead_code, reason = "checked now, used once tool calls are spans")]
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
    /// Records the decision and, when the tool ran, its result.
    pub(crate) fn record(self, scope: &mut Scope, at: Option<SystemTime>) -> Result<(), String> {
        let decided = pair(self.decision, self.source)?;
        let recorder = scope.recorder();
        if let Some((decision, source)) = decided.filter(|_| self.decision_event != Some(false)) {
            recorder.record_tool_decision(self.decision(decision, source, at));
            if let Some(edit) = self.code_edit(decision, source) {
                recorder.record_code_edit_decision(edit);
            }
        }
        let rejected = matches!(decided, Some((Decision::Reject, _)));
        if self.executed.unwrap_or(!rejected) {
            let told = decided.filter(|_| self.result_decision != Some(false));
            recorder.record_tool_result(self.result(told, at));
        }
        Ok(())
    }

    fn decision(
        &self,
        decision: Decision,
        source: DecisionSource,
        at: Option<SystemTime>,
    ) -> ToolDecision {
        // The real name of an MCP tool is content, whatever it looks like.
        let tool_name = match self.mcp {
            Some(_) => "mcp_tool".to_owned(),
            None => self.tool_name.clone(),
        };
        let mut event = ToolDecision::new(tool_name, decision, source);
        if let Some(id) = self.tool_use_id.clone() {
            event = event.tool_use_id(id);
        }
        if let Some(at) = at {
            event = event.at(at);
        }
        event
    }

    /// The decision once more, as the metric of the tools that edit code counts it.
    fn code_edit(&self, decision: Decision, source: DecisionSource) -> Option<CodeEditDecision> {
        let tool: EditTool = self.tool_name.parse().ok()?;
        let edit = CodeEditDecision::new(tool, decision, source);
        Some(match (&self.language, &self.file_path) {
            (Some(language), _) => edit.language(language.clone()),
            (None, Some(path)) => edit.file_path(path),
            (None, None) => edit,
        })
    }

    fn result(
        self,
        decided: Option<(Decision, DecisionSource)>,
        at: Option<SystemTime>,
    ) -> ToolResult {
        ResultFields {
            tool_name: self.tool_name,
            tool_use_id: self.tool_use_id,
            success: self.success,
            error: self.error,
            error_type: self.error_type,
            duration_ms: self.duration_ms,
            input: self.input,
            parameters: self.parameters,
            result_size_bytes: self.result_size_bytes,
            decided,
            mcp: self.mcp.map(|McpField(mcp)| mcp),
            at,
        }
        .into()
    }
}

/// What the steps `tool` and `tool_result` tell of a result.
pub(crate) struct ResultFields {
    pub(crate) tool_name: String,
    pub(crate) tool_use_id: Option<String>,
    pub(crate) success: Option<bool>,
    pub(crate) error: Option<String>,
    pub(crate) error_type: Option<String>,
    pub(crate) duration_ms: Option<Int>,
    pub(crate) input: Option<Object>,
    pub(crate) parameters: Option<Object>,
    pub(crate) result_size_bytes: Option<Int>,
    pub(crate) decided: Option<(Decision, DecisionSource)>,
    pub(crate) mcp: Option<Mcp>,
    pub(crate) at: Option<SystemTime>,
}

impl From<ResultFields> for ToolResult {
    fn from(fields: ResultFields) -> Self {
        let success = fields.success.unwrap_or(true);
        let mut result = Self::new(fields.tool_name).success(success);
        if let Some(id) = fields.tool_use_id {
            result = result.tool_use_id(id);
        }
        if let Some(error) = fields.error.filter(|_| !success) {
            result = result.failed(error);
        }
        if let Some(class) = fields.error_type.filter(|_| !success) {
            result = result.error_type(class);
        }
        if let Some(duration) = fields.duration_ms {
            result = result.duration(duration.ms());
        }
        if let Some(input) = fields.input {
            result = result.input(input);
        }
        if let Some(parameters) = fields.parameters {
            result = result.parameters(parameters);
        }
        if let Some(Int(bytes)) = fields.result_size_bytes {
            result = result.result_size_bytes(bytes);
        }
        if let Some((decision, source)) = fields.decided {
            result = result.decision(decision, source);
        }
        if let Some(mcp) = fields.mcp {
            result = result.mcp(mcp);
        }
        if let Some(at) = fields.at {
            result = result.at(at);
        }
        result
    }
}
