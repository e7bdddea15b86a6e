//! The span of a model request.

use std::borrow::Cow;
use std::time::Duration;

use super::llm_request::{LlmRequestOptions, RequestContext};
use crate::content::Payload;
use crate::encode::spans::{SpanEvent, SpanRecord};
use crate::record::{
    ApiError, ApiRequest, ErrorMessage, Speed, Text, Value, attribute_rows, fields, span,
};
use crate::schema;
use crate::state::Timestamp;

const REQUEST_ATTEMPT: &schema::SpanEvent = &schema::SpanEvent {
    name: "gen_ai.request.attempt",
    description: "One for each attempt",
    attributes: attribute_rows! { u64 = "attempt", "Number of the attempt, from 1"; },
};
const ATTEMPT: &str = REQUEST_ATTEMPT.attributes[0].name;

span! {
    /// The data of the span `claude_code.llm_request`.
    #[derive(Default)]
    span LlmSpan emits "llm_request", "One model request with its retries",
        fails when "the request failed; the message is the error's", has events REQUEST_ATTEMPT;
    sent {
        model: Text = "model", "Requested model";
        system: Text = "gen_ai.system", "Provider of the model, by default `anthropic`";
        request_model: Text = "gen_ai.request.model", "Requested model";
        context: RequestContext = "llm_request.context", "Origin of the request, by default the kind of handle on which it was started";
        speed: Speed = "speed", "Speed mode";
        query_source: Option<Text> = "query_source", "Subsystem that made the request";
        duration: Duration = "duration_ms", "Duration of all attempts in milliseconds";
        time_to_first_token: Option<Duration> =
            "ttft_ms", "Time to the first token in milliseconds";
        input_tokens: Option<u64> = "input_tokens", "Input tokens";
        output_tokens: Option<u64> = "output_tokens", "Output tokens";
        cache_read_tokens: Option<u64> = "cache_read_tokens", "Tokens read from the cache";
        cache_creation_tokens: Option<u64> =
            "cache_creation_tokens", "Tokens written to the cache";
        request_id: Option<Text> = "request_id", "The API's request id";
        response_id: Option<Text> = "gen_ai.response.id", "The same id";
        success: bool = "success", "Success of the request";
        attempt: u64 = "attempt", "Total number of attempts";
        status_code: Option<u64> = "status_code", "HTTP status of the failure";
        error: Option<ErrorMessage> = "error", "Error message";
        has_tool_call: Option<bool> = "response.has_tool_call", "`true` if the response calls a tool";
        stop_reason: Option<Text> = "stop_reason", "Reason why the model stopped";
        finish_reasons: Option<FinishReasons> =
            "gen_ai.response.finish_reasons", "The same as a list";
    }
    other {
        /// The start of each attempt, in nanoseconds since the Unix epoch.
        attempts: Vec<u64>;
    }
}

/// The reason why the model stopped, as a list.
#[derive(Clone)]
pub(crate) struct FinishReasons(Text);

impl Payload for FinishReasons {
    fn size(&self) -> usize {
        self.0.len()
    }
}

fields! {
    FinishReasons: StringArray = |reason| Some(vec![(&*reason.0).into()]);
}

/// The maximum number of attempts with a span event: the default limit of events in a span in the OpenTelemetry
/// specification. Further attempts are only counted.
const MAX_ATTEMPTS: usize = 128;

impl LlmSpan {
    /// Creates the data of a request with its first attempt. `context` is the kind of the handle on which the request
    /// was started; the options can set another context.
    pub(super) fn begin(
        options: LlmRequestOptions,
        context: RequestContext,
        start: Timestamp,
    ) -> Self {
        let provider = options.provider;
        Self {
            request_model: options.model.clone(),
            model: options.model,
            context: options.context.unwrap_or(context),
            query_source: options.query_source,
            system: provider.unwrap_or(Text::from_static("anthropic")),
            attempt: 1,
            attempts: vec![start.wall()],
            ..Self::default()
        }
    }

    /// Adds another attempt, which begins at `start`, in nanoseconds since the Unix epoch.
    pub(super) fn begin_attempt(&mut self, start: u64) {
        self.attempt += 1;
        if self.attempts.len() < MAX_ATTEMPTS {
            self.attempts.push(start);
        }
    }

    /// Moves the start of the current attempt to `start`, in nanoseconds since the Unix epoch.
    pub(super) fn move_attempt(&mut self, start: u64) {
        let has_event = self.attempts.len() as u64 == self.attempt;
        if let Some(last) = self.attempts.last_mut().filter(|_| has_event) {
            *last = start;
        }
    }

    /// Adds the response. `last_start` is the start of the last attempt, in nanoseconds since the Unix epoch.
    pub(super) fn answer(&mut self, answer: &ApiRequest, last_start: u64) {
        self.speed = answer.speed;
        self.query_source.clone_from(&answer.query_source);
        self.time_to_first_token = answer.time_to_first_token;
        self.input_tokens = Some(answer.input_tokens);
        self.output_tokens = Some(answer.output_tokens);
        self.cache_read_tokens = Some(answer.cache_read_tokens);
        self.cache_creation_tokens = Some(answer.cache_creation_tokens);
        self.set_request_id(answer.request_id.as_ref());
        self.success = true;
        self.has_tool_call = answer.has_tool_call;
        self.stop_reason.clone_from(&answer.stop_reason);
        self.finish_reasons = answer.stop_reason.clone().map(FinishReasons);
        self.count_attempts(answer.attempt, last_start);
    }

    /// Adds the error. `last_start` is the start of the last attempt, in nanoseconds since the Unix epoch.
    pub(super) fn fail(&mut self, error: &ApiError, last_start: u64) {
        self.speed = error.speed;
        self.query_source.clone_from(&error.query_source);
        self.set_request_id(error.request_id.as_ref());
        self.status_code = error.status_code.0.map(u64::from);
        self.error = Some(error.error.clone());
        self.count_attempts(error.attempt.0, last_start);
    }

    fn set_request_id(&mut self, id: Option<&Text>) {
        self.request_id = id.cloned();
        self.response_id = id.cloned();
    }

    /// Applies the number of attempts that the host reported. Attempts without a call of `retry` get the start of the
    /// last one.
    fn count_attempts(&mut self, reported: Option<u32>, last_start: u64) {
        self.attempt = reported.map_or(self.attempt, u64::from);
        let events = usize::try_from(self.attempt).unwrap_or(usize::MAX);
        self.attempts
            .resize(events.clamp(1, MAX_ATTEMPTS), last_start);
    }
}

impl SpanRecord for LlmSpan {
    fn failure(&self) -> Option<Cow<'_, str>> {
        self.error.as_ref().map(|error| Cow::Borrowed(&*error.0))
    }

    fn events(&self) -> Vec<SpanEvent<'_>> {
        let event = |(time, attempt): (&u64, i64)| SpanEvent {
            event: REQUEST_ATTEMPT,
            time: *time,
            attributes: vec![(ATTEMPT, Value::Int(attempt))],
        };
        self.attempts.iter().zip(1..).map(event).collect()
    }
}
