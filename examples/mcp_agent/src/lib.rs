//! An agent whose trace continues in the model's API, in MCP servers and in child processes.
//!
//! Each function shows one way out of the agent's process. `tests/one_trace.rs` runs all of them.

pub mod server;

use std::error::Error;
use std::path::Path;
use std::process::Output;

use claude_code_telemetry::{
    ApiError, ApiRequest, Decision, DecisionSource, Prompt, ToolCall, ToolCallOptions, ToolOutcome,
};
use rmcp::model::{CallToolRequestParams, CallToolResult, RequestParamsMeta};
use rmcp::service::{Peer, RunningService, ServiceError};
use rmcp::transport::TokioChildProcess;
use rmcp::{RoleClient, ServiceExt};
use tokio::process::Command;

const MODEL: &str = "claude-sonnet-4-6";

/// Sends a model request with the trace context in its headers.
pub async fn ask(prompt: &Prompt, client: &reqwest::Client, url: &str) -> reqwest::Result<()> {
    let request = prompt.llm_request(MODEL);
    let response = async {
        let mut attempt = client.post(url).body("{}").build()?;
        request.inject_headers(attempt.headers_mut());
        let response = client.execute(attempt).await?.error_for_status()?;
        response.bytes().await
    };
    match response.await {
        Ok(body) => {
            request.finish(ApiRequest::from_response(MODEL, &body));
            Ok(())
        }
        Err(error) => {
            let status = error.status().map(|status| status.as_u16());
            // The message becomes telemetry, and a URL can contain a secret.
            let error = error.without_url();
            request.fail(ApiError::new(MODEL, error.to_string()).status_code(status));
            Err(error)
        }
    }
}

/// Starts an MCP server as a child process. The server lives longer than one tool call, so its environment has the
/// trace context of the prompt.
pub async fn start_server(
    prompt: &Prompt,
    program: &Path,
) -> Result<RunningService<RoleClient, ()>, Box<dyn Error>> {
    let mut command = Command::new(program);
    prompt.recorder().child_env().apply(command.as_std_mut());
    let client = ().serve(TokioChildProcess::new(command)?).await?;
    Ok(client)
}

/// Calls a tool of an MCP server, over any transport: `params._meta` has the trace context of this call.
pub async fn call_tool(
    prompt: &Prompt,
    server: &Peer<RoleClient>,
    server_name: &str,
    name: &'static str,
) -> Result<CallToolResult, ServiceError> {
    let tool = begin(prompt, format!("mcp__{server_name}__{name}"));
    let mut params = CallToolRequestParams::new(name);
    tool.inject(|key, value| {
        let meta = params.meta_or_default();
        meta.insert(key.to_owned(), value.into())
    });
    let result = server.call_tool(params).await;
    tool.finish(call_outcome(&result));
    result
}

/// Returns the outcome of a call of an MCP tool. Its error is described without the texts of the server, which are
/// content, and without that of the transport, which can contain a URL.
fn call_outcome(result: &Result<CallToolResult, ServiceError>) -> ToolOutcome {
    let outcome = ToolOutcome::new();
    match result {
        // The server answered that the tool failed.
        Ok(result) if result.is_error == Some(true) => outcome.failed("the MCP tool failed"),
        Ok(_) => outcome,
        Err(ServiceError::McpError(error)) => outcome.failed(format!("MCP error {}", error.code.0)),
        Err(_) => outcome.failed("no valid answer from the MCP server"),
    }
}

/// Runs a program with the trace context of its tool call in the environment.
pub async fn run(prompt: &Prompt, mut command: Command) -> std::io::Result<Output> {
    let tool = begin(prompt, "Bash");
    tool.child_env().apply(command.as_std_mut());
    let result = command.output().await;
    tool.finish(match &result {
        Ok(output) if !output.status.success() => {
            ToolOutcome::new().failed(output.status.to_string())
        }
        result => ToolOutcome::from_result(result),
    });
    result
}

/// Begins the execution of a tool that a rule allows.
fn begin(prompt: &Prompt, name: impl Into<ToolCallOptions>) -> ToolCall {
    let tool = prompt.tool(name);
    tool.decided(Decision::Accept, DecisionSource::Config);
    tool.executing();
    tool
}
