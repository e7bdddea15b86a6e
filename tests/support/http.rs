//! OTLP over HTTP/1.1, as protobuf and as JSON, with and without gzip.

use std::convert::Infallible;
use std::io::Read;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use ::http::{HeaderMap, Response};
use bytes::Bytes;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full};
use hyper::body::Frame;
use opentelemetry_proto::tonic::collector::{
    logs::v1::ExportLogsPartialSuccess, metrics::v1::ExportMetricsPartialSuccess,
    trace::v1::ExportTracePartialSuccess,
};
use prost::Message as _;
use serde_json::json;

use super::answer::Answer;
use super::received::Message;

/// The body of a response. It can fail in the middle, like the connection of a real server.
pub(super) type Body = UnsyncBoxBody<Bytes, std::io::Error>;

/// Returns a body that is sent completely.
pub(super) fn whole(content: impl Into<Bytes>) -> Body {
    Full::new(content.into())
        .map_err(|never: Infallible| match never {})
        .boxed_unsync()
}

/// Returns a body that fails after its first byte.
pub(super) fn cut() -> Body {
    Full::new(Bytes::from_static(b"\n"))
        .map_err(|never: Infallible| match never {})
        .with_trailers(async { Some(Err(std::io::Error::other("cut"))) })
        .boxed_unsync()
}

/// Returns a body that sends one byte every 50 ms and never ends.
pub(super) fn drip() -> Body {
    Drip(tokio::time::interval(Duration::from_millis(50))).boxed_unsync()
}

struct Drip(tokio::time::Interval);

impl hyper::body::Body for Drip {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let tick = self.0.poll_tick(context);
        tick.map(|_| Some(Ok(Frame::data(Bytes::from_static(b"\0")))))
    }
}

/// Decodes the message of a request.
pub(super) fn read(path: &str, headers: &HeaderMap, body: &[u8]) -> Message {
    let header = |name| headers.get(name).map(|value| value.to_str().unwrap());
    let body = match header("content-encoding") {
        None => body.to_vec(),
        Some("gzip") => gunzip(body),
        Some(other) => return Message::Unreadable(format!("content-encoding {other}")),
    };
    let signal = path.split('?').next().unwrap().rsplit('/').next().unwrap();
    match header("content-type") {
        Some("application/x-protobuf") => decode(signal, &body),
        Some("application/json") => parse(signal, &body),
        other => Message::Unreadable(format!("content-type {other:?}")),
    }
}

/// Decodes a protobuf message. The last segment of the path names the signal.
pub(super) fn decode(signal: &str, body: &[u8]) -> Message {
    let message = match signal {
        "metrics" => prost::Message::decode(body).map(Message::Metrics),
        "logs" => prost::Message::decode(body).map(Message::Logs),
        "traces" => prost::Message::decode(body).map(Message::Traces),
        other => return Message::Unreadable(format!("no signal {other:?}")),
    };
    message.unwrap_or_else(|error| Message::Unreadable(error.to_string()))
}

fn parse(signal: &str, body: &[u8]) -> Message {
    let message = match signal {
        "metrics" => serde_json::from_slice(body).map(Message::Metrics),
        "logs" => serde_json::from_slice(body).map(Message::Logs),
        "traces" => serde_json::from_slice(body).map(Message::Traces),
        other => return Message::Unreadable(format!("no signal {other:?}")),
    };
    message.unwrap_or_else(|error| Message::Unreadable(error.to_string()))
}

pub(super) fn gunzip(body: &[u8]) -> Vec<u8> {
    let mut plain = Vec::new();
    flate2::read::GzDecoder::new(body)
        .read_to_end(&mut plain)
        .expect("valid gzip");
    plain
}

/// Builds the response to a request, in the encoding of the request. The caller handles `Hang` and `Reset`, which have
/// no response.
pub(super) fn respond(message: &Message, headers: &HeaderMap, answer: &Answer) -> Response<Body> {
    let json = headers
        .get("content-type")
        .is_some_and(|kind| kind == "application/json");
    let kind = if json {
        "application/json"
    } else {
        "application/x-protobuf"
    };
    let success = |body: Body| {
        Response::builder()
            .header("content-type", kind)
            .body(body)
            .unwrap()
    };
    match answer {
        Answer::Ok => success(whole(partial_success(message, json, 0, ""))),
        Answer::PartialSuccess {
            rejected,
            message: message_text,
        } => success(whole(partial_success(
            message,
            json,
            *rejected,
            message_text,
        ))),
        Answer::Garbage => success(whole(&b"\xff\xfe{not a message"[..])),
        Answer::Cut => success(cut()),
        Answer::Drip => success(drip()),
        Answer::Status {
            code,
            headers,
            content_type,
            body,
        } => {
            let mut response = Response::builder()
                .status(*code)
                .header("content-type", *content_type);
            for (name, value) in headers {
                response = response.header(name, value);
            }
            response.body(whole(body.clone())).unwrap()
        }
        Answer::Code { .. } => panic!("an HTTP receiver cannot answer with a gRPC status"),
        Answer::Hang | Answer::Reset => unreachable!(),
    }
}

fn partial_success(message: &Message, json: bool, rejected: i64, message_text: &str) -> Vec<u8> {
    if !json {
        return response(message, rejected, message_text);
    }
    let counter = match message {
        Message::Metrics(_) => "rejectedDataPoints",
        Message::Logs(_) => "rejectedLogRecords",
        Message::Traces(_) | Message::Unreadable(_) => "rejectedSpans",
    };
    json!({"partialSuccess": {counter: rejected.to_string(), "errorMessage": message_text}})
        .to_string()
        .into_bytes()
}

/// Encodes the `Export...ServiceResponse` that matches the request's signal.
pub(super) fn response(message: &Message, rejected: i64, message_text: &str) -> Vec<u8> {
    use opentelemetry_proto::tonic::collector::{
        logs::v1::ExportLogsServiceResponse, metrics::v1::ExportMetricsServiceResponse,
        trace::v1::ExportTraceServiceResponse,
    };
    let error_message = message_text.to_owned();
    match message {
        Message::Metrics(_) => ExportMetricsServiceResponse {
            partial_success: Some(ExportMetricsPartialSuccess {
                rejected_data_points: rejected,
                error_message,
            }),
        }
        .encode_to_vec(),
        Message::Logs(_) => ExportLogsServiceResponse {
            partial_success: Some(ExportLogsPartialSuccess {
                rejected_log_records: rejected,
                error_message,
            }),
        }
        .encode_to_vec(),
        Message::Traces(_) | Message::Unreadable(_) => ExportTraceServiceResponse {
            partial_success: Some(ExportTracePartialSuccess {
                rejected_spans: rejected,
                error_message,
            }),
        }
        .encode_to_vec(),
    }
}
