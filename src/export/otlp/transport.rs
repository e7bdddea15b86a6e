//! The part of a client that depends on the protocol.

use ::http::HeaderMap;
use bytes::Bytes;
use tokio::time::Instant;

use super::http_client::Answer;
use super::receiver::Receiver;
use crate::export::export_result::ExportResult;

/// A protocol on top of HTTP.
pub(super) trait Transport: Send + Sync {
    /// Adds the headers of a request whose message has `length` bytes. Returns the bytes that precede the message.
    fn prepare(
        &self,
        headers: &mut HeaderMap,
        is_gzip: bool,
        length: usize,
        deadline: Instant,
    ) -> Bytes;

    /// Returns the outcome of a response.
    fn outcome(&self, receiver: &Receiver, answer: Answer) -> ExportResult;
}
