//! OTLP over gRPC: one unary call for each request.

use ::http::header::{CONTENT_TYPE, HeaderValue, TE};
use ::http::{HeaderMap, StatusCode};
use bytes::{BufMut, Bytes, BytesMut};
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsPartialSuccess;
use tokio::time::Instant;

use super::gzip;
use super::http_client::Answer;
use super::receiver::Receiver;
use super::status;
use crate::export::export_result::{Delivery, ErrorKind, ExportError, ExportResult, FailureClass};
use crate::signal::Signal;

/// The length of the prefix of a gRPC message: the compression flag and the length of the message.
const PREFIX: usize = 5;

/// Adds the headers of a request whose message has `length` bytes. Returns the bytes that precede the message.
pub(super) fn prepare(
    headers: &mut HeaderMap,
    is_gzip: bool,
    length: usize,
    deadline: Instant,
) -> Bytes {
    headers.insert(TE, HeaderValue::from_static("trailers"));
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    if is_gzip {
        headers.insert("grpc-encoding", HeaderValue::from_static("gzip"));
    }
    // Receivers usually compress a response if its request is compressed.
    let accepted = HeaderValue::from_static("identity,gzip");
    headers.insert("grpc-accept-encoding", accepted);
    if let Ok(timeout) = grpc_timeout(deadline).parse() {
        headers.insert("grpc-timeout", timeout);
    }
    let mut prefix = BytesMut::with_capacity(PREFIX);
    prefix.put_u8(is_gzip.into());
    // A message of 4 GiB cannot occur, because the limit on batches is a thousand times lower.
    prefix.put_u32(u32::try_from(length).unwrap_or(u32::MAX));
    prefix.freeze()
}

/// Returns the outcome of a response.
pub(super) fn outcome(receiver: &Receiver, answer: Answer) -> ExportResult {
    let (status, headers) = (answer.head.status, &answer.head.headers);
    // A Trailers-Only response has its status in the headers, and no body.
    if headers.contains_key("grpc-status") {
        return status::grpc(receiver, headers).map(|()| Delivery::default());
    }
    if status != StatusCode::OK {
        return status::http(receiver, status, headers, "");
    }
    let kind = headers.get(CONTENT_TYPE);
    if !kind.is_some_and(|kind| kind.as_bytes().starts_with(b"application/grpc")) {
        let error = broken(
            receiver,
            "responds, but not in gRPC: is it an OTLP/gRPC endpoint?",
        );
        return Err(error.with_class(FailureClass::Rejected));
    }
    let body = answer.body?;
    match body.trailers() {
        Some(trailers) if trailers.contains_key("grpc-status") => {
            status::grpc(receiver, trailers)?;
            status::success(receiver, partial_success(headers, &body.to_bytes()))
        }
        _ => Err(broken(receiver, "ended its response without a gRPC status")),
    }
}

/// Creates the error of a receiver that responds in an unexpected way.
fn broken(receiver: &Receiver, what: &str) -> ExportError {
    ExportError::new(ErrorKind::Broken, format!("{} {what}", receiver.name))
}

/// Returns the path of the method of a signal.
pub(super) fn path(signal: Signal) -> &'static str {
    match signal {
        Signal::Metrics => "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export",
        Signal::Logs => "/opentelemetry.proto.collector.logs.v1.LogsService/Export",
        Signal::Traces => "/opentelemetry.proto.collector.trace.v1.TraceService/Export",
    }
}

/// Returns the time until `deadline` as a `grpc-timeout` of at most eight digits. The time is rounded up, so that the
/// receiver does not give up first.
fn grpc_timeout(deadline: Instant) -> String {
    let left = deadline.saturating_duration_since(Instant::now());
    match left.as_millis() + 1 {
        millis @ ..100_000_000 => format!("{millis}m"),
        _ => format!("{}S", left.as_secs().min(99_999_999)),
    }
}

/// Returns the partial success of a successful call, if there is one that can be read.
fn partial_success(headers: &HeaderMap, answer: &[u8]) -> Option<ExportLogsPartialSuccess> {
    let (prefix, message) = answer.split_at_checked(PREFIX)?;
    let is_gzip = headers
        .get("grpc-encoding")
        .is_some_and(|encoding| encoding == "gzip");
    match prefix {
        [0, ..] => status::partial_success(message),
        [1, ..] if is_gzip => status::partial_success(&gzip::decompress(message)?),
        _ => None,
    }
}
