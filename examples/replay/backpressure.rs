//! A transcript is read no faster than it can be delivered.

/// After so many lines ...
const LINES: u64 = 4_096;
/// ... or so many bytes of lines, all of it has to be delivered before more is read: a quarter of what the library keeps
/// for each exporter.
const BYTES: usize = 8 * 1024 * 1024;

/// Where lines are delivered.
pub(crate) trait Delivery {
    /// So many items were delivered so far.
    fn delivered(&self) -> u64;

    /// Waits until all is delivered, for at most the flush timeout. True when something still waits.
    fn flush(&self) -> bool;
}

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
    pub(crate) fn line(&mut self, bytes: usize, to: &impl Delivery) {
        self.lines += 1;
        self.bytes += bytes;
        if self.lines < LINES && self.bytes < BYTES {
            return;
        }
        (self.lines, self.bytes) = (0, 0);
        if self.stuck_at == Some(to.delivered()) {
            return;
        }
        self.stuck_at = to.flush().then(|| to.delivered());
    }
}
