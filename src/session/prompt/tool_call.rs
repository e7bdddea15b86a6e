//! Tool calls: the wait for permission, the execution and the result.

use std::sync::Arc;
use std::time::SystemTime;

use super::calls::Handle;
use super::llm_request::RequestContext;
use super::tool_options::{Permission, ToolCallOptions, ToolOutcome};
use super::tool_span::{BlockedSpan, ExecutionSpan, ToolSpan};
use crate::propagation::{ChildEnv, TraceContext};
use crate::record::{CodeEditDecision, Decision, DecisionSource, ToolDecision, ToolResult};
use crate::session::Recorder;
use crate::session::recorder::{operation_methods, recorder_methods};
use crate::state::{
    EventSpan, OpenSpan, Operation, OperationHandle, SessionCore, SpanIdentity, Timestamp,
};

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
/// Record the work of a subagent inside the tool (its requests, its tool calls) on the handle or, in another task, on a
/// clone of its [`recorder`](Self::recorder): the spans of that work are children of the call's span.
///
/// ```
/// # use claude_code_telemetry::{Decision, DecisionSource, Identity, Telemetry, ToolOutcome};
/// # let prompt = Telemetry::disabled().session(Identity::new()).prompt("hi");
/// let tool = prompt.tool("Bash");
/// tool.decided(Decision::Accept, DecisionSource::Config);
/// tool.executing();
/// // ... run it
/// tool.finish(ToolOutcome::new().result_size_bytes(31));
/// ```
#[derive(Debug)]
#[must_use = "a tool call that is dropped has no result: call `finish` or `end`"]
pub struct ToolCall {
    recorder: Recorder,
    call: OperationHandle<Call>,
}

/// A tool call that begins later, so that work inside it can already be recorded as its children. If the call never
/// begins, the parent of those spans is never emitted.
#[derive(Debug)]
#[must_use = "a tool call that never begins emits nothing: call `begin`"]
pub struct PendingToolCall {
    recorder: Recorder,
    /// The span of the call.
    span: SpanIdentity,
}

struct Call {
    options: ToolCallOptions,
    /// True for a tool that edits files; `options` may not have its name any more.
    is_edit: bool,
    span: OpenSpan<ToolSpan>,
    /// The wait for a decision.
    blocked: OpenSpan<BlockedSpan>,
    execution: Option<OpenSpan<ExecutionSpan>>,
    permission: Option<Permission>,
}

impl PendingToolCall {
    /// Begins the call, whose spans are `claude_code.tool` and `claude_code.tool.blocked_on_user`.
    ///
    /// ```
    /// # use claude_code_telemetry::{Identity, Telemetry};
    /// # let prompt = Telemetry::disabled().session(Identity::new()).prompt("hi");
    /// let reserved = prompt.reserve_tool();
    /// // ... work inside the call
    /// let tool = reserved.begin("Agent");
    /// # tool.end();
    /// ```
    pub fn begin(self, options: impl Into<ToolCallOptions>) -> ToolCall {
        let Self { mut recorder, span } = self;
        let session = recorder.session().cloned();
        let call = OperationHandle::begin(session.as_ref(), |session| {
            let mut options = options.into();
            let start = recorder.timestamp(session, options.at);
            recorder.began.get_or_insert(start);
            // Determined before the policy removes the name from the options.
            let is_edit = options.is_edit();
            let policy = session.telemetry.policy();
            let mut span = OpenSpan::begin(span, start, ToolSpan::begin(&options, &policy));
            options.withhold(&policy);
            // The content of a call whose span is not recorded is not read at all.
            if span.is_recorded() {
                span.record.add_details(&options, &policy);
            }
            Call {
                options,
                is_edit,
                blocked: OpenSpan::begin(span.child(session), start, BlockedSpan::default()),
                span,
                execution: None,
                permission: None,
            }
        });
        ToolCall { recorder, call }
    }

    /// Returns the recorder for work inside the call.
    pub fn recorder(&self) -> &Recorder {
        &self.recorder
    }

    // Adds `llm_request`, `tool`, `reserve_tool`, `hook` and `hook_at`.
    operation_methods!(|self| &self.recorder);

    // Adds a method `record_*` for each kind of record.
    recorder_methods!(|self| &self.recorder);

    /// Reserves a call. `outer` is the recorder on which the host reserves it.
    pub(crate) fn new(outer: &Recorder) -> Self {
        let span = outer.session().map(|session| outer.child(session));
        let span = span.unwrap_or_default();
        let recorder = Recorder {
            parent: span.context.clone(),
            context: RequestContext::Tool,
            ..outer.clone()
        };
        Self { recorder, span }
    }
}

