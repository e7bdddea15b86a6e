//! The three signals: their typed state and its translation into OTLP messages.

pub(crate) mod events;
mod item;
pub(crate) mod message;
pub(crate) mod metrics;
pub(crate) mod protobuf;
pub(crate) mod spans;
pub(crate) mod standard;

pub(crate) use self::item::Item;

use std::fmt;

/// One of the three signals of OpenTelemetry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Signal {
    /// Counters, as data points.
    Metrics,
    /// Log records.
    Events,
    /// Traces.
    Spans,
}

impl fmt::Display for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Metrics => "metrics",
            Self::Events => "events",
            Self::Spans => "spans",
        })
    }
}
