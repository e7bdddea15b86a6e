//! Model requests with their retries.

use std::time::{Duration, SystemTime};

use super::llm_span::LlmSpan;
use crate::content::Content;
use crate::record::string_enum::string_enum;
use crate::record::{ApiError, ApiRequest, ApiRequestBody, ApiResponseBody, Text, record};
use crate::session::Recorder;
use crate::state::{OpenSpan, Operation, OperationHandle, SessionCore, Timestamp};

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

record! {
    /// Options for beginning a model request. The name of the model alone is enough.
    record LlmRequestOptions: Clone, Debug;

    /// Creates the options of a request for `model`.
    new(model: impl Into<Text>);

    fields {
        required model: Text = "model";
        /// Sets the subsystem that makes the request (`query_source`), for example `compact`.
        optional query_source: Option<Text> = "query_source";
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

/// A model request in flight: the span `claude_code.llm_request`, from the first attempt to the answer.
///
/// A request ends with [`finish`](Self::finish) or [`fail`](Self::fail). A request that is dropped without either, for
/// example in a canceled future, ends its span as unsuccessful and records neither an event nor a metric.
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
#[derive(Debug)]
#[must_use = "a request that is dropped counts as cancelled: call `finish` or `fail`"]
pub struct LlmRequest {
    recorder: Recorder,
    request: OperationHandle<Request>,
}

struct Request {
    model: Text,
    query_source: Option<Text>,
    context: RequestContext,
    span: OpenSpan,
    /// The start of each attempt, in nanoseconds since the Unix epoch.
    attempts: Vec<u64>,
    attempt_began: Timestamp,
    time_to_first_token: Option<Duration>,
    response_body: Option<Content>,
}

impl LlmRequest {
    pub(crate) fn begin(outside: &Recorder, options: LlmRequestOptions) -> Self {
        let Some(session) = outside.session() else {
            return Self {
                recorder: outside.clone(),
                request: OperationHandle::off(),
            };
        };
        let span = outside.begin_span(session, options.at);
        let recorder = Recorder {
            parent: span.context.clone(),
            ..outside.clone()
        };
        let request = Request {
            model: options.model,
            query_source: options.query_source,
            context: options.context.unwrap_or(outside.context),
            attempts: vec![span.start.wall()],
            attempt_began: span.start,
            time_to_first_token: None,
            response_body: None,
            span,
        };
        Self {
            recorder,
            request: OperationHandle::new(session, request),
        }
    }

    /// Begins another attempt after a failed one. Adds a span event `gen_ai.request.attempt`; emits no event and no
    /// metric.
    pub fn retry(&self) {
        if let Some((session, mut request)) = self.request.lock() {
            let now = session.telemetry.timestamp(None);
            let (at, _) = now.since(&request.span.start);
            request.attempts.push(at);
            request.attempt_began = now;
            request.time_to_first_token = None;
        }
    }

    /// Records the arrival of the first token of the answer: the attribute `ttft_ms`, measured from the start of the
    /// current attempt. Only the first call of an attempt has an effect.
    pub fn first_token(&self) {
        if let Some((session, mut request)) = self.request.lock()
            && request.time_to_first_token.is_none()
        {
            let now = session.telemetry.timestamp(None);
            request.time_to_first_token = Some(now.since(&request.attempt_began).1);
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

    /// Sets the body of the answer: the event `claude_code.api_response_body`, which is emitted right after the event
    /// of the request when the request finishes.
    pub fn response_body(&self, body: impl Into<Content>) {
        if let Some((_, mut request)) = self.request.lock() {
            request.response_body = Some(body.into());
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
    pub fn finish(self, mut answer: ApiRequest) {
        let Some((session, mut request)) = self.request.lock() else {
            return;
        };
        if answer.requested_model.is_none() && answer.model != request.model {
            answer.requested_model = Some(request.model.clone());
        }
        let end = request.complete(
            session,
            answer.at,
            &mut answer.query_source,
            &mut answer.duration.0,
        );
        let attempts = request.attempts(answer.attempt, end, answer.duration.0);
        let first_token = request.time_to_first_token;
        request.end(session, end, attempts, |span| {
            span.answered(&answer, first_token)
        });
        let body = request.response_body.take().map(|body| {
            let mut record = ApiResponseBody::new(answer.model.clone(), body);
            record.query_source.clone_from(&answer.query_source);
            record.request_id.clone_from(&answer.request_id);
            record.at = answer.at;
            record
        });
        drop(request);
        self.recorder.record_api_request(answer);
        if let Some(body) = body {
            self.recorder.emit(body);
        }
    }

    /// Ends a request that failed after its last attempt: emits the event `claude_code.api_error` and ends the span
    /// with the status ERROR. No metric is recorded.
    pub fn fail(self, mut error: ApiError) {
        let Some((session, mut request)) = self.request.lock() else {
            return;
        };
        let end = request.complete(
            session,
            error.at,
            &mut error.query_source,
            &mut error.duration.0,
        );
        let attempt = error.attempt.0;
        error.attempt.0 = attempt.or(u32::try_from(request.attempts.len()).ok());
        let attempts = request.attempts(error.attempt.0, end, error.duration.0);
        request.end(session, end, attempts, |span| span.failed(&error));
        drop(request);
        self.recorder.emit(error);
    }
}

/// The maximum number of attempts with a span event. Further attempts are only counted.
const MAX_ATTEMPTS: usize = 128;

impl Request {
    /// Completes the fields of an outcome that the host did not set: the subsystem, and the duration of the last
    /// attempt. Returns the end of the request.
    fn complete(
        &self,
        session: &SessionCore,
        at: Option<SystemTime>,
        query_source: &mut Option<Text>,
        duration: &mut Option<Duration>,
    ) -> Timestamp {
        if query_source.is_none() {
            query_source.clone_from(&self.query_source);
        }
        let end = session.telemetry.timestamp(at);
        duration.get_or_insert_with(|| end.since(&self.attempt_began).1);
        end
    }

    /// Returns the start of each attempt. Attempts that the host did not report get the start of the last attempt.
    fn attempts(&self, count: Option<u32>, end: Timestamp, last: Option<Duration>) -> Vec<u64> {
        let count = count.map_or(self.attempts.len(), |count| count as usize);
        let (end, _) = end.since(&self.span.start);
        let last = u64::try_from(last.unwrap_or_default().as_nanos()).unwrap_or(u64::MAX);
        let mut attempts = self.attempts.clone();
        attempts.resize(count.clamp(1, MAX_ATTEMPTS), end.saturating_sub(last));
        attempts
    }

    /// Ends the span, to which `outcome` adds the answer or the error.
    fn end(
        &mut self,
        session: &SessionCore,
        end: Timestamp,
        attempts: Vec<u64>,
        outcome: impl FnOnce(LlmSpan) -> LlmSpan,
    ) -> bool {
        let (model, query_source) = (self.model.clone(), self.query_source.clone());
        let context = self.context;
        self.span.end(session, end, |duration| {
            outcome(LlmSpan::new(
                model,
                query_source,
                context,
                duration,
                attempts,
            ))
        })
    }
}

impl Operation for Request {
    fn span(&self) -> &OpenSpan {
        &self.span
    }

    fn abandon(&mut self, session: &SessionCore) -> bool {
        let now = session.telemetry.timestamp(None);
        let attempts = self.attempts.clone();
        self.end(session, now, attempts, |span| span)
    }
}
