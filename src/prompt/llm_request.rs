//! One model request with its retries.

use std::borrow::Cow;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use super::moment::Moment;
use super::open_span::{OpenSpan, Unfinished};
use crate::catalog::{self, key, span};
use crate::content::Content;
use crate::record::words::words;
use crate::record::{
    ApiError, ApiRequest, ApiRequestBody, ApiResponseBody, Attributes, Speed, TokenUsage, millis,
    text_size,
};
use crate::recorder::Recorder;
use crate::session::SessionCore;
use crate::signal::spans::{SpanEvent, SpanRecord};

words! {
    /// Where a model request came from: the attribute `llm_request.context`.
    RequestContext {
        /// The turn of a prompt.
        Interaction = "interaction",
        /// A subagent inside a tool.
        Tool = "tool",
        /// Neither.
        Standalone = "standalone",
    }
}

/// How a model request begins. The name of the model alone is enough.
#[derive(Clone, Debug)]
pub struct LlmRequestOptions {
    model: Cow<'static, str>,
    query_source: Option<Cow<'static, str>>,
    context: Option<RequestContext>,
    at: Option<SystemTime>,
}

impl LlmRequestOptions {
    /// A request for `model`.
    pub fn new(model: impl Into<Cow<'static, str>>) -> Self {
        Self {
            model: model.into(),
            query_source: None,
            context: None,
            at: None,
        }
    }

    /// The subsystem that makes the request (`query_source`), for example `compact`.
    pub fn query_source(mut self, source: impl Into<Cow<'static, str>>) -> Self {
        self.query_source = Some(source.into());
        self
    }

    /// Where it came from (`llm_request.context`); by default what the handle is that begins it.
    pub fn context(mut self, context: RequestContext) -> Self {
        self.context = Some(context);
        self
    }

    /// When its first attempt began; now by default.
    pub fn at(mut self, time: SystemTime) -> Self {
        self.at = Some(time);
        self
    }
}

impl<T: Into<Cow<'static, str>>> From<T> for LlmRequestOptions {
    fn from(model: T) -> Self {
        Self::new(model)
    }
}

/// A model request that is under way: the span `claude_code.llm_request`, from its first attempt to its answer.
///
/// It ends with [`finish`](Self::finish) or [`fail`](Self::fail). Dropped without either (a cancelled future) it ends its
/// span as one that did not succeed, and records no event and no metric.
///
/// ```
/// # use claude_code_telemetry::{ApiRequest, Identity, Telemetry};
/// # let session = Telemetry::disabled().session(Identity::new());
/// let prompt = session.prompt("Fix the bug");
/// let request = prompt.llm_request("claude-sonnet-4-6");
/// // ... the first attempt is answered with 529, the second one succeeds
/// request.retry();
/// request.first_token();
/// request.finish(ApiRequest::new("claude-sonnet-4-6").cost_usd(0.0021));
/// ```
#[must_use = "a request that is dropped counts as cancelled: call `finish` or `fail`"]
pub struct LlmRequest {
    recorder: Recorder,
    core: Option<Arc<LlmCore>>,
}

struct LlmCore {
    session: Arc<SessionCore>,
    model: Cow<'static, str>,
    query_source: Option<Cow<'static, str>>,
    context: RequestContext,
    number: u64,
    start: Moment,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    span: Option<OpenSpan>,
    /// When each attempt began, in nanoseconds since 1970.
    attempts: Vec<u64>,
    attempt_began: Option<Moment>,
    time_to_first_token: Option<Duration>,
    response_body: Option<Content>,
}

impl LlmRequest {
    /// What there is to work on; nothing when telemetry is off, and in a fork of its process.
    fn core(&self) -> Option<&Arc<LlmCore>> {
        self.core
            .as_ref()
            .filter(|core| core.session.telemetry.is_here())
    }

