//! The tools of the agent and its permission rule.

use rig_agent::agent::{AgentHook, DispatchAction, DispatchEvent, HookContext};
use rig_core::message::{EmptyToolName, ToolName};
use rig_core::tool::{DynamicTool, ToolExecutionError, ToolOutput};
use rig_core::wasm_compat::WasmBoxedFuture;
use serde_json::{Value, json};

/// Returns the tools. They work on files that exist only here.
pub(crate) fn all() -> Result<Vec<DynamicTool>, EmptyToolName> {
    Ok(vec![
        tool("Read", read)?,
        tool("Edit", |_| Ok("The file was changed.".to_owned()))?,
        tool("Bash", |_| Ok(String::new()))?,
    ])
}

fn read(arguments: &Value) -> Result<String, ToolExecutionError> {
    match arguments["file_path"].as_str() {
        Some("src/parser.rs") => Ok("fn parse() {}".to_owned()),
        _ => Err(ToolExecutionError::not_found("no such file")),
    }
}

type Work = fn(&Value) -> Result<String, ToolExecutionError>;

fn tool(name: &str, work: Work) -> Result<DynamicTool, EmptyToolName> {
    let schema = json!({"type": "object"});
    let call = move |arguments: Value| -> WasmBoxedFuture<'static, _> {
        Box::pin(async move { work(&arguments).map(ToolOutput::text) })
    };
    Ok(DynamicTool::new(ToolName::new(name)?, name, schema, call))
}

/// The permission rule: no shell.
pub(crate) struct NoShell;

impl AgentHook for NoShell {
    async fn on_dispatch(&self, _: &HookContext, event: DispatchEvent<'_>) -> DispatchAction {
        match event.tool_name() {
            Some("Bash") => DispatchAction::skip("The user does not allow this command."),
            _ => DispatchAction::proceed(),
        }
    }
}
