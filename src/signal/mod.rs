//! The three signals: their typed state and its translation into OTLP messages.

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
