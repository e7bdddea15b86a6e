//! The documented parameters of a few tools: the attribute `tool_parameters`.
//!
//! Those of an MCP tool follow from [`Mcp`](super::Mcp).

use std::borrow::Cow;
use std::fmt;

use serde::Serialize;

use crate::content::Content;

/// The parameters of a shell tool (Bash, PowerShell).
///
/// They are content: sent with `OTEL_LOG_TOOL_DETAILS` alone, and never truncated.
///
/// ```
/// use claude_code_telemetry::{ShellParameters, ToolResult};
/// let parameters = ShellParameters::new("git commit -m 'fix'").git_commit_id("85eced1");
/// let result = ToolResult::new("Bash").parameters(parameters);
/// ```
#[derive(Clone, Serialize)]
pub struct ShellParameters {
    bash_command: String,
    full_command: Cow<'static, str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    timeout: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<Cow<'static, str>>,
    #[serde(
        rename = "dangerouslyDisableSandbox",
        skip_serializing_if = "Option::is_none"
    )]
    dangerously_disable_sandbox: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    git_commit_id: Option<Cow<'static, str>>,
}

impl ShellParameters {
    /// A command; its first word becomes `bash_command`.
    pub fn new(full_command: impl Into<Cow<'static, str>>) -> Self {
        let full_command = full_command.into();
        Self {
            bash_command: full_command
                .split_whitespace()
                .next()
                .unwrap_or_default()
                .to_owned(),
            full_command,
            timeout: None,
            description: None,
            dangerously_disable_sandbox: None,
            git_commit_id: None,
        }
    }

    /// The time limit in milliseconds.
    pub fn timeout_ms(mut self, timeout: u64) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// What the command is for.
    pub fn description(mut self, description: impl Into<Cow<'static, str>>) -> Self {
        self.description = Some(description.into());
        self
    }

    /// Whether it runs outside the sandbox.
    pub fn dangerously_disable_sandbox(mut self, disabled: bool) -> Self {
        self.dangerously_disable_sandbox = Some(disabled);
        self
    }

    /// The commit that the command made.
    pub fn git_commit_id(mut self, id: impl Into<Cow<'static, str>>) -> Self {
        self.git_commit_id = Some(id.into());
        self
    }
}

impl From<ShellParameters> for Content {
    fn from(parameters: ShellParameters) -> Self {
        Self::json(&parameters)
    }
}

impl fmt::Debug for ShellParameters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ShellParameters")
    }
}

/// The parameters of the Skill tool. They are content, as those of a shell tool.
#[derive(Clone, Serialize)]
pub struct SkillParameters {
    skill_name: Cow<'static, str>,
}

impl SkillParameters {
    /// A call of the skill `name`.
    pub fn new(name: impl Into<Cow<'static, str>>) -> Self {
        Self {
            skill_name: name.into(),
        }
    }
}

impl From<SkillParameters> for Content {
    fn from(parameters: SkillParameters) -> Self {
        Self::json(&parameters)
    }
}

impl fmt::Debug for SkillParameters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SkillParameters")
    }
}
