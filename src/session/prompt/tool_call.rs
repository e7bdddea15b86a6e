//! Tool calls: the wait for permission, the execution and the result.

use std::fmt;
use std::ops::Deref;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use super::llm_request::RequestContext;
use super::tool_options::{Permission, ToolCallOptions, ToolOutcome};
use super::tool_span::{BlockedSpan, Details, ExecutionSpan, ToolSpan};
use crate::propagation::{ChildEnv, TraceContext};
use crate::record::{CodeEditDecision, Decision, DecisionSource, ToolDecision};
use crate::session::Recorder;
use crate::state::SessionCore;
use crate::state::{OpenSpan, OpenSpanOwner, Timestamp};

/// A tool call in progress: the spans `claude_code.tool`, `claude_code.tool.blocked_on_user` and
/// `claude_code.tool.execution`.
///
/// Its methods follow the life of a tool call: [`decided`](Self::decided), [`executing`](Self::executing),
/// [`finish`](Self::finish). A call that is denied is [ended](Self::end); a call whose future is canceled is dropped.
/// Both end the spans without recording a result.
///
/// These methods emit the events and metrics of the call: do not record a [`ToolResult`](crate::ToolResult) for the
/// same call. Begin the hooks of a call (`PreToolUse`, `PostToolUse`) on the prompt, whose children they are.
///
/// A tool call dereferences to its [`Recorder`]. Record the work of a subagent inside the tool (its requests, its tool
/// calls) on the handle or, in another task, on a clone of its [`recorder`](Self::recorder): its spans are children of
/// the call's span.
///
/// ```
/// # use claude_code_telemetry::{Decision, DecisionSource, Identity, Telemetry, ToolOutcome};
/// # let prompt = Telemetry::disabled().session(Identity::new()).prompt("hi");
/// let tool = prompt.tool("Bash");
/// tool.decided(Decision::Accept, DecisionSource::Config);
/// tool.executing();
/// let mut command = std::process::Command::new("true");
/// tool.child_env().apply(&mut command);
/// // ... run it
/// tool.finish(ToolOutcome::new().result_size_bytes(31));
/// ```
#[must_use = "a tool call that is dropped has no result: call `finish` or `end`"]
pub struct ToolCall {
    recorder: Recorder,
    core: Option<Arc<ToolCore>>,
}

/// A tool call that begins later, so that work inside it can already be recorded as its children.
///
/// It dereferences to the [`Recorder`] for that work. If the call never begins, the parent of those spans is never
/// emitted.
pub struct PendingToolCall {
    outside: Recorder,
    inside: Recorder,
    span: Option<OpenSpan>,
}

struct ToolCore {
    outside: Recorder,
    session: Arc<SessionCore>,
    number: u64,
    start: Timestamp,
    options: ToolCallOptions,
    details: Arc<Details>,
    state: Mutex<State>,
}

/// The progress of a tool call.
struct State {
    /// The three spans of the call; `None` without tracing.
    tool: Option<OpenSpan>,
    blocked: Option<OpenSpan>,
    execution: Option<OpenSpan>,
    /// The span context of the execution, kept after the execution has ended.
    executed: Option<Arc<TraceContext>>,
    permission: Option<Permission>,
    /// The end of the wait for a decision.
    decided: Option<Timestamp>,
    executing: Option<Timestamp>,
}

impl PendingToolCall {
    pub(crate) fn new(outside: &Recorder) -> Self {
        let span = outside
            .session()
            .and_then(|session| OpenSpan::begin(session, outside.parent.as_ref()));
        let parent = span.as_ref().map(|span| Arc::clone(&span.context));
        let inside = Recorder {
            parent,
            context: RequestContext::Tool,
            ..outside.clone()
        };
        Self {
            outside: outside.clone(),
            inside,
            span,
        }
    }

    /// Begins the call, whose spans are `claude_code.tool` and `claude_code.tool.blocked_on_user`.
    pub fn begin(self, options: impl Into<ToolCallOptions>) -> ToolCall {
        let Self {
            outside,
            mut inside,
            span,
        } = self;
        let Some(session) = outside.session().cloned() else {
            return ToolCall {
                recorder: inside,
                core: None,
            };
        };
        let mut options = options.into();
        let telemetry = &session.telemetry;
        let start = outside.moment(options.at, telemetry.clock);
        inside.began.get_or_insert(start);
        let language = options.language_if_edit();
        let recorded = span.as_ref().is_some_and(|span| span.context.sampled);
        let details = Arc::new(Details::admit(&mut options, &telemetry.policy(), recorded));
        options.language = language;
        let blocked = span
            .as_ref()
            .and_then(|span| OpenSpan::begin(&session, Some(&span.context)));
        let context = span.as_ref().map(|span| Arc::clone(&span.context));
        let core = Arc::new(ToolCore {
            number: telemetry.open_spans.reserve(),
            outside,
            start,
            options,
            details,
            state: Mutex::new(State {
                tool: span,
                blocked,
                execution: None,
                executed: None,
                permission: None,
                decided: None,
                executing: None,
            }),
            session: Arc::clone(&session),
        });
        telemetry
            .open_spans
            .enter(core.number, &core, context.as_deref());
        ToolCall {
            recorder: inside,
            core: Some(core),
        }
    }

