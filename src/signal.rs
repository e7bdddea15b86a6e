//! The three signals of OpenTelemetry.

use std::fmt;

/// A signal of OpenTelemetry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Signal {
    /// Counters, as data points.
    Metrics,
    /// Log records.
    Logs,
    /// Traces.
    Traces,
}

impl fmt::Display for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Metrics => "metrics",
            Self::Logs => "events",
            Self::Traces => "spans",
        })
    }
}