impl ToolCall {
    /// Returns another handle of the same call.
    pub(super) fn share(&self) -> Self {
        Self {
            recorder: self.recorder.clone(),
            call: self.call.clone(),
        }
    }

    /// Records the permission decision: emits the event `claude_code.tool_decision` and, for Edit, Write and
    /// NotebookEdit, adds to `claude_code.code_edit_tool.decision`. Ends the wait, and with it the span
    /// `claude_code.tool.blocked_on_user`. Only the first decision has an effect.
    ///
    /// ```
    /// # use claude_code_telemetry::{Decision, DecisionSource, Identity, Telemetry};
    /// # let prompt = Telemetry::disabled().session(Identity::new()).prompt("hi");
    /// let tool = prompt.tool("Bash");
    /// // ... ask the user
    /// tool.decided(Decision::Accept, DecisionSource::UserTemporary);
    /// # tool.end();
    /// ```
    pub fn decided(&self, decision: Decision, source: DecisionSource) {
        self.decided_as(Permission::new(decision, source));
    }

    /// Records a decision as [`decided`](Self::decided) does, with further details.
    ///
    /// ```
    /// # use claude_code_telemetry::{Decision, DecisionSource, Identity, Permission, Telemetry};
    /// # let prompt = Telemetry::disabled().session(Identity::new()).prompt("hi");
    /// let tool = prompt.tool("Bash");
    /// let permission = Permission::new(Decision::Accept, DecisionSource::UserTemporary);
    /// tool.decided_as(permission.waited(std::time::Duration::from_secs(3)));
    /// # tool.end();
    /// ```
    pub fn decided_as(&self, permission: Permission) {
        if let Some((session, mut call)) = self.call.lock() {
            call.decide(session, &self.recorder, permission);
        }
    }

    /// Begins the execution: the span `claude_code.tool.execution`. If no decision was [recorded](Self::decided), the
    /// wait ends and its span carries `unknown`.
    ///
    /// ```
    /// # use claude_code_telemetry::{Identity, Telemetry};
    /// # let prompt = Telemetry::disabled().session(Identity::new()).prompt("hi");
    /// let tool = prompt.tool("Bash");
    /// tool.executing();
    /// // ... run it
    /// # tool.end();
    /// ```
    pub fn executing(&self) {
        self.begin_execution(None);
    }

    /// Begins the execution as [`executing`](Self::executing) does, at an explicit time.
    pub fn executing_at(&self, time: SystemTime) {
        self.begin_execution(Some(time));
    }

    /// Ends a call whose tool has run: emits the event `claude_code.tool_result` and ends the spans. A call that was
    /// rejected and never ran ends without a result.
    ///
    /// ```
    /// # use claude_code_telemetry::{Identity, Telemetry, ToolOutcome};
    /// # let prompt = Telemetry::disabled().session(Identity::new()).prompt("hi");
    /// let tool = prompt.tool("Bash");
    /// let result = std::fs::read_to_string("/etc/hostname");
    /// tool.finish(ToolOutcome::from_result(&result));
    /// ```
    pub fn finish(self, outcome: ToolOutcome) {
        let Some((session, mut call)) = self.call.settle() else {
            return;
        };
        let result = call.finish(session, outcome);
        // A large input is shaped when it is emitted, which the shutdown must not wait for.
        drop(call);
        if let Some(result) = result {
            self.recorder.emit(result);
        }
    }

    /// Ends a call that was denied or canceled: ends its spans and emits no event.
    ///
    /// ```
    /// # use claude_code_telemetry::{Decision, DecisionSource, Identity, Telemetry};
    /// # let prompt = Telemetry::disabled().session(Identity::new()).prompt("hi");
    /// let tool = prompt.tool("Bash");
    /// tool.decided(Decision::Reject, DecisionSource::UserReject);
    /// tool.end();
    /// ```
    pub fn end(self) {
        self.end_call(None);
    }

    /// Ends a call as [`end`](Self::end) does, at an explicit time.
    pub fn end_at(self, time: SystemTime) {
        self.end_call(Some(time));
    }

    // Adds `llm_request`, `tool`, `reserve_tool`, `hook` and `hook_at`.
    operation_methods!(|self| &self.recorder);