    /// Returns the recorder for work inside the call.
    pub fn recorder(&self) -> &Recorder {
        &self.inside
    }
}

impl Deref for PendingToolCall {
    type Target = Recorder;

    fn deref(&self) -> &Recorder {
        &self.inside
    }
}

impl ToolCall {
    /// Returns the shared state; `None` when telemetry is off, and in a forked child.
    fn core(&self) -> Option<&Arc<ToolCore>> {
        self.core
            .as_ref()
            .filter(|core| core.session.telemetry.in_original_process())
    }

    pub(crate) fn begin(outside: &Recorder, options: ToolCallOptions) -> Self {
        PendingToolCall::new(outside).begin(options)
    }

    /// Records the permission decision: emits the event `claude_code.tool_decision` and, for Edit, Write and
    /// NotebookEdit, adds to `claude_code.code_edit_tool.decision`. Ends the wait, and with it the span
    /// `claude_code.tool.blocked_on_user`. Only the first decision has an effect.
    pub fn decided(&self, decision: Decision, source: DecisionSource) {
        self.decided_as(Permission::new(decision, source));
    }

    /// Records with [`decided`](Self::decided) that the tool may run.
    pub fn accepted(&self, source: DecisionSource) {
        self.decided(Decision::Accept, source);
    }

    /// Records with [`decided`](Self::decided) that the tool may not run, and ends the call.
    pub fn rejected(self, source: DecisionSource) {
        self.decided(Decision::Reject, source);
        self.end();
    }

    /// Records a decision as [`decided`](Self::decided) does, with further details.
    pub fn decided_as(&self, permission: Permission) {
        if let Some(core) = self.core() {
            core.decide(permission);
        }
    }

    /// Begins the execution: the span `claude_code.tool.execution`. If no decision was [recorded](Self::decided), the
    /// wait ends and its span carries `unknown`.
    pub fn executing(&self) {
        self.begin_execution(None);
    }

    /// Begins the execution as [`executing`](Self::executing) does, at an explicit time.
    pub fn executing_at(&self, time: SystemTime) {
        self.begin_execution(Some(time));
    }

    fn begin_execution(&self, time: Option<SystemTime>) {
        if let Some(core) = self.core() {
            let now = core.moment(time);
            core.execute(&mut core.state(), now);
        }
    }

    /// Returns the environment of a subprocess of this tool: without `OTEL_*` variables, and with the trace context of
    /// the execution, or of the call before the execution begins.
    pub fn child_env(&self) -> ChildEnv {
        self.recorder.child_env_of(self.context().as_deref())
    }

    /// Passes the trace context of the execution to a carrier, for an MCP request: `traceparent` and, if there is one,
    /// `tracestate`.
    pub fn inject(&self, carrier: impl FnMut(&'static str, &str)) {
        if let Some(context) = self.context() {
            context.inject(carrier);
        }
    }

    /// Returns the span context of the execution, or of the call before the execution begins.
    pub(crate) fn context(&self) -> Option<Arc<TraceContext>> {
        let executed = self.core().and_then(|core| core.state().executed.clone());
        executed.or_else(|| self.recorder.parent.clone())
    }

    /// Returns the recorder for work inside the call. Clone it into the tasks of a subagent.
    pub fn recorder(&self) -> &Recorder {
        &self.recorder
    }

    /// Ends a call whose tool has run: emits the event `claude_code.tool_result` and ends the spans. A call that was
    /// rejected and never ran ends without a result.
    pub fn finish(self, outcome: ToolOutcome) {
        if let Some(core) = self.core() {
            core.finish(outcome);
        }
    }

    /// Ends a call that was denied or canceled: ends its spans and emits no event.
    pub fn end(self) {
        self.end_call(None);
    }

    /// Ends a call as [`end`](Self::end) does, at an explicit time.
    pub fn end_at(self, time: SystemTime) {
        self.end_call(Some(time));
    }

    fn end_call(self, time: Option<SystemTime>) {
        if let Some(core) = self.core() {
            let end = core.moment(time);
            core.end(&mut core.state(), end, None);
        }
    }
}

impl Deref for ToolCall {
    type Target = Recorder;

    fn deref(&self) -> &Recorder {
        &self.recorder
    }
}

impl fmt::Debug for ToolCall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ToolCall").finish_non_exhaustive()
    }
}

