//! Limits the reading of a transcript to the speed of delivery.

/// The number of lines after which all data must be delivered before more lines are read: a quarter of the capacity of
/// each exporter's queue.
const LINES: u64 = 4_096;
/// The size of lines, in bytes, after which all data must be delivered before more lines are read: a quarter of the
/// capacity of each exporter's queue.
const BYTES: usize = 8 * 1024 * 1024;

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
    ///
    /// `delivered` returns the number of items that were delivered so far. `flush` waits for the delivery of all items,
    /// and returns `true` if items are still queued.
    pub(crate) fn line(
        &mut self,
        bytes: usize,
        delivered: impl Fn() -> u64,
        flush: impl FnOnce() -> bool,
    ) {
        self.lines += 1;
        self.bytes += bytes;
        if self.lines < LINES && self.bytes < BYTES {
            return;
        }
        (self.lines, self.bytes) = (0, 0);
        if self.stuck_at == Some(delivered()) {
            return;
        }
        self.stuck_at = flush().then(delivered);
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    /// A receiver that counts its flushes.
    #[derive(Default)]
    struct Flushed {
        times: Cell<u32>,
        delivered: Cell<u64>,
        takes_nothing: bool,
    }

    impl Flushed {
        fn line(&self, pressure: &mut Backpressure, bytes: usize) {
            pressure.line(bytes, || self.delivered.get(), || self.flush());
        }

        fn flush(&self) -> bool {
            self.times.set(self.times.get() + 1);
            if !self.takes_nothing {
                self.delivered.set(self.delivered.get() + 1);
            }
            self.takes_nothing
        }
    }

    #[test]
    fn backpressure_flushes_after_a_number_of_lines_or_bytes() {
        let (receiver, mut pressure) = (Flushed::default(), Backpressure::default());
        for _ in 0..3 * 4_096 - 1 {
            receiver.line(&mut pressure, 1);
        }
        assert_eq!(receiver.times.get(), 2);
        receiver.line(&mut pressure, 1);
        assert_eq!(receiver.times.get(), 3);
        receiver.line(&mut pressure, 8 * 1024 * 1024 - 1);
        assert_eq!(receiver.times.get(), 3);
        receiver.line(&mut pressure, 1);
        assert_eq!(receiver.times.get(), 4);
    }

    #[test]
    fn backpressure_waits_again_for_a_stuck_receiver_only_after_further_deliveries() {
        let receiver = Flushed {
            takes_nothing: true,
            ..Flushed::default()
        };
        let mut pressure = Backpressure::default();
        let mut replay_many_lines = || (0..40_000).for_each(|_| receiver.line(&mut pressure, 100));
        replay_many_lines();
        assert_eq!(receiver.times.get(), 1);
        // The receiver has accepted data in the meantime, so the replay waits for it again.
        receiver.delivered.set(1);
        replay_many_lines();
        assert_eq!(receiver.times.get(), 2);
    }
}
