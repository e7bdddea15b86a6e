//! The interface of the exporters that pipelines push to.

use std::io::Write;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use tokio::time::Instant;

use super::BoxFuture;
use super::export_result::{Accepted, ExportResult};

/// The most protobuf bytes in one request: 3.5 MiB, because receivers accept 4 MiB by default.
pub(super) const MAX_BYTES: usize = 3_670_016;
/// The most bytes in one request of a text format, counted as protobuf. JSON takes about twice as much.
#[cfg(any(feature = "grpc", feature = "http", feature = "console"))]
pub(super) const MAX_BYTES_OF_TEXT: usize = 1024 * 1024;

/// The writer of the console exporter: standard output, or the host's writer.
pub(crate) type Writer = Arc<Mutex<dyn Write + Send>>;

/// An exporter of one signal: an OTLP client, a writer of lines, or a Prometheus scrape endpoint.
pub(crate) trait PushExporter: Send + Sync {
    /// Returns the most protobuf bytes in one request.
    fn max_bytes(&self) -> usize {
        MAX_BYTES
    }

    /// Returns the timeout of one attempt. The default is long, because a write that blocks delays only its own
    /// exporter.
    fn timeout(&self) -> Duration {
        Duration::from_secs(3600)
    }

    /// Converts a request in bytes of protobuf to the bytes that every attempt sends.
    fn encode(&self, request: Bytes) -> Bytes {
        request
    }

    /// Makes one attempt, which ends by the deadline. Sets `accepted` as soon as the receiver has taken the request, even
    /// if the response goes on.
    fn export<'a>(
        &'a self,
        body: Bytes,
        deadline: Instant,
        accepted: &'a Accepted,
    ) -> BoxFuture<'a, ExportResult>;

    /// Ends the exporter, which gets no more requests.
    fn close(&self) -> BoxFuture<'_, ()> {
        Box::pin(std::future::ready(()))
    }
}
