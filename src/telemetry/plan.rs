//! The exporters that a configuration asks for.

use std::sync::Arc;
use std::time::Duration;

use crate::config::otlp::OtlpConfig;
use crate::config::{Config, HeadersHelper};
#[cfg(feature = "testing")]
use crate::export::MemoryExporter;
use crate::export::headers::Helper;
use crate::export::runtime::Runtime;
use crate::export::{Lease, Target, Writer};
use crate::health::Exporter;
use crate::signal::Signal;

/// A configuration, and what exporters need to apply it.
pub(crate) struct Plan<'a> {
    pub(crate) config: &'a Config,
    pub(crate) resource: Vec<(String, String)>,
    pub(crate) helper: Option<(Arc<Helper>, Lease)>,
    pub(crate) writer: Writer,
    /// Replaces all configured exporters.
    #[cfg(feature = "testing")]
    pub(crate) memory: Option<Arc<dyn MemoryExporter>>,
    pub(crate) runtime: &'a Runtime,
}

/// The destination of an exporter.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Destination {
    Otlp(Box<OtlpConfig>, Option<HeadersHelper>),
    Console,
    #[cfg(feature = "testing")]
    Memory,
}

impl Plan<'_> {
    /// Returns the destination of an exporter; `None` when the configuration does not ask for it, or the exporter is
    /// unavailable.
    pub(crate) fn destination(&self, signal: Signal, exporter: Exporter) -> Option<Destination> {
        let (otlp, console) = self.config.exporters(signal);
        match exporter {
            #[cfg(feature = "testing")]
            Exporter::Otlp if self.memory.is_some() => Some(Destination::Memory),
            #[cfg(feature = "testing")]
            Exporter::Console if self.memory.is_some() => None,
            Exporter::Otlp | Exporter::Host => otlp.map(|otlp| {
                Destination::Otlp(Box::new(otlp.clone()), self.config.headers_helper.clone())
            }),
            Exporter::Console => console.then_some(Destination::Console),
            // Prometheus scrapes this exporter; it has no destination.
            Exporter::Prometheus => None,
        }
    }

    pub(crate) fn interval(&self, signal: Signal) -> Duration {
        match signal {
            Signal::Metrics => self.config.metrics.interval,
            Signal::Logs => self.config.events.interval,
            Signal::Traces => self.config.spans.interval,
        }
    }

    /// Returns the client for a destination; `None` when its feature is not compiled in.
    pub(crate) fn target(&self, destination: &Destination) -> Option<Target> {
        match destination {
            Destination::Otlp(otlp, _) => Target::otlp(otlp, self.helper.as_ref()),
            Destination::Console => Target::console(&self.writer),
            #[cfg(feature = "testing")]
            Destination::Memory => self.memory.clone().map(Target::Memory),
        }
    }
}
