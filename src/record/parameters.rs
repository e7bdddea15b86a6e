//! The documented parameters of a few tools: the attribute `tool_parameters`.
//!
//! They follow from the call itself: those of an MCP tool from its [names](super::McpTool), those of a shell and of the Skill
//! tool from the arguments. A host that knows more (the commit that a command made) gives that.

use std::borrow::Cow;
use std::fmt;

use serde::Serialize;
use serde_json::Number;

use super::{McpTool, ToolName};
use crate::content::{Content, ContentPolicy, ToolParameters};

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
    timeout: Option<Number>,
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
        self.timeout = Some(timeout.into());
        self
    }

    /// The parameters that follow from the arguments of a call. `None` without a command.
    fn from_input(input: &Content, policy: &ContentPolicy) -> Option<Self> {
        let text = |name| policy.member(input, &[name]).map(Cow::Owned);
        Some(Self {
            timeout: policy.scalar(input, "timeout"),
            description: text("description"),
            dangerously_disable_sandbox: policy.scalar(input, "dangerouslyDisableSandbox"),
            ..Self::new(text("command")?)
        })
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

impl SkillParameters {
    /// The parameters that follow from the arguments of a call. `None` without a skill.
    fn from_input(input: &Content, policy: &ContentPolicy) -> Option<Self> {
        policy.member(input, &["skill"]).map(Self::new)
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

/// Returns the specific parameters of a call of `tool`: `given` by the host, and those that follow from the call. `None`
/// when there are none, or when the switch holds them back.
pub(crate) fn tool_parameters(
    tool: &ToolName,
    mcp: Option<&McpTool>,
    given: Option<&Content>,
    input: Option<&Content>,
    policy: &ContentPolicy,
) -> Option<ToolParameters> {
    // Nothing is looked at when nothing may be sent.
    if !policy.tool_details() {
        return None;
    }
    let derived = match mcp {
        Some(mcp) => Some(mcp.parameters()),
        None => from_name(&tool.0).or_else(|| from_input(&tool.0, input?, policy)),
    };
    policy.tool_parameters(given.cloned(), derived)
}

fn from_name(tool: &str) -> Option<Content> {
    McpTool::from_name(tool).map(|mcp| mcp.parameters())
}

fn from_input(tool: &str, input: &Content, policy: &ContentPolicy) -> Option<Content> {
    match tool {
        "Bash" | "PowerShell" => ShellParameters::from_input(input, policy).map(Content::from),
        "Skill" => SkillParameters::from_input(input, policy).map(Content::from),
        // Other tools have arguments of the same names that mean something else.
        _ => None,
    }
}
