//! Bodies of model requests on their own: the steps `api_request_body` and `api_response_body`.

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
        let mut body = ApiRequestBody::new(self.model, self.body);
        if let Some(source) = self.query_source {
            body = body.query_source(source);
        }
        if let Some(at) = at {
            body = body.at(at);
        }
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
        let mut body = ApiResponseBody::new(self.model, self.body);
        if let Some(source) = self.query_source {
            body = body.query_source(source);
        }
        if let Some(id) = self.request_id {
            body = body.request_id(id);
        }
        if let Some(at) = at {
            body = body.at(at);
        }
        recorder.record_api_response_body(body);
    }
}
