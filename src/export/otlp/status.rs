//! Outcomes of responses, as defined by the OTLP specification.

use ::http::{HeaderMap, StatusCode};
use opentelemetry_proto::tonic::collector::logs::v1::{
    ExportLogsPartialSuccess, ExportLogsServiceResponse,
};
use prost::Message;

use super::receiver::Receiver;
use super::retry_after::retry_after;
use super::retry_info::retry_delay;
use crate::export::export_result::{
    Delivery, ErrorAnswer, ExportError, ExportResult, FailureClass,
};

/// `google.rpc.Status`, with which receivers explain a rejection. Only the fields that are read are declared,
/// as bytes, so that a mistake in one does not make the other unreadable.
#[derive(Clone, PartialEq, Message)]
pub(super) struct Status {
    /// The message for the developer.
    #[prost(bytes = "vec", tag = "2")]
    pub(super) message: Vec<u8>,
    /// Messages with details, each an encoded `google.protobuf.Any`.
    #[prost(bytes = "vec", repeated, tag = "3")]
    pub(super) details: Vec<Vec<u8>>,
}

/// Returns the partial success in the response to a request of any signal: the responses differ only in the name of a
/// field, which protobuf does not send. Returns `None` if the response cannot be read.
pub(super) fn partial_success(response: &[u8]) -> Option<ExportLogsPartialSuccess> {
    ExportLogsServiceResponse::decode(response)
        .ok()?
        .partial_success
}

/// Returns the outcome of a success, with the receiver's message. Receivers may send a partial success although they
/// accepted everything.
pub(super) fn success(
    receiver: &Receiver,
    partial: Option<ExportLogsPartialSuccess>,
) -> ExportResult {
    let partial = partial.unwrap_or_default();
    Ok(Delivery {
        rejected: u64::try_from(partial.rejected_log_records).unwrap_or(0),
        message: Some(receiver.quote(&partial.error_message)).filter(|text| !text.is_empty()),
        standard_path: None,
    })
}

/// Returns the outcome of a response with an HTTP status other than a success; `message` is the receiver's message.
pub(super) fn http(
    receiver: &Receiver,
    status: StatusCode,
    headers: &HeaderMap,
    message: &str,
) -> ExportResult {
    let (answer, class) = match status {
        StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED => {
            (ErrorAnswer::NotFound, FailureClass::Rejected)
        }
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
            (ErrorAnswer::Unauthenticated, FailureClass::Unauthenticated)
        }
        StatusCode::TOO_MANY_REQUESTS
        | StatusCode::BAD_GATEWAY
        | StatusCode::SERVICE_UNAVAILABLE
        | StatusCode::GATEWAY_TIMEOUT => {
            let after = retry_after(headers);
            (ErrorAnswer::Other, FailureClass::Retryable { after })
        }
        StatusCode::PAYLOAD_TOO_LARGE => (ErrorAnswer::Other, FailureClass::TooLarge),
        _ => (ErrorAnswer::Other, FailureClass::Rejected),
    };
    let class = match class {
        FailureClass::Rejected if is_too_large(message) => FailureClass::TooLarge,
        _ => class,
    };
    let what = format!("HTTP {}", status.as_u16());
    Err(receiver.answered(answer, class, &what, message))
}

/// The gRPC status codes, as the specification writes them. The number of a code is its index.
const CODES: [&str; 17] = [
    "OK",
    "CANCELLED",
    "UNKNOWN",
    "INVALID_ARGUMENT",
    "DEADLINE_EXCEEDED",
    "NOT_FOUND",
    "ALREADY_EXISTS",
    "PERMISSION_DENIED",
    "RESOURCE_EXHAUSTED",
    "FAILED_PRECONDITION",
    "ABORTED",
    "OUT_OF_RANGE",
    "UNIMPLEMENTED",
    "INTERNAL",
    "UNAVAILABLE",
    "DATA_LOSS",
    "UNAUTHENTICATED",
];

