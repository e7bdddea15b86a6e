//! Model requests and their bodies.

use super::deserialize;
use super::fields::{Amount, Count, Object, Status};
use super::time::{At, Millis};
use crate::record::{ApiError, ApiRequest, ApiRequestBody, ApiResponseBody, Speed, TokenUsage};

/// Sets one of the token counts of a request.
fn tokens(
    set: impl Fn(TokenUsage, u64) -> TokenUsage,
) -> impl FnOnce(ApiRequest, u64) -> ApiRequest {
    move |request, count| {
        let tokens = set(request.tokens, count);
        request.tokens(tokens)
    }
}

deserialize! {
    TokenUsage::new() {
        input_tokens: Count => Self::input,
        output_tokens: Count => Self::output,
        cache_read_tokens: Count => Self::cache_read,
        cache_creation_tokens: Count => Self::cache_creation,
    }

    ApiRequest::new(model: String) required {
        cost_usd: Amount => Self::cost_usd,
        duration_ms: Millis => Self::duration,
    } {
        metric_model: String => Self::requested_model,
        input_tokens: Count => tokens(TokenUsage::input),
        output_tokens: Count => tokens(TokenUsage::output),
        cache_read_tokens: Count => tokens(TokenUsage::cache_read),
        cache_creation_tokens: Count => tokens(TokenUsage::cache_creation),
        ttft_ms: Millis => Self::time_to_first_token,
        attempt: u32 => Self::attempt,
        request_id: String => Self::request_id,
        query_source: String => Self::query_source,
        stop_reason: String => Self::stop_reason,
        #[serde(alias = "response.has_tool_call")]
        has_tool_call: bool => Self::has_tool_call,
        speed: Speed => Self::speed,
        #[serde(alias = "event.timestamp")]
        at: At => Self::at,
    }

    ApiError::new(model: String, error: String) required {
        duration_ms: Millis => Self::duration,
    } {
        status_code: Status => |error, status| error.with(status, Self::status_code),
        attempt: u32 => Self::attempt,
        request_id: String => Self::request_id,
        query_source: String => Self::query_source,
        speed: Speed => Self::speed,
        #[serde(alias = "event.timestamp")]
        at: At => Self::at,
    }

    ApiRequestBody::new(model: String, body: Object) {
        query_source: String => Self::query_source,
        #[serde(alias = "event.timestamp")]
        at: At => Self::at,
    }

    ApiResponseBody::new(model: String, body: Object) {
        query_source: String => Self::query_source,
        request_id: String => Self::request_id,
        #[serde(alias = "event.timestamp")]
        at: At => Self::at,
    }
}
