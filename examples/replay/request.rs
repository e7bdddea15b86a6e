//! The steps `api_request` and `api_error`.

use std::time::SystemTime;

use claude_code_telemetry::{ApiError, ApiRequest, Speed, TokenUsage};
use serde::Deserialize;

use crate::body::{request_body, response_body};
use crate::field::{Amount, Int, Object, Word};
use crate::scope::Scope;

/// What a request was made for.
#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Context {
    Interaction,
    Tool,
    Standalone,
}

#[derive(Deserialize)]
#[allow(dead_code, reason = "checked now, used once requests are spans")]
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
    context: Option<Context>,
    parent_tool: Option<String>,
    request_body: Option<Object>,
    response_body: Option<Object>,
}

impl ApiRequestStep {
    /// Records the request's body, the request, the response's body.
    pub(crate) fn record(mut self, scope: &mut Scope, at: Option<SystemTime>) {
        let recorder = scope.recorder();
        if let Some(body) = self.request_body.take() {
            // The body asks for the model that the metrics name; the response is from the answering one.
            let model = self.metric_model.as_ref().unwrap_or(&self.model);
            let query_source = self.query_source.clone();
            recorder.record_api_request_body(request_body(model.clone(), body, query_source, at));
        }
        let body = self.response_body.take().map(|body| {
            let (query_source, request_id) = (self.query_source.clone(), self.request_id.clone());
            response_body(self.model.clone(), body, query_source, request_id, at)
        });
        recorder.record_api_request(self.request(at));
        if let Some(body) = body {
            recorder.record_api_response_body(body);
        }
    }

    fn request(self, at: Option<SystemTime>) -> ApiRequest {
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
            .duration(self.duration_ms.ms());
        if let Some(model) = self.metric_model {
            request = request.requested_model(model);
        }
        if let Some(id) = self.request_id {
            request = request.request_id(id);
        }
        if let Some(Word(speed)) = self.speed {
            request = request.speed(speed);
        }
        if let Some(source) = self.query_source {
            request = request.query_source(source);
        }
        if let Some(at) = at {
            request = request.at(at);
        }
        request
    }
}

#[derive(Deserialize)]
#[allow(dead_code, reason = "checked now, used once requests are spans")]
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
    context: Option<Context>,
    parent_tool: Option<String>,
    request_body: Option<Object>,
}

impl ApiErrorStep {
    /// Records the request's body and the failure.
    pub(crate) fn record(mut self, scope: &mut Scope, at: Option<SystemTime>) {
        let recorder = scope.recorder();
        if let Some(body) = self.request_body.take() {
            let (model, query_source) = (self.model.clone(), self.query_source.clone());
            recorder.record_api_request_body(request_body(model, body, query_source, at));
        }
        recorder.record_api_error(self.error(at));
    }

    fn error(self, at: Option<SystemTime>) -> ApiError {
        let mut error = ApiError::new(self.model, self.error).duration(self.duration_ms.ms());
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
        if let Some(source) = self.query_source {
            error = error.query_source(source);
        }
        if let Some(at) = at {
            error = error.at(at);
        }
        error
    }
}
