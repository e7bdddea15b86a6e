//! Export: batches, retries, transports, and the library's own tokio runtime, which drives all exporters.

mod backoff;
pub(crate) mod blocking;
mod command;
#[cfg(feature = "console")]
pub(crate) mod console;
mod control;
#[cfg(any(feature = "grpc", feature = "http"))]
pub(crate) mod encode;
pub(crate) mod export_result;
mod exporter;
mod handle;
#[cfg_attr(
    not(any(feature = "grpc", feature = "http")),
    allow(dead_code, reason = "no exporter has headers")
)]
pub(crate) mod headers;
pub(crate) mod metrics_source;
#[cfg(any(feature = "grpc", feature = "http"))]
pub(crate) mod otlp;
mod pipeline;
#[cfg(feature = "prometheus")]
mod prometheus;
mod push_exporter;
pub(crate) mod queue;
pub(crate) mod queue_source;
pub(crate) mod runtime;
#[cfg(any(feature = "grpc", feature = "http"))]
mod server_verifier;
mod source;
pub(crate) mod suppression;
#[cfg(any(feature = "grpc", feature = "http"))]
mod tls;

/// Entry points of the fuzz targets.
#[cfg(all(fuzzing, feature = "grpc"))]
pub(crate) mod fuzzing {
    pub use super::headers::fuzzing::helper_output;
    pub use super::otlp::fuzzing::answer;
}

pub(crate) use command::{Command, Incomplete, Waiter};
pub(crate) use control::PipelineConfig;
pub(crate) use exporter::{
    ExporterSettings, MakeExporter, MakeScrapeEndpoint, ScrapeEndpointSettings,
};
#[cfg(feature = "providers")]
pub(crate) use handle::AfterOpening;
pub(crate) use handle::ExporterHandle;
#[cfg(feature = "prometheus")]
pub(crate) use prometheus::{handle as prometheus, scrape_addresses};
#[cfg(any(feature = "grpc", feature = "http", feature = "testing"))]
pub(crate) use push_exporter::PushExporter;
pub(crate) use push_exporter::Writer;
pub(crate) use source::{Batch, Source, split_last};

use std::pin::Pin;

/// A boxed future.
pub(crate) type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;
