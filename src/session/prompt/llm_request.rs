//! One model request with its retries.

use std::borrow::Cow;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use super::llm_span::LlmSpan;
use crate::content::Content;
use crate::record::words::words;
use crate::record::{ApiError, ApiRequest, ApiRequestBody, ApiResponseBody, optional};
use crate::session::Recorder;
use crate::state::SessionCore;
use crate::state::{Moment, OpenSpan, Unfinished};

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
        self.query_source = optional(source);
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
/// It ends with [`answered`](Self::answered) or [`finish`](Self::finish), or with [`failed`](Self::failed) or
/// [`fail`](Self::fail). Dropped without either (a cancelled future) it ends its
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
                core.span(&end, attempts)
                    .answered(&request, state.time_to_first_token),
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

    /// [`finish`](Self::finish) by the model that was asked for, so that it is named once: the closure says the rest of the
    /// answer.
    ///
    /// ```
    /// # use claude_code_telemetry::{Identity, Telemetry, TokenUsage};
    /// # let prompt = Telemetry::disabled().session(Identity::new()).prompt("hi");
    /// let request = prompt.llm_request("claude-sonnet-4-6");
    /// let usage = TokenUsage::new().input(1_200).output(86);
    /// request.answered(|answer| answer.tokens(usage).cost_usd(0.0049));
    /// ```
    pub fn answered(self, answer: impl FnOnce(ApiRequest) -> ApiRequest) {
        if let Some(core) = self.core() {
            let request = answer(ApiRequest::new(core.model.clone()));
            self.finish(request);
        }
    }

    /// [`fail`](Self::fail) of the model that was asked for, with the message `error`: the closure says the rest.
    pub fn failed(
        self,
        error: impl Into<Cow<'static, str>>,
        more: impl FnOnce(ApiError) -> ApiError,
    ) {
        if let Some(core) = self.core() {
            let error = more(ApiError::new(core.model.clone(), error));
            self.fail(error);
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
                core.span(&end, attempts).failed(&error),
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

    /// The span of a request of which nothing more is known.
    fn span(&self, end: &End, attempts: Vec<u64>) -> LlmSpan {
        let (model, query_source) = (self.model.clone(), self.query_source.clone());
        LlmSpan::new(model, query_source, self.context, end.took, attempts)
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
            self.span(&end, attempts),
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
