//! The names of tools, and of the servers of MCP tools.

use std::fmt;

use serde::Serialize;

use super::definition::record;
use super::{Text, fields};
use crate::content::{Content, ContentPolicy, Payload};

/// The text that events carry instead of the name of an MCP tool.
pub(crate) const MCP_TOOL: &str = "mcp_tool";

record! {
    /// The server and the tool that the name of an MCP tool denotes. The names are sent only with
    /// `OTEL_LOG_TOOL_DETAILS`.
    record McpTool: Clone, PartialEq, Eq;

    /// Creates the name of the tool `tool` of the server `server` (`mcp_tool_name`, `mcp_server_name`).
    new(server: impl Into<Text>, tool: impl Into<Text>);

    fields {
        required server: Text = "mcp_server_name" | "server";
        required tool: Text = "mcp_tool_name" | "tool";
        /// Sets the scope in which the server is configured (`mcp_server_scope`), for example `user` or `project`.
        optional scope: Option<Text> = "mcp_server_scope" | "scope";
    }
}

impl McpTool {
    /// Parses a name of the form `mcp__server__tool`. Returns `None` for any other name.
    pub fn from_name(name: &str) -> Option<Self> {
        let (server, tool) = name.strip_prefix("mcp__")?.split_once("__")?;
        Some(Self::new(server.to_owned(), tool.to_owned()))
    }

    /// Returns the parameters of a call (`tool_parameters`), which contain the two names.
    pub(crate) fn parameters(&self) -> Content {
        #[derive(Serialize)]
        struct Parameters<'a> {
            mcp_server_name: &'a str,
            mcp_tool_name: &'a str,
        }
        Content::json(&Parameters {
            mcp_server_name: &self.server,
            mcp_tool_name: &self.tool,
        })
    }
}

impl fmt::Debug for McpTool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("McpTool")
            .field("scope", &self.scope)
            .finish_non_exhaustive()
    }
}

/// The name of a tool. The name of an MCP tool is content, so `Debug` hides it.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct ToolName(pub(crate) Text);

impl ToolName {
    pub(crate) fn is_mcp(&self) -> bool {
        self.0 == MCP_TOOL || self.0.starts_with("mcp__")
    }

    /// Returns the name in the form `mcp__server__tool`.
    pub(crate) fn with_mcp_name(&self, mcp: &McpTool) -> Self {
        if self.0.starts_with("mcp__") {
            return self.clone();
        }
        Self(format!("mcp__{}__{}", mcp.server, mcp.tool).into())
    }

    /// Returns the name that events carry: `mcp_tool` for every MCP tool.
    pub(crate) fn emitted_name(&self) -> &str {
        if self.is_mcp() { MCP_TOOL } else { &self.0 }
    }
}

/// A name on a span, of a tool or of hooks, that may contain the names of an MCP server and its tool.
#[derive(Clone, Default)]
pub(crate) struct NameWithMcp {
    pub(crate) without_mcp: Text,
    /// The whole name; `None` if it is the same, or content that the policy withheld.
    pub(crate) whole: Option<Text>,
}

impl Payload for NameWithMcp {
    fn size(&self) -> usize {
        self.without_mcp.size() + self.whole.size()
    }

    fn filter(&mut self, policy: &ContentPolicy) -> bool {
        self.whole.take_if(|_| !policy.tool_details());
        true
    }
}

impl<T: Into<Text>> From<T> for ToolName {
    fn from(name: T) -> Self {
        Self(name.into())
    }
}

impl Payload for ToolName {
    fn size(&self) -> usize {
        self.0.len()
    }
}

fields! {
    ToolName: String = |name| Some(name.emitted_name().into());
    NameWithMcp: String = |name| Some((&**name.whole.as_ref().unwrap_or(&name.without_mcp)).into());
}

impl fmt::Debug for ToolName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.emitted_name(), f)
    }
}
