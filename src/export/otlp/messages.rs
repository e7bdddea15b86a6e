//! The answer of a receiver that took the request.
//!
//! The three `Export...ServiceResponse` messages are alike but for the name of one field, which protobuf does not
//! send.

use prost::Message;

use super::target::Target;
use crate::export::outcome::Outcome;

/// `opentelemetry.proto.collector.*.v1.Export*ServiceResponse`.
#[derive(Clone, PartialEq, Message)]
pub(super) struct ExportResponse {
    /// What was not taken. Receivers may send it although they took everything.
    #[prost(message, optional, tag = "1")]
    pub(super) partial_success: Option<PartialSuccess>,
}

/// `opentelemetry.proto.collector.*.v1.Export*PartialSuccess`.
#[derive(Clone, PartialEq, Message)]
pub(super) struct PartialSuccess {
    /// `rejected_data_points`, `rejected_log_records` or `rejected_spans`.
    #[prost(int64, tag = "1")]
    pub(super) rejected: i64,
    /// Why.
    #[prost(string, tag = "2")]
    pub(super) error_message: String,
}

impl ExportResponse {
    /// A success, and what was said about it.
    pub(super) fn outcome(self, target: &Target) -> Outcome {
        let partial = self.partial_success.unwrap_or_default();
        Outcome::Delivered {
            rejected: u64::try_from(partial.rejected).unwrap_or(0),
            message: target.said(&partial.error_message),
        }
    }
}
