//! Counters: a registry of series, and readers that collect them.

mod attribute_bytes;
pub(crate) mod cell;
#[cfg(feature = "prometheus")]
mod pull;
pub(crate) mod registry;
mod series;
mod turn;

pub(crate) use cell::Held;
#[cfg(feature = "prometheus")]
pub(crate) use pull::{PullReader, Shown};
pub(crate) use registry::Registry;
pub(crate) use series::Series;
pub(crate) use turn::{PLACES, Turn};

/// The places for readers: OTLP, the console and the Prometheus page.
pub(crate) const READERS: usize = 3;
/// The place of the OTLP exporter.
pub(crate) const OTLP_READER: usize = 0;
/// The place of the console exporter.
pub(crate) const CONSOLE_READER: usize = 1;
/// The place of the Prometheus exporter.
#[cfg(feature = "prometheus")]
pub(crate) const PROMETHEUS_READER: usize = 2;
