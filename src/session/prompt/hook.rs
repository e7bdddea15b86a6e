//! The hooks of one hook event.

use std::borrow::Cow;
use std::time::{Duration, SystemTime};

use crate::content::{Gated, HookDefinitions, Payload};
use crate::encode::spans::SpanRecord;
use crate::record::{MCP_TOOL, NameWithMcp, Text, record, span};
use crate::session::Recorder;
use crate::state::{OpenSpan, OperationHandle};

record! {
    /// The outcome of the hooks of one hook event.
    ///
    /// ```
    /// use claude_code_telemetry::HookOutcome;
    /// let outcome = HookOutcome::new().succeeded(2).failed(1);
    /// ```
    record HookOutcome: Clone, Debug;

    /// Creates an outcome in which no hook ran.
    new();

    fields {
        /// Sets the number of hooks that ran (`num_hooks`). The default is the sum of the four outcomes.
        optional count: Option<u64> = "num_hooks";
        /// Sets the number of hooks that succeeded (`num_success`).
        optional succeeded: u64 = "num_success";
        /// Sets the number of hooks that blocked the operation (`num_blocking`). Blocking is an outcome, not a failure.
        optional blocking: u64 = "num_blocking";
        /// Sets the number of hooks that failed without blocking (`num_non_blocking_error`). Any such failure sets the
        /// span's status to ERROR.
        optional failed: u64 = "num_non_blocking_error";
        /// Sets the number of hooks that were canceled (`num_cancelled`).
        optional cancelled: u64 = "num_cancelled";
        /// Sets the definitions of the hooks as JSON text (`hook_definitions`), sent only with `OTEL_LOG_TOOL_DETAILS`.
        optional definitions: Gated<HookDefinitions> = "hook_definitions";
        /// Sets the time at which the last hook ended. The default is the current time.
        optional at: Option<SystemTime> = "at";
    }
}

impl HookOutcome {
    /// Returns the number of hooks that ran.
    fn total(&self) -> u64 {
        let outcomes = [self.succeeded, self.blocking, self.failed, self.cancelled];
        let sum = outcomes.into_iter().fold(0, u64::saturating_add);
        self.count.unwrap_or(sum)
    }
}

/// A handle to the running hooks of one hook event: the span `claude_code.hook`.
///
/// The names of an MCP server and its tool in the hook's name (`PreToolUse:mcp__server__tool`) are sent only with
/// `OTEL_LOG_TOOL_DETAILS`.
///
/// A handle that is dropped without [`finish`](Self::finish) ends its span without any outcome.
///
/// ```
/// # use claude_code_telemetry::{HookOutcome, Identity, Telemetry};
/// # let prompt = Telemetry::disabled().session(Identity::new()).prompt("hi");
/// let hooks = prompt.hook("PreToolUse", "PreToolUse:Bash");
/// // ... run both hooks; one of them forbids the call
/// hooks.finish(HookOutcome::new().succeeded(1).blocking(1));
/// ```
#[derive(Debug)]
#[must_use = "hooks that are dropped have no outcome: call `finish`"]
pub struct Hook(OperationHandle<OpenSpan<HookSpan>>);

impl Hook {
    /// Begins hooks. `outer` is the recorder on which the host begins them.
    pub(crate) fn begin(outer: &Recorder, event: Text, name: Text, at: Option<SystemTime>) -> Self {
        Self(OperationHandle::begin(outer.session(), |session| {
            let start = outer.timestamp(session, at);
            let mut name = hook_name(name);
            // Names that the policy withholds are not kept, even if a later policy admits them.
            name.filter(&session.telemetry.policy());
            let hooks = HookSpan {
                event,
                name,
                ..HookSpan::default()
            };
            OpenSpan::begin(outer.child(session), start, hooks)
        }))
    }

    /// Ends the span `claude_code.hook` with `duration_ms` and the counts of `outcome`.
    ///
    /// ```
    /// # use claude_code_telemetry::{HookOutcome, Identity, Telemetry};
    /// # let prompt = Telemetry::disabled().session(Identity::new()).prompt("hi");
    /// let hooks = prompt.hook("PostToolUse", "PostToolUse:Edit");
    /// hooks.finish(HookOutcome::new().succeeded(1).failed(1));
    /// ```
    pub fn finish(self, outcome: HookOutcome) {
        if let Some((session, mut hooks)) = self.0.settle() {
            let end = session.telemetry.timestamp(outcome.at);
            hooks.end(session, end, |hooks, _| {
                hooks.count = outcome.total();
                hooks.succeeded = outcome.succeeded;
                hooks.blocking = outcome.blocking;
                hooks.failed = outcome.failed;
                hooks.cancelled = outcome.cancelled;
                hooks.definitions = outcome.definitions;
            });
        }
    }
}

/// Returns a name whose form without the MCP server and tool is, for example, `PreToolUse:mcp_tool`.
fn hook_name(name: Text) -> NameWithMcp {
    match name.split_once("mcp__") {
        Some((event, _)) => NameWithMcp {
            without_mcp: format!("{event}{MCP_TOOL}").into(),
            whole: Some(name),
        },
        None => NameWithMcp {
            without_mcp: name,
            whole: None,
        },
    }
}

span! {
    /// The data of the span `claude_code.hook`.
    #[derive(Default)]
    span HookSpan emits "hook", "The hooks of one hook event, when the host records them",
        fails when "a hook failed without blocking; the message counts them";
    sent {
        event: Text = "hook_event", "The hook event, such as `PreToolUse`";
        name: NameWithMcp =
            "hook_name",
            "Its full name, such as `PreToolUse:Bash`; `PreToolUse:mcp_tool` for an MCP tool unless \
             `OTEL_LOG_TOOL_DETAILS` is on";
        count: u64 = "num_hooks", "Hooks that ran";
        duration: Duration = "duration_ms", "Duration in milliseconds";
        succeeded: u64 = "num_success", "Hooks that succeeded";
        blocking: u64 = "num_blocking", "Hooks that blocked";
        failed: u64 = "num_non_blocking_error", "Hooks that failed without blocking";
        cancelled: u64 = "num_cancelled", "Hooks that were canceled";
        definitions: Gated<HookDefinitions> = "hook_definitions", "JSON text of their definitions";
    }
}

impl SpanRecord for HookSpan {
    fn failure(&self) -> Option<Cow<'_, str>> {
        let failed = self.failed;
        (failed > 0).then(|| format!("{failed} hook(s) failed").into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hook_count_saturates_when_the_outcomes_overflow() {
        let outcome = HookOutcome::new().succeeded(u64::MAX).failed(1);
        assert_eq!(outcome.total(), u64::MAX);
    }
}
