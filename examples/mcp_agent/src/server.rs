//! The receiving side: an MCP server, and the trace context in the environment of a child process.

use rmcp::model::{
    CallToolRequestParams, CallToolResponse, CallToolResult, ContentBlock, ServerCapabilities,
    ServerConfig,
};
use rmcp::service::RequestContext;
use rmcp::{ErrorData, RoleServer, ServerHandler};
use serde_json::{Value, json};

/// An MCP server. Its tool `report` returns the trace context of the call and of the server's process, and its tool
/// `refuse` returns an error. It knows no other tool.
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
        request: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        match &*request.name {
            "report" => {
                let (parent, state) = (
                    context.meta.get_traceparent(),
                    context.meta.get_tracestate(),
                );
                let report = json!({
                    "call": {"traceparent": parent, "tracestate": state},
                    "process": environment(),
                });
                Ok(CallToolResult::structured(report).into())
            }
            "refuse" => {
                let content = ContentBlock::text("The weather is secret.");
                Ok(CallToolResult::error(vec![content]).into())
            }
            name => {
                let message = format!("there is no tool {name}");
                Err(ErrorData::invalid_params(message, None))
            }
        }
    }
}

/// Returns the trace context in the environment of this process.
pub fn environment() -> Value {
    let variable = |name| std::env::var(name).ok();
    json!({"traceparent": variable("TRACEPARENT"), "tracestate": variable("TRACESTATE")})
}
