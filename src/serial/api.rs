//! Model requests and their bodies.

use serde::Deserialize;

use super::fields::{Amount, Count, Object, Status};
use super::time::{At, Millis};
use super::{With, reads};
use crate::record::{ApiError, ApiRequest, ApiRequestBody, ApiResponseBody, Speed, TokenUsage};

reads! {
    TokenUsage as TokenUsageFields,
    ApiRequest as ApiRequestFields,
    ApiError as ApiErrorFields,
    ApiRequestBody as BodyFields,
    ApiResponseBody as ResponseBodyFields,
}

#[derive(Deserialize)]
struct TokenUsageFields {
    input_tokens: Option<Count>,
    output_tokens: Option<Count>,
    cache_read_tokens: Option<Count>,
    cache_creation_tokens: Option<Count>,
}

impl TokenUsageFields {
    fn record(self) -> Result<TokenUsage, String> {
        let count = |tokens: Option<Count>| tokens.map_or(0, |Count(count)| count);
        Ok(TokenUsage::new()
            .input(count(self.input_tokens))
            .output(count(self.output_tokens))
            .cache_read(count(self.cache_read_tokens))
            .cache_creation(count(self.cache_creation_tokens)))
    }
}

#[derive(Deserialize)]
struct ApiRequestFields {
    model: String,
    metric_model: Option<String>,
    input_tokens: Option<Count>,
    output_tokens: Option<Count>,
    cache_read_tokens: Option<Count>,
    cache_creation_tokens: Option<Count>,
    cost_usd: Amount,
    duration_ms: Millis,
    ttft_ms: Option<Millis>,
    attempt: Option<u32>,
    request_id: Option<String>,
    query_source: Option<String>,
    stop_reason: Option<String>,
    #[serde(alias = "response.has_tool_call")]
    has_tool_call: Option<bool>,
    speed: Option<Speed>,
    #[serde(alias = "event.timestamp")]
    at: Option<At>,
}

impl ApiRequestFields {
    fn record(self) -> Result<ApiRequest, String> {
        let usage = TokenUsageFields {
            input_tokens: self.input_tokens,
            output_tokens: self.output_tokens,
            cache_read_tokens: self.cache_read_tokens,
            cache_creation_tokens: self.cache_creation_tokens,
        };
        Ok(ApiRequest::new(self.model)
            .with(self.metric_model, ApiRequest::requested_model)
            .tokens(usage.record()?)
            .cost_usd(self.cost_usd.0)
            .duration(self.duration_ms.0)
            .with(self.ttft_ms, |request, Millis(time)| {
                request.time_to_first_token(time)
            })
            .with(self.attempt, ApiRequest::attempt)
            .with(self.request_id, ApiRequest::request_id)
            .with(self.query_source, ApiRequest::query_source)
            .with(self.stop_reason, ApiRequest::stop_reason)
            .with(self.has_tool_call, ApiRequest::has_tool_call)
            .with(self.speed, ApiRequest::speed)
            .with(self.at, |request, At(time)| request.at(time)))
    }
}

#[derive(Deserialize)]
struct ApiErrorFields {
    model: String,
    error: String,
    status_code: Option<Status>,
    duration_ms: Millis,
    attempt: Option<u32>,
    request_id: Option<String>,
    query_source: Option<String>,
    speed: Option<Speed>,
    #[serde(alias = "event.timestamp")]
    at: Option<At>,
}

impl ApiErrorFields {
    fn record(self) -> Result<ApiError, String> {
        let status = self.status_code.and_then(|Status(status)| status);
        Ok(ApiError::new(self.model, self.error)
            .with(status, ApiError::status_code)
            .duration(self.duration_ms.0)
            .with(self.attempt, ApiError::attempt)
            .with(self.request_id, ApiError::request_id)
            .with(self.query_source, ApiError::query_source)
            .with(self.speed, ApiError::speed)
            .with(self.at, |error, At(time)| error.at(time)))
    }
}

#[derive(Deserialize)]
struct BodyFields {
    body: Object,
    model: String,
    query_source: Option<String>,
    #[serde(alias = "event.timestamp")]
    at: Option<At>,
}

impl BodyFields {
    fn record(self) -> Result<ApiRequestBody, String> {
        Ok(ApiRequestBody::new(self.model, self.body.0)
            .with(self.query_source, ApiRequestBody::query_source)
            .with(self.at, |body, At(time)| body.at(time)))
    }
}

#[derive(Deserialize)]
struct ResponseBodyFields {
    body: Object,
    model: String,
    query_source: Option<String>,
    request_id: Option<String>,
    #[serde(alias = "event.timestamp")]
    at: Option<At>,
}

impl ResponseBodyFields {
    fn record(self) -> Result<ApiResponseBody, String> {
        Ok(ApiResponseBody::new(self.model, self.body.0)
            .with(self.query_source, ApiResponseBody::query_source)
            .with(self.request_id, ApiResponseBody::request_id)
            .with(self.at, |body, At(time)| body.at(time)))
    }
}
