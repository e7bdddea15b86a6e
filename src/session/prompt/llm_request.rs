//! Model requests with their retries.

use std::time::{Duration, SystemTime};

use super::calls::Handle;
use super::llm_span::LlmSpan;
use crate::content::Content;
use crate::propagation::ChildEnv;
use crate::record::string_enum::string_enum;
use crate::record::{ApiError, ApiRequest, ApiRequestBody, ApiResponseBody, Text, record};
use crate::session::Recorder;
use crate::state::{OpenSpan, Operation, OperationHandle, SessionCore, Timestamp};

string_enum! {
    /// The origin of a model request: the attribute `llm_request.context`.
    #[derive(Default)]
    pub enum RequestContext {
        /// The turn of a prompt.
        Interaction = "interaction",
        /// A subagent inside a tool.
        Tool = "tool",
        /// Neither a prompt nor a tool.
        #[default]
        Standalone = "standalone",
    }
}

record! {
    /// Options for beginning a model request. The name of the model alone is enough.
    record LlmRequestOptions: Clone, Debug;

    /// Creates the options of a request for `model`.
    new(model: impl Into<Text>);

    fields {
        required model: Text = "model";
        /// Sets the subsystem that makes the request (`query_source`), for example `compact`.
        optional query_source: Option<Text> = "query_source";
        /// Sets the provider of the model (`gen_ai.system`), for example `openai`. The default is `anthropic`. Sent
        /// only on the span.
        optional provider: Option<Text> = "gen_ai.system" | "provider";
        /// Sets the origin of the request (`llm_request.context`). The default is the kind of the handle on which it
        /// begins.
        optional context: Option<RequestContext> = "llm_request.context" | "context";
        /// Sets the time at which the first attempt began. The default is the current time.
        optional at: Option<SystemTime> = "at";
    }
}

impl<T: Into<Text>> From<T> for LlmRequestOptions {
    fn from(model: T) -> Self {
        Self::new(model)
    }
}

/// A model request in flight: the span `claude_code.llm_request`, from the first attempt to the response.
///
/// A request ends with [`finish`](Self::finish) or [`fail`](Self::fail), or with [`end`](Self::end) if it was canceled.
/// A request that is dropped without any of them, for example in a canceled future, ends its span as unsuccessful and
/// records neither an event nor a metric.
///
/// ```
/// # use claude_code_telemetry::{ApiRequest, Identity, Telemetry};
/// # let session = Telemetry::disabled().session(Identity::new());
/// let prompt = session.prompt("Fix the bug");
/// let request = prompt.llm_request("claude-sonnet-4-6");
/// // ... the first attempt fails with 529, the second one succeeds
/// request.retry();
/// request.first_token();
/// request.finish(ApiRequest::new("claude-sonnet-4-6").cost_usd(0.0021));
/// ```
#[derive(Debug)]
#[must_use = "a request that is dropped counts as canceled: call `finish`, `fail` or `end`"]
pub struct LlmRequest {
    /// The recorder whose span is that of the request.
    pub(crate) recorder: Recorder,
    request: OperationHandle<Request>,
}

struct Request {
    /// Requested model.
    model: Text,
    query_source: Option<Text>,
    span: OpenSpan<LlmSpan>,
    /// True if [`LlmRequest::attempt_started`] has reported the current attempt, so that its next call begins another
    /// one.
    is_start_reported: bool,
    attempt_began: Timestamp,
    /// From the start of the current attempt.
    time_to_first_token: Option<Duration>,
    response_body: Option<Content>,
}

impl LlmRequest {
    /// Begins a request. `outer` is the recorder on which the host begins it.
    pub(crate) fn begin(outer: &Recorder, options: LlmRequestOptions) -> Self {
        let mut recorder = outer.clone();
        let request = OperationHandle::begin(outer.session(), |session| {
            let start = outer.timestamp(session, options.at);
            let identity = outer.child(session);
            recorder.parent.clone_from(&identity.context);
            let (model, query_source) = (options.model.clone(), options.query_source.clone());
            let record = LlmSpan::begin(options, outer.context, start);
            Request {
                model,
                query_source,
                span: OpenSpan::begin(identity, start, record),
                is_start_reported: false,
                attempt_began: start,
                time_to_first_token: None,
                response_body: None,
            }
        });
        Self { recorder, request }
    }

    /// Begins another attempt after a failed one. Adds a span event `gen_ai.request.attempt`; emits no event and no
    /// metric.
    ///
    /// ```
    /// # use claude_code_telemetry::{Identity, Telemetry};
    /// # let prompt = Telemetry::disabled().session(Identity::new()).prompt("hi");
    /// let request = prompt.llm_request("claude-sonnet-4-6");
    /// // ... the API answers 529
    /// request.retry();
    /// # drop(request);
    /// ```
    pub fn retry(&self) {
        self.update(None, Request::begin_attempt);
    }

