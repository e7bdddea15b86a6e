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
    /// The progress of each push reader; the page always shows the whole value.
    progress: [Progress; PUSH_READERS],
}

/// The progress of one push reader. Only that reader writes it.
#[derive(Debug, Default)]
struct Progress {
    /// The end of the last delivered data point.
    delivered: Position,
    /// The start of the next data point. Equal to `delivered` if the points are deltas.
    start: Position,
}

/// A value of a counter and its time, in nanoseconds since the Unix epoch.
#[derive(Debug, Default)]
struct Position {
    value: Number,
    time: AtomicU64,
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
        // The sum is clamped, so that a sum of finite values stays finite.
        let sum = |bits| Some((f64::from_bits(bits) + amount).min(f64::MAX).to_bits());
        let _ = self
            .0
            .fetch_update(Ordering::AcqRel, Ordering::Relaxed, sum);
    }
}

impl Position {
    fn get(&self) -> (f64, u64) {
        (self.value.get(), self.time.load(Ordering::Acquire))
    }

    fn set(&self, (value, time): (f64, u64)) {
        self.value.set(value);
        self.time.store(time, Ordering::Release);
    }
}

impl Counter {
    /// Creates a counter. The active readers begin at its start.
    pub(super) fn new(
        series: Series,
        standard: Arc<SessionAttributes>,
        now: u64,
        readers: [bool; READERS],
    ) -> Self {
        let counter = Self {
            series,
            standard,
            value: Number::default(),
            holders: AtomicU32::new(0),
            generation: AtomicU32::new(0),
            delivered_generations: Default::default(),
            progress: Default::default(),
        };
        for reader in (0..READERS).filter(|reader| readers[*reader]) {
            counter.begin(reader, now);
        }
        counter
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
        // Load order matters: holders, then value. Otherwise the value could lack the last measurements before the end.
        let ended = self.ended();
        Sample {
            counter: Arc::clone(self),
            value: self.value.get(),
            ended,
        }
    }

    /// Returns the generation of the counter if its series has ended.
    fn ended(&self) -> Option<u32> {
        let has_ended = !self.is_held() && self.standard.ends();
        has_ended.then(|| self.generation.load(Ordering::SeqCst))
    }

    /// Returns whether a push reader has not delivered the current value.
    pub(super) fn is_changed(&self, reader: usize) -> bool {
        self.differs(reader, self.value.get())
    }

    fn differs(&self, reader: usize, value: f64) -> bool {
        let progress = self.progress.get(reader);
        progress.is_some_and(|progress| progress.delivered.value.get() != value)
    }

    /// Returns the value and the time at which the next data point of a push reader starts.
    pub(crate) fn start(&self, reader: usize) -> (f64, u64) {
        let progress = self.progress.get(reader);
        progress.map_or_else(Default::default, |progress| progress.start.get())
    }

    /// Starts the next data point of a push reader where the last delivered one ended.
    pub(crate) fn start_at_delivered(&self, reader: usize) {
        if let Some(progress) = self.progress.get(reader) {
            progress.start.set(progress.delivered.get());
        }
    }

    /// Adds a reader, which may have been removed before. It receives only measurements that are added after this call.
    pub(super) fn begin(&self, reader: usize, now: u64) {
        // Load order matters as in `sample`.
        let ended = self.ended();
        self.acknowledge(reader, self.value.get(), now, ended);
        self.start_at_delivered(reader);
    }

    /// Notes that a reader has delivered a value, and the generation of an ended series.
    fn acknowledge(&self, reader: usize, value: f64, time: u64, ended: Option<u32>) {
        if let Some(progress) = self.progress.get(reader) {
            progress.delivered.set((value, time));
        }
        if let Some(generation) = ended {
            self.delivered_generations[reader].store(generation, Ordering::SeqCst);
        }
    }
}

impl Sample {
    /// Returns whether a push reader has delivered another value than this one.
    pub(crate) fn is_changed(&self, reader: usize) -> bool {
        self.counter.differs(reader, self.value)
    }

    /// Notes that a reader has delivered the sample as a data point that ends at this time.
    pub(crate) fn acknowledge(&self, reader: usize, time: u64) {
        self.counter
            .acknowledge(reader, self.value, time, self.ended);
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

    /// Adds a measurement. Does not lock or allocate.
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
