//! The steps `api_request` and `api_error`: the parent of a request, its duration and its bodies.

use std::time::SystemTime;

use claude_code_telemetry::{ApiError, ApiRequest, LlmRequest, LlmRequestOptions, RequestContext};
use serde::Deserialize;

use super::field::{Object, before, optional, read};
use super::scope::Scope;
use super::time::Millis;

/// The fields of a step that the handle of the request needs. The record contains some of them too.
#[derive(Deserialize)]
struct Request {
    model: String,
    /// The requested model, if another model answered.
    #[serde(default, deserialize_with = "optional")]
    metric_model: Option<String>,
    #[serde(default, deserialize_with = "optional")]
    query_source: Option<String>,
    #[serde(default, deserialize_with = "optional", alias = "gen_ai.system")]
    provider: Option<String>,
    #[serde(alias = "llm_request.context")]
    context: Option<RequestContext>,
    #[serde(default, deserialize_with = "optional")]
    parent_tool: Option<String>,
    duration_ms: Millis,
    /// The duration of all attempts together.
    span_duration_ms: Option<Millis>,
    request_body: Option<Object>,
    response_body: Option<Object>,
}

/// Records the body of the request, the request, and the body of the response, which was received at `end`.
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

/// Records the body of the request and its failure at `end`.
pub(crate) fn failed(line: &str, scope: &mut Scope, end: SystemTime) -> Result<(), String> {
    let error: ApiError = read(line)?;
    let request: Request = read(line)?;
    request.begin(scope, end).fail(error.at(end));
    Ok(())
}

impl Request {
    /// Begins a request that ends at `end`.
    fn begin(self, scope: &mut Scope, end: SystemTime) -> LlmRequest {
        let Millis(duration) = self.span_duration_ms.unwrap_or(self.duration_ms);
        let mut options = LlmRequestOptions::new(self.metric_model.unwrap_or(self.model))
            .context(self.context.unwrap_or(scope.default_context()))
            .at(before(end, duration));
        if let Some(source) = self.query_source {
            options = options.query_source(source);
        }
        if let Some(provider) = self.provider {
            options = options.provider(provider);
        }
        let request = scope
            .recorder_inside(self.parent_tool.as_deref())
            .llm_request(options);
        if let Some(body) = self.request_body {
            request.body_at(body, end);
        }
        request
    }
}
