//! The hooks of one hook event.

use std::borrow::Cow;
use std::time::{Duration, SystemTime};

use crate::catalog::{self, key, span};
use crate::content::{Content, ToolDetails};
use crate::encode::spans::SpanRecord;
use crate::record::{Attributes, MCP_TOOL, millis, setters, text_size};
use crate::session::Recorder;
use crate::state::{OpenSpan, Operation, OperationHandle, SessionCore};

/// The outcome of the hooks of one hook event.
///
/// ```
/// use claude_code_telemetry::HookOutcome;
/// let outcome = HookOutcome::new().succeeded(2).failed(1);
/// ```
#[derive(Clone, Debug, Default)]
pub struct HookOutcome {
    count: Option<u64>,
    succeeded: u64,
    blocking: u64,
    failed: u64,
    cancelled: u64,
    definitions: Option<Content>,
    at: Option<SystemTime>,
}

impl HookOutcome {
    /// Creates an outcome in which no hook ran.
    pub fn new() -> Self {
        Self::default()
    }

    setters! {
        /// Sets the number of hooks that ran (`num_hooks`). The default is the sum of the four outcomes.
        count: Option<u64>,
        /// Sets the number of hooks that succeeded (`num_success`).
        succeeded: u64,
        /// Sets the number of hooks that blocked the operation (`num_blocking`). Blocking is an outcome, not a failure.
        blocking: u64,
        /// Sets the number of hooks that failed without blocking (`num_non_blocking_error`). Any such failure sets the
        /// span's status to ERROR.
        failed: u64,
        /// Sets the number of hooks that were canceled (`num_cancelled`).
        cancelled: u64,
        /// Sets the definitions of the hooks as JSON text (`hook_definitions`), sent only with `OTEL_LOG_TOOL_DETAILS`.
        definitions: Option<Content>,
        /// Sets the time at which the last hook ended. The default is the current time.
        at: Option<SystemTime>,
    }
}

/// A handle to the running hooks of one hook event: the span `claude_code.hook`.
///
/// The names of an MCP server and its tool in the hook's name (`PreToolUse:mcp__server__tool`) are sent only with
/// `OTEL_LOG_TOOL_DETAILS`.
///
/// A handle that is dropped without [`finish`](Self::finish) ends its span without any outcome.
#[derive(Debug)]
#[must_use = "hooks that are dropped have no outcome: call `finish`"]
pub struct Hook(OperationHandle<RunningHooks>);

struct RunningHooks {
    event: Cow<'static, str>,
    name: Cow<'static, str>,
    span: OpenSpan,
}

impl Hook {
    pub(crate) fn begin(
        outside: &Recorder,
        event: Cow<'static, str>,
        name: Cow<'static, str>,
        at: Option<SystemTime>,
    ) -> Self {
        let Some(session) = outside.session() else {
            return Self(OperationHandle::off());
        };
        let span = outside.begin_span(session, at);
        Self(OperationHandle::new(
            session,
            RunningHooks { event, name, span },
        ))
    }

    /// Ends the span `claude_code.hook` with `duration_ms` and the counts of `outcome`.
    pub fn finish(self, outcome: HookOutcome) {
        if let Some((session, mut hooks)) = self.0.lock() {
            hooks.end(session, outcome);
        }
    }
}

/// Returns the name with the MCP server and tool replaced, as in `PreToolUse:mcp_tool`; `None` if it contains neither.
fn without_mcp_names(name: &str) -> Option<String> {
    let at = name.find("mcp__")?;
    Some(format!("{}{MCP_TOOL}", &name[..at]))
}

impl RunningHooks {
    fn end(&mut self, session: &SessionCore, mut outcome: HookOutcome) -> bool {
        let Self { event, name, span } = self;
        let end = session.telemetry.timestamp(outcome.at);
        let policy = session.telemetry.policy();
        span.end(session, end, |duration| HookSpan {
            event: event.clone(),
            name: without_mcp_names(name)
                .filter(|_| !policy.tool_details())
                .map_or_else(|| name.clone(), Cow::Owned),
            duration,
            definitions: (outcome.definitions.take())
                .and_then(|definitions| policy.tool_details_of(definitions)),
            outcome,
        })
    }
}

impl Operation for RunningHooks {
    fn span(&self) -> &OpenSpan {
        &self.span
    }

    fn abandon(&mut self, session: &SessionCore) -> bool {
        self.end(session, HookOutcome::new())
    }
}

/// The data of the span `claude_code.hook`.
struct HookSpan {
    event: Cow<'static, str>,
    name: Cow<'static, str>,
    duration: Duration,
    outcome: HookOutcome,
    definitions: Option<ToolDetails>,
}

impl SpanRecord for HookSpan {
    fn span(&self) -> &'static catalog::Span {
        &span::HOOK
    }

    fn attributes<'a>(&'a self, out: &mut Attributes<'a>) {
        let HookOutcome {
            count,
            succeeded,
            blocking,
            failed,
            cancelled,
            ..
        } = self.outcome;
        out.text(key::HOOK_EVENT, &*self.event);
        out.text(key::HOOK_NAME, &*self.name);
        let outcomes = [succeeded, blocking, failed, cancelled];
        out.count(
            key::NUM_HOOKS,
            count.unwrap_or_else(|| outcomes.into_iter().fold(0, u64::saturating_add)),
        );
        out.count(key::DURATION_MS, millis(self.duration));
        out.count(key::NUM_SUCCESS, succeeded);
        out.count(key::NUM_BLOCKING, blocking);
        out.count(key::NUM_NON_BLOCKING_ERROR, failed);
        out.count(key::NUM_CANCELLED, cancelled);
        out.text_if(
            key::HOOK_DEFINITIONS,
            self.definitions.as_ref().map(ToolDetails::json),
        );
    }

    fn failure(&self) -> Option<Cow<'_, str>> {
        let failed = self.outcome.failed;
        (failed > 0).then(|| format!("{failed} hook(s) failed").into())
    }

    fn size(&self) -> usize {
        text_size(&[Some(&self.event), Some(&self.name)])
            + self.definitions.as_ref().map_or(0, ToolDetails::size)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hook_count_saturates_when_the_outcomes_overflow() {
        let record = HookSpan {
            event: "Stop".into(),
            name: "Stop".into(),
            duration: Duration::ZERO,
            outcome: HookOutcome::new().succeeded(u64::MAX).failed(1),
            definitions: None,
        };
        let mut attributes = Attributes::default();
        record.attributes(&mut attributes);
        assert!(
            attributes
                .into_iter()
                .any(|(name, _)| name == key::NUM_HOOKS)
        );
    }
}
