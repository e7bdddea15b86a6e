//! A counter of one series: a value that threads add to without a lock, and the state of each reader.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::READERS;
use super::series::Series;
use crate::session_attributes::SessionAttributes;

/// The counter of one series.
///
/// A session that opens the counter raises its generation. A reader that has delivered a [`Sample`] taken while no
/// session held the counter notes the generation of the sample. As long as the two are equal, the reader has
/// delivered everything, and does not report the counter.
#[derive(Debug)]
pub(crate) struct Counter {
    pub(crate) series: Series,
    pub(crate) standard: Arc<SessionAttributes>,
    /// The bits of an `f64`.
    value: AtomicU64,
    /// The number of handles, which may add to the counter.
    holders: AtomicU32,
    /// Never locked to add an amount, and locked after the registry, never before it.
    state: Mutex<State>,
}

/// The state of a counter that only readers and sessions that open it use.
#[derive(Debug)]
struct State {
    /// The number of times that a session opened the counter; changed under the registry's lock.
    generation: u32,
    progress: [Progress; READERS],
}

/// The progress of one reader.
#[derive(Clone, Copy, Debug)]
struct Progress {
    /// The generation that the reader has delivered completely.
    generation: u32,
    /// The end of the last delivered data point.
    delivered: Position,
    /// The start of the next data point. Equal to `delivered` if the points are deltas. The page does not use it, because
    /// it always shows the whole value.
    start: Position,
}

/// A value of a counter and its time, in nanoseconds since the Unix epoch.
#[derive(Clone, Copy, Debug)]
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
    /// The generation of the counter if its series has ended; `None` otherwise.
    pub(crate) ended: Option<u32>,
}

impl Counter {
    /// Creates a counter that all readers begin now.
    pub(super) fn new(series: Series, standard: Arc<SessionAttributes>, now: u64) -> Self {
        let now = Position {
            value: 0.0,
            time: now,
        };
        let begun = Progress {
            generation: 0,
            delivered: now,
            start: now,
        };
        Self {
            series,
            standard,
            value: AtomicU64::new(0.0_f64.to_bits()),
            holders: AtomicU32::new(0),
            state: Mutex::new(State {
                generation: 0,
                progress: [begun; READERS],
            }),
        }
    }

    pub(super) fn is_held(&self) -> bool {
        self.holders.load(Ordering::SeqCst) > 0
    }

    /// Returns whether a reader has delivered everything that was added before the last session closed the counter.
    pub(super) fn is_delivered(&self, reader: usize) -> bool {
        let state = self.state();
        state.progress[reader].generation == state.generation
    }

    /// Reads the counter. Must be called under the registry's lock, so that no session opens the counter meanwhile.
    pub(super) fn sample(self: &Arc<Self>) -> Sample {
        // Load order matters: holders, then value. Otherwise the value could lack the last amounts before the end.
        let has_ended = !self.is_held() && self.standard.ends();
        Sample {
            counter: Arc::clone(self),
            value: self.value(),
            ended: has_ended.then(|| self.state().generation),
        }
    }

    /// Returns whether a reader has not delivered the current value.
    pub(super) fn is_changed(&self, reader: usize) -> bool {
        self.state().progress[reader].delivered.value != self.value()
    }

    /// Returns the value and the time at which the next data point of a reader starts.
    pub(crate) fn start(&self, reader: usize) -> Position {
        self.state().progress[reader].start
    }

    /// Starts the next data point of a reader where the last delivered one ended.
    pub(crate) fn start_at_delivered(&self, reader: usize) {
        let progress = &mut self.state().progress[reader];
        progress.start = progress.delivered;
    }

    fn value(&self) -> f64 {
        f64::from_bits(self.value.load(Ordering::Acquire))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Sample {
    /// Notes that a reader has delivered the sample as a data point that ends at this time.
    pub(crate) fn acknowledge(&self, reader: usize, time: u64) {
        let progress = &mut self.counter.state().progress[reader];
        progress.delivered = Position {
            value: self.value,
            time,
        };
        progress.generation = self.ended.unwrap_or(progress.generation);
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
        drop(state);
        counter.holders.fetch_add(1, Ordering::SeqCst);
        Self(counter)
    }

    /// Adds an amount. Does not lock or allocate.
    pub(crate) fn add(&self, amount: f64) {
        // The sum is clamped, so that a sum of finite amounts stays finite.
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