    /// Returns the environment of a subprocess of this tool: without `OTEL_*` variables, and with the trace context of
    /// the execution, or of the call before the execution begins.
    ///
    /// ```
    /// # use claude_code_telemetry::{Identity, Telemetry};
    /// # let prompt = Telemetry::disabled().session(Identity::new()).prompt("hi");
    /// let tool = prompt.tool("Bash");
    /// tool.executing();
    /// let mut command = std::process::Command::new("cargo");
    /// tool.child_env().apply(command.arg("test"));
    /// // A command of tokio contains one of the standard library.
    /// let mut command = tokio::process::Command::new("cargo");
    /// tool.child_env().apply(command.arg("test").as_std_mut());
    /// # tool.end();
    /// ```
    pub fn child_env(&self) -> ChildEnv {
        self.recorder.child_env_of(self.context().as_deref())
    }

    /// Sets the headers `traceparent` and `tracestate` of an HTTP request of this tool to the trace context of the
    /// execution, or of the call before the execution begins. Otherwise as
    /// [`LlmRequest::inject_headers`](crate::LlmRequest::inject_headers).
    ///
    /// ```
    /// # use claude_code_telemetry::{Identity, Telemetry};
    /// # let prompt = Telemetry::disabled().session(Identity::new()).prompt("hi");
    /// let tool = prompt.tool("WebFetch");
    /// tool.executing();
    /// let mut request = http::Request::get("http://localhost:8080/page").body(())?;
    /// tool.inject_headers(request.headers_mut());
    /// # tool.end();
    /// # Ok::<(), http::Error>(())
    /// ```
    pub fn inject_headers(&self, headers: &mut http::HeaderMap) {
        if let Some(context) = self.context() {
            context.inject_headers(headers);
        }
    }

    /// Passes the trace context of the execution, or of the call before the execution begins, to a carrier:
    /// `traceparent` and, if there is one, `tracestate`. When tracing is off, the carrier is not called.
    ///
    /// A request to an MCP server carries the two in `params._meta`, over every transport
    /// ([SEP-414](https://modelcontextprotocol.io/seps/414-request-meta)):
    ///
    /// ```
    /// # use claude_code_telemetry::{Identity, Telemetry};
    /// # let prompt = Telemetry::disabled().session(Identity::new()).prompt("hi");
    /// let tool = prompt.tool("mcp__github__search");
    /// tool.executing();
    /// let mut meta = serde_json::Map::new();
    /// tool.inject(|key, value| meta.insert(key.to_owned(), value.into()));
    /// # tool.end();
    /// ```
    pub fn inject<R>(&self, carrier: impl FnMut(&'static str, &str) -> R) {
        if let Some(context) = self.context() {
            context.inject(carrier);
        }
    }

    /// Returns the recorder for work inside the call. Clone it into the tasks of a subagent.
    ///
    /// ```
    /// # use claude_code_telemetry::{Identity, Telemetry};
    /// # let prompt = Telemetry::disabled().session(Identity::new()).prompt("hi");
    /// let agent = prompt.tool("Agent");
    /// let recorder = agent.recorder().clone();
    /// let subagent = std::thread::spawn(move || recorder.tool("Grep").end());
    /// # let _ = subagent.join();
    /// # agent.end();
    /// ```
    pub fn recorder(&self) -> &Recorder {
        &self.recorder
    }

    // Adds a method `record_*` for each kind of record.
    recorder_methods!(|self| &self.recorder);

    /// Returns the span context of the execution, or of the call before the execution begins.
    pub(crate) fn context(&self) -> Option<Arc<TraceContext>> {
        let call = self.call.lock();
        let executed = call.and_then(|(_, call)| call.execution.as_ref()?.identity.context.clone());
        executed.or_else(|| self.recorder.parent.clone())
    }

    fn begin_execution(&self, time: Option<SystemTime>) {
        if let Some((session, mut call)) = self.call.lock() {
            let now = call.timestamp(session, time);
            call.execute(session, now);
        }
    }

    fn end_call(self, time: Option<SystemTime>) {
        if let Some((session, mut call)) = self.call.settle() {
            let end = call.timestamp(session, time);
            call.end(session, end, None);
        }
    }
}

impl Call {
    /// Returns the given time, or the current time, on the clock that all spans of the call share.
    fn timestamp(&self, session: &SessionCore, given: Option<SystemTime>) -> Timestamp {
        let time = session.telemetry.timestamp(given);
        time.on_clock_of(&self.span.start)
    }

    fn is_rejected(&self) -> bool {
        let permission = self.permission.as_ref();
        permission.is_some_and(|permission| permission.decision == Decision::Reject)
    }