    /// Begins another attempt as [`retry`](Self::retry) does, at an explicit time.
    pub fn retry_at(&self, time: SystemTime) {
        self.update(Some(time), Request::begin_attempt);
    }

    /// Reports that an attempt starts, for an HTTP layer that does not see which attempt it is. The first call, or the
    /// first one after [`retry`](Self::retry), refers to the attempt that has already begun, and sets its start. Each
    /// other call begins another attempt.
    ///
    /// ```
    /// # use claude_code_telemetry::{Identity, Telemetry};
    /// # let prompt = Telemetry::disabled().session(Identity::new()).prompt("hi");
    /// let request = prompt.llm_request("claude-sonnet-4-6");
    /// request.attempt_started(); // The first attempt.
    /// request.attempt_started(); // A second one.
    /// # drop(request);
    /// ```
    pub fn attempt_started(&self) {
        self.update(None, Request::report_start);
    }

    /// Reports the start of an attempt as [`attempt_started`](Self::attempt_started) does, at an explicit time.
    pub fn attempt_started_at(&self, time: SystemTime) {
        self.update(Some(time), Request::report_start);
    }

    /// Records the arrival of the first token of the response: the attribute `ttft_ms` of a request that succeeds,
    /// measured from the start of the current attempt. Only the first call of an attempt has an effect.
    ///
    /// ```
    /// # use claude_code_telemetry::{Identity, Telemetry};
    /// # let prompt = Telemetry::disabled().session(Identity::new()).prompt("hi");
    /// let request = prompt.llm_request("claude-sonnet-4-6");
    /// // ... the stream begins
    /// request.first_token();
    /// # drop(request);
    /// ```
    pub fn first_token(&self) {
        self.update(None, Request::first_token);
    }

    /// Records the arrival of the first token as [`first_token`](Self::first_token) does, at an explicit time.
    pub fn first_token_at(&self, time: SystemTime) {
        self.update(Some(time), Request::first_token);
    }

    /// Applies what the host reports at the given time, or at the current time.
    fn update(&self, time: Option<SystemTime>, change: impl FnOnce(&mut Request, Timestamp)) {
        if let Some((session, mut request)) = self.request.lock() {
            change(&mut request, session.telemetry.timestamp(time));
        }
    }

    /// Records the body of the current attempt: emits the event `claude_code.api_request_body` if
    /// `OTEL_LOG_RAW_API_BODIES` is on. Call it once for each attempt.
    ///
    /// ```
    /// # use claude_code_telemetry::{Identity, Telemetry};
    /// # let prompt = Telemetry::disabled().session(Identity::new()).prompt("hi");
    /// let request = prompt.llm_request("claude-sonnet-4-6");
    /// request.body(r#"{"messages":[]}"#);
    /// # drop(request);
    /// ```
    pub fn body(&self, body: impl Into<Content>) {
        self.record_body(body.into(), None);
    }

    /// Records a body as [`body`](Self::body) does, for an attempt that was sent at `time`.
    pub fn body_at(&self, body: impl Into<Content>, time: SystemTime) {
        self.record_body(body.into(), Some(time));
    }

    fn record_body(&self, body: Content, time: Option<SystemTime>) {
        let Some((_, request)) = self.request.lock() else {
            return;
        };
        let mut record = ApiRequestBody::new(request.model.clone(), body);
        record.query_source.clone_from(&request.query_source);
        record.at = time;
        // A large body is redacted when it is emitted, which other threads and the shutdown must not wait for.
        drop(request);
        self.recorder.emit(record);
    }

    /// Sets the body of the response: the event `claude_code.api_response_body`, which is emitted right after the event
    /// of the request when the request finishes, if `OTEL_LOG_RAW_API_BODIES` is on at this call and then.
    ///
    /// ```
    /// # use claude_code_telemetry::{ApiRequest, Identity, Telemetry};
    /// # let prompt = Telemetry::disabled().session(Identity::new()).prompt("hi");
    /// let request = prompt.llm_request("claude-sonnet-4-6");
    /// request.response_body(r#"{"content":[]}"#);
    /// request.finish(ApiRequest::new("claude-sonnet-4-6"));
    /// ```
    pub fn response_body(&self, body: impl Into<Content>) {
        // The conversion may copy the body, which other threads and the shutdown must not wait for.
        let body = body.into();
        if let Some((session, mut request)) = self.request.lock() {
            // A body that the policy withholds now is not kept for a policy that would send it later.
            let is_sent = session.telemetry.policy().raw_api_bodies();
            request.response_body = is_sent.then_some(body);
        }
    }

