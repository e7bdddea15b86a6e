//! The recorder: records, and begins operations, in one context.

use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use super::RequestContext;
use crate::content::Payload;
use crate::environment::{Environment, IGNORE_CASE};
use crate::metrics::Series;
use crate::propagation::{ChildEnv, TraceContext};
use crate::record::{ApiRequest, EventRecord};
use crate::signal::Signal;
use crate::state::{EventSpan, PromptContext, SessionCore, SpanIdentity, Timestamp};

/// Defines a method for each kind of record. The closure receives the record.
macro_rules! record_methods {
    (|$self:ident, $record:ident| $body:expr) => {
        $crate::session::recorder::record_methods! { |$self, $record| $body;
            /// Records a request to which the API responded: emits the event `claude_code.api_request` and adds to
            /// `claude_code.cost.usage` and to the four types of `claude_code.token.usage`.
            ///
            /// ```
            /// # use claude_code_telemetry::{Identity, Telemetry, ApiRequest, TokenUsage};
            /// # let session = Telemetry::disabled().session(Identity::new());
            /// let usage = TokenUsage::new().input(1_200).output(86);
            /// session.record_api_request(ApiRequest::new("claude-sonnet-4-6").tokens(usage).cost_usd(0.0049));
            /// ```
            record_api_request(ApiRequest);

            /// Records a request that failed after its last attempt: emits the event `claude_code.api_error`.
            ///
            /// ```
            /// # use claude_code_telemetry::{Identity, Telemetry, ApiError};
            /// # let session = Telemetry::disabled().session(Identity::new());
            /// let error = ApiError::new("claude-sonnet-4-6", "Overloaded").status_code(529).attempt(11);
            /// session.record_api_error(error);
            /// ```
            record_api_error(ApiError);

            /// Records the body of one attempt of a request: emits the event `claude_code.api_request_body` if
            /// `OTEL_LOG_RAW_API_BODIES` is on.
            ///
            /// ```
            /// # use claude_code_telemetry::{Identity, Telemetry, ApiRequestBody};
            /// # let session = Telemetry::disabled().session(Identity::new());
            /// let body = r#"{"messages":[]}"#;
            /// session.record_api_request_body(ApiRequestBody::new("claude-sonnet-4-6", body));
            /// ```
            record_api_request_body(ApiRequestBody);

            /// Records the body of a successful response: emits the event `claude_code.api_response_body` if
            /// `OTEL_LOG_RAW_API_BODIES` is on.
            ///
            /// ```
            /// # use claude_code_telemetry::{Identity, Telemetry, ApiResponseBody};
            /// # let session = Telemetry::disabled().session(Identity::new());
            /// let body = r#"{"content":[]}"#;
            /// session.record_api_response_body(ApiResponseBody::new("claude-sonnet-4-6", body));
            /// ```
            record_api_response_body(ApiResponseBody);

            /// Emits the event `claude_code.user_prompt` without beginning an interaction.
            /// [`Session::prompt`](crate::Session::prompt) begins an interaction and emits this event itself.
            ///
            /// ```
            /// # use claude_code_telemetry::{Identity, Telemetry, UserPrompt};
            /// # let session = Telemetry::disabled().session(Identity::new());
            /// session.record_user_prompt(UserPrompt::new("Fix the failing test"));
            /// ```
            record_user_prompt(UserPrompt);

            /// Records a permission decision: emits the event `claude_code.tool_decision`.
            ///
            /// ```
            /// # use claude_code_telemetry::{Identity, Telemetry, Decision, DecisionSource, ToolDecision};
            /// # let session = Telemetry::disabled().session(Identity::new());
            /// let decision = ToolDecision::new("Bash", Decision::Reject, DecisionSource::UserReject);
            /// session.record_tool_decision(decision);
            /// ```
            record_tool_decision(ToolDecision);

            /// Records a tool call that completed: emits the event `claude_code.tool_result`.
            ///
            /// ```
            /// # use claude_code_telemetry::{Identity, Telemetry, ToolResult};
            /// # let session = Telemetry::disabled().session(Identity::new());
            /// session.record_tool_result(ToolResult::new("Read").result_size_bytes(1_280));
            /// ```
            record_tool_result(ToolResult);

            /// Records a plugin that finished installing: emits the event `claude_code.plugin_installed`.
            ///
            /// ```
            /// # use claude_code_telemetry::{Identity, Telemetry, InstallTrigger, PluginInstalled};
            /// # let session = Telemetry::disabled().session(Identity::new());
            /// let plugin = PluginInstalled::new("lint", "official", InstallTrigger::Cli);
            /// session.record_plugin_installed(plugin);
            /// ```
            record_plugin_installed(PluginInstalled);

            /// Records a skill that was invoked: emits the event `claude_code.skill_activated`.
            ///
            /// ```
            /// # use claude_code_telemetry::{Identity, Telemetry, SkillActivated};
            /// # let session = Telemetry::disabled().session(Identity::new());
            /// session.record_skill_activated(SkillActivated::new("pdf", "userSettings"));
            /// ```
            record_skill_activated(SkillActivated);

            /// Adds lines of code that were added or removed to `claude_code.lines_of_code.count`.
            ///
            /// ```
            /// # use claude_code_telemetry::{Identity, Telemetry, LinesOfCode};
            /// # let session = Telemetry::disabled().session(Identity::new());
            /// session.record_lines_of_code(LinesOfCode::new().added(12).removed(5));
            /// ```
            record_lines_of_code(LinesOfCode);

            /// Adds commits to `claude_code.commit.count`.
            ///
            /// ```
            /// # use claude_code_telemetry::{Identity, Telemetry, Commit};
            /// # let session = Telemetry::disabled().session(Identity::new());
            /// session.record_commit(Commit::new());
            /// ```
            record_commit(Commit);

            /// Adds pull requests to `claude_code.pull_request.count`.
            ///
            /// ```
            /// # use claude_code_telemetry::{Identity, Telemetry, PullRequest};
            /// # let session = Telemetry::disabled().session(Identity::new());
            /// session.record_pull_request(PullRequest::new());
            /// ```
            record_pull_request(PullRequest);

            /// Adds a cost in US dollars to `claude_code.cost.usage`, without an event.
            ///
            /// ```
            /// # use claude_code_telemetry::{Identity, Telemetry, Cost};
            /// # let session = Telemetry::disabled().session(Identity::new());
            /// session.record_cost(Cost::new("claude-sonnet-4-6", 0.0021));
            /// ```
            record_cost(Cost);

            /// Adds tokens to `claude_code.token.usage`, without an event.
            ///
            /// ```
            /// # use claude_code_telemetry::{Identity, Telemetry, TokenType, Tokens};
            /// # let session = Telemetry::disabled().session(Identity::new());
            /// session.record_tokens(Tokens::new("claude-sonnet-4-6", TokenType::Output, 86));
            /// ```
            record_tokens(Tokens);

            /// Adds a permission decision about an editing tool to `claude_code.code_edit_tool.decision`.
            ///
            /// ```
            /// # use claude_code_telemetry::{Identity, Telemetry, CodeEditDecision, Decision, DecisionSource, EditTool};
            /// # let session = Telemetry::disabled().session(Identity::new());
            /// let (decision, source) = (Decision::Accept, DecisionSource::Config);
            /// let edit = CodeEditDecision::new(EditTool::Write, decision, source);
            /// session.record_code_edit_decision(edit.language("Rust"));
            /// ```
            record_code_edit_decision(CodeEditDecision);

            /// Adds active time to `claude_code.active_time.total`, in seconds.
            ///
            /// ```
            /// # use claude_code_telemetry::{Identity, Telemetry, ActiveTime, ActivityType};
            /// # let session = Telemetry::disabled().session(Identity::new());
            /// # use std::time::Duration;
            /// session.record_active_time(ActiveTime::new(ActivityType::User, Duration::from_secs(4)));
            /// ```
            record_active_time(ActiveTime);
        }
    };
    (
        |$self:ident, $record:ident| $body:expr;
        $($(#[$meta:meta])* $method:ident($Record:ident);)*
    ) => {$(
        $(#[$meta])*
        #[inline]
        pub fn $method(&$self, $record: $crate::record::$Record) {
            $body
        }
    )*};
}
pub(crate) use record_methods;

/// Defines the methods that begin operations: model requests, tool calls and hooks. They begin on `$recorder`: the
/// recorder itself, or that of a handle.
macro_rules! operation_methods {
    (|$self:ident| $recorder:expr) => {
        /// Begins a model request, whose span is `claude_code.llm_request`.
        ///
        /// ```
        /// # use claude_code_telemetry::{ApiRequest, Identity, Telemetry};
        /// # let prompt = Telemetry::disabled().session(Identity::new()).prompt("hi");
        /// let request = prompt.llm_request("claude-sonnet-4-6");
        /// // ... ask the model
        /// request.finish(ApiRequest::new("claude-sonnet-4-6").cost_usd(0.0021));
        /// ```
        pub fn llm_request(
            &$self,
            options: impl Into<$crate::session::LlmRequestOptions>,
        ) -> $crate::session::LlmRequest {
            $crate::session::LlmRequest::begin($recorder, options.into())
        }

        /// Begins a tool call, whose spans are `claude_code.tool` and `claude_code.tool.blocked_on_user`.
        ///
        /// ```
        /// # use claude_code_telemetry::{Decision, DecisionSource, Identity, Telemetry};
        /// # use claude_code_telemetry::{ToolCallOptions, ToolOutcome};
        /// # let prompt = Telemetry::disabled().session(Identity::new()).prompt("hi");
        /// let options = ToolCallOptions::new("Bash").input(r#"{"command":"cargo test"}"#);
        /// let tool = prompt.tool(options);
        /// tool.decided(Decision::Accept, DecisionSource::Config);
        /// tool.executing();
        /// // ... run it
        /// tool.finish(ToolOutcome::new().result_size_bytes(1_280));
        /// ```
        pub fn tool(
            &$self,
            options: impl Into<$crate::session::ToolCallOptions>,
        ) -> $crate::session::ToolCall {
            $crate::session::PendingToolCall::new($recorder).begin(options)
        }

        /// Reserves a tool call that begins later, so that work inside it can already be recorded as its children.
        ///
        /// ```
        /// # use claude_code_telemetry::{ApiRequest, Identity, Telemetry};
        /// # let prompt = Telemetry::disabled().session(Identity::new()).prompt("hi");
        /// let reserved = prompt.reserve_tool();
        /// let request = reserved.recorder().llm_request("claude-haiku-4-5");
        /// request.finish(ApiRequest::new("claude-haiku-4-5"));
        /// reserved.begin("Agent").end();
        /// ```
        pub fn reserve_tool(&$self) -> $crate::session::PendingToolCall {
            $crate::session::PendingToolCall::new($recorder)
        }

        /// Begins the hooks of a hook event, whose span is `claude_code.hook`. `event` is the hook event, such as
        /// `PreToolUse`; `name` is the full name, such as `PreToolUse:Bash`.
        ///
        /// ```
        /// # use claude_code_telemetry::{HookOutcome, Identity, Telemetry};
        /// # let prompt = Telemetry::disabled().session(Identity::new()).prompt("hi");
        /// let hooks = prompt.hook("PreToolUse", "PreToolUse:Bash");
        /// // ... run them
        /// hooks.finish(HookOutcome::new().succeeded(2));
        /// ```
        pub fn hook(
            &$self,
            event: impl Into<$crate::record::Text>,
            name: impl Into<$crate::record::Text>,
        ) -> $crate::session::Hook {
            $crate::session::Hook::begin($recorder, event.into(), name.into(), None)
        }

        /// Begins hooks as [`hook`](Self::hook) does, with an explicit start time.
        pub fn hook_at(
            &$self,
            event: impl Into<$crate::record::Text>,
            name: impl Into<$crate::record::Text>,
            time: ::std::time::SystemTime,
        ) -> $crate::session::Hook {
            $crate::session::Hook::begin($recorder, event.into(), name.into(), Some(time))
        }
    };
}
pub(super) use operation_methods;

/// Defines a method `record_*` for each kind of record. They record on `$recorder`: the recorder itself, or that of a
/// handle.
macro_rules! recorder_methods {
    (|$self:ident| $recorder:expr) => {
        $crate::session::recorder::record_methods! {
            |$self, record| $crate::session::recorder::Recordable::record(record, $recorder)
        }

        /// Emits only the event of [`record_api_request`](Self::record_api_request), for a host that records cost and
        /// tokens separately.
        ///
        /// ```
        /// # use claude_code_telemetry::{ApiRequest, Cost, Identity, Telemetry};
        /// # let session = Telemetry::disabled().session(Identity::new());
        /// session.record_api_request_event(ApiRequest::new("claude-sonnet-4-6"));
        /// // ... later the bill arrives
        /// session.record_cost(Cost::new("claude-sonnet-4-6", 0.0021));
        /// ```
        pub fn record_api_request_event(&$self, request: $crate::record::ApiRequest) {
            $recorder.emit_request(request);
        }
    };
}
pub(super) use recorder_methods;

/// A record that a [`Recorder`] takes.
pub(crate) trait Recordable: Payload + Send + Sized + 'static {
    /// Records the record on a recorder.
    fn record(self, recorder: &Recorder);

    /// Returns the field for the time of the event, so that a buffer can set it before it records later; `None` for a
    /// record that only adds to metrics.
    fn event_time(&mut self) -> Option<&mut Option<SystemTime>> {
        None
    }
}

/// A recorder of events, metrics and spans in one context: a session, a prompt or a tool call.
///
/// [`Session`](crate::Session), [`Prompt`](crate::Prompt) and [`ToolCall`](crate::ToolCall) have a recorder, and
/// themselves have its methods that record data and begin operations. Events carry the `prompt.id` of the recorder's
/// prompt; events of a session's recorder carry that of the newest prompt. Spans that are begun on a recorder are
/// children of its span; spans that are begun on a session's recorder are the roots of new traces. The current span of
/// the host's instrumentation is never used: a parent is always one of these handles. A clone is cheap and can be moved
/// to other tasks and threads.
///
/// ```
/// # use claude_code_telemetry::{ApiRequest, Identity, Recorder, Telemetry};
/// # let session = Telemetry::disabled().session(Identity::new());
/// fn summarize(recorder: Recorder) {
///     let request = recorder.llm_request("claude-haiku-4-5");
///     request.finish(ApiRequest::new("claude-haiku-4-5"));
/// }
///
/// let prompt = session.prompt("Fix the failing test");
/// let recorder = prompt.recorder().clone();
/// std::thread::spawn(move || summarize(recorder));
/// ```
///
/// No method fails, blocks or panics, on any thread, in any runtime, also after shutdown. Data that cannot be kept is
/// counted in [health](crate::Health). When telemetry is off, every method does nothing.
#[derive(Clone)]
pub struct Recorder {
    /// `None` when telemetry can never be on.
    pub(crate) session: Option<Arc<SessionCore>>,
    /// The recorder's prompt. `None` selects the newest prompt of the session.
    pub(crate) prompt: Option<Arc<PromptContext>>,
    /// The span whose children are begun here. `None` begins new traces.
    pub(crate) parent: Option<Arc<TraceContext>>,
    /// The start of the outermost open operation around this recorder, such as the prompt. The times inside it are this
    /// start plus the monotonic time since then, so that no child ends after its parent if the system's clock is set.
    pub(crate) began: Option<Timestamp>,
    /// The default `llm_request.context` of model requests that are begun here.
    pub(crate) context: RequestContext,
}

impl Recorder {
    operation_methods!(|self| self);

    /// Returns the environment of a subprocess that no tool call starts: without `OTEL_*` variables, and with the trace
    /// context of this recorder if there is one. For a tool's subprocess, use
    /// [`ToolCall::child_env`](crate::ToolCall::child_env).
    ///
    /// ```
    /// # use claude_code_telemetry::{Identity, Telemetry};
    /// # let session = Telemetry::disabled().session(Identity::new());
    /// let mut command = std::process::Command::new("my-mcp-server");
    /// session.recorder().child_env().apply(&mut command);
    /// ```
    pub fn child_env(&self) -> ChildEnv {
        self.child_env_of(self.parent.as_deref())
    }

    /// Passes the trace context of this recorder to a carrier: `traceparent` and, if there is one, `tracestate`. A
    /// session's recorder has no trace context. For a tool or a model request, use the method of its handle.
    ///
    /// ```
    /// # use claude_code_telemetry::{Identity, Telemetry};
    /// # let prompt = Telemetry::disabled().session(Identity::new()).prompt("hi");
    /// let mut headers = Vec::new();
    /// prompt.recorder().inject(|name, value| headers.push((name, value.to_owned())));
    /// ```
    pub fn inject<R>(&self, carrier: impl FnMut(&'static str, &str) -> R) {
        if let Some(context) = &self.parent {
            context.inject(carrier);
        }
    }

    /// Sets the headers `traceparent` and `tracestate` of an HTTP request to the trace context of this recorder.
    /// Otherwise as [`LlmRequest::inject_headers`](crate::LlmRequest::inject_headers).
    ///
    /// ```
    /// # use claude_code_telemetry::{Identity, Telemetry};
    /// # let prompt = Telemetry::disabled().session(Identity::new()).prompt("hi");
    /// let mut request = http::Request::get("http://localhost:8080/memory").body(())?;
    /// prompt.recorder().inject_headers(request.headers_mut());
    /// # Ok::<(), http::Error>(())
    /// ```
    pub fn inject_headers(&self, headers: &mut http::HeaderMap) {
        if let Some(context) = &self.parent {
            context.inject_headers(headers);
        }
    }

    recorder_methods!(|self| self);

    /// Returns the environment of a subprocess whose parent is this span.
    pub(crate) fn child_env_of(&self, span: Option<&TraceContext>) -> ChildEnv {
        let active = |session: &Arc<SessionCore>| session.telemetry.active.load_full();
        let active = self.session.as_ref().map(active);
        let configured = active.as_ref().map(|active| &active.config.environment);
        // A subprocess inherits the variables of this process even if the configuration was read from injected ones.
        ChildEnv::new(
            configured.into_iter().chain([&Environment::Process]),
            span,
            IGNORE_CASE,
        )
    }

    /// Returns the session; `None` when telemetry is off, and in a forked child.
    pub(crate) fn session(&self) -> Option<&Arc<SessionCore>> {
        self.session_in_original_process()
            .filter(|session| session.telemetry.is_on())
    }

    /// Returns the session, also when telemetry is off; `None` when telemetry can never be on, and in a forked child.
    pub(crate) fn session_in_original_process(&self) -> Option<&Arc<SessionCore>> {
        self.session
            .as_ref()
            .filter(|session| session.telemetry.in_original_process())
    }

    /// Creates the identity of a child of this recorder's span. For work outside prompts, that is the root of a new
    /// trace, which is not recorded if the environment names a parent (`TRACEPARENT`) that is not sampled.
    pub(crate) fn child(&self, session: &SessionCore) -> SpanIdentity {
        let inbound = match self.parent {
            None => session.inbound_parent().filter(|parent| !parent.sampled),
            Some(_) => None,
        };
        SpanIdentity::new(session, self.parent.as_ref().or(inbound.as_ref()))
    }

    /// Returns the given time, or the current time, on the clock of the enclosing operation.
    pub(crate) fn timestamp(&self, session: &SessionCore, given: Option<SystemTime>) -> Timestamp {
        let time = session.telemetry.timestamp(given);
        self.began.map_or(time, |began| time.on_clock_of(&began))
    }

    /// Adds to a series.
    pub(crate) fn add<'a>(&self, series: impl Into<Series<&'a str>>, value: f64) {
        if let Some(session) = self.session() {
            session.add(series.into(), value);
        }
    }

    /// Emits the event of a request.
    pub(crate) fn emit_request(&self, request: ApiRequest) {
        if let Some(session) = self.session()
            && session.telemetry.records(Signal::Logs)
        {
            // Counts an unknown or invalid cost, as for a request whose cost is added to the metrics.
            session.request_cost(&request);
        }
        self.emit(request);
    }

    /// Emits an event with the interaction's span while that span is open, and otherwise with the recorder's span.
    #[inline]
    pub(crate) fn emit<R: EventRecord>(&self, record: R) {
        self.emit_in(record, EventSpan::PromptOr(self.parent.as_ref()));
    }

    /// Emits an event with this span.
    #[inline]
    pub(crate) fn emit_in<R: EventRecord>(&self, record: R, span: EventSpan<'_>) {
        if let Some(session) = self.session() {
            session.emit(record, self.prompt.as_ref(), span);
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