impl fmt::Debug for PendingToolCall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PendingToolCall").finish_non_exhaustive()
    }
}

impl ToolCore {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the given time, or the current time, on the clock that all spans of the call share.
    fn moment(&self, given: Option<SystemTime>) -> Timestamp {
        Timestamp::new(given, self.session.telemetry.clock).on(&self.start)
    }

    fn decide(&self, permission: Permission) {
        let mut state = self.state();
        if state.permission.is_some() {
            return;
        }
        let now = self.moment(permission.at);
        let waiting = state.blocked.as_ref().map(|span| Arc::clone(&span.context));
        self.end_wait(&mut state, now, &permission);
        let (decision, source, event, at) = (
            permission.decision,
            permission.source,
            permission.event,
            permission.event_at.or(permission.at),
        );
        state.permission = Some(permission);
        drop(state);
        if !event {
            return;
        }
        let mut record = ToolDecision::new(self.details.public_name(), decision, source);
        record.tool_use_id.clone_from(&self.options.tool_use_id);
        record.at = at;
        self.outside.emit_in(record, waiting.as_ref());
        // The public name of an MCP tool never parses as an editing tool: the real name is content.
        if let Ok(tool) = self.details.public_name().parse() {
            let mut decision = CodeEditDecision::new(tool, decision, source);
            if let Some(language) = &self.options.language {
                decision = decision.language(language.clone());
            }
            self.outside.record_code_edit_decision(decision);
        }
    }

    /// Ends the wait for a decision and its span.
    fn end_wait(&self, state: &mut State, now: Timestamp, permission: &Permission) {
        state.decided = Some(now);
        if let Some(span) = state.blocked.take() {
            let start = permission
                .waited
                .map_or(self.start, |waited| now.before(waited));
            let (end, duration) = now.since(&start);
            span.end(
                &self.session,
                start.wall(),
                end,
                BlockedSpan::new(duration, permission),
            );
        }
    }

    /// Begins the execution. Ends the wait if no decision was recorded.
    fn execute(&self, state: &mut State, now: Timestamp) {
        if state.executing.is_some() {
            return;
        }
        if state.decided.is_none() {
            self.end_wait(state, now, &Permission::unknown());
        }
        state.executing = Some(now);
        let parent = state.tool.as_ref().map(|span| Arc::clone(&span.context));
        state.execution = parent.and_then(|parent| OpenSpan::begin(&self.session, Some(&parent)));
        state.executed = state
            .execution
            .as_ref()
            .map(|span| Arc::clone(&span.context));
    }

    fn finish(&self, outcome: ToolOutcome) {
        let mut state = self.state();
        let end = self.moment(outcome.at);
        let denied = state
            .permission
            .as_ref()
            .is_some_and(|permission| permission.decision == Decision::Reject);
        if state.executing.is_none() && denied {
            self.end(&mut state, end, None);
            return;
        }
        let began = state.executing.or(state.decided).unwrap_or(self.start);
        self.execute(&mut state, began);
        let (_, duration) = end.since(&began);
        let permission = state.permission.clone();
        let own = self.end(&mut state, end, Some(&outcome));
        drop(state);

        let mut record = self.options.result().duration(duration);
        outcome.tell(&mut record);
        record.decision = permission
            .filter(|permission| permission.on_result)
            .map(|permission| (permission.decision, permission.source));
        self.outside.emit_below(record, own.as_ref());
    }

    /// Ends all open spans. Returns the context of the tool's span if that span was open.
    fn end(
        &self,
        state: &mut State,
        end: Timestamp,
        outcome: Option<&ToolOutcome>,
    ) -> Option<Arc<TraceContext>> {
        if state.decided.is_none() {
            self.end_wait(state, end, &Permission::unknown());
        }
        if let (Some(span), Some(start)) = (state.execution.take(), state.executing) {
            let (at, duration) = end.since(&start);
            span.end(
                &self.session,
                start.wall(),
                at,
                ExecutionSpan::new(duration, outcome, &self.session.telemetry.policy()),
            );
        }
        let span = state.tool.take()?;
        let context = Arc::clone(&span.context);
        let (at, duration) = end.since(&self.start);
        let policy = &self.session.telemetry.policy();
        let record = ToolSpan::new(Arc::clone(&self.details), duration, at, outcome, policy);
        span.end(&self.session, self.start.wall(), at, record);
        Some(context)
    }
}

impl OpenSpanOwner for ToolCore {
    fn abandon(&self) -> bool {
        let end = self.moment(None);
        self.end(&mut self.state(), end, None).is_some()
    }
}

impl Drop for ToolCore {
    fn drop(&mut self) {
        if self.session.telemetry.in_original_process() {
            self.abandon();
            self.session.telemetry.open_spans.leave(self.number);
        }
    }
}
