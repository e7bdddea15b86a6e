//! The documented parameters of some tools: the attribute `tool_parameters`.
//!
//! The parameters are derived from the call: those of an MCP tool from its [names](super::McpTool), those of a shell
//! tool and of the Skill tool from the arguments. A host can set parameters that it knows in addition, for example the
//! commit that a command made.

use std::fmt;

use serde::Serialize;
use serde_json::Number;

use super::Text;
use super::setter::setters;
use super::tool_name::{McpTool, ToolName};
use crate::content::{Content, ContentPolicy};

/// The parameters of a shell tool (Bash, PowerShell).
///
/// The parameters are content: they are sent only with `OTEL_LOG_TOOL_DETAILS`, and never truncated.
///
/// ```
/// use claude_code_telemetry::{ShellParameters, ToolResult};
/// let parameters = ShellParameters::new("git commit -m 'fix'").git_commit_id("85eced1");
/// let result = ToolResult::new("Bash").parameters(parameters);
/// ```
#[derive(Clone, Serialize)]
pub struct ShellParameters {
    bash_command: String,
    full_command: Text,
    #[serde(skip_serializing_if = "Option::is_none")]
    timeout: Option<Number>,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<Text>,
    #[serde(
        rename = "dangerouslyDisableSandbox",
        skip_serializing_if = "Option::is_none"
    )]
    dangerously_disable_sandbox: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    git_commit_id: Option<Text>,
}

impl ShellParameters {
    /// Creates the parameters of a command (`full_command`). Its first word becomes `bash_command`.
    pub fn new(full_command: impl Into<Text>) -> Self {
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

    /// Sets the time limit of the command in milliseconds (`timeout`).
    pub fn timeout_ms(mut self, timeout: u64) -> Self {
        self.timeout = Some(timeout.into());
        self
    }

    /// Derives the parameters from the arguments of a call. Returns `None` if there is no command.
    fn from_input(input: &Content, policy: &ContentPolicy) -> Option<Self> {
        let text = |name| policy.member(input, &[name]).map(Text::from);
        Some(Self {
            timeout: policy.scalar(input, "timeout"),
            description: text("description"),
            dangerously_disable_sandbox: policy.scalar(input, "dangerouslyDisableSandbox"),
            ..Self::new(text("command")?)
        })
    }

    setters! {
        /// Sets the description of the command's purpose (`description`).
        description: Option<Text>,
        /// Sets whether the command runs outside the sandbox (`dangerouslyDisableSandbox`).
        dangerously_disable_sandbox: Option<bool>,
        /// Sets the id of the commit that the command made (`git_commit_id`).
        git_commit_id: Option<Text>,
    }
}

/// The parameters of the Skill tool. They are content, like those of a shell tool.
#[derive(Clone, Serialize)]
pub struct SkillParameters {
    skill_name: Text,
}

impl SkillParameters {
    /// Creates the parameters of a call of the skill `name` (`skill_name`).
    pub fn new(name: impl Into<Text>) -> Self {
        Self {
            skill_name: name.into(),
        }
    }
}

/// Converts parameters to their JSON text, and hides them from `Debug`.
macro_rules! parameters {
    ($($Parameters:ident)*) => {$(
        impl From<$Parameters> for Content {
            fn from(parameters: $Parameters) -> Self {
                Self::json(&parameters)
            }
        }

        impl fmt::Debug for $Parameters {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(stringify!($Parameters))
            }
        }
    )*};
}

parameters! { ShellParameters SkillParameters }

/// Returns the parameters that follow from a call of `tool`. Returns `None` if there are none, or if
/// `OTEL_LOG_TOOL_DETAILS` is off.
pub(crate) fn derived_parameters(
    tool: &ToolName,
    mcp: Option<&McpTool>,
    input: Option<&Content>,
    policy: &ContentPolicy,
) -> Option<Content> {
    // Skips the derivation if its result would be withheld.
    if !policy.tool_details() {
        return None;
    }
    if let Some(mcp) = mcp.cloned().or_else(|| McpTool::from_name(&tool.0)) {
        return Some(mcp.parameters());
    }
    match &*tool.0 {
        "Bash" | "PowerShell" => ShellParameters::from_input(input?, policy).map(Content::from),
        "Skill" => {
            let skill = policy.member(input?, &["skill"])?;
            Some(SkillParameters::new(skill).into())
        }
        // Other tools have arguments with the same names but other meanings.
        _ => None,
    }
}
