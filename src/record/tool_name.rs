//! The names of tools, and of the servers of MCP tools.

use std::fmt;

use serde_json::json;

use super::definition::record;
use super::{Text, fields};
use crate::content::{Content, Payload};

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
        let (server, tool) = (&self.server, &self.tool);
        Content::json(&json!({ "mcp_server_name": server, "mcp_tool_name": tool }))
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
    pub(crate) fn of_mcp(&self, mcp: &McpTool) -> Self {
        if self.0.starts_with("mcp__") {
            return self.clone();
        }
        Self(format!("mcp__{}__{}", mcp.server, mcp.tool).into())
    }

    /// Returns the name that events carry: `mcp_tool` for every MCP tool.
    pub(crate) fn public(&self) -> &str {
        if self.is_mcp() { MCP_TOOL } else { &self.0 }
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
    ToolName: Text = |name| Some(name.public().into());
}

impl fmt::Debug for ToolName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.public(), f)
    }
}
