//! A counter of one series: a value that threads add to without a lock, and the state of each reader.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use super::series::Series;
use super::{PUSH_READERS, READERS};
use crate::lock::lock;
use crate::session_attributes::SessionAttributes;

/// The counter of one series.
#[derive(Debug)]
pub(crate) struct Counter {
    pub(crate) series: Series,
    pub(crate) standard: Arc<SessionAttributes>,
    /// The bits of an `f64`.
    value: AtomicU64,
    /// The number of handles, which may add to the counter.
    holders: AtomicU32,
    /// Never locked to add a measurement. Locked after the registry, never before it.
    state: Mutex<State>,
}

/// The state of a counter that only its readers and the sessions that open it use.
///
/// A session that opens the counter raises its generation, and every reader must deliver it again. A [`Sample`] that
/// was taken while no session held the counter is complete for a reader if the generation is unchanged when the reader
/// has delivered the sample.
#[derive(Debug, Default)]
struct State {
    /// The number of times that a session opened the counter; changed under the registry's lock.
    generation: u32,
    /// For each reader, `true` if it has delivered everything and does not report the counter.
    is_delivered: [bool; READERS],
    /// The progress of each push reader. The reader of the Prometheus page has none, because the page always shows the
    /// value since the start of the series.
    progress: [Progress; PUSH_READERS],
}

/// The progress of one push reader.
#[derive(Clone, Copy, Debug, Default)]
struct Progress {
    /// The end of the last delivered data point.
    delivered: Position,
    /// The start of the next data point. Equal to `delivered` if the points are deltas.
    start: Position,
}

/// A value of a counter and its time, in nanoseconds since the Unix epoch.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Position {
    pub(crate) value: f64,
    pub(crate) time: u64,
}

/// A counter as a reader found it.
#[derive(Debug)]
pub(crate) struct Sample {
    pub(crate) counter: Arc<Counter>,
    /// The value since the start of the series.
    pub(crate) value: f64,
    /// The generation of the counter if its series has ended; `None` otherwise. A series has ended if no session holds
    /// it and its attributes belong to one session or are outdated.
    pub(crate) ended: Option<u32>,
}

impl Counter {
    /// Creates a counter whose data points start now, for every push reader.
    pub(super) fn new(series: Series, standard: Arc<SessionAttributes>, now: u64) -> Self {
        let start = Position {
            value: 0.0,
            time: now,
        };
        let begun = Progress {
            delivered: start,
            start,
        };
        Self {
            series,
            standard,
            value: AtomicU64::new(0.0_f64.to_bits()),
            holders: AtomicU32::new(0),
            state: Mutex::new(State {
                progress: [begun; PUSH_READERS],
                ..State::default()
            }),
        }
    }

    /// Returns the value since the start of the series.
    pub(super) fn value(&self) -> f64 {
        f64::from_bits(self.value.load(Ordering::Acquire))
    }

    pub(super) fn is_held(&self) -> bool {
        self.holders.load(Ordering::SeqCst) > 0
    }

    /// Returns whether this is the value that a push reader delivered last.
    pub(super) fn is_delivered_value(&self, reader: usize, value: f64) -> bool {
        self.state().progress[reader].delivered.value == value
    }

    /// Returns whether a reader has delivered everything that was added before the last session closed the counter.
    pub(super) fn is_delivered(&self, reader: usize) -> bool {
        self.state().is_delivered[reader]
    }

    /// Reads the counter. Must be called under the registry's lock, so that no session opens the counter meanwhile.
    pub(super) fn sample(self: &Arc<Self>) -> Sample {
        // Load order matters: holders, then value. Otherwise the value could lack the last measurements before the end.
        let has_ended = !self.is_held() && self.standard.ends();
        Sample {
            counter: Arc::clone(self),
            value: self.value(),
            ended: has_ended.then(|| self.state().generation),
        }
    }

