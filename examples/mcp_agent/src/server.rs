//! The other side: an MCP server, and what a child process finds in its environment.

use rmcp::model::{
    CallToolRequestParams, CallToolResponse, CallToolResult, ServerCapabilities, ServerConfig,
};
use rmcp::service::RequestContext;
use rmcp::{ErrorData, RoleServer, ServerHandler};
use serde_json::{Value, json};

/// An MCP server. Each of its tools returns the trace context of the call and of the server's process.
///
/// A server that records spans would begin them with this context as their parent. In a server that is itself an agent,
/// that is `UserPrompt::parent(TraceParent::parse(traceparent, tracestate)?)`.
pub struct Server;

impl ServerHandler for Server {
    fn get_info(&self) -> ServerConfig {
        ServerConfig::new(ServerCapabilities::builder().enable_tools().build())
    }

    async fn call_tool(
        &self,
        _request: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let (parent, state) = (
            context.meta.get_traceparent(),
            context.meta.get_tracestate(),
        );
        let result = json!({
            "call": {"traceparent": parent, "tracestate": state},
            "process": environment(),
        });
        Ok(CallToolResult::structured(result).into())
    }
}

/// Returns the trace context in the environment of this process.
pub fn environment() -> Value {
    let variable = |name| std::env::var(name).ok();
    json!({"traceparent": variable("TRACEPARENT"), "tracestate": variable("TRACESTATE")})
}