    pub(crate) fn begin(outside: &Recorder, options: LlmRequestOptions) -> Self {
        let Some(session) = outside.session() else {
            return Self {
                recorder: outside.clone(),
                core: None,
            };
        };
        let telemetry = &session.telemetry;
        let start = outside.moment(options.at, telemetry.clock);
        let span = OpenSpan::begin(session, outside.parent.as_ref());
        let context = span.as_ref().map(|span| Arc::clone(&span.context));
        let core = Arc::new(LlmCore {
            session: Arc::clone(session),
            model: options.model,
            query_source: options.query_source,
            context: options.context.unwrap_or(outside.context),
            number: telemetry.open_spans.reserve(),
            start,
            state: Mutex::new(State {
                span,
                attempts: vec![start.wall()],
                attempt_began: Some(start),
                ..State::default()
            }),
        });
        telemetry
            .open_spans
            .enter(core.number, &core, context.as_deref());
        let recorder = Recorder {
            parent: context,
            ..outside.clone()
        };
        Self {
            recorder,
            core: Some(core),
        }
    }

    /// Another attempt begins, after one that failed: a span event `gen_ai.request.attempt`; no event and no metric.
    pub fn retry(&self) {
        if let Some(core) = self.core() {
            let now = Moment::new(None, core.session.telemetry.clock);
            let mut state = core.state();
            let (at, _) = now.since(&core.start);
            state.attempts.push(at);
            state.attempt_began = Some(now);
            state.time_to_first_token = None;
        }
    }

    /// The first token of the answer arrived: the attribute `ttft_ms`, counted from the attempt that is under way.
    pub fn first_token(&self) {
        if let Some(core) = self.core() {
            let now = Moment::new(None, core.session.telemetry.clock);
            let mut state = core.state();
            if state.time_to_first_token.is_none() {
                state.time_to_first_token = state.attempt_began.map(|began| now.since(&began).1);
            }
        }
    }

    /// The body of the attempt that is under way: the event `claude_code.api_request_body`, when
    /// `OTEL_LOG_RAW_API_BODIES` is on. Once for each attempt.
    pub fn body(&self, body: impl Into<Content>) {
        self.record_body(body.into(), None);
    }

    /// The same for an attempt that was sent at this time.
    pub fn body_at(&self, body: impl Into<Content>, time: SystemTime) {
        self.record_body(body.into(), Some(time));
    }

    fn record_body(&self, body: Content, time: Option<SystemTime>) {
        if let Some(core) = self.core() {
            let mut record = ApiRequestBody::new(core.model.clone(), body);
            record.query_source.clone_from(&core.query_source);
            record.at = time;
            self.recorder.emit(record);
        }
    }

    /// The body of the answer: the event `claude_code.api_response_body`, recorded right after that of the request when
    /// it finishes.
    pub fn response_body(&self, body: impl Into<Content>) {
        if let Some(core) = self.core() {
            core.state().response_body = Some(body.into());
        }
    }

    /// Hands the trace context of this request to a carrier: the headers `traceparent` and, when there is one,
    /// `tracestate`. With tracing off nothing is handed over.
    ///
    /// ```
    /// # use claude_code_telemetry::{Identity, Telemetry};
    /// # let prompt = Telemetry::disabled().session(Identity::new()).prompt("hi");
    /// # let request = prompt.llm_request("claude-sonnet-4-6");
    /// let mut headers = Vec::new();
    /// request.inject(|name, value| headers.push((name, value.to_owned())));
    /// ```
    pub fn inject(&self, carrier: impl FnMut(&'static str, &str)) {
        self.recorder.inject(carrier);
    }

    /// The API answered: the event `claude_code.api_request`, cost and tokens, and the span. The model that was asked
    /// for is that of the handle.
    pub fn finish(self, mut request: ApiRequest) {
        let (Some(core), Some(session)) = (self.core(), self.recorder.session()) else {
            return;
        };
        if request.requested_model.is_none() && request.model != core.model {
            request.requested_model = Some(core.model.clone());
        }
        if request.query_source.is_none() {
            request.query_source.clone_from(&core.query_source);
        }
        let mut state = core.take();
        let end = core.end_of(request.at);
        let took = *request
            .duration
            .get_or_insert_with(|| core.attempt_took(&state, request.at));
        if let Some(span) = state.span.take() {
            let attempts = state.attempts_until(&end, request.attempt, took);
            span.end(
                session,
                core.start.wall(),
                end.wall,
                LlmSpan::answered(core, &state, &end, &request, attempts),
            );
        }
        let body = state.response_body.map(|body| {
            let mut record = ApiResponseBody::new(request.model.clone(), body);
            record.query_source.clone_from(&request.query_source);
            record.request_id.clone_from(&request.request_id);
            record.at = request.at;
            record
        });
        self.recorder.count_request(&request);
        self.recorder.emit(request);
        if let Some(body) = body {
            self.recorder.emit(body);
        }
    }

    /// The request failed for good, after its last attempt: the event `claude_code.api_error`, and the span, whose
    /// status is ERROR. Nothing is counted.
    pub fn fail(self, mut error: ApiError) {
        let (Some(core), Some(session)) = (self.core(), self.recorder.session()) else {
            return;
        };
        if error.query_source.is_none() {
            error.query_source.clone_from(&core.query_source);
        }
        let mut state = core.take();
        let end = core.end_of(error.at);
        let took = *error
            .duration
            .get_or_insert_with(|| core.attempt_took(&state, error.at));
        error.attempt = error.attempt.or(u32::try_from(state.attempts.len()).ok());
        if let Some(span) = state.span.take() {
            let attempts = state.attempts_until(&end, error.attempt, took);
            span.end(
                session,
                core.start.wall(),
                end.wall,
                LlmSpan::failed(core, &end, &error, attempts),
            );
        }
        self.recorder.emit(error);
    }
}

impl fmt::Debug for LlmRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let model = self.core.as_ref().map(|core| &core.model);
        f.debug_struct("LlmRequest")
            .field("model", &model)
            .finish_non_exhaustive()
    }
}

