//! Where a pipeline's requests go: an OTLP receiver or the console.

use bytes::Bytes;
use tokio::time::Instant;

#[cfg(feature = "console")]
use super::console::{Console, Lines};
#[cfg(any(feature = "grpc", feature = "http"))]
use super::otlp::{self, ExportRequest};
use super::outcome::Outcome;
#[cfg(any(feature = "grpc", feature = "http"))]
use crate::config::otlp::Protocol;

/// A request of a signal, as every exporter that is compiled in wants it.
pub(crate) trait Request: ExportRequest + Lines + Send {}

impl<M: ExportRequest + Lines + Send> Request for M {}

/// Without OTLP nothing is asked of a message.
#[cfg(not(any(feature = "grpc", feature = "http")))]
pub(crate) trait ExportRequest {}

#[cfg(not(any(feature = "grpc", feature = "http")))]
impl<M> ExportRequest for M {}

/// Without the console nothing is asked of a message.
#[cfg(not(feature = "console"))]
pub(crate) trait Lines {}

#[cfg(not(feature = "console"))]
impl<M> Lines for M {}

/// The most protobuf bytes in one request: receivers take 4 MiB.
const MAX_BYTES: usize = 3_670_016;
/// The same for text formats, counted as protobuf: JSON takes about twice as much.
const MAX_BYTES_OF_TEXT: usize = 1024 * 1024;

/// Where requests go.
pub(crate) enum Sink {
    #[cfg(any(feature = "grpc", feature = "http"))]
    Otlp(otlp::Client, Protocol),
    #[cfg(feature = "console")]
    Console(Console),
}

impl Sink {
    /// The most bytes of protobuf in one request.
    pub(crate) fn max_bytes(&self) -> usize {
        match *self {
            #[cfg(any(feature = "grpc", feature = "http"))]
            Self::Otlp(_, Protocol::Grpc | Protocol::HttpProtobuf) => MAX_BYTES,
            #[cfg(any(feature = "grpc", feature = "http"))]
            Self::Otlp(_, Protocol::HttpJson) => MAX_BYTES_OF_TEXT,
            #[cfg(feature = "console")]
            Self::Console(_) => MAX_BYTES_OF_TEXT,
        }
    }

    /// The bytes that are sent, once or again.
    pub(crate) fn encode(&self, request: &impl Request) -> Bytes {
        match *self {
            #[cfg(any(feature = "grpc", feature = "http"))]
            Self::Otlp(_, protocol) => otlp::encode(protocol, request),
            #[cfg(feature = "console")]
            Self::Console(_) => request.lines().into(),
        }
    }

    /// One attempt, which ends by the deadline.
    pub(crate) async fn send(&self, body: Bytes, deadline: Instant) -> Outcome {
        match *self {
            #[cfg(any(feature = "grpc", feature = "http"))]
            Self::Otlp(ref client, _) => client.send(body, deadline).await,
            #[cfg(feature = "console")]
            Self::Console(ref console) => console.write(body).await,
        }
    }
}
