//! The answer of a receiver that accepted the request.
//!
//! The three `Export...ServiceResponse` messages differ only in the name of one field, which protobuf does not send.

use prost::Message;

use super::target::Target;
use crate::export::export_result::ExportResult;

/// `opentelemetry.proto.collector.*.v1.Export*ServiceResponse`.
#[derive(Clone, PartialEq, Message)]
pub(super) struct ExportResponse {
    /// The partial success. Receivers may send it although they accepted everything.
    #[prost(message, optional, tag = "1")]
    pub(super) partial_success: Option<PartialSuccess>,
}

/// `opentelemetry.proto.collector.*.v1.Export*PartialSuccess`.
#[derive(Clone, PartialEq, Message)]
pub(super) struct PartialSuccess {
    /// `rejected_data_points`, `rejected_log_records` or `rejected_spans`.
    #[prost(int64, tag = "1")]
    pub(super) rejected: i64,
    /// The reason.
    #[prost(string, tag = "2")]
    pub(super) error_message: String,
}

impl ExportResponse {
    /// Returns the outcome of a success, with the receiver's message.
    pub(super) fn outcome(self, target: &Target) -> ExportResult {
        let partial = self.partial_success.unwrap_or_default();
        ExportResult::Delivered {
            rejected: u64::try_from(partial.rejected).unwrap_or(0),
            message: target.said(&partial.error_message),
        }
    }
}
