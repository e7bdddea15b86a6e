//! The steps `api_request` and `api_error`: where a request stands, how long it took, and its bodies.

use std::time::SystemTime;

use claude_code_telemetry::{ApiError, ApiRequest, LlmRequest, LlmRequestOptions, RequestContext};
use serde::Deserialize;

use crate::field::{Object, before, optional, read};
use crate::scope::Scope;
use crate::time::Millis;

/// What of a step is no part of the record.
#[derive(Deserialize)]
struct Request {
    model: String,
    /// The model that is asked for, when another one answers.
    #[serde(default, deserialize_with = "optional")]
    metric_model: Option<String>,
    #[serde(default, deserialize_with = "optional")]
    query_source: Option<String>,
    context: Option<RequestContext>,
    #[serde(default, deserialize_with = "optional")]
    parent_tool: Option<String>,
    duration_ms: Millis,
    /// Of all attempts.
    span_duration_ms: Option<Millis>,
    request_body: Option<Object>,
    response_body: Option<Object>,
}

/// Records the request's body, the request, the response's body; it was answered at `end`.
pub(crate) fn answered(line: &str, scope: &mut Scope, end: SystemTime) -> Result<(), String> {
    let answer: ApiRequest = read(line)?;
    let mut request: Request = read(line)?;
    let response_body = request.response_body.take();
    let request = request.begin(scope, end);
    if let Some(body) = response_body {
        request.response_body(body);
    }
    request.finish(answer.at(end));
    Ok(())
}

/// Records the request's body and the failure; it failed for good at `end`.
pub(crate) fn failed(line: &str, scope: &mut Scope, end: SystemTime) -> Result<(), String> {
    let error: ApiError = read(line)?;
    let request: Request = read(line)?;
    request.begin(scope, end).fail(error.at(end));
    Ok(())
}

impl Request {
    /// Begins the request that ends at `end`.
    fn begin(self, scope: &mut Scope, end: SystemTime) -> LlmRequest {
        let Millis(duration) = self.span_duration_ms.unwrap_or(self.duration_ms);
        let mut options = LlmRequestOptions::new(self.metric_model.unwrap_or(self.model))
            .context(self.context.unwrap_or(scope.context()))
            .at(before(end, duration));
        if let Some(source) = self.query_source {
            options = options.query_source(source);
        }
        let request = scope
            .inside(self.parent_tool.as_deref())
            .llm_request(options);
        if let Some(body) = self.request_body {
            request.body_at(body, end);
        }
        request
    }
}
