//! The steps that only emit an event.

use std::time::SystemTime;

use claude_code_telemetry::{
    Decision, DecisionSource, InstallTrigger, PluginInstalled, Recorder, SkillActivated,
    ToolDecision, ToolResult,
};
use serde::Deserialize;

use crate::field::{Flag, Int, Object, Word};
use crate::tool::{McpField, pair};

#[derive(Deserialize)]
pub(crate) struct ToolDecisionStep {
    tool_name: String,
    decision: Word<Decision>,
    source: Word<DecisionSource>,
    tool_use_id: Option<String>,
    mcp: Option<McpField>,
}

impl ToolDecisionStep {
    pub(crate) fn record(self, recorder: &Recorder, at: Option<SystemTime>) {
        let mut event = ToolDecision::new(self.tool_name, self.decision.0, self.source.0);
        if let Some(id) = self.tool_use_id {
            event = event.tool_use_id(id);
        }
        if let Some(McpField(mcp)) = self.mcp {
            event = event.mcp(&mcp);
        }
        if let Some(at) = at {
            event = event.at(at);
        }
        recorder.record_tool_decision(event);
    }
}

#[derive(Deserialize)]
pub(crate) struct ToolResultStep {
    tool_name: String,
    tool_use_id: Option<String>,
    success: Option<Flag>,
    error: Option<String>,
    error_type: Option<String>,
    duration_ms: Option<Int>,
    input: Option<Object>,
    parameters: Option<Object>,
    tool_result_size_bytes: Option<Int>,
    decision_type: Option<Word<Decision>>,
    decision_source: Option<Word<DecisionSource>>,
    mcp: Option<McpField>,
    mcp_server_scope: Option<String>,
}

impl ToolResultStep {
    pub(crate) fn record(self, recorder: &Recorder, at: Option<SystemTime>) -> Result<(), String> {
        let decided = pair(self.decision_type, self.decision_source)?;
        let success = self.success.is_none_or(|Flag(success)| success);
        let mut result = ToolResult::new(self.tool_name).success(success);
        if let Some(id) = self.tool_use_id {
            result = result.tool_use_id(id);
        }
        if let Some(error) = self.error.filter(|_| !success) {
            result = result.failed(error);
        }
        if let Some(class) = self.error_type.filter(|_| !success) {
            result = result.error_type(class);
        }
        if let Some(duration) = self.duration_ms {
            result = result.duration(duration.ms());
        }
        if let Some(input) = self.input {
            result = result.input(input);
        }
        if let Some(parameters) = self.parameters {
            result = result.parameters(parameters);
        }
        if let Some(Int(bytes)) = self.tool_result_size_bytes {
            result = result.result_size_bytes(bytes);
        }
        if let Some((decision, source)) = decided {
            result = result.decision(decision, source);
        }
        if let Some(McpField(mcp)) = self.mcp {
            result = result.mcp(mcp);
        }
        if let Some(scope) = self.mcp_server_scope {
            result = result.mcp_server_scope(scope);
        }
        if let Some(at) = at {
            result = result.at(at);
        }
        recorder.record_tool_result(result);
        Ok(())
    }
}

#[derive(Deserialize)]
pub(crate) struct PluginInstalledStep {
    plugin_name: String,
    plugin_version: Option<String>,
    marketplace_name: String,
    marketplace_is_official: Option<bool>,
    install_trigger: Word<InstallTrigger>,
}

impl PluginInstalledStep {
    pub(crate) fn record(self, recorder: &Recorder, at: Option<SystemTime>) {
        let official = self.marketplace_is_official.unwrap_or(false);
        let trigger = self.install_trigger.0;
        let mut plugin = PluginInstalled::new(self.plugin_name, self.marketplace_name, trigger)
            .official(official);
        if let Some(version) = self.plugin_version {
            plugin = plugin.version(version);
        }
        if let Some(at) = at {
            plugin = plugin.at(at);
        }
        recorder.record_plugin_installed(plugin);
    }
}

#[derive(Deserialize)]
pub(crate) struct SkillActivatedStep {
    skill_name: String,
    skill_source: String,
    plugin_name: Option<String>,
    marketplace_name: Option<String>,
}

impl SkillActivatedStep {
    pub(crate) fn record(self, recorder: &Recorder, at: Option<SystemTime>) {
        let mut skill = SkillActivated::new(self.skill_name, self.skill_source);
        if let Some(plugin) = self.plugin_name {
            skill = skill.plugin(plugin);
        }
        if let Some(marketplace) = self.marketplace_name {
            skill = skill.marketplace(marketplace);
        }
        if let Some(at) = at {
            skill = skill.at(at);
        }
        recorder.record_skill_activated(skill);
    }
}
