//! The steps `api_request` and `api_error`.

use std::time::SystemTime;

use claude_code_telemetry::{
    ApiError, ApiRequest, LlmRequest, LlmRequestOptions, RequestContext, Speed, TokenUsage,
};
use serde::Deserialize;

use crate::field::{Amount, Int, Object, Word, before};
use crate::scope::Scope;

#[derive(Deserialize)]
pub(crate) struct ApiRequestStep {
    model: String,
    metric_model: Option<String>,
    input_tokens: Option<Int>,
    output_tokens: Option<Int>,
    cache_read_tokens: Option<Int>,
    cache_creation_tokens: Option<Int>,
    cost_usd: Amount,
    duration_ms: Int,
    span_duration_ms: Option<Int>,
    ttft_ms: Option<Int>,
    attempt: Option<u32>,
    request_id: Option<String>,
    query_source: Option<String>,
    stop_reason: Option<String>,
    has_tool_call: Option<bool>,
    speed: Option<Word<Speed>>,
    context: Option<Word<RequestContext>>,
    parent_tool: Option<String>,
    request_body: Option<Object>,
    response_body: Option<Object>,
}

impl ApiRequestStep {
    /// Records the request's body, the request, the response's body; it was answered at `end`.
    pub(crate) fn record(mut self, scope: &mut Scope, end: SystemTime) {
        let begin = Begin {
            // The model that is asked for; the other one answers.
            model: self.metric_model.take().unwrap_or(self.model.clone()),
            query_source: self.query_source.take(),
            context: self.context,
            parent_tool: self.parent_tool.take(),
            duration: self.span_duration_ms.unwrap_or(self.duration_ms),
            body: self.request_body.take(),
        };
        let request = begin.begin(scope, end);
        if let Some(body) = self.response_body.take() {
            request.response_body(body);
        }
        request.finish(self.request(end));
    }

    fn request(self, end: SystemTime) -> ApiRequest {
        let count = |tokens: Option<Int>| tokens.map_or(0, |Int(count)| count);
        let mut request = ApiRequest::new(self.model)
            .tokens(
                TokenUsage::new()
                    .input(count(self.input_tokens))
                    .output(count(self.output_tokens))
                    .cache_read(count(self.cache_read_tokens))
                    .cache_creation(count(self.cache_creation_tokens)),
            )
            .cost_usd(self.cost_usd.0)
            .duration(self.duration_ms.ms())
            .at(end);
        if let Some(attempts) = self.attempt {
            request = request.attempt(attempts);
        }
        if let Some(time) = self.ttft_ms {
            request = request.time_to_first_token(time.ms());
        }
        if let Some(id) = self.request_id {
            request = request.request_id(id);
        }
        if let Some(Word(speed)) = self.speed {
            request = request.speed(speed);
        }
        if let Some(has) = self.has_tool_call {
            request = request.has_tool_call(has);
        }
        if let Some(reason) = self.stop_reason {
            request = request.stop_reason(reason);
        }
        request
    }
}

#[derive(Deserialize)]
pub(crate) struct ApiErrorStep {
    model: String,
    error: String,
    status_code: Option<u16>,
    duration_ms: Int,
    span_duration_ms: Option<Int>,
    attempt: Option<u32>,
    request_id: Option<String>,
    query_source: Option<String>,
    speed: Option<Word<Speed>>,
    context: Option<Word<RequestContext>>,
    parent_tool: Option<String>,
    request_body: Option<Object>,
}

impl ApiErrorStep {
    /// Records the request's body and the failure; it failed for good at `end`.
    pub(crate) fn record(mut self, scope: &mut Scope, end: SystemTime) {
        let begin = Begin {
            model: self.model.clone(),
            query_source: self.query_source.take(),
            context: self.context,
            parent_tool: self.parent_tool.take(),
            duration: self.span_duration_ms.unwrap_or(self.duration_ms),
            body: self.request_body.take(),
        };
        begin.begin(scope, end).fail(self.error(end));
    }

    fn error(self, end: SystemTime) -> ApiError {
        let mut error = ApiError::new(self.model, self.error)
            .duration(self.duration_ms.ms())
            .at(end);
        if let Some(status) = self.status_code {
            error = error.status_code(status);
        }
        if let Some(attempts) = self.attempt {
            error = error.attempt(attempts);
        }
        if let Some(id) = self.request_id {
            error = error.request_id(id);
        }
        if let Some(Word(speed)) = self.speed {
            error = error.speed(speed);
        }
        error
    }
}

/// How a request began, answered or not.
struct Begin {
    model: String,
    query_source: Option<String>,
    context: Option<Word<RequestContext>>,
    parent_tool: Option<String>,
    /// Of all attempts.
    duration: Int,
    body: Option<Object>,
}

impl Begin {
    /// Begins the request that ends at `end`.
    fn begin(self, scope: &mut Scope, end: SystemTime) -> LlmRequest {
        let context = self
            .context
            .map_or(scope.context(), |Word(context)| context);
        let mut options = LlmRequestOptions::new(self.model)
            .context(context)
            .at(before(end, self.duration.ms()));
        if let Some(source) = self.query_source {
            options = options.query_source(source);
        }
        let request = scope
            .inside(self.parent_tool.as_deref())
            .llm_request(options);
        if let Some(body) = self.body {
            request.body_at(body, end);
        }
        request
    }
}
