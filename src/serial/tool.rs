//! Tool decisions and results, plugins and skills.

use serde::Deserialize;

use super::fields::{Count, Flag, Object};
use super::time::{At, Millis};
use super::{With, deserialize, reads};
use crate::record::{
    Decision, DecisionSource, InstallTrigger, McpTool, PluginInstalled, SkillActivated,
    ToolDecision, ToolResult,
};

deserialize! {
    McpTool::new(
        #[serde(alias = "mcp_server_name")] server: String,
        #[serde(alias = "mcp_tool_name")] tool: String,
    ) {
        #[serde(alias = "mcp_server_scope")]
        scope: String => Self::scope,
    }

    ToolDecision::new(tool_name: String, decision: Decision, source: DecisionSource) {
        tool_use_id: String => Self::tool_use_id,
        mcp: McpTool => |decision, mcp| decision.mcp(&mcp),
        #[serde(alias = "event.timestamp")]
        at: At => Self::at,
    }

    PluginInstalled::new(
        #[serde(alias = "plugin.name")] plugin_name: String,
        #[serde(alias = "marketplace.name")] marketplace_name: String,
        #[serde(alias = "install.trigger")] install_trigger: InstallTrigger,
    ) {
        #[serde(alias = "plugin.version")]
        plugin_version: String => Self::version,
        #[serde(alias = "marketplace.is_official")]
        marketplace_is_official: Flag => Self::official,
        #[serde(alias = "event.timestamp")]
        at: At => Self::at,
    }

    SkillActivated::new(
        #[serde(alias = "skill.name")] skill_name: String,
        #[serde(alias = "skill.source")] skill_source: String,
    ) {
        #[serde(alias = "plugin.name")]
        plugin_name: String => Self::plugin,
        #[serde(alias = "marketplace.name")]
        marketplace_name: String => Self::marketplace,
        #[serde(alias = "event.timestamp")]
        at: At => Self::at,
    }
}

reads! {
    ToolResult as ToolResultFields,
}

/// Returns a decision with its source, or `None` if both are missing. It is an error if only one of them is missing.
pub(super) fn pair(
    decision: Option<Decision>,
    source: Option<DecisionSource>,
) -> Result<Option<(Decision, DecisionSource)>, String> {
    match (decision, source) {
        (Some(decision), Some(source)) => Ok(Some((decision, source))),
        (None, None) => Ok(None),
        (Some(_), None) => Err("a decision without its source".to_owned()),
        (None, Some(_)) => Err("a decision's source without the decision".to_owned()),
    }
}

#[derive(Deserialize)]
struct ToolResultFields {
    tool_name: String,
    tool_use_id: Option<String>,
    success: Option<Flag>,
    error: Option<String>,
    error_type: Option<String>,
    duration_ms: Option<Millis>,
    #[serde(alias = "tool_input")]
    input: Option<Object>,
    #[serde(alias = "tool_parameters")]
    parameters: Option<Object>,
    #[serde(alias = "result_size_bytes")]
    tool_result_size_bytes: Option<Count>,
    decision_type: Option<Decision>,
    decision_source: Option<DecisionSource>,
    mcp: Option<McpTool>,
    mcp_server_scope: Option<String>,
    #[serde(alias = "event.timestamp")]
    at: Option<At>,
}

impl ToolResultFields {
    fn record(self) -> Result<ToolResult, String> {
        let decided = pair(self.decision_type, self.decision_source)?;
        let success = self.success.is_none_or(|Flag(success)| success);
        Ok(ToolResult::new(self.tool_name)
            .success(success)
            .with(self.tool_use_id, ToolResult::tool_use_id)
            .with(self.error.filter(|_| !success), ToolResult::failed)
            .with(self.error_type.filter(|_| !success), ToolResult::error_type)
            .with(self.duration_ms, |result, Millis(time)| {
                result.duration(time)
            })
            .with(self.input, |result, Object(input)| result.input(input))
            .with(self.parameters, |result, Object(parameters)| {
                result.parameters(parameters)
            })
            .with(self.tool_result_size_bytes, |result, Count(bytes)| {
                result.result_size_bytes(bytes)
            })
            .with(decided, |result, (decision, source)| {
                result.decision(decision, source)
            })
            .with(self.mcp, ToolResult::mcp)
            .with(self.mcp_server_scope, ToolResult::mcp_server_scope)
            .with(self.at, |result, At(time)| result.at(time)))
    }
}
