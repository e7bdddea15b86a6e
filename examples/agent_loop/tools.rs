//! Tool calls, from the model's request to the result.

use std::time::Duration;

use claude_code_telemetry::{
    Commit, Decision, DecisionSource, HookOutcome, LinesOfCode, Recorder, ShellParameters,
    ToolCall, ToolCallOptions, ToolOutcome, ToolOutput,
};
use tokio::time::{sleep, timeout};

use crate::script::{Call, Permission, Work};
use crate::turn::Agent;

/// The time after which the user presses Escape.
const USER_CANCELS_AFTER: Duration = Duration::from_millis(800);

pub(crate) async fn run(agent: Agent, parent: Recorder, call: Call) {
    // The call begins when the model requests it, and then waits for permission.
    let mut options = ToolCallOptions::new(call.tool)
        .tool_use_id(call.id)
        .input(call.input);
    if let Work::Shell { command, .. } = call.work {
        options = options.parameters(ShellParameters::new(command));
    }
    let tool = parent.tool(options);

    let hooks = parent.hook("PreToolUse", format!("PreToolUse:{}", call.tool));
    sleep(Duration::from_millis(5)).await;
    hooks.finish(HookOutcome::new().succeeded(1));

    let (decision, source) = permission(call.permission).await;
    tool.decided(decision, source);
    if decision == Decision::Reject {
        // The tool never ran, so there is no result.
        return tool.end();
    }

    tool.executing();
    // Canceling the call drops the future and with it the handle: the spans end, and no result is recorded.
    let _ = timeout(USER_CANCELS_AFTER, execute(agent, tool, call.work)).await;
}

/// Waits for the permission decision and returns it with its source.
async fn permission(permission: Permission) -> (Decision, DecisionSource) {
    match permission {
        Permission::Rule => (Decision::Accept, DecisionSource::Config),
        Permission::UserAccepts => {
            sleep(Duration::from_millis(60)).await;
            (Decision::Accept, DecisionSource::UserTemporary)
        }
        Permission::UserRejects => {
            sleep(Duration::from_millis(80)).await;
            (Decision::Reject, DecisionSource::UserReject)
        }
    }
}

async fn execute(agent: Agent, tool: ToolCall, work: Work) {
    match work {
        Work::Read { text } => {
            sleep(Duration::from_millis(15)).await;
            tool.finish(returned(ToolOutput::new().content(text), text));
        }
        Work::Edit { path, diff } => {
            sleep(Duration::from_millis(20)).await;
            let lines = |mark| diff.lines().filter(|line| line.starts_with(mark)).count() as u64;
            tool.record_lines_of_code(LinesOfCode::new().added(lines('+')).removed(lines('-')));
            tool.finish(returned(ToolOutput::new().file_path(path).diff(diff), diff));
        }
        Work::Shell { command, result } => {
            // A real shell would get the trace context, but no exporter settings: `tool.child_env().apply(..)`.
            sleep(Duration::from_millis(40)).await;
            match result {
                Ok(output) => {
                    if command.starts_with("git commit") {
                        tool.record_commit(Commit::new());
                    }
                    let output_of_tool = ToolOutput::new().bash_command(command).output(output);
                    tool.finish(returned(output_of_tool, output));
                }
                Err(error) => {
                    tool.finish(ToolOutcome::new().failed(error).error_type("ShellError"));
                }
            }
        }
        Work::Agent { model } => {
            // The spans of the subagent are children of the call in which it runs.
            match agent.turn(tool.recorder().clone(), model).await {
                Ok(answer) => tool.finish(ToolOutcome::new().output(answer)),
                Err(failure) => tool.finish(ToolOutcome::new().failed(failure.message)),
            }
        }
        Work::Background { output } => agent.in_background(async move {
            // The handle moves into the background task, and keeps its parent in the trace after the prompt has ended.
            sleep(Duration::from_millis(1_500)).await;
            tool.finish(returned(output.into(), output));
        }),
        Work::Never => std::future::pending().await,
    }
}

/// Returns a successful outcome with the output of the tool.
fn returned(output: ToolOutput, text: &str) -> ToolOutcome {
    ToolOutcome::new()
        .output(output)
        .result_size_bytes(text.len() as u64)
}