    /// Sets the headers `traceparent` and `tracestate` of an HTTP request to the trace context of this request.
    /// Replaces headers of another context, so that the same request can be sent again. When tracing is off, the
    /// headers stay unchanged.
    ///
    /// The map is that of the crate `http`, which most clients use, for example `reqwest`:
    ///
    /// ```
    /// # use claude_code_telemetry::LlmRequest;
    /// # async fn send(request: &LlmRequest, client: &reqwest::Client, body: String) -> reqwest::Result<()> {
    /// let mut attempt = client.post("http://localhost:8080/v1/messages").body(body).build()?;
    /// request.inject_headers(attempt.headers_mut());
    /// let response = client.execute(attempt).await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// or `hyper`, with a request of the crate `http` itself:
    ///
    /// ```
    /// # use claude_code_telemetry::{Identity, Telemetry};
    /// # let prompt = Telemetry::disabled().session(Identity::new()).prompt("hi");
    /// # let request = prompt.llm_request("claude-sonnet-4-6");
    /// let mut attempt = http::Request::post("http://localhost:8080/v1/messages").body("{}")?;
    /// request.inject_headers(attempt.headers_mut());
    /// # Ok::<(), http::Error>(())
    /// ```
    pub fn inject_headers(&self, headers: &mut http::HeaderMap) {
        self.recorder.inject_headers(headers);
    }

    /// Passes the trace context of this request to any other carrier: `traceparent` and, if there is one, `tracestate`.
    /// When tracing is off, the carrier is not called. For the headers of the crate `http`, use
    /// [`inject_headers`](Self::inject_headers).
    ///
    /// ```
    /// # use claude_code_telemetry::{Identity, Telemetry};
    /// # let prompt = Telemetry::disabled().session(Identity::new()).prompt("hi");
    /// # let request = prompt.llm_request("claude-sonnet-4-6");
    /// let mut headers = Vec::new();
    /// request.inject(|name, value| headers.push((name, value.to_owned())));
    /// ```
    ///
    /// The result of the closure is ignored, so that it can be one call of the host's own map of headers.
    pub fn inject<R>(&self, carrier: impl FnMut(&'static str, &str) -> R) {
        self.recorder.inject(carrier);
    }

    /// Returns the environment of a subprocess that makes this request: without `OTEL_*` variables, and with the trace
    /// context of the request.
    ///
    /// ```
    /// # use claude_code_telemetry::{Identity, Telemetry};
    /// # let prompt = Telemetry::disabled().session(Identity::new()).prompt("hi");
    /// let request = prompt.llm_request("claude-sonnet-4-6");
    /// let mut command = std::process::Command::new("my-model-runner");
    /// request.child_env().apply(&mut command);
    /// # request.end();
    /// ```
    pub fn child_env(&self) -> ChildEnv {
        self.recorder.child_env()
    }

    /// Ends a request to which the API responded: emits the event `claude_code.api_request`, adds cost and tokens to
    /// the metrics, and ends the span. If `answer` has no `requested_model`, and its model differs from the one with
    /// which the request began, the latter becomes the requested model.
    ///
    /// ```
    /// # use claude_code_telemetry::{ApiRequest, Identity, Telemetry, TokenUsage};
    /// # let prompt = Telemetry::disabled().session(Identity::new()).prompt("hi");
    /// let request = prompt.llm_request("claude-sonnet-4-6");
    /// let usage = TokenUsage::new().input(1_200).output(86);
    /// request.finish(ApiRequest::new("claude-sonnet-4-6").tokens(usage).cost_usd(0.0049));
    /// ```
    pub fn finish(self, mut answer: ApiRequest) {
        let Some((session, mut request)) = self.request.settle() else {
            return;
        };
        if answer.requested_model.is_none() && answer.model != request.model {
            answer.requested_model = Some(request.model.clone());
        }
        let measured = request.time_to_first_token;
        answer.time_to_first_token = answer.time_to_first_token.or(measured);
        let (query_source, duration) = (&mut answer.query_source, &mut answer.duration.0);
        let (end, last_start) = request.complete(session, answer.at, query_source, duration);
        let body = request.response_body.take().map(|body| {
            let mut record = ApiResponseBody::new(answer.model.clone(), body);
            record.query_source.clone_from(&answer.query_source);
            record.request_id.clone_from(&answer.request_id);
            record.at = answer.at;
            record
        });
        request.end(session, end, |span| span.answer(&answer, last_start));
        drop(request);
        self.recorder.record_api_request(answer);
        if let Some(body) = body {
            self.recorder.emit(body);
        }
    }

    /// Ends a request that failed after its last attempt: emits the event `claude_code.api_error` and ends the span
    /// with the status ERROR. No metric is recorded.
    ///
    /// ```
    /// # use claude_code_telemetry::{ApiError, Identity, Telemetry};
    /// # let prompt = Telemetry::disabled().session(Identity::new()).prompt("hi");
    /// let request = prompt.llm_request("claude-sonnet-4-6");
    /// request.fail(ApiError::new("claude-sonnet-4-6", "prompt is too long").status_code(400));
    /// ```
    pub fn fail(self, mut error: ApiError) {
        let Some((session, mut request)) = self.request.settle() else {
            return;
        };
        let (query_source, duration) = (&mut error.query_source, &mut error.duration.0);
        let (end, last_start) = request.complete(session, error.at, query_source, duration);
        let counted = u32::try_from(request.span.record.attempt).unwrap_or(u32::MAX);
        error.attempt.0.get_or_insert(counted);
        request.end(session, end, |span| span.fail(&error, last_start));
        drop(request);
        self.recorder.emit(error);
    }

    /// Ends a request that was canceled: ends its span as unsuccessful, and emits no event and no metric.
    ///
    /// ```
    /// # use claude_code_telemetry::{Identity, Telemetry};
    /// # let prompt = Telemetry::disabled().session(Identity::new()).prompt("hi");
    /// let request = prompt.llm_request("claude-sonnet-4-6");
    /// // ... the user stops the turn
    /// request.end();
    /// ```
    pub fn end(self) {
        self.end_request(None);
    }

    /// Ends a request as [`end`](Self::end) does, at an explicit time.
    pub fn end_at(self, time: SystemTime) {
        self.end_request(Some(time));
    }

    fn end_request(self, time: Option<SystemTime>) {
        if let Some((session, mut request)) = self.request.settle() {
            let end = session.telemetry.timestamp(time);
            request.end(session, end, |_| {});
        }
    }

    /// Returns another handle of the same request.
    pub(super) fn share(&self) -> Self {
        Self {
            recorder: self.recorder.clone(),
            request: self.request.clone(),
        }
    }
}

impl Request {
    /// Begins another attempt.
    fn begin_attempt(&mut self, start: Timestamp) {
        self.is_start_reported = false;
        self.attempt_began = start;
        self.time_to_first_token = None;
        let start = start.wall_after(&self.span.start);
        self.span.record.begin_attempt(start);
    }

