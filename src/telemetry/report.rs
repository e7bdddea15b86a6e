//! The report of a flush or a shutdown.

use std::fmt;

use crate::config::{Config, Warning};
use crate::health::{ExporterHealth, Health};
use crate::signal::Signal;

/// The state of delivery at the end of a flush or a shutdown. Counts start with the telemetry.
///
/// `Display` writes one line for each exporter and for each warning about the configuration, suitable for a log. The
/// number of these warnings and their length are limited. Host instruments (`Telemetry::providers`) have their own
/// lines, such as `metrics (console, host instruments): 3 delivered, 0 waiting, 0 lost`.
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
    /// Each exporter of each signal that the configuration asks for, those of host instruments separately
    /// ([`Exporter::is_host`](crate::Exporter::is_host)); empty when telemetry is off.
    pub exporters: Vec<ExporterHealth>,
    /// Measurements that were dropped because the limit of series, or of bytes of their attributes, was reached, or
    /// because they were recorded after the shutdown.
    pub lost_amounts: u64,
    /// Model requests, tool calls and hooks that have no outcome, because their handle was dropped, as in
    /// [`Health::dropped_handles`].
    pub dropped_handles: u64,
    /// Requests whose cost is not known and was sent as 0, as in [`Health::requests_without_cost`].
    pub requests_without_cost: u64,
    /// `true` if every exporter completed the request. `false` if the timeout passed first, or if it became clear that
    /// an exporter cannot complete it. Metrics may then have changed without appearing in any count here, because they
    /// were not collected yet.
    ///
    /// Also `true` for a shutdown if the only undelivered data points repeat delivered values: no measurement is lost
    /// with them.
    pub in_time: bool,
    /// The number of warnings about the configuration. A host that has already shown them sets it to 0, and `Display`
    /// leaves them out.
    pub warnings: usize,
    /// True if the configuration turns telemetry on.
    pub(super) is_enabled: bool,
    /// The first warnings about the configuration; [`Telemetry::explain`](super::Telemetry::explain) returns all of
    /// them.
    config_warnings: Vec<Warning>,
}

/// The number of warnings that a report keeps and `Display` writes.
const MAX_WARNINGS: usize = 5;

/// The length to which `Display` truncates the text of a warning, in characters.
const MAX_WARNING_LENGTH: usize = 300;

impl Report {
    pub(super) fn new(health: Health, config: &Config, shutdown: bool, in_time: bool) -> Self {
        let config_warnings = config.warnings();
        Self {
            in_time: in_time || shutdown && nothing_is_left(&health.exporters),
            exporters: health.exporters,
            lost_amounts: health.series_overflow + health.after_shutdown,
            dropped_handles: health.dropped_handles,
            requests_without_cost: health.requests_without_cost,
            warnings: config_warnings.len(),
            is_enabled: config.is_enabled(),
            config_warnings: config_warnings.iter().take(MAX_WARNINGS).cloned().collect(),
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
            && self.exporters.iter().all(ExporterHealth::has_no_losses)
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut lines: Vec<String> = self.exporters.iter().map(line).collect();
        if lines.is_empty() {
            lines.push(match self.is_enabled {
                true => "telemetry has no exporter".to_owned(),
                false => "telemetry is off".to_owned(),
            });
        }
        if self.lost_amounts > 0 {
            lines.push(format!(
                "{} measurements of metrics were dropped",
                self.lost_amounts
            ));
        }
        lines.extend(counted(
            self.dropped_handles,
            "handle was dropped without an outcome; this is right if its call was canceled",
            "handles were dropped without an outcome; this is right if their calls were canceled",
        ));
        lines.extend(counted(
            self.requests_without_cost,
            "request was sent with cost 0, because its cost is not known",
            "requests were sent with cost 0, because their cost is not known",
        ));
        if !self.in_time {
            lines.push("not everything was delivered in time".to_owned());
        }
        lines.extend(counted(
            self.warnings as u64,
            "warning about the configuration:",
            "warnings about the configuration:",
        ));
        let warnings = self.config_warnings.iter().take(self.warnings);
        lines.extend(warnings.map(|warning| format!("- {}", shortened(warning.to_string()))));
        let more = self.warnings.saturating_sub(MAX_WARNINGS);
        if more > 0 {
            lines.push(format!("- and {more} more"));
        }
        if self.warnings > 0 {
            lines.push(
                "Telemetry::explain returns the whole configuration, and Config::diagnose or \
                 `claude-code-telemetry doctor` tries its exporters"
                    .to_owned(),
            );
        }
        f.write_str(&lines.join("\n"))
    }
}

/// Returns true if no exporter has queued items or losses. Host metrics that were not collected are in no count, so
/// they may be lost: with an exporter of host metrics, returns false.
fn nothing_is_left(exporters: &[ExporterHealth]) -> bool {
    exporters.iter().all(|health| {
        let is_counted = !health.exporter.is_host() || health.signal != Signal::Metrics;
        is_counted && health.is_complete()
    })
}

/// Returns a count with its text in the singular or the plural; `None` if the count is 0.
fn counted(count: u64, singular: &str, plural: &str) -> Option<String> {
    match count {
        0 => None,
        1 => Some(format!("1 {singular}")),
        _ => Some(format!("{count} {plural}")),
    }
}

/// Truncates the text of a warning, which can contain a long value.
fn shortened(mut text: String) -> String {
    if let Some((end, _)) = text.char_indices().nth(MAX_WARNING_LENGTH) {
        text.truncate(end);
        text.push('…');
    }
    text
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
