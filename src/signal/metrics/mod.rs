//! Counters: a registry of series, and readers that collect them.

mod cell;
mod reader;
mod registry;
mod series;
mod turn;

pub(crate) use cell::Held;
pub(crate) use reader::Reader;
pub(crate) use registry::Registry;
pub(crate) use series::Series;
pub(crate) use turn::{PLACES, Turn};

/// The places for readers: OTLP and the console.
pub(crate) const READERS: usize = 2;
/// The place of the OTLP exporter.
pub(crate) const OTLP_READER: usize = 0;
/// The place of the console exporter.
pub(crate) const CONSOLE_READER: usize = 1;