/// Returns the error of a response whose headers or trailers contain a `grpc-status`, unless it is `OK`.
pub(super) fn grpc(receiver: &Receiver, trailers: &HeaderMap) -> Result<(), ExportError> {
    let text = |name| {
        trailers
            .get(name)
            .map_or(&b""[..], |value| value.as_bytes())
    };
    let number = std::str::from_utf8(text("grpc-status")).ok();
    let number = number.and_then(|number| number.parse::<usize>().ok());
    let code = *number.and_then(|n| CODES.get(n)).unwrap_or(&"UNKNOWN");
    let message = percent_decode(text("grpc-message"));
    let after = retry_delay(trailers);
    let (answer, class) = match code {
        "OK" => return Ok(()),
        "UNAUTHENTICATED" | "PERMISSION_DENIED" => {
            (ErrorAnswer::Unauthenticated, FailureClass::Unauthenticated)
        }
        "UNIMPLEMENTED" => (ErrorAnswer::Unimplemented, FailureClass::Rejected),
        "RESOURCE_EXHAUSTED" | "OUT_OF_RANGE" if is_too_large(&message) => {
            (ErrorAnswer::Other, FailureClass::TooLarge)
        }
        // Without a retry delay, the resource is not expected to become available again.
        "RESOURCE_EXHAUSTED" if after.is_none() => (ErrorAnswer::Other, FailureClass::Rejected),
        "RESOURCE_EXHAUSTED" | "CANCELLED" | "DEADLINE_EXCEEDED" | "ABORTED" | "OUT_OF_RANGE"
        | "UNAVAILABLE" | "DATA_LOSS" => (ErrorAnswer::Other, FailureClass::Retryable { after }),
        _ => (ErrorAnswer::Other, FailureClass::Rejected),
    };
    let hint = match answer {
        ErrorAnswer::Unimplemented => " (is it an OTLP/gRPC endpoint that takes this signal?)",
        _ => "",
    };
    let what = format!("gRPC {code}{hint}");
    Err(receiver.answered(answer, class, &what, &message))
}

/// Returns the text of a `grpc-message`. Broken escapes stay as they are.
pub(super) fn percent_decode(text: &[u8]) -> String {
    percent_encoding::percent_decode(text)
        .decode_utf8_lossy()
        .into_owned()
}

/// Returns true if a receiver's message says that the request was too large.
///
/// gRPC has no separate status for this, and many receivers respond with 400 over HTTP. The phrases are those of the
/// gRPC libraries of Go, Rust, Java, C++, JavaScript and .NET, and of Go's HTTP server.
fn is_too_large(message: &str) -> bool {
    const SIGNS: &[&str] = &[
        "larger than max",
        "too large",
        "exceeds maximum size",
        "exceeds the maximum",
        "size limit",
    ];
    let message = message.to_ascii_lowercase();
    SIGNS.iter().any(|sign| message.contains(sign))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn too_large_messages_of_common_servers_are_recognized() {
        for message in [
            "grpc: received message larger than max (5000000 vs. 4194304)",
            "grpc: received message after decompression larger than max 4194304",
            "Error, decoded message length too large: found 9 bytes, the limit is: 4 bytes",
            "Error decompressing: size limit, of 4 bytes, exceeded while decompressing message",
            "gRPC message exceeds maximum size 4194304: 5000000",
            "Received message exceeds the maximum configured message size.",
            "http: request body too large",
        ] {
            assert!(is_too_large(message), "{message}");
        }
        assert!(!is_too_large("quota used up"));
    }

    #[test]
    #[cfg(feature = "grpc")]
    fn message_is_decoded_and_invalid_escapes_are_kept() {
        assert_eq!(percent_decode(b"a%20b%C3%A4"), "a bä");
        assert_eq!(percent_decode(b"100% %zz %4"), "100% %zz %4");
        assert_eq!(percent_decode(b"%ff"), "\u{fffd}");
    }
}
