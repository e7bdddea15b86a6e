//! What a flush or a shutdown achieved.

use std::fmt;

use crate::health::{ExporterHealth, ExporterState, Health};

/// What became of the data by the end of a flush or a shutdown. Counts run from the start of the telemetry.
///
/// `Display` writes a line for each exporter, for a log.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Report {
    /// Each exporter of each signal.
    pub exporters: Vec<ExporterHealth>,
}

impl Report {
    pub(super) fn of_flush(health: Health) -> Self {
        Self {
            exporters: health.exporters,
        }
    }

    /// What still waits is lost, also when the caller's clock was a moment faster than the exporter that counts it.
    pub(super) fn of_shutdown(health: Health) -> Self {
        let mut exporters = health.exporters;
        for exporter in &mut exporters {
            exporter.dropped.shutdown += std::mem::take(&mut exporter.queued);
            exporter.state = ExporterState::Off;
        }
        Self { exporters }
    }

    /// Nothing waits and nothing was lost since the start.
    pub fn is_complete(&self) -> bool {
        self.exporters
            .iter()
            .all(|exporter| exporter.queued == 0 && exporter.dropped.total() == 0)
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.exporters.is_empty() {
            return f.write_str("telemetry is off");
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
        Ok(())
    }
}
