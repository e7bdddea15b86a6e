//! The report of a flush or a shutdown.

use std::fmt;

use crate::health::{ExporterHealth, Health};

/// The state of delivery at the end of a flush or a shutdown. Counts start with the telemetry.
///
/// `Display` writes one line for each exporter, suitable for a log.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Report {
    /// Each exporter of each signal that the configuration asks for; empty when telemetry is off.
    pub exporters: Vec<ExporterHealth>,
    /// Measurements that were dropped because the registry was full or because they were recorded after the shutdown.
    pub lost_amounts: u64,
    /// `true` if every exporter completed the request. `false` if the timeout passed first, or if it became clear that
    /// an exporter cannot complete it. Metrics may then have changed without appearing in any count here, because they
    /// were not collected yet.
    pub in_time: bool,
    /// The number of warnings about the configuration; [`Telemetry::explain`](super::Telemetry::explain) returns their
    /// texts.
    pub warnings: usize,
}

impl Report {
    pub(super) fn new(health: &Health, warnings: usize, in_time: bool) -> Self {
        Self {
            exporters: health.exporters.clone(),
            lost_amounts: health.series_overflow + health.after_shutdown,
            in_time,
            warnings,
        }
    }

    /// Returns whether everything that was recorded before the call was delivered in time, nothing was lost since the
    /// start, and every requested exporter could be built. Also returns `true` when telemetry is off, because no
    /// exporter is requested.
    pub fn is_complete(&self) -> bool {
        self.in_time
            && self.lost_amounts == 0
            && self.exporters.iter().all(ExporterHealth::is_unharmed)
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.exporters.is_empty() {
            f.write_str("telemetry is off")?;
        }
        for (n, exporter) in self.exporters.iter().enumerate() {
            let separator = if n == 0 { "" } else { "\n" };
            let ExporterHealth {
                signal,
                exporter,
                delivered,
                queued,
                dropped,
                last_error,
                ..
            } = exporter;
            write!(
                f,
                "{separator}{signal} ({exporter}): {delivered} delivered, {queued} waiting, {} lost",
                dropped.total()
            )?;
            if let Some(error) = last_error {
                write!(f, "; last error: {}", error.message)?;
            }
        }
        if self.lost_amounts > 0 {
            write!(
                f,
                "\n{} amounts of metrics were left out",
                self.lost_amounts
            )?;
        }
        if !self.in_time {
            f.write_str("\nnot everything was delivered in time")?;
        }
        match self.warnings {
            0 => Ok(()),
            1 => f.write_str("\n1 warning about the configuration"),
            many => write!(f, "\n{many} warnings about the configuration"),
        }
    }
}
