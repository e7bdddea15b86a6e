//! Where a pipeline's requests go: an OTLP receiver or the console.

use bytes::Bytes;
use tokio::time::Instant;

use super::console::{Console, Lines};
#[cfg(any(feature = "grpc", feature = "http"))]
use super::otlp;
use super::otlp::Outcome;

/// A request of a signal, for every exporter.
pub(crate) trait Request: otlp::Encode + Lines {}

impl<M: otlp::Encode + Lines> Request for M {}

/// Where requests go.
pub(crate) enum Sink {
    Otlp(otlp::Client),
    Console(Console),
}

impl Sink {
    /// The most bytes of protobuf in one request.
    pub(crate) fn max_bytes(&self) -> usize {
        match self {
            Self::Otlp(client) => client.max_bytes(),
            Self::Console(_) => 1024 * 1024,
        }
    }

    /// The bytes that are sent, once or again.
    pub(crate) fn encode(&self, request: &impl Request) -> Bytes {
        match self {
            Self::Otlp(client) => client.encode(request),
            Self::Console(_) => request.lines().into(),
        }
    }

    /// One attempt, which ends by the deadline.
    pub(crate) async fn send(&self, body: Bytes, deadline: Instant) -> Outcome {
        match self {
            Self::Otlp(client) => client.send(body, deadline).await,
            Self::Console(console) => console.write(body).await,
        }
    }
}