/// When a request ended, and how long it took.
struct End {
    wall: u64,
    took: Duration,
}

impl LlmCore {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is known so far; nothing is left, so that the drop has nothing to end.
    fn take(&self) -> State {
        std::mem::take(&mut *self.state())
    }

    fn end_of(&self, given: Option<SystemTime>) -> End {
        let (wall, took) = Moment::new(given, self.session.telemetry.clock).since(&self.start);
        End { wall, took }
    }

    /// How long the attempt took that was under way.
    fn attempt_took(&self, state: &State, end: Option<SystemTime>) -> Duration {
        let began = state.attempt_began.unwrap_or(self.start);
        Moment::new(end, self.session.telemetry.clock)
            .since(&began)
            .1
    }
}

impl State {
    /// When each attempt began. Those that the host did not tell of began with the last one.
    fn attempts_until(&self, end: &End, count: Option<u32>, last: Duration) -> Vec<u64> {
        let count = count.map_or(self.attempts.len(), |count| count as usize);
        let last = u64::try_from(last.as_nanos()).unwrap_or(u64::MAX);
        let last_began = end.wall.saturating_sub(last);
        let mut attempts = self.attempts.clone();
        attempts.resize(count.clamp(1, MAX_ATTEMPTS), last_began);
        attempts
    }
}

/// More attempts are counted, but have no span event of their own.
const MAX_ATTEMPTS: usize = 128;

impl Unfinished for LlmCore {
    fn abandon(&self) -> bool {
        let mut state = self.take();
        let Some(span) = state.span.take() else {
            return false;
        };
        let end = self.end_of(None);
        let attempts = std::mem::take(&mut state.attempts);
        span.end(
            &self.session,
            self.start.wall(),
            end.wall,
            LlmSpan::new(self, &end, attempts),
        );
        true
    }
}

impl Drop for LlmCore {
    fn drop(&mut self) {
        if self.session.telemetry.is_here() {
            self.abandon();
            self.session.telemetry.open_spans.leave(self.number);
        }
    }
}

/// `claude_code.llm_request`
struct LlmSpan {
    model: Cow<'static, str>,
    context: RequestContext,
    speed: Speed,
    query_source: Option<Cow<'static, str>>,
    duration: Duration,
    time_to_first_token: Option<Duration>,
    tokens: Option<TokenUsage>,
    request_id: Option<Cow<'static, str>>,
    success: bool,
    attempts: Vec<u64>,
    attempt: u64,
    status_code: Option<u16>,
    error: Option<Cow<'static, str>>,
    has_tool_call: Option<bool>,
    stop_reason: Option<Cow<'static, str>>,
}

