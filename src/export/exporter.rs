//! The exporters that pipelines push to, and the settings that they are built from.

#![cfg_attr(
    not(all(any(feature = "grpc", feature = "http"), feature = "console")),
    allow(dead_code, reason = "settings of exporters that are not compiled in")
)]

use std::sync::Arc;

#[cfg(feature = "console")]
use super::console::Console;
use super::headers::Helper;
#[cfg(any(feature = "grpc", feature = "http"))]
use super::otlp::Client;
use super::push_exporter::{PushExporter, Writer};
use crate::config::PrometheusConfig;
use crate::config::otlp::OtlpConfig;
use crate::signal::Signal;

/// A function that creates an exporter of a signal that keeps requests in this process instead of sending them.
pub(crate) type MakeExporter = Arc<dyn Fn(Signal) -> Arc<dyn PushExporter> + Send + Sync>;

/// The settings of a Prometheus scrape endpoint, which serves one page of metrics.
#[derive(Clone, PartialEq)]
pub(crate) struct ScrapeEndpointSettings {
    pub(crate) address: PrometheusConfig,
    /// The attributes of the resource.
    pub(crate) resource: Vec<(String, String)>,
}

/// A function that starts a scrape endpoint.
pub(crate) type MakeScrapeEndpoint =
    Arc<dyn Fn(ScrapeEndpointSettings) -> Arc<dyn PushExporter> + Send + Sync>;

/// The settings from which an exporter is built. Equal settings build equivalent exporters.
#[derive(Clone)]
pub(crate) enum ExporterSettings {
    Otlp(Box<OtlpConfig>, Option<Arc<Helper>>),
    Console(Writer),
    Prometheus(ScrapeEndpointSettings, MakeScrapeEndpoint),
    /// An exporter that keeps requests in this process.
    Custom(MakeExporter),
}

impl PartialEq for ExporterSettings {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            // Two helpers with the same command run separately, so the exporter must use the latest one.
            (Self::Otlp(config, helper), Self::Otlp(other, other_helper)) => {
                let address = |helper: &Option<Arc<Helper>>| helper.as_ref().map(Arc::as_ptr);
                config == other && address(helper) == address(other_helper)
            }
            (Self::Prometheus(settings, _), Self::Prometheus(other, _)) => settings == other,
            // The writer and the function are set once, when telemetry starts.
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

    /// Builds the exporter. Must be called inside the library's tokio runtime. The error is a sentence that says why
    /// the exporter cannot be built.
    pub(crate) fn build(self, signal: Signal) -> Result<Arc<dyn PushExporter>, String> {
        match self {
            #[cfg(any(feature = "grpc", feature = "http"))]
            Self::Otlp(config, helper) => Ok(Arc::new(Client::new(signal, &config, helper)?)),
            #[cfg(feature = "console")]
            Self::Console(writer) => Ok(Arc::new(Console::new(signal, writer))),
            Self::Prometheus(settings, make) => Ok(make(settings)),
            Self::Custom(make) => Ok(make(signal)),
            #[cfg(not(all(any(feature = "grpc", feature = "http"), feature = "console")))]
            _ => Err("this build has no such exporter".to_owned()),
        }
    }
}
