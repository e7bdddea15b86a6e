//! One tool call: the wait for permission, the execution, the result.

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
use crate::state::{Moment, OpenSpan, Unfinished};

/// A tool call that is under way: the spans `claude_code.tool`, `.blocked_on_user` and `.execution`.
///
/// Its calls follow the life of a tool call: [`decided`](Self::decided), [`executing`](Self::executing),
/// [`finish`](Self::finish). One that is denied, or whose future is cancelled, is [ended](Self::end) or dropped without a
/// result: its spans end, no result is invented.
///
/// Its event and its metrics come with these calls: do not record a [`ToolResult`](crate::ToolResult) of the same call
/// beside it. The hooks of a call (`PreToolUse`, `PostToolUse`) are begun on the prompt, whose children they are.
///
/// It is a [`Recorder`]: what a subagent does inside it (its requests, its tool calls) is begun on the handle itself, or
/// in another task on a clone of its [`recorder`](Self::recorder), and stands below it in the trace.
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

/// A tool call that will begin later, so that what happens inside it can already be placed below it.
///
/// It is a [`Recorder`] for that work. One that never begins leaves its children without their parent.
pub struct ReservedTool {
    outside: Recorder,
    inside: Recorder,
    span: Option<OpenSpan>,
}

struct ToolCore {
    outside: Recorder,
    session: Arc<SessionCore>,
    number: u64,
    start: Moment,
    options: ToolCallOptions,
    details: Arc<Details>,
    state: Mutex<State>,
}

/// Where in its life the call is.
struct State {
    /// The three spans; those of a call without tracing are never there.
    tool: Option<OpenSpan>,
    blocked: Option<OpenSpan>,
    execution: Option<OpenSpan>,
    /// The context of the execution, also when it has ended.
    executed: Option<Arc<TraceContext>>,
    permission: Option<Permission>,
    /// When the wait ended.
    decided: Option<Moment>,
    executing: Option<Moment>,
}

impl ReservedTool {
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

    /// The call begins: the spans `claude_code.tool` and `claude_code.tool.blocked_on_user`.
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

    /// The recorder of what happens inside the call.
    pub fn recorder(&self) -> &Recorder {
        &self.inside
    }
}

impl Deref for ReservedTool {
    type Target = Recorder;

    fn deref(&self) -> &Recorder {
        &self.inside
    }
}

impl ToolCall {
    /// What there is to work on; nothing when telemetry is off, and in a fork of its process.
    fn core(&self) -> Option<&Arc<ToolCore>> {
        self.core
            .as_ref()
            .filter(|core| core.session.telemetry.is_here())
    }

    pub(crate) fn begin(outside: &Recorder, options: ToolCallOptions) -> Self {
        ReservedTool::new(outside).begin(options)
    }

    /// The permission decision: the event `claude_code.tool_decision`; for Edit, Write and NotebookEdit also
    /// `claude_code.code_edit_tool.decision`. Ends the wait. Only the first decision counts.
    pub fn decided(&self, decision: Decision, source: DecisionSource) {
        self.decided_as(Permission::new(decision, source));
    }

    /// [`decided`](Self::decided): the tool may run.
    pub fn accepted(&self, source: DecisionSource) {
        self.decided(Decision::Accept, source);
    }

    /// The tool may not run: [`decided`](Self::decided), and the call is over.
    pub fn rejected(self, source: DecisionSource) {
        self.decided(Decision::Reject, source);
        self.end();
    }

    /// The same for a host that knows more of the decision.
    pub fn decided_as(&self, permission: Permission) {
        if let Some(core) = self.core() {
            core.decide(permission);
        }
    }

    /// The tool begins to run: the span `claude_code.tool.execution`. A wait that nobody [decided](Self::decided) ends, and
    /// its span says `unknown`.
    pub fn executing(&self) {
        self.begin_execution(None);
    }

    /// The tool began to run at this time.
    pub fn executing_at(&self, time: SystemTime) {
        self.begin_execution(Some(time));
    }

    fn begin_execution(&self, time: Option<SystemTime>) {
        if let Some(core) = self.core() {
            let now = core.moment(time);
            core.execute(&mut core.state(), now);
        }
    }

    /// What a subprocess of this tool gets: the context of the execution (before it begins: that of the call), and no
    /// `OTEL_*` variables.
    pub fn child_env(&self) -> ChildEnv {
        self.recorder.child_env_of(self.context().as_deref())
    }

    /// Hands the trace context of the execution to a carrier, for an MCP request: `traceparent` and, when there is one,
    /// `tracestate`.
    pub fn inject(&self, carrier: impl FnMut(&'static str, &str)) {
        if let Some(context) = self.context() {
            context.inject(carrier);
        }
    }

    /// The context of the execution; before it begins, that of the call.
    pub(crate) fn context(&self) -> Option<Arc<TraceContext>> {
        let executed = self.core().and_then(|core| core.state().executed.clone());
        executed.or_else(|| self.recorder.parent.clone())
    }

    /// The recorder of what happens inside the call: clone it into the tasks of a subagent.
    pub fn recorder(&self) -> &Recorder {
        &self.recorder
    }

    /// The tool has run: the event `claude_code.tool_result`, and the spans. A call that was rejected and never ran has
    /// no result, and ends without one.
    pub fn finish(self, outcome: ToolOutcome) {
        if let Some(core) = self.core() {
            core.finish(outcome);
        }
    }

    /// The call is over without a result: it was denied, or cancelled. Ends its spans; there is no event.
    pub fn end(self) {
        self.end_call(None);
    }

    /// The call was over without a result at this time.
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

impl fmt::Debug for ReservedTool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReservedTool").finish_non_exhaustive()
    }
}

impl ToolCore {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The given moment, or now; on one clock for all spans of the call.
    fn moment(&self, given: Option<SystemTime>) -> Moment {
        Moment::new(given, self.session.telemetry.clock).on(&self.start)
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
        // Not that of an MCP tool, whatever its name looks like: the name is content.
        if let Ok(tool) = self.details.public_name().parse() {
            let mut decision = CodeEditDecision::new(tool, decision, source);
            if let Some(language) = &self.options.language {
                decision = decision.language(language.clone());
            }
            self.outside.record_code_edit_decision(decision);
        }
    }

    /// The wait is over: its span ends.
    fn end_wait(&self, state: &mut State, now: Moment, permission: &Permission) {
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

    /// The execution begins; a wait that nobody decided is over.
    fn execute(&self, state: &mut State, now: Moment) {
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

    /// Ends all spans that are open. Returns the context of the tool's, when it was open.
    fn end(
        &self,
        state: &mut State,
        end: Moment,
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

impl Unfinished for ToolCore {
    fn abandon(&self) -> bool {
        let end = self.moment(None);
        self.end(&mut self.state(), end, None).is_some()
    }
}

impl Drop for ToolCore {
    fn drop(&mut self) {
        if self.session.telemetry.is_here() {
            self.abandon();
            self.session.telemetry.open_spans.leave(self.number);
        }
    }
}
