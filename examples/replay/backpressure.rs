//! Limits the reading of a transcript to the speed of delivery.

/// The number of lines after which all data must be delivered before more lines are read: a quarter of the capacity of
/// each exporter's queue.
const LINES: u64 = 4_096;
/// The size of lines, in bytes, after which all data must be delivered before more lines are read: a quarter of the
/// capacity of each exporter's queue.
const BYTES: usize = 8 * 1024 * 1024;

/// A destination of replayed lines.
pub(crate) trait Delivery {
    /// Returns the number of items that were delivered so far.
    fn delivered(&self) -> u64;

    /// Waits until everything is delivered, but at most for the flush timeout. Returns `true` if items are still
    /// queued.
    fn flush(&self) -> bool;
}

/// The amount of input that was read since the last complete delivery.
#[derive(Default)]
pub(crate) struct Backpressure {
    lines: u64,
    bytes: usize,
    /// The number of delivered items when the last flush was incomplete.
    stuck_at: Option<u64>,
}

impl Backpressure {
    /// Accounts for one replayed line. Waits for the receiver if much is in flight, but at most for the flush timeout.
    /// After an incomplete flush without further deliveries it does not wait again; the report of the library then
    /// contains the dropped items.
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
