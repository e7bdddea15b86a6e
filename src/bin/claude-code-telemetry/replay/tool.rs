//! The step `tool`: a tool call with its decision and its result.

use std::time::{Duration, SystemTime};

use claude_code_telemetry::{Decision, Permission, ToolCallOptions, ToolOutcome};
use serde::Deserialize;

use super::field::{before, lasting, optional, read};
use super::scope::Scope;
use super::time::Millis;

/// The fields of the step that do not belong to a record.
#[derive(Deserialize)]
struct Call {
    #[serde(default, deserialize_with = "optional")]
    tool_use_id: Option<String>,
    #[serde(default, deserialize_with = "optional")]
    parent_tool: Option<String>,
    decision: Option<Decision>,
    executed: Option<bool>,
    blocked_ms: Option<Millis>,
    duration_ms: Option<Millis>,
    span_duration_ms: Option<Millis>,
}

/// Records the decision and, if the tool ran, its result. The call ended at `end`.
pub(crate) fn called(line: &str, scope: &mut Scope, end: SystemTime) -> Result<(), String> {
    let call: Call = read(line)?;
    let options: ToolCallOptions = read(line)?;
    let permission: Permission = read(line)?;
    let outcome: ToolOutcome = read(line)?;

    let executed = call
        .executed
        .unwrap_or(call.decision != Some(Decision::Reject));
    let ran = match executed {
        true => lasting(call.duration_ms),
        false => Duration::ZERO,
    };
    let took = match call.span_duration_ms {
        Some(Millis(took)) => took,
        None => lasting(call.blocked_ms) + ran,
    };
    let execution = before(end, ran);

    let tool = scope.begin_tool(
        call.tool_use_id,
        call.parent_tool.as_deref(),
        options.at(before(end, took)),
    )?;
    tool.decided_as(permission.at(execution).event_at(end));
    if executed {
        tool.executing_at(execution);
        scope.set_child_env(tool.child_env());
        tool.finish(outcome.at(end));
    } else {
        tool.end_at(end);
    }
    Ok(())
}
