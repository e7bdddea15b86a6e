//! A counter of one series: a value that threads add to without a lock, and the state of each reader.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use super::series::Series;
use super::{PUSH_READERS, READERS};
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
    value: Number,
    /// The number of handles, which may add to the counter.
    holders: AtomicU32,
    /// The number of times that a session opened the counter; changed under the registry's lock.
    generation: AtomicU32,
    /// The generation that each reader has delivered completely.
    delivered_generations: [AtomicU32; READERS],
    progress: [Progress; PUSH_READERS],
}

/// The progress of one push reader, written by that reader alone.
#[derive(Debug)]
struct Progress {
    /// The value that was delivered last.
    delivered: Number,
    /// The value at which the next data point starts.
    start_value: Number,
    /// The time at which the next data point starts, in nanoseconds since the Unix epoch.
    start_time: AtomicU64,
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

/// An `f64` that can be shared between threads.
#[derive(Debug, Default)]
struct Number(AtomicU64);

impl Number {
    fn get(&self) -> f64 {
        f64::from_bits(self.0.load(Ordering::Acquire))
    }

    fn set(&self, value: f64) {
        self.0.store(value.to_bits(), Ordering::Release);
    }

    fn add(&self, amount: f64) {
        // The sum is clamped, so that a sum of finite amounts stays finite.
        let sum = |bits| Some((f64::from_bits(bits) + amount).min(f64::MAX).to_bits());
        let _ = self
            .0
            .fetch_update(Ordering::AcqRel, Ordering::Relaxed, sum);
    }
}

impl Counter {
    pub(super) fn new(series: Series, standard: Arc<SessionAttributes>, now: u64) -> Self {
        Self {
            series,
            standard,
            value: Number::default(),
            holders: AtomicU32::new(0),
            generation: AtomicU32::new(0),
            delivered_generations: Default::default(),
            progress: std::array::from_fn(|_| Progress {
                delivered: Number::default(),
                start_value: Number::default(),
                start_time: AtomicU64::new(now),
            }),
        }
    }

    pub(super) fn is_held(&self) -> bool {
        self.holders.load(Ordering::SeqCst) > 0
    }

    /// Returns whether a reader has delivered everything that was added before the last session closed the counter.
    pub(super) fn is_delivered(&self, reader: usize) -> bool {
        let generation = self.generation.load(Ordering::SeqCst);
        self.delivered_generations[reader].load(Ordering::SeqCst) == generation
    }

    /// Reads the counter. Must be called under the registry's lock, so that no session opens the counter meanwhile.
    pub(super) fn sample(self: &Arc<Self>) -> Sample {
        // Load order matters: holders, then value. Otherwise the value could lack the last amounts before the end.
        let has_ended = !self.is_held() && self.standard.ends();
        let ended = has_ended.then(|| self.generation.load(Ordering::SeqCst));
        Sample {
            counter: Arc::clone(self),
            value: self.value.get(),
            ended,
        }
    }

    /// Returns whether a push reader has not delivered the current value.
    pub(super) fn is_changed(&self, reader: usize) -> bool {
        self.value.get() != self.progress[reader].delivered.get()
    }

    /// Returns the value and the time at which the next data point of a push reader starts.
    pub(crate) fn start(&self, reader: usize) -> (f64, u64) {
        let progress = &self.progress[reader];
        (
            progress.start_value.get(),
            progress.start_time.load(Ordering::Acquire),
        )
    }

    /// Starts the next data point of a push reader at a value and a time.
    pub(crate) fn start_at(&self, reader: usize, value: f64, time: u64) {
        let progress = &self.progress[reader];
        progress.start_value.set(value);
        progress.start_time.store(time, Ordering::Release);
    }

    /// Starts the next data point of a push reader at the delivered value, and at the time of the delivery.
    pub(super) fn start_at_delivered(&self, reader: usize, time: u64) {
        let (_, earliest) = self.start(reader);
        let value = self.progress[reader].delivered.get();
        self.start_at(reader, value, time.max(earliest));
    }

    /// Adds a reader, which may have been removed before. It receives only amounts that are added after this call.
    pub(super) fn begin(self: &Arc<Self>, reader: usize, now: u64) {
        let sample = self.sample();
        if reader < PUSH_READERS {
            self.start_at(reader, sample.value, now);
        }
        sample.acknowledge(reader);
    }
}

impl Sample {
    /// Notes that a reader has delivered the sample.
    pub(crate) fn acknowledge(&self, reader: usize) {
        if let Some(progress) = self.counter.progress.get(reader) {
            progress.delivered.set(self.value);
        }
        if let Some(generation) = self.ended {
            self.counter.delivered_generations[reader].store(generation, Ordering::SeqCst);
        }
    }
}

/// A session's handle to a counter. The series is exported as long as a handle exists.
#[derive(Debug)]
pub(crate) struct CounterHandle(Arc<Counter>);

impl CounterHandle {
    /// Opens a counter. Must be called under the registry's lock.
    pub(super) fn new(counter: Arc<Counter>) -> Self {
        counter.generation.fetch_add(1, Ordering::SeqCst);
        counter.holders.fetch_add(1, Ordering::SeqCst);
        Self(counter)
    }

    /// Adds an amount. Does not lock or allocate.
    pub(crate) fn add(&self, amount: f64) {
        self.0.value.add(amount);
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
