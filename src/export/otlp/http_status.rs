//! Outcomes of HTTP status codes, as defined by the OTLP specification.

use ::http::{HeaderMap, StatusCode};

use super::retry_after::retry_after;
use super::target::Target;
use super::words;
use crate::export::export_result::{ErrorAnswer, ExportResult};

/// Returns the outcome of an answer with `status`; `said` is the receiver's message.
pub(super) fn outcome(
    target: &Target,
    status: StatusCode,
    headers: &HeaderMap,
    said: &str,
) -> ExportResult {
    let answer = match status {
        StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED => ErrorAnswer::NotFound,
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => ErrorAnswer::Unauthenticated,
        _ => ErrorAnswer::Other,
    };
    let error = target.answered(answer, &format!("HTTP {}", status.as_u16()), said);
    match status {
        StatusCode::TOO_MANY_REQUESTS
        | StatusCode::BAD_GATEWAY
        | StatusCode::SERVICE_UNAVAILABLE
        | StatusCode::GATEWAY_TIMEOUT => ExportResult::Retryable {
            after: retry_after(headers),
            error,
        },
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => ExportResult::Unauthenticated { error },
        StatusCode::PAYLOAD_TOO_LARGE => ExportResult::TooLarge { error },
        _ if words::too_large(said) => ExportResult::TooLarge { error },
        _ => ExportResult::Rejected { error },
    }
}
