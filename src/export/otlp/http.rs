//! OTLP over HTTP, with protobuf and JSON.

use ::http::HeaderMap;
use ::http::header::{ACCEPT, CONTENT_ENCODING, CONTENT_TYPE, HeaderValue};
use http_body_util::Collected;
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsPartialSuccess;
use prost::Message;
use serde_json::Value;

use super::http_client::Answer;
use super::receiver::Receiver;
use super::status::{self, Status};
use crate::config::otlp::Protocol;
use crate::export::export_result::{ErrorAnswer, ExportResult, FailureClass};

const PROTOBUF: &str = "application/x-protobuf";
const JSON: &str = "application/json";

/// The JSON names of the number of rejected items, one for each signal.
const REJECTED: [&str; 3] = ["rejectedDataPoints", "rejectedLogRecords", "rejectedSpans"];

/// Adds the headers of a request in the encoding of `protocol`.
pub(super) fn prepare(protocol: Protocol, headers: &mut HeaderMap, is_gzip: bool) {
    let content_type = match protocol {
        Protocol::HttpJson => JSON,
        Protocol::HttpProtobuf | Protocol::Grpc => PROTOBUF,
    };
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    if is_gzip {
        headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    headers
        .entry(ACCEPT)
        .or_insert(HeaderValue::from_static("*/*"));
}

/// Returns the outcome of a response.
pub(super) fn outcome(receiver: &Receiver, answer: Answer) -> ExportResult {
    let (status, headers) = (answer.head.status, &answer.head.headers);
    // The status decides: a body that is broken, too long or late adds nothing.
    let body = answer.body.map(Collected::to_bytes).unwrap_or_default();
    if status.is_success() {
        return status::success(receiver, partial_success(headers, &body));
    }
    // Redirects are not followed: the configured endpoint must be corrected.
    if status.is_redirection() {
        let what = format!("HTTP {} (redirects are not followed)", status.as_u16());
        let (answer, class) = (ErrorAnswer::Redirect, FailureClass::Rejected);
        return Err(receiver.answered(answer, class, &what, ""));
    }
    status::http(receiver, status, headers, &message(headers, &body))
}

/// Returns the media type of a response without its parameters.
fn content_type(headers: &HeaderMap) -> &str {
    headers
        .get(CONTENT_TYPE)
        .and_then(|kind| kind.to_str().ok())
        .and_then(|kind| kind.split(';').next())
        .unwrap_or_default()
        .trim()
}

/// Returns the error message in the body of a response without success. Other media types, such as HTML pages, are
/// ignored.
fn message(headers: &HeaderMap, body: &[u8]) -> String {
    match content_type(headers) {
        PROTOBUF => Status::decode(body)
            .map(|status| String::from_utf8_lossy(&status.message).into_owned())
            .unwrap_or_default(),
        JSON => serde_json::from_slice::<Value>(body)
            .ok()
            .and_then(|body| {
                let message = body.get("message").or_else(|| body.get("error"));
                Some(message?.as_str()?.to_owned())
            })
            .unwrap_or_default(),
        "text/plain" => String::from_utf8_lossy(body).into_owned(),
        _ => String::new(),
    }
}

/// Returns the partial success of a successful response, if there is one that can be read.
fn partial_success(headers: &HeaderMap, body: &[u8]) -> Option<ExportLogsPartialSuccess> {
    match content_type(headers) {
        PROTOBUF => status::partial_success(body),
        JSON => {
            let body: Value = serde_json::from_slice(body).ok()?;
            let partial = body.get("partialSuccess")?;
            // OTLP/JSON encodes 64-bit numbers as text, but not every receiver does so.
            let rejected = REJECTED.iter().find_map(|name| match partial.get(name)? {
                Value::String(count) => count.parse().ok(),
                count => count.as_i64(),
            });
            let message = partial.get("errorMessage").and_then(Value::as_str);
            Some(ExportLogsPartialSuccess {
                rejected_log_records: rejected.unwrap_or(0),
                error_message: message.unwrap_or_default().to_owned(),
            })
        }
        _ => None,
    }
}
