//! The three signals of OpenTelemetry.

use std::fmt;

/// A signal of OpenTelemetry.
///
/// As text a signal has the word of the documentation of Claude Code: `metrics`, `events` for logs, `spans` for traces.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Signal {
    /// Counters, as data points.
    Metrics,
    /// Log records: the events.
    Logs,
    /// Traces: the spans.
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
