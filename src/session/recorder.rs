//! The recorders: one call for each thing that a host reports.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use crate::clock::Clock;
use crate::environment::Environment;
use crate::metrics::Series;
use crate::propagation::{ChildEnv, TraceContext};
use crate::record::{
    ActiveTime, ApiError, ApiRequest, ApiRequestBody, ApiResponseBody, CodeEditDecision, Commit,
    Cost, LinesOfCode, PluginInstalled, PullRequest, Record, SkillActivated, Tokens, ToolDecision,
    ToolResult, UserPrompt,
};
use crate::session::{
    Hook, LlmRequest, LlmRequestOptions, RequestContext, ReservedTool, ToolCall, ToolCallOptions,
};
use crate::state::{EventSpan, Moment, PromptMark, SessionCore};

/// Records what happens at one place of a session.
///
/// A [`Session`](crate::Session), a [`Prompt`](crate::Prompt) and a [`ToolCall`](crate::ToolCall) are recorders. Their
/// events carry the `prompt.id` of their prompt (the session's: that of its newest), and the spans that are begun on them
/// are children of theirs (the session's: roots of traces of their own). The trace context of the host's own
/// instrumentation plays no part: a parent is always one of these handles. A clone is cheap and may go to other tasks and
/// threads.
///
/// No call fails, waits or panics, from any thread, in any runtime, also after the shutdown; what cannot be kept is
/// counted in [health](crate::Health). With telemetry off every call does nothing.
#[derive(Clone)]
pub struct Recorder {
    /// Nothing when telemetry can never be on.
    pub(crate) session: Option<Arc<SessionCore>>,
    /// Its own prompt; the session's newest when it has none.
    pub(crate) prompt: Option<Arc<PromptMark>>,
    /// The span below which others are begun; a root when there is none.
    pub(crate) parent: Option<Arc<TraceContext>>,
    /// When the outermost thing began in which this is, such as the prompt: what happens inside is timed by its clock, so
    /// that nothing ends after what it is a part of.
    pub(crate) began: Option<Moment>,
    /// What model requests say of their origin here.
    pub(crate) context: RequestContext,
    /// What a subprocess would inherit; known also when telemetry is off.
    pub(crate) environment: Environment,
}

impl Recorder {
    /// A request that the API answered: the event `claude_code.api_request`, `claude_code.cost.usage` and the four types
    /// of `claude_code.token.usage`.
    #[inline]
    pub fn record_api_request(&self, request: ApiRequest) {
        // Here, so that a host pays nothing for a record that nobody wants.
        if let Some(session) = &self.session
            && session.telemetry.is_on()
        {
            session.record_request(request, self.prompt.as_ref(), self.parent.as_ref());
        }
    }

    /// The event of [`record_api_request`](Self::record_api_request) without its metrics, for a host that counts cost
    /// and tokens on their own.
    pub fn record_api_request_event(&self, request: ApiRequest) {
        if let Some((session, usd)) = self.session.as_ref().zip(request.cost_usd) {
            session.check_amount(usd);
        }
        self.emit(request);
    }

    /// A request that failed for good: the event `claude_code.api_error`.
    pub fn record_api_error(&self, error: ApiError) {
        self.emit(error);
    }

    /// The body of one attempt of a request: the event `claude_code.api_request_body`, when `OTEL_LOG_RAW_API_BODIES`
    /// is on.
    pub fn record_api_request_body(&self, body: ApiRequestBody) {
        self.emit(body);
    }

    /// The body of a successful response: the event `claude_code.api_response_body`, when `OTEL_LOG_RAW_API_BODIES` is
    /// on.
    pub fn record_api_response_body(&self, body: ApiResponseBody) {
        self.emit(body);
    }

    /// A prompt on its own: the event `claude_code.user_prompt`. [`Session::prompt`](crate::Session::prompt) begins an
    /// interaction and emits it.
    pub fn record_user_prompt(&self, prompt: UserPrompt) {
        self.emit(prompt);
    }

    /// A permission decision: the event `claude_code.tool_decision`.
    pub fn record_tool_decision(&self, decision: ToolDecision) {
        self.emit(decision);
    }

    /// A tool call that completed: the event `claude_code.tool_result`.
    pub fn record_tool_result(&self, result: ToolResult) {
        self.emit(result);
    }

    /// A plugin that finished installing: the event `claude_code.plugin_installed`.
    pub fn record_plugin_installed(&self, plugin: PluginInstalled) {
        self.emit(plugin);
    }

    /// A skill that was invoked: the event `claude_code.skill_activated`.
    pub fn record_skill_activated(&self, skill: SkillActivated) {
        self.emit(skill);
    }

    /// Modified lines: `claude_code.lines_of_code.count`.
    pub fn record_lines_of_code(&self, lines: LinesOfCode) {
        if let Some(added) = lines.added {
            self.add(|| Series::LinesAdded, added as f64);
        }
        if let Some(removed) = lines.removed {
            self.add(|| Series::LinesRemoved, removed as f64);
        }
    }

    /// Commits: `claude_code.commit.count`.
    pub fn record_commit(&self, commit: Commit) {
        self.add(|| Series::Commits, commit.count as f64);
    }

    /// Pull requests: `claude_code.pull_request.count`.
    pub fn record_pull_request(&self, pull_request: PullRequest) {
        self.add(|| Series::PullRequests, pull_request.count as f64);
    }

