//! Bodies of model requests: the steps `api_request_body` and `api_response_body`, and the bodies of other steps.

use std::time::SystemTime;

use claude_code_telemetry::{ApiRequestBody, ApiResponseBody, Recorder};
use serde::Deserialize;

use crate::field::Object;

#[derive(Deserialize)]
pub(crate) struct ApiRequestBodyStep {
    body: Object,
    model: String,
    query_source: Option<String>,
}

impl ApiRequestBodyStep {
    pub(crate) fn record(self, recorder: &Recorder, at: Option<SystemTime>) {
        let body = request_body(self.model, self.body, self.query_source, at);
        recorder.record_api_request_body(body);
    }
}

#[derive(Deserialize)]
pub(crate) struct ApiResponseBodyStep {
    body: Object,
    model: String,
    query_source: Option<String>,
    request_id: Option<String>,
}

impl ApiResponseBodyStep {
    pub(crate) fn record(self, recorder: &Recorder, at: Option<SystemTime>) {
        let (query_source, request_id) = (self.query_source, self.request_id);
        let body = response_body(self.model, self.body, query_source, request_id, at);
        recorder.record_api_response_body(body);
    }
}

pub(crate) fn request_body(
    model: String,
    body: Object,
    query_source: Option<String>,
    at: Option<SystemTime>,
) -> ApiRequestBody {
    let mut body = ApiRequestBody::new(model, body);
    if let Some(source) = query_source {
        body = body.query_source(source);
    }
    if let Some(at) = at {
        body = body.at(at);
    }
    body
}

pub(crate) fn response_body(
    model: String,
    body: Object,
    query_source: Option<String>,
    request_id: Option<String>,
    at: Option<SystemTime>,
) -> ApiResponseBody {
    let mut body = ApiResponseBody::new(model, body);
    if let Some(source) = query_source {
        body = body.query_source(source);
    }
    if let Some(id) = request_id {
        body = body.request_id(id);
    }
    if let Some(at) = at {
        body = body.at(at);
    }
    body
}
