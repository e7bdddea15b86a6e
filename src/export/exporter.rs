//! The exporters that pipelines push to, and the settings that they are built from.

#![cfg_attr(
    not(all(any(feature = "grpc", feature = "http"), feature = "console")),
    allow(dead_code, reason = "settings of exporters that are not compiled in")
)]

use std::io::Write;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::watch;
use tokio::time::Instant;

use super::BoxFuture;
#[cfg(feature = "console")]
use super::console::Console;
use super::export_result::{Accepted, ExportResult};
use super::headers::Helper;
#[cfg(any(feature = "grpc", feature = "http"))]
use super::otlp::Client;
use crate::config::otlp::OtlpConfig;
use crate::config::{HeadersHelper, PrometheusConfig};
use crate::signal::Signal;

/// The most protobuf bytes in one request. Receivers accept 4 MiB.
pub(super) const MAX_BYTES: usize = 3_670_016;
/// The most bytes in one request of a text format, counted as protobuf. JSON takes about twice as much.
#[cfg(any(feature = "grpc", feature = "http", feature = "console"))]
pub(super) const MAX_BYTES_OF_TEXT: usize = 1024 * 1024;

/// The writer of the console exporter: standard output, or the host's writer.
pub(crate) type Writer = Arc<Mutex<dyn Write + Send>>;

/// A running headers helper. It ends when the last settings of an exporter that uses it are dropped.
pub(crate) struct RunningHelper {
    pub(crate) config: HeadersHelper,
    pub(crate) helper: Arc<Helper>,
    /// Its drop ends the helper.
    pub(crate) _running: watch::Sender<()>,
}

impl PartialEq for RunningHelper {
    fn eq(&self, other: &Self) -> bool {
        self.config == other.config
    }
}

/// A function that returns the exporter of a signal which replaces a receiver.
pub(crate) type MakeExporter = Arc<dyn Fn(Signal) -> Arc<dyn PushExporter> + Send + Sync>;

/// An exporter of one signal: a client of a receiver, or a writer.
pub(crate) trait PushExporter: Send + Sync {
    /// Returns the most protobuf bytes in one request.
    fn max_bytes(&self) -> usize {
        MAX_BYTES
    }

    /// Returns the timeout of one attempt. The default is long: a write that blocks delays this exporter only.
    fn timeout(&self) -> Duration {
        Duration::from_secs(3600)
    }

    /// Converts a request in bytes of protobuf to the bytes that every attempt sends.
    fn encode(&self, request: Bytes) -> Bytes {
        request
    }

    /// Makes one attempt, which ends by the deadline.
    fn export<'a>(
        &'a self,
        body: Bytes,
        deadline: Instant,
        accepted: &'a Accepted,
    ) -> BoxFuture<'a, ExportResult>;

    /// Returns the path to which requests go instead of that of the configured URL.
    fn standard_path(&self) -> Option<&str> {
        None
    }
}

/// The settings from which an exporter is built. Exporters with equal settings are equal.
#[derive(Clone)]
pub(crate) enum ExporterSettings {
    Otlp(Box<OtlpConfig>, Option<Arc<RunningHelper>>),
    Console(Writer),
    Prometheus(PrometheusConfig),
    /// Requests stay in this process.
    Custom(MakeExporter),
}

impl PartialEq for ExporterSettings {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Otlp(config, helper), Self::Otlp(other, others)) => {
                config == other && helper == others
            }
            (Self::Prometheus(config), Self::Prometheus(other)) => config == other,
            // Neither changes after the start.
            (Self::Console(_), Self::Console(_)) | (Self::Custom(_), Self::Custom(_)) => true,
            _ => false,
        }
    }
}

impl ExporterSettings {
    /// Returns true if [`build`](Self::build) may block, because it loads the certificates of the platform.
    pub(crate) fn may_block(&self) -> bool {
        matches!(self, Self::Otlp(config, _) if config.tls.is_some())
    }

    /// Builds the exporter. Must be called inside the private runtime. The error is a sentence that says why the
    /// exporter cannot be built.
    pub(crate) fn build(self, signal: Signal) -> Result<Arc<dyn PushExporter>, String> {
        match self {
            #[cfg(any(feature = "grpc", feature = "http"))]
            Self::Otlp(config, helper) => {
                let helper = helper.map(|running| Arc::clone(&running.helper));
                Ok(Arc::new(Client::new(signal, &config)?.with_helper(helper)))
            }
            #[cfg(feature = "console")]
            Self::Console(writer) => Ok(Arc::new(Console::new(signal, writer))),
            Self::Custom(make) => Ok(make(signal)),
            _ => Err("this build has no such exporter".to_owned()),
        }
    }
}
