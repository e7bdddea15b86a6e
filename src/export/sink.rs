//! Where a pipeline's requests go: an OTLP receiver or the console.
//!
//! This is the one place that knows which exporters are compiled in.
#![cfg_attr(
    not(all(feature = "grpc", feature = "http", feature = "console")),
    allow(unused_variables, unused_imports, dead_code)
)]

use std::io::Write;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use tokio::time::Instant;

#[cfg(feature = "console")]
use super::console::{Console, Lines};
use super::headers::Helper;
#[cfg(any(feature = "grpc", feature = "http"))]
use super::otlp::{self, ExportRequest};
use super::outcome::Outcome;
use crate::config::otlp::{OtlpConfig, Protocol};
use crate::health::Exporter;
use crate::signal::Signal;
use crate::signal::events::Form;

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
/// A console that blocks holds back nothing but itself.
const CONSOLE_TIMEOUT: Duration = Duration::from_secs(3600);

/// Where the console exporter writes: standard output, or the host's writer.
pub(crate) type Writer = Arc<Mutex<dyn Write + Send>>;

/// Where requests will go: a sink that is still to be built.
pub(crate) enum Target {
    #[cfg(any(feature = "grpc", feature = "http"))]
    Otlp(OtlpConfig, Option<Arc<Helper>>),
    #[cfg(feature = "console")]
    Console(Writer),
}

impl Target {
    /// What a signal's configuration asks for.
    pub(crate) fn all(
        otlp: Option<&OtlpConfig>,
        helper: Option<&Arc<Helper>>,
        console: bool,
        writer: &Writer,
    ) -> Vec<Self> {
        let all: Vec<Option<Self>> = vec![
            #[cfg(any(feature = "grpc", feature = "http"))]
            otlp.map(|otlp| Self::Otlp(otlp.clone(), helper.cloned())),
            #[cfg(feature = "console")]
            console.then(|| Self::Console(Arc::clone(writer))),
        ];
        all.into_iter().flatten().collect()
    }

    pub(crate) fn exporter(&self) -> Exporter {
        match *self {
            #[cfg(any(feature = "grpc", feature = "http"))]
            Self::Otlp(..) => Exporter::Otlp,
            #[cfg(feature = "console")]
            Self::Console(_) => Exporter::Console,
        }
    }

    /// The form in which it takes events.
    pub(crate) fn form(&self) -> Form {
        match *self {
            #[cfg(any(feature = "grpc", feature = "http"))]
            Self::Otlp(ref config, _) if config.protocol != Protocol::HttpJson => Form::Bytes,
            _ => Form::Messages,
        }
    }

    /// The limit of one attempt.
    pub(crate) fn timeout(&self) -> Duration {
        match *self {
            #[cfg(any(feature = "grpc", feature = "http"))]
            Self::Otlp(ref config, _) => config.timeout,
            #[cfg(feature = "console")]
            Self::Console(_) => CONSOLE_TIMEOUT,
        }
    }

    /// Builds the sink, inside the private runtime. The error says in words why it cannot be.
    pub(crate) fn build(self, signal: Signal) -> Result<Sink, String> {
        match self {
            #[cfg(any(feature = "grpc", feature = "http"))]
            Self::Otlp(config, helper) => match otlp::Client::new(signal, &config) {
                Ok(client) => Ok(Sink::Otlp(
                    Box::new(client.with_helper(helper)),
                    config.protocol,
                )),
                Err(error) => Err(error.to_string()),
            },
            #[cfg(feature = "console")]
            Self::Console(writer) => Ok(Sink::Console(Console::new(writer))),
        }
    }
}

/// Where requests go.
pub(crate) enum Sink {
    #[cfg(any(feature = "grpc", feature = "http"))]
    Otlp(Box<otlp::Client>, Protocol),
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