    /// Ends the wait by the first decision, and records the decision unless the host does.
    fn decide(&mut self, session: &SessionCore, recorder: &Recorder, permission: Permission) {
        if self.permission.is_some() {
            return;
        }
        let now = self.timestamp(session, permission.at);
        // The wait may have ended without a decision, when the execution began. It then keeps its start.
        if let Some(waited) = permission.waited.filter(|_| self.blocked.ended().is_none()) {
            self.blocked.start = now.before(waited);
        }
        self.blocked
            .end(session, now, |wait, _| wait.decide(&permission));
        let permission = self.permission.insert(permission);
        if !permission.event {
            return;
        }
        let (decision, source) = (permission.decision, permission.source);
        let name = self.options.public_name();
        // The public name of an MCP tool never parses as an editing tool: the real name is content.
        let edit = name.parse().ok().map(|tool| {
            let edit = CodeEditDecision::new(tool, decision, source);
            match &self.options.language {
                Some(language) => edit.language(language.clone()),
                None => edit,
            }
        });
        let mut event = ToolDecision::new(name, decision, source);
        event.tool_use_id.clone_from(&self.options.tool_use_id);
        event.at = permission.event_at.or(permission.at);
        // The event carries the span of the wait, even if an execution without a decision has ended that span.
        let wait = self.blocked.identity.context.as_ref();
        recorder.emit_in(event, EventSpan::Fixed(wait));
        if let Some(edit) = edit {
            recorder.record_code_edit_decision(edit);
        }
    }

    /// Begins the execution, unless it has begun before. Ends the wait if no decision was recorded.
    fn execute(&mut self, session: &SessionCore, now: Timestamp) {
        if self.execution.is_none() {
            self.blocked.end(session, now, |_, _| {});
            let execution = self.span.child(session);
            let execution = OpenSpan::begin(execution, now, ExecutionSpan::default());
            self.execution = Some(execution);
        }
    }

    /// Ends the call. Returns its result, unless the call was rejected and never ran.
    fn finish(&mut self, session: &SessionCore, outcome: ToolOutcome) -> Option<ToolResult> {
        let end = self.timestamp(session, outcome.at);
        if self.is_rejected() && self.execution.is_none() {
            self.end(session, end, None);
            return None;
        }
        let execution = self.execution.as_ref().map(|execution| execution.start);
        let began = match (outcome.duration, self.blocked.ended()) {
            (None, wait_ended) => execution.or(wait_ended).unwrap_or(self.span.start),
            (Some(duration), None) => end.before(duration),
            // The execution follows the wait, which is recorded already.
            (Some(duration), Some(wait_ended)) => end.before(duration).later(wait_ended),
        };
        self.blocked.start = self.blocked.start.earlier(began);
        self.execute(session, began);
        if let Some(execution) = &mut self.execution {
            execution.start = began;
        }
        let measured = end.duration_since(&began);
        let mut record = self.options.result().duration(measured);
        self.end(session, end, Some(&outcome));
        outcome.apply_to(&mut record);
        let permission = self.permission.as_ref();
        if let Some(permission) = permission.filter(|permission| permission.on_result) {
            record = record.decision(permission.decision, permission.source);
        }
        Some(record)
    }

    /// Ends all open spans, and removes the content. Returns true if the span of the tool call was recorded now.
    fn end(
        &mut self,
        session: &SessionCore,
        end: Timestamp,
        outcome: Option<&ToolOutcome>,
    ) -> bool {
        // Another handle can outlive the call, and must not keep its content in memory.
        self.options.drop_content();
        // The span of the call covers a wait and an execution whose durations the host gave.
        self.span.start = self.span.start.earlier(self.blocked.start);
        if let Some(execution) = &self.execution {
            self.span.start = self.span.start.earlier(execution.start);
        }
        self.blocked.end(session, end, |_, _| {});
        if let Some(execution) = &mut self.execution {
            execution.end(session, end, |execution, _| {
                if let Some(outcome) = outcome {
                    execution.finish(outcome);
                }
            });
        }
        let (is_edit, start) = (self.is_edit, self.span.start);
        self.span.end(session, end, |call, policy| {
            if let Some(outcome) = outcome {
                call.finish(is_edit, outcome, end.wall_after(&start), policy);
            }
        })
    }
}

impl Handle for ToolCall {
    fn abandon(&self) {
        self.call.abandon();
    }
}

impl Operation for Call {
    fn missing_outcome(&self) -> Option<&'static str> {
        // A call that was rejected has no result.
        (self.span.ended().is_none() && !self.is_rejected()).then_some("tool call")
    }

    fn is_recorded(&self) -> bool {
        self.span.is_recorded()
    }

    fn abandon(&mut self, session: &SessionCore, now: Timestamp) -> bool {
        let end = now.on_clock_of(&self.span.start);
        self.end(session, end, None)
    }
}
