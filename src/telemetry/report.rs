//! The report of a flush or a shutdown.

use std::fmt;

use crate::health::{ExporterHealth, Health};

/// The state of delivery at the end of a flush or a shutdown. Counts start with the telemetry.
///
/// `Display` writes one line for each exporter, suitable for a log.
///
/// ```
/// # use claude_code_telemetry::Telemetry;
/// # let telemetry = Telemetry::disabled();
/// let report = telemetry.shutdown();
/// for exporter in &report.exporters {
///     println!("{}: {} lost", exporter.signal, exporter.dropped.total());
/// }
/// println!("{report}");
/// ```
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
    ///
    /// ```
    /// # use claude_code_telemetry::Telemetry;
    /// # let telemetry = Telemetry::disabled();
    /// let report = telemetry.flush();
    /// assert!(report.is_complete(), "{report}");
    /// ```
    pub fn is_complete(&self) -> bool {
        self.in_time
            && self.lost_amounts == 0
            && self.exporters.iter().all(ExporterHealth::is_unharmed)
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut lines: Vec<String> = self.exporters.iter().map(line).collect();
        if lines.is_empty() {
            lines.push("telemetry is off".to_owned());
        }
        if self.lost_amounts > 0 {
            lines.push(format!(
                "{} amounts of metrics were left out",
                self.lost_amounts
            ));
        }
        if !self.in_time {
            lines.push("not everything was delivered in time".to_owned());
        }
        match self.warnings {
            0 => {}
            1 => lines.push("1 warning about the configuration".to_owned()),
            many => lines.push(format!("{many} warnings about the configuration")),
        }
        f.write_str(&lines.join("\n"))
    }
}

fn line(exporter: &ExporterHealth) -> String {
    let ExporterHealth {
        signal,
        exporter,
        delivered,
        queued,
        dropped,
        last_error,
        ..
    } = exporter;
    let lost = dropped.total();
    let error = last_error.as_ref();
    let error = error.map_or_else(String::new, |error| {
        format!("; last error: {}", error.message)
    });
    format!("{signal} ({exporter}): {delivered} delivered, {queued} waiting, {lost} lost{error}")
}