    /// A cost on its own: `claude_code.cost.usage`.
    pub fn record_cost(&self, cost: Cost) {
        if let Some(session) = self.session() {
            session.add_cost(&cost.model, cost.usd);
        }
    }

    /// Tokens on their own: `claude_code.token.usage`.
    pub fn record_tokens(&self, tokens: Tokens) {
        if let Some(session) = self.session() {
            session.add_tokens(&tokens.model, tokens.kind, tokens.count);
        }
    }

    /// A permission decision about an editing tool: `claude_code.code_edit_tool.decision`.
    pub fn record_code_edit_decision(&self, edit: CodeEditDecision) {
        let CodeEditDecision {
            tool,
            decision,
            source,
            language,
        } = edit;
        self.add(
            || Series::CodeEditDecision {
                decision,
                source,
                tool,
                language: (&*language).into(),
            },
            1.0,
        );
    }

    /// Active time: `claude_code.active_time.total`, in seconds.
    pub fn record_active_time(&self, time: ActiveTime) {
        self.add(
            || Series::ActiveTime(time.kind),
            time.duration.as_secs_f64(),
        );
    }

    /// Begins a model request: the span `claude_code.llm_request`.
    pub fn llm_request(&self, options: impl Into<LlmRequestOptions>) -> LlmRequest {
        LlmRequest::begin(self, options.into())
    }

    /// Begins a tool call: the spans `claude_code.tool` and `claude_code.tool.blocked_on_user`.
    pub fn tool(&self, options: impl Into<ToolCallOptions>) -> ToolCall {
        ToolCall::begin(self, options.into())
    }

    /// A tool call that will be begun later, but whose inside is already recorded.
    pub fn reserve_tool(&self) -> ReservedTool {
        ReservedTool::new(self)
    }

    /// Begins the hooks of a hook event such as `PreToolUse`, whose full name is for example `PreToolUse:Bash`: the span
    /// `claude_code.hook`.
    pub fn hook(
        &self,
        event: impl Into<Cow<'static, str>>,
        name: impl Into<Cow<'static, str>>,
    ) -> Hook {
        Hook::begin(self, event.into(), name.into(), None)
    }

    /// The same for hooks that began at a given time.
    pub fn hook_at(
        &self,
        event: impl Into<Cow<'static, str>>,
        name: impl Into<Cow<'static, str>>,
        time: SystemTime,
    ) -> Hook {
        Hook::begin(self, event.into(), name.into(), Some(time))
    }

    /// What a subprocess gets that no tool call starts: no `OTEL_*` variables, and the trace context of this place when
    /// there is one. A tool's own subprocess gets [`ToolCall::child_env`].
    pub fn child_env(&self) -> ChildEnv {
        self.child_env_of(self.parent.as_deref())
    }

    /// What a subprocess gets whose parent is this span.
    pub(crate) fn child_env_of(&self, span: Option<&TraceContext>) -> ChildEnv {
        ChildEnv::new(&self.environment, span, cfg!(windows))
    }

    /// Where to record; nothing when telemetry is off, and in a fork of the process in which it was started.
    pub(crate) fn session(&self) -> Option<&Arc<SessionCore>> {
        self.session_here()
            .filter(|session| session.telemetry.is_on())
    }

    /// The session, also when telemetry is off; nothing in a fork of the process in which it was started.
    pub(crate) fn session_here(&self) -> Option<&Arc<SessionCore>> {
        self.session
            .as_ref()
            .filter(|session| session.telemetry.is_here())
    }

    /// The given moment, or now, on the clock of what this is a part of.
    pub(crate) fn moment(&self, given: Option<SystemTime>, clock: Clock) -> Moment {
        let moment = Moment::new(given, clock);
        self.began.map_or(moment, |began| moment.on(&began))
    }

    /// Hands the trace context of this place to a carrier.
    pub(crate) fn inject(&self, carrier: impl FnMut(&'static str, &str)) {
        if let Some(context) = &self.parent {
            context.inject(carrier);
        }
    }

    /// Cost and tokens of a request.
    pub(crate) fn count_request(&self, request: &ApiRequest) {
        if let Some(session) = self.session() {
            session.add_request(request.metric_model(), request.cost_usd, request.tokens);
        }
    }

    fn add(&self, series: impl FnOnce() -> Series, amount: f64) {
        if let Some(session) = self.session() {
            session.add(series(), amount);
        }
    }

    /// An event of this place: it carries the interaction's span while that is open, else the place's own.
    pub(crate) fn emit<R: Record>(&self, record: R) {
        self.emit_below(record, self.parent.as_ref());
    }

    /// An event that carries the interaction's span while that is open, else `own`.
    pub(crate) fn emit_below<R: Record>(&self, record: R, own: Option<&Arc<TraceContext>>) {
        if let Some(session) = self.session() {
            session.emit(record, self.prompt.as_ref(), EventSpan::Below(own));
        }
    }

    /// An event that carries this very span.
    pub(crate) fn emit_in<R: Record>(&self, record: R, span: Option<&Arc<TraceContext>>) {
        if let Some(session) = self.session() {
            session.emit(record, self.prompt.as_ref(), EventSpan::In(span));
        }
    }
}

impl fmt::Debug for Recorder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recorder")
            .field("session", &self.session.as_ref().map(|session| &session.id))
            .field("prompt", &self.prompt.as_ref().map(|prompt| &prompt.id))
            .finish_non_exhaustive()
    }
}
