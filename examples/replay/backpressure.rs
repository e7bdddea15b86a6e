//! A transcript is read no faster than it can be delivered.

use claude_code_telemetry::Telemetry;

/// After so many lines ...
const LINES: u64 = 4_096;
/// ... or so many bytes of lines, all of it has to be delivered before more is read: a quarter of what the library keeps
/// for each exporter.
const BYTES: usize = 8 * 1024 * 1024;

/// What was read since everything was delivered.
#[derive(Default)]
pub(crate) struct Backpressure {
    lines: u64,
    bytes: usize,
    /// What was delivered when waiting did not help.
    stuck_at: Option<u64>,
}

impl Backpressure {
    /// One more line was replayed. Waits for the receiver when much is under way, for at most the flush timeout; one that
    /// takes nothing is not waited for again, and what the library then drops is in its report.
    pub(crate) fn line(&mut self, bytes: usize, telemetry: &Telemetry) {
        self.lines += 1;
        self.bytes += bytes;
        if self.lines < LINES && self.bytes < BYTES {
            return;
        }
        (self.lines, self.bytes) = (0, 0);
        let delivered = || {
            let exporters = telemetry.health().exporters;
            exporters.iter().map(|exporter| exporter.delivered).sum()
        };
        if self.stuck_at == Some(delivered()) {
            return;
        }
        let report = telemetry.flush();
        let waits = report.exporters.iter().any(|exporter| exporter.queued > 0);
        self.stuck_at = waits.then(delivered);
    }
}
