//! Model requests with their retries.

use std::borrow::Cow;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use super::llm_span::LlmSpan;
use crate::content::Content;
use crate::record::string_enum::string_enum;
use crate::record::{ApiError, ApiRequest, ApiRequestBody, ApiResponseBody, setters};
use crate::session::Recorder;
use crate::state::SessionCore;
use crate::state::{OpenSpan, OpenSpanOwner, Timestamp};

string_enum! {
    /// The origin of a model request: the attribute `llm_request.context`.
    RequestContext {
        /// The turn of a prompt.
        Interaction = "interaction",
        /// A subagent inside a tool.
        Tool = "tool",
        /// Neither a prompt nor a tool.
        Standalone = "standalone",
    }
}

/// Options for beginning a model request. The name of the model alone is enough.
#[derive(Clone, Debug)]
pub struct LlmRequestOptions {
    model: Cow<'static, str>,
    query_source: Option<Cow<'static, str>>,
    context: Option<RequestContext>,
    at: Option<SystemTime>,
}

impl LlmRequestOptions {
    /// Creates the options of a request for `model`.
    pub fn new(model: impl Into<Cow<'static, str>>) -> Self {
        Self {
            model: model.into(),
            query_source: None,
            context: None,
            at: None,
        }
    }

    setters! {
        /// Sets the subsystem that makes the request (`query_source`), for example `compact`.
        query_source: Option<Text>,
        /// Sets the origin of the request (`llm_request.context`). The default is the kind of the handle on which it
        /// begins.
        context: Option<RequestContext>,
        /// Sets the time at which the first attempt began. The default is the current time.
        at: Option<SystemTime>,
    }
}

impl<T: Into<Cow<'static, str>>> From<T> for LlmRequestOptions {
    fn from(model: T) -> Self {
        Self::new(model)
    }
}

/// A model request in flight: the span `claude_code.llm_request`, from the first attempt to the answer.
///
/// A request ends with [`answered`](Self::answered) or [`finish`](Self::finish), or with [`failed`](Self::failed) or
/// [`fail`](Self::fail). A request that is dropped without any of them, for example in a canceled future, ends its span
/// as unsuccessful and records neither an event nor a metric.
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
    start: Timestamp,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    span: Option<OpenSpan>,
    /// The start of each attempt, in nanoseconds since the Unix epoch.
    attempts: Vec<u64>,
    attempt_began: Option<Timestamp>,
    time_to_first_token: Option<Duration>,
    response_body: Option<Content>,
}

impl LlmRequest {
    /// Returns the shared state; `None` when telemetry is off, and in a forked child.
    fn core(&self) -> Option<&Arc<LlmCore>> {
        self.core
            .as_ref()
            .filter(|core| core.session.telemetry.in_original_process())
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

    /// Begins another attempt after a failed one. Adds a span event `gen_ai.request.attempt`; emits no event and no
    /// metric.
    pub fn retry(&self) {
        if let Some(core) = self.core() {
            let now = Timestamp::new(None, core.session.telemetry.clock);
            let mut state = core.state();
            let (at, _) = now.since(&core.start);
            state.attempts.push(at);
            state.attempt_began = Some(now);
            state.time_to_first_token = None;
        }
    }

    /// Records the arrival of the first token of the answer: the attribute `ttft_ms`, measured from the start of the
    /// current attempt. Only the first call of an attempt has an effect.
    pub fn first_token(&self) {
        if let Some(core) = self.core() {
            let now = Timestamp::new(None, core.session.telemetry.clock);
            let mut state = core.state();
            if state.time_to_first_token.is_none() {
                state.time_to_first_token = state.attempt_began.map(|began| now.since(&began).1);
            }
        }
    }

    /// Records the body of the current attempt: emits the event `claude_code.api_request_body` if
    /// `OTEL_LOG_RAW_API_BODIES` is on. Call it once for each attempt.
    pub fn body(&self, body: impl Into<Content>) {
        self.record_body(body.into(), None);
    }

    /// Records a body as [`body`](Self::body) does, for an attempt that was sent at `time`.
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

    /// Sets the body of the answer: the event `claude_code.api_response_body`, which is emitted right after the event
    /// of the request when the request finishes.
    pub fn response_body(&self, body: impl Into<Content>) {
        if let Some(core) = self.core() {
            core.state().response_body = Some(body.into());
        }
    }

    /// Passes the trace context of this request to a carrier: the header `traceparent` and, if there is one,
    /// `tracestate`. When tracing is off, the carrier is not called.
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

    /// Ends a request that the API answered: emits the event `claude_code.api_request`, adds cost and tokens to the
    /// metrics, and ends the span. The requested model is that of the handle.
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

    /// Ends an answered request as [`finish`](Self::finish) does, without naming the model again: the closure receives
    /// an answer for the requested model and completes it.
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

    /// Ends a failed request as [`fail`](Self::fail) does, without naming the model again: the closure receives an
    /// error for the requested model with the message `error` and completes it.
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

    /// Ends a request that failed after its last attempt: emits the event `claude_code.api_error` and ends the span
    /// with the status ERROR. No metric is recorded.
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

/// The end of a request, in nanoseconds since the Unix epoch, and its duration.
struct End {
    wall: u64,
    took: Duration,
}

impl LlmCore {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes the state and leaves an empty one, so that dropping the core has no span to end.
    fn take(&self) -> State {
        std::mem::take(&mut *self.state())
    }

    fn end_of(&self, given: Option<SystemTime>) -> End {
        let (wall, took) = Timestamp::new(given, self.session.telemetry.clock).since(&self.start);
        End { wall, took }
    }

    /// Returns the span of a request without an answer or an error.
    fn span(&self, end: &End, attempts: Vec<u64>) -> LlmSpan {
        let (model, query_source) = (self.model.clone(), self.query_source.clone());
        LlmSpan::new(model, query_source, self.context, end.took, attempts)
    }

    /// Returns the duration of the current attempt.
    fn attempt_took(&self, state: &State, end: Option<SystemTime>) -> Duration {
        let began = state.attempt_began.unwrap_or(self.start);
        Timestamp::new(end, self.session.telemetry.clock)
            .since(&began)
            .1
    }
}

impl State {
    /// Returns the start of each attempt. Attempts that the host did not report get the start of the last attempt.
    fn attempts_until(&self, end: &End, count: Option<u32>, last: Duration) -> Vec<u64> {
        let count = count.map_or(self.attempts.len(), |count| count as usize);
        let last = u64::try_from(last.as_nanos()).unwrap_or(u64::MAX);
        let last_began = end.wall.saturating_sub(last);
        let mut attempts = self.attempts.clone();
        attempts.resize(count.clamp(1, MAX_ATTEMPTS), last_began);
        attempts
    }
}

/// The maximum number of attempts with a span event. Further attempts are only counted.
const MAX_ATTEMPTS: usize = 128;

impl OpenSpanOwner for LlmCore {
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
        if self.session.telemetry.in_original_process() {
            self.abandon();
            self.session.telemetry.open_spans.leave(self.number);
        }
    }
}
