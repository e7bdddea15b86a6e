//! Counters: a registry of series, and readers that collect them.

mod attribute_bytes;
mod catalog;
pub(crate) mod counter;
pub(crate) mod registry;
#[cfg(feature = "prometheus")]
mod scrape_reader;
mod series;

pub use catalog::METRICS;

pub(crate) use counter::{CounterHandle, Sample};
pub(crate) use registry::Registry;
#[cfg(feature = "prometheus")]
pub(crate) use scrape_reader::ScrapeReader;
pub(crate) use series::{SERIES_PER_REQUEST, Series, SeriesKind};

/// The number of readers: OTLP, the console and Prometheus.
const READERS: usize = 3;
/// The number of push readers, which have the first indexes: OTLP and the console.
const PUSH_READERS: usize = 2;
/// The index of the OTLP exporter's reader.
pub(crate) const OTLP_READER: usize = 0;
/// The index of the console exporter's reader.
pub(crate) const CONSOLE_READER: usize = 1;
/// The index of the Prometheus exporter's reader.
#[cfg(feature = "prometheus")]
pub(crate) const PROMETHEUS_READER: usize = 2;