    /// Adds a reader, which may have been removed before. It receives only measurements that are added after this call.
    pub(super) fn begin(self: &Arc<Self>, reader: usize, now: u64) {
        self.sample().acknowledge(reader, now);
        self.start_at_delivered(reader);
    }

    /// Returns the value and the time at which the next data point of a push reader starts.
    pub(crate) fn start(&self, reader: usize) -> Position {
        self.state().progress[reader].start
    }

    /// Starts the next data point of a push reader where the last delivered one ended.
    pub(crate) fn start_at_delivered(&self, reader: usize) {
        if let Some(progress) = self.state().progress.get_mut(reader) {
            progress.start = progress.delivered;
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }
}

impl Sample {
    /// Returns whether a push reader has delivered another value than this one.
    pub(crate) fn is_changed(&self, reader: usize) -> bool {
        !self.counter.is_delivered_value(reader, self.value)
    }

    /// Notes that a reader has delivered the sample as a data point that ends at this time.
    pub(crate) fn acknowledge(&self, reader: usize, time: u64) {
        let mut state = self.counter.state();
        if let Some(progress) = state.progress.get_mut(reader) {
            progress.delivered = Position {
                value: self.value,
                time,
            };
        }
        // A session that opened the counter in the meantime may have added to it.
        state.is_delivered[reader] |= self.ended == Some(state.generation);
    }
}

/// A session's handle to a counter. The series is exported as long as a handle exists.
#[derive(Debug)]
pub(crate) struct CounterHandle(Arc<Counter>);

impl CounterHandle {
    /// Opens a counter. Must be called under the registry's lock.
    pub(super) fn new(counter: Arc<Counter>) -> Self {
        let mut state = counter.state();
        state.generation = state.generation.wrapping_add(1);
        state.is_delivered = [false; READERS];
        drop(state);
        counter.holders.fetch_add(1, Ordering::SeqCst);
        Self(counter)
    }

    /// Adds a measurement. Does not lock or allocate.
    pub(crate) fn add(&self, amount: f64) {
        // The sum is clamped, so that a sum of finite values stays finite.
        let sum = |bits| Some((f64::from_bits(bits) + amount).min(f64::MAX).to_bits());
        let value = &self.0.value;
        let _ = value.fetch_update(Ordering::AcqRel, Ordering::Relaxed, sum);
    }

    pub(crate) fn series(&self) -> &Series {
        &self.0.series
    }
}

impl Clone for CounterHandle {
    /// Clones the handle. This does not count as an opening, because the counter is held the whole time.
    fn clone(&self) -> Self {
        self.0.holders.fetch_add(1, Ordering::SeqCst);
        Self(Arc::clone(&self.0))
    }
}

impl Drop for CounterHandle {
    fn drop(&mut self) {
        self.0.holders.fetch_sub(1, Ordering::SeqCst);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::thread;
    use std::time::Duration;

    use crate::clock::Clock;
    use crate::metrics::{Registry, SeriesKind};

    use super::*;

    #[test]
    fn measurement_is_added_while_a_reader_holds_the_lock_of_the_counter() {
        let registry = Registry::new(0, Clock::default());
        let standard = registry.intern(SessionAttributes::default());
        let handle = registry.open(&standard, SeriesKind::Commits).unwrap();
        let counter = Arc::clone(&handle.0);
        thread::scope(|scope| {
            let state = counter.state();
            let (done, added) = mpsc::channel();
            scope.spawn(move || {
                handle.clone().add(1.0);
                drop(handle);
                done.send(())
            });
            let result = added.recv_timeout(Duration::from_secs(60));
            // The thread can end now, even if the assertion fails.
            drop(state);
            assert!(result.is_ok());
        });
        assert_eq!(counter.sample().value, 1.0);
    }

    #[test]
    fn counter_needs_at_most_128_bytes() {
        // An open session of six series needs about 2 KiB.
        assert!(size_of::<Counter>() <= 128, "{}", size_of::<Counter>());
    }
}