impl LlmSpan {
    /// A request that was neither answered nor failed.
    fn new(core: &LlmCore, end: &End, attempts: Vec<u64>) -> Self {
        Self {
            model: core.model.clone(),
            context: core.context,
            speed: Speed::Normal,
            query_source: core.query_source.clone(),
            duration: end.took,
            time_to_first_token: None,
            tokens: None,
            request_id: None,
            success: false,
            attempt: (attempts.len() as u64).max(1),
            attempts,
            status_code: None,
            error: None,
            has_tool_call: None,
            stop_reason: None,
        }
    }

    fn answered(
        core: &LlmCore,
        state: &State,
        end: &End,
        request: &ApiRequest,
        attempts: Vec<u64>,
    ) -> Self {
        let span = Self::new(core, end, attempts);
        Self {
            speed: request.speed,
            query_source: request.query_source.clone(),
            time_to_first_token: request.time_to_first_token.or(state.time_to_first_token),
            tokens: Some(request.tokens),
            request_id: request.request_id.clone(),
            success: true,
            attempt: request.attempt.map_or(span.attempt, u64::from),
            has_tool_call: request.has_tool_call,
            stop_reason: request.stop_reason.clone(),
            ..span
        }
    }

    fn failed(core: &LlmCore, end: &End, error: &ApiError, attempts: Vec<u64>) -> Self {
        let span = Self::new(core, end, attempts);
        Self {
            speed: error.speed,
            query_source: error.query_source.clone(),
            request_id: error.request_id.clone(),
            attempt: error.attempt.map_or(span.attempt, u64::from),
            status_code: error.status_code,
            error: Some(error.error.0.clone()),
            ..span
        }
    }
}

impl SpanRecord for LlmSpan {
    fn span(&self) -> &'static catalog::Span {
        &span::LLM_REQUEST
    }

    fn attributes<'a>(&'a self, out: &mut Attributes<'a>) {
        out.text(key::MODEL, &*self.model);
        out.text(key::GEN_AI_SYSTEM, "anthropic");
        out.text(key::GEN_AI_REQUEST_MODEL, &*self.model);
        out.text(key::LLM_REQUEST_CONTEXT, self.context.as_str());
        out.text(key::SPEED, self.speed.as_str());
        out.text_if(key::QUERY_SOURCE, self.query_source.as_deref());
        out.count(key::DURATION_MS, millis(self.duration));
        out.count_if(key::TTFT_MS, self.time_to_first_token.map(millis));
        if let Some(tokens) = self.tokens {
            out.count(key::INPUT_TOKENS, tokens.input);
            out.count(key::OUTPUT_TOKENS, tokens.output);
            out.count(key::CACHE_READ_TOKENS, tokens.cache_read);
            out.count(key::CACHE_CREATION_TOKENS, tokens.cache_creation);
        }
        out.text_if(key::REQUEST_ID, self.request_id.as_deref());
        out.text_if(key::GEN_AI_RESPONSE_ID, self.request_id.as_deref());
        out.bool(key::SUCCESS, self.success);
        out.count(key::ATTEMPT, self.attempt);
        out.count_if(key::STATUS_CODE, self.status_code.map(u64::from));
        out.text_if(key::ERROR, self.error.as_deref());
        out.bool_if(key::RESPONSE_HAS_TOOL_CALL, self.has_tool_call);
        if let Some(reason) = self.stop_reason.as_deref() {
            out.text(key::STOP_REASON, reason);
            out.texts(key::GEN_AI_RESPONSE_FINISH_REASONS, vec![reason.into()]);
        }
    }

    fn failure(&self) -> Option<Cow<'_, str>> {
        self.error.as_deref().map(Cow::Borrowed)
    }

    fn events<'a>(&'a self, out: &mut Vec<SpanEvent<'a>>) {
        for (n, time) in self.attempts.iter().enumerate() {
            let mut attributes = Attributes::default();
            attributes.count(key::ATTEMPT, n as u64 + 1);
            out.push(SpanEvent {
                event: &span::REQUEST_ATTEMPT,
                time: *time,
                attributes,
            });
        }
    }

    fn size(&self) -> usize {
        text_size(&[
            Some(&self.model),
            self.query_source.as_ref(),
            self.request_id.as_ref(),
            self.error.as_ref(),
            self.stop_reason.as_ref(),
        ]) + 8 * self.attempts.len()
    }
}
