//! OTLP over gRPC. Frames, statuses and trailers are written by hand, so that a test can send malformed ones.

use std::convert::Infallible;
use std::io::Write;
use std::time::Duration;

use ::http::{HeaderMap, HeaderValue, Response};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use prost::Message as _;
use tonic::Code;
use tonic::metadata::{BinaryMetadataValue, MetadataValue};

use super::answer::Answer;
use super::http::{Body, cut, decode, drip, gunzip, respond as respond_http, response, whole};
use super::received::Message;

/// Decodes the message of a request.
pub(super) fn read(path: &str, headers: &HeaderMap, body: &[u8]) -> Message {
    if headers.get("te").is_none_or(|te| te != "trailers") {
        return Message::Unreadable("no te: trailers".to_owned());
    }
    if headers
        .get("content-type")
        .is_none_or(|kind| kind != "application/grpc")
    {
        return Message::Unreadable("not application/grpc".to_owned());
    }
    let Some((prefix, message)) = body.split_at_checked(5) else {
        return Message::Unreadable("no prefix".to_owned());
    };
    let length = u32::from_be_bytes(prefix[1..].try_into().unwrap()) as usize;
    if length != message.len() {
        return Message::Unreadable(format!(
            "{length} bytes announced, {} received",
            message.len()
        ));
    }
    let encoding = headers.get("grpc-encoding").map(|e| e.to_str().unwrap());
    let message = match (prefix[0], encoding) {
        (0, _) => message.to_vec(),
        (1, Some("gzip")) => gunzip(message),
        (flag, encoding) => {
            return Message::Unreadable(format!("compression {flag}, {encoding:?}"));
        }
    };
    let signal = match path {
        "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export" => "metrics",
        "/opentelemetry.proto.collector.logs.v1.LogsService/Export" => "logs",
        "/opentelemetry.proto.collector.trace.v1.TraceService/Export" => "traces",
        other => other,
    };
    decode(signal, &message)
}

/// Builds the response to a request, compressed if the request was compressed.
pub(super) fn respond(message: &Message, headers: &HeaderMap, answer: &Answer) -> Response<Body> {
    let gzip = headers.contains_key("grpc-encoding");
    let content = match answer {
        Answer::Ok => response(message, 0, ""),
        Answer::PartialSuccess {
            rejected,
            message: error_message,
        } => response(message, *rejected, error_message),
        Answer::Garbage => b"\xff\xfe{not a message".to_vec(),
        Answer::Cut => return builder(false).body(cut()).unwrap(),
        Answer::Drip => return builder(false).body(drip()).unwrap(),
        Answer::Status { .. } => return respond_http(message, headers, answer),
        Answer::Code {
            code,
            message,
            retry,
            raw_details,
        } => {
            let mut response = builder(false).body(whole(Bytes::new())).unwrap();
            let headers = response.headers_mut();
            headers.extend(trailers(*code, message));
            if let Some(retry) = retry {
                headers.insert("grpc-status-details-bin", details(*code, message, *retry));
            }
            if let Some(raw) = raw_details {
                headers.insert("grpc-status-details-bin", raw.parse().unwrap());
            }
            return response;
        }
        Answer::Hang | Answer::Reset => unreachable!(),
    };
    let content = if gzip { pack(&content) } else { content };
    let mut frame = vec![u8::from(gzip)];
    frame.extend(u32::try_from(content.len()).unwrap().to_be_bytes());
    frame.extend(content);
    let body = Full::new(Bytes::from(frame))
        .map_err(|never: Infallible| match never {})
        .with_trailers(async { Some(Ok(trailers(Code::Ok, ""))) })
        .boxed_unsync();
    builder(gzip).body(body).unwrap()
}

fn builder(gzip: bool) -> ::http::response::Builder {
    let builder = Response::builder().header("content-type", "application/grpc");
    if gzip {
        builder.header("grpc-encoding", "gzip")
    } else {
        builder
    }
}

fn trailers(code: Code, message: &str) -> HeaderMap {
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", HeaderValue::from(code as i32));
    if !message.is_empty() {
        let message: String = message
            .bytes()
            .map(|byte| match byte {
                b' '..=b'~' if byte != b'%' => char::from(byte).to_string(),
                byte => format!("%{byte:02X}"),
            })
            .collect();
        trailers.insert("grpc-message", message.parse().unwrap());
    }
    trailers
}

fn pack(content: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(content).unwrap();
    encoder.finish().unwrap()
}

/// `google.rpc.Status`.
#[derive(Clone, PartialEq, prost::Message)]
struct Status {
    #[prost(int32, tag = "1")]
    code: i32,
    #[prost(string, tag = "2")]
    message: String,
    #[prost(message, repeated, tag = "3")]
    details: Vec<Any>,
}

/// `google.protobuf.Any`.
#[derive(Clone, PartialEq, prost::Message)]
struct Any {
    #[prost(string, tag = "1")]
    type_url: String,
    #[prost(bytes = "vec", tag = "2")]
    value: Vec<u8>,
}

/// Encodes a `google.rpc.Status` with a `RetryInfo` as a header value.
fn details(code: Code, message: &str, retry: Duration) -> HeaderValue {
    #[derive(Clone, PartialEq, prost::Message)]
    struct Delay {
        #[prost(int64, tag = "1")]
        seconds: i64,
        #[prost(int32, tag = "2")]
        nanos: i32,
    }
    #[derive(Clone, PartialEq, prost::Message)]
    struct RetryInfo {
        #[prost(message, optional, tag = "1")]
        retry_delay: Option<Delay>,
    }
    let info = RetryInfo {
        retry_delay: Some(Delay {
            seconds: retry.as_secs() as i64,
            nanos: retry.subsec_nanos() as i32,
        }),
    };
    let status = Status {
        code: code as i32,
        message: message.to_owned(),
        details: vec![
            Any {
                type_url: "type.googleapis.com/google.rpc.Help".to_owned(),
                value: Vec::new(),
            },
            Any {
                type_url: "type.googleapis.com/google.rpc.RetryInfo".to_owned(),
                value: info.encode_to_vec(),
            },
        ],
    };
    let value: BinaryMetadataValue = MetadataValue::from_bytes(&status.encode_to_vec());
    HeaderValue::from_bytes(value.as_encoded_bytes()).unwrap()
}

/// Encodes a `google.rpc.Status` as the body of a response over HTTP.
pub fn status_message(message: &str) -> Vec<u8> {
    Status {
        code: Code::InvalidArgument as i32,
        message: message.to_owned(),
        details: Vec::new(),
    }
    .encode_to_vec()
}