    /// Sets the start of the current attempt, or begins another one if that start was reported before.
    fn report_start(&mut self, start: Timestamp) {
        if self.is_start_reported {
            self.begin_attempt(start);
        } else {
            self.attempt_began = start;
            let start = start.wall_after(&self.span.start);
            self.span.record.move_attempt(start);
        }
        self.is_start_reported = true;
    }

    fn first_token(&mut self, time: Timestamp) {
        let took = time.duration_since(&self.attempt_began);
        self.time_to_first_token.get_or_insert(took);
    }

    /// Completes the fields of an outcome that the host did not set: `query_source`, and the duration of the last
    /// attempt. Returns the end of the request, and the start of the last attempt in nanoseconds since the Unix epoch.
    fn complete(
        &self,
        session: &SessionCore,
        at: Option<SystemTime>,
        query_source: &mut Option<Text>,
        duration: &mut Option<Duration>,
    ) -> (Timestamp, u64) {
        if query_source.is_none() {
            query_source.clone_from(&self.query_source);
        }
        let end = session.telemetry.timestamp(at);
        let last_duration =
            *duration.get_or_insert_with(|| end.duration_since(&self.attempt_began));
        let end_on_clock = end.on_clock_of(&self.span.start);
        (end, end_on_clock.before(last_duration).wall())
    }

    /// Ends the span, and removes the content.
    fn end(
        &mut self,
        session: &SessionCore,
        end: Timestamp,
        outcome: impl FnOnce(&mut LlmSpan),
    ) -> bool {
        // Another handle can outlive the request, and must not keep its content in memory.
        self.response_body = None;
        self.span.end(session, end, |span, _| outcome(span))
    }
}

impl Handle for LlmRequest {
    fn abandon(&self) {
        self.request.abandon();
    }
}

impl Operation for Request {
    fn missing_outcome(&self) -> Option<&'static str> {
        self.span.ended().is_none().then_some("model request")
    }

    fn is_recorded(&self) -> bool {
        self.span.is_recorded()
    }

    fn abandon(&mut self, session: &SessionCore, now: Timestamp) -> bool {
        self.end(session, now, |_| {})
    }
}
