//! The destinations of a pipeline's requests: an OTLP receiver or the console.
//!
//! Only this module knows which exporters are compiled in.
#![cfg_attr(
    not(all(feature = "grpc", feature = "http", feature = "console")),
    allow(unused_variables, unused_imports, dead_code)
)]

use std::io::Write;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::watch;
use tokio::time::Instant;

#[cfg(feature = "console")]
use super::console::{Console, lines};
#[cfg(any(feature = "grpc", feature = "http"))]
use super::encode::encode;
use super::export_result::{Accepted, ExportResult};
use super::headers::Helper;
#[cfg(any(feature = "grpc", feature = "http"))]
use super::otlp;
use crate::config::otlp::{OtlpConfig, Protocol};
use crate::signal::Signal;

/// The most protobuf bytes in one request. Receivers accept 4 MiB.
const MAX_BYTES: usize = 3_670_016;
/// The most bytes in one request of a text format, counted as protobuf. JSON takes about twice as much.
const MAX_BYTES_OF_TEXT: usize = 1024 * 1024;
/// The timeout of one write to the console. It is long, because a blocked console delays only the console exporter.
const CONSOLE_TIMEOUT: Duration = Duration::from_secs(3600);

/// The writer of the console exporter: standard output, or the host's writer.
pub(crate) type Writer = Arc<Mutex<dyn Write + Send>>;

/// A handle that keeps the headers helper running. The helper ends when the last handle is dropped.
pub(crate) type Lease = Arc<watch::Sender<()>>;

/// An exporter that keeps requests in memory instead of sending them.
#[cfg(feature = "testing")]
pub(crate) trait MemoryExporter: Send + Sync {
    /// Stores a request as a receiver would.
    fn export(&self, signal: Signal, request: Bytes);
}

/// The destination of requests, from which a sink is built.
#[derive(Clone)]
pub(crate) enum Target {
    #[cfg(any(feature = "grpc", feature = "http"))]
    Otlp(OtlpConfig, Option<(Arc<Helper>, Lease)>),
    #[cfg(feature = "console")]
    Console(Writer),
    #[cfg(feature = "testing")]
    Memory(Arc<dyn MemoryExporter>),
}

impl Target {
    /// Returns the target for an OTLP receiver; `None` in a build without OTLP.
    pub(crate) fn otlp(config: &OtlpConfig, helper: Option<&(Arc<Helper>, Lease)>) -> Option<Self> {
        #[cfg(any(feature = "grpc", feature = "http"))]
        return Some(Self::Otlp(config.clone(), helper.cloned()));
        #[cfg(not(any(feature = "grpc", feature = "http")))]
        None
    }

    /// Returns the target for the console; `None` in a build without the console exporter.
    pub(crate) fn console(writer: &Writer) -> Option<Self> {
        #[cfg(feature = "console")]
        return Some(Self::Console(Arc::clone(writer)));
        #[cfg(not(feature = "console"))]
        None
    }

    /// Returns the timeout of one attempt.
    pub(crate) fn timeout(&self) -> Duration {
        match *self {
            #[cfg(any(feature = "grpc", feature = "http"))]
            Self::Otlp(ref config, _) => config.timeout,
            #[cfg(feature = "console")]
            Self::Console(_) => CONSOLE_TIMEOUT,
            #[cfg(feature = "testing")]
            Self::Memory(_) => CONSOLE_TIMEOUT,
        }
    }

    /// Returns true if [`build`](Self::build) may block, because it loads the certificates of the platform.
    pub(crate) fn may_block(&self) -> bool {
        match *self {
            #[cfg(any(feature = "grpc", feature = "http"))]
            Self::Otlp(ref config, _) => config.tls.is_some(),
            #[cfg(feature = "console")]
            Self::Console(_) => false,
            #[cfg(feature = "testing")]
            Self::Memory(_) => false,
        }
    }

    /// Builds the sink. Must be called inside the private runtime. The error is a sentence that says why the sink
    /// cannot be built.
    pub(crate) fn build(self, signal: Signal) -> Result<Sink, String> {
        match self {
            #[cfg(any(feature = "grpc", feature = "http"))]
            Self::Otlp(config, helper) => match otlp::Client::new(signal, &config) {
                Ok(client) => {
                    let (helper, lease) = helper.unzip();
                    let client = Box::new(client.with_helper(helper));
                    Ok(Sink::Otlp(client, config.protocol, lease))
                }
                Err(error) => Err(error.to_string()),
            },
            #[cfg(feature = "console")]
            Self::Console(writer) => Ok(Sink::Console(Console::new(writer))),
            #[cfg(feature = "testing")]
            Self::Memory(store) => Ok(Sink::Memory(store, signal)),
        }
    }
}

/// The sink of a pipeline's requests.
pub(crate) enum Sink {
    #[cfg(any(feature = "grpc", feature = "http"))]
    Otlp(
        Box<otlp::Client>,
        Protocol,
        #[allow(dead_code, reason = "its drop is the message")] Option<Lease>,
    ),
    #[cfg(feature = "console")]
    Console(Console),
    #[cfg(feature = "testing")]
    Memory(Arc<dyn MemoryExporter>, Signal),
}

impl Sink {
    /// Returns the most protobuf bytes in one request.
    pub(crate) fn max_bytes(&self) -> usize {
        match *self {
            #[cfg(any(feature = "grpc", feature = "http"))]
            Self::Otlp(_, Protocol::Grpc | Protocol::HttpProtobuf, _) => MAX_BYTES,
            #[cfg(any(feature = "grpc", feature = "http"))]
            Self::Otlp(_, Protocol::HttpJson, _) => MAX_BYTES_OF_TEXT,
            #[cfg(feature = "console")]
            Self::Console(_) => MAX_BYTES_OF_TEXT,
            #[cfg(feature = "testing")]
            Self::Memory(..) => MAX_BYTES,
        }
    }

    /// Converts a request in bytes of protobuf to the bytes that every attempt sends.
    pub(crate) fn encode(&self, signal: Signal, request: Bytes) -> Bytes {
        match *self {
            #[cfg(any(feature = "grpc", feature = "http"))]
            Self::Otlp(_, protocol, _) => encode(protocol, signal, request),
            #[cfg(feature = "console")]
            Self::Console(_) => lines(signal, &request).into(),
            #[cfg(feature = "testing")]
            Self::Memory(..) => request,
        }
    }

    /// Returns the path to which requests go instead of that of the configured URL.
    pub(crate) fn standard_path(&self) -> Option<&str> {
        match *self {
            #[cfg(any(feature = "grpc", feature = "http"))]
            Self::Otlp(ref client, ..) => client.standard_path(),
            #[cfg(feature = "console")]
            Self::Console(_) => None,
            #[cfg(feature = "testing")]
            Self::Memory(..) => None,
        }
    }

    /// Makes one attempt, which ends by the deadline.
    pub(crate) async fn send(
        &self,
        body: Bytes,
        deadline: Instant,
        accepted: &Accepted,
    ) -> ExportResult {
        match *self {
            #[cfg(any(feature = "grpc", feature = "http"))]
            Self::Otlp(ref client, ..) => client.send(body, deadline, accepted).await,
            #[cfg(feature = "console")]
            Self::Console(ref console) => console.write(body).await,
            #[cfg(feature = "testing")]
            Self::Memory(ref store, signal) => {
                store.export(signal, body);
                ExportResult::DELIVERED
            }
        }
    }
}
