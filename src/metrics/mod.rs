//! Counters: a registry of series, and readers that collect them.

mod attribute_bytes;
mod catalog;
pub(crate) mod counter;
pub(crate) mod registry;
#[cfg(feature = "prometheus")]
mod scrape_reader;
mod series;
mod turn;

pub use catalog::METRICS;

pub(crate) use counter::CounterHandle;
pub(crate) use registry::Registry;
#[cfg(feature = "prometheus")]
pub(crate) use scrape_reader::{ScrapeReader, Shown};
pub(crate) use series::Series;
pub(crate) use turn::{PLACES, Turn};

/// The number of readers: OTLP, the console and Prometheus.
pub(crate) const READERS: usize = 3;
/// The index of the OTLP exporter's reader.
pub(crate) const OTLP_READER: usize = 0;
/// The index of the console exporter's reader.
pub(crate) const CONSOLE_READER: usize = 1;
/// The index of the Prometheus exporter's reader.
#[cfg(feature = "prometheus")]
pub(crate) const PROMETHEUS_READER: usize = 2;
