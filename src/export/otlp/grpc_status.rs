//! Outcomes of gRPC status codes, as defined by the OTLP specification.

use ::http::HeaderMap;
use tonic::Code;

use super::retry_info::retry_delay;
use super::target::Target;
use super::words;
use crate::export::export_result::{ErrorAnswer, ExportResult};

/// Returns the outcome of an answer whose trailers contain a `grpc-status`; `None` for `OK`.
pub(super) fn outcome(target: &Target, trailers: &HeaderMap) -> Option<ExportResult> {
    let code = Code::from_bytes(trailers.get("grpc-status")?.as_bytes());
    let said = trailers
        .get("grpc-message")
        .map(|message| percent_decode(message.as_bytes()))
        .unwrap_or_default();
    let answer = match code {
        Code::Unauthenticated | Code::PermissionDenied => ErrorAnswer::Unauthenticated,
        Code::Unimplemented => ErrorAnswer::Unimplemented,
        _ => ErrorAnswer::Other,
    };
    let mut what = format!("gRPC {}", name(code));
    if answer == ErrorAnswer::Unimplemented {
        what += " (is it an OTLP/gRPC endpoint that takes this signal?)";
    }
    let error = target.answered(answer, &what, &said);
    let after = retry_delay(trailers);
    Some(match code {
        Code::Ok => return None,
        Code::ResourceExhausted | Code::OutOfRange if words::too_large(&said) => {
            ExportResult::TooLarge { error }
        }
        // Without a retry delay, the resource is not expected to become available again.
        Code::ResourceExhausted if after.is_none() => ExportResult::Rejected { error },
        Code::ResourceExhausted
        | Code::Cancelled
        | Code::DeadlineExceeded
        | Code::Aborted
        | Code::OutOfRange
        | Code::Unavailable
        | Code::DataLoss => ExportResult::Retryable { after, error },
        Code::Unauthenticated | Code::PermissionDenied => ExportResult::Unauthenticated { error },
        _ => ExportResult::Rejected { error },
    })
}

/// Returns the text of a `grpc-message`. Broken escapes stay as they are.
pub(super) fn percent_decode(text: &[u8]) -> String {
    percent_encoding::percent_decode(text)
        .decode_utf8_lossy()
        .into_owned()
}

/// Returns the name of a code as the specification writes it.
fn name(code: Code) -> &'static str {
    match code {
        Code::Ok => "OK",
        Code::Cancelled => "CANCELLED",
        Code::Unknown => "UNKNOWN",
        Code::InvalidArgument => "INVALID_ARGUMENT",
        Code::DeadlineExceeded => "DEADLINE_EXCEEDED",
        Code::NotFound => "NOT_FOUND",
        Code::AlreadyExists => "ALREADY_EXISTS",
        Code::PermissionDenied => "PERMISSION_DENIED",
        Code::ResourceExhausted => "RESOURCE_EXHAUSTED",
        Code::FailedPrecondition => "FAILED_PRECONDITION",
        Code::Aborted => "ABORTED",
        Code::OutOfRange => "OUT_OF_RANGE",
        Code::Unimplemented => "UNIMPLEMENTED",
        Code::Internal => "INTERNAL",
        Code::Unavailable => "UNAVAILABLE",
        Code::DataLoss => "DATA_LOSS",
        Code::Unauthenticated => "UNAUTHENTICATED",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn message_is_decoded_and_invalid_escapes_are_kept() {
        assert_eq!(percent_decode(b"a%20b%C3%A4"), "a bä");
        assert_eq!(percent_decode(b"100% %zz %4"), "100% %zz %4");
        assert_eq!(percent_decode(b"%ff"), "\u{fffd}");
    }
}
