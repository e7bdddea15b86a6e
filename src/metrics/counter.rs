//! A counter of one series: a value that threads add to without a lock, and the state that each reader has
//! acknowledged.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arc_swap::ArcSwapOption;

use super::series::Series;
use super::turn::Turn;
use super::{OTLP_READER, READERS};
use crate::session_attributes::SessionAttributes;

/// The counter of one series since its start.
#[derive(Debug)]
pub(crate) struct Counter {
    pub(crate) series: Series,
    pub(crate) standard: Arc<SessionAttributes>,
    /// The start of the series, in nanoseconds since the Unix epoch.
    pub(crate) start: u64,
    value: AtomicU64,
    /// The part of the value that is added together with the other series of a model.
    turn: Option<Arc<Turn>>,
    /// The number of sessions that hold the counter and may add to it.
    holders: AtomicU32,
    /// The number of times a session opened the counter, above one bit for each reader that has the counter in its list. The
    /// bits change under the registry's lock. A reader that saw no holder may retire the counter only if this number is
    /// unchanged; otherwise a session could open the counter, add to it and close it between the two loads, and its amount
    /// would be lost.
    generation: AtomicU32,
    /// The state that the OTLP exporter has acknowledged.
    mark: Mark,
    /// State that most counters never need, allocated at its first use.
    rest: ArcSwapOption<Rest>,
}

/// The increment of `generation` for one opening, above the bits of the readers.
const GENERATION: u32 = 1 << READERS;

/// The states that the other readers have acknowledged, and the starts of cumulative data points that differ from the
/// start of the series.
#[derive(Debug, Default)]
struct Rest {
    marks: [Mark; READERS],
    bases: Mutex<[Option<Base>; READERS]>,
}

/// The value and the time at which a reader's cumulative data points start.
type Base = (f64, u64);

/// The state of a counter that one reader has acknowledged. Only the reader's own task writes it.
#[derive(Debug, Default)]
struct Mark {
    acknowledged: AtomicU64,
    acknowledged_at: AtomicU64,
}

impl Mark {
    /// Returns the acknowledged value and its time; `None` before the first acknowledgment.
    fn get(&self) -> Option<Base> {
        match self.acknowledged_at.load(Ordering::Relaxed) {
            0 => None,
            at => Some((
                f64::from_bits(self.acknowledged.load(Ordering::Relaxed)),
                at,
            )),
        }
    }

    fn set(&self, value: f64, at: u64) {
        self.acknowledged.store(value.to_bits(), Ordering::Relaxed);
        self.acknowledged_at.store(at, Ordering::Relaxed);
    }
}

impl Rest {
    fn bases(&self) -> MutexGuard<'_, [Option<Base>; READERS]> {
        self.bases.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Counter {
    pub(crate) fn new(
        series: Series,
        standard: Arc<SessionAttributes>,
        start: u64,
        turn: Option<Arc<Turn>>,
    ) -> Self {
        Self {
            series,
            standard,
            start,
            value: AtomicU64::new(0f64.to_bits()),
            turn,
            holders: AtomicU32::new(0),
            generation: AtomicU32::new(0),
            mark: Mark::default(),
            rest: ArcSwapOption::empty(),
        }
    }

    /// Adds an amount. Does not lock or allocate.
    fn add(&self, amount: f64) {
        let mut seen = self.value.load(Ordering::Relaxed);
        loop {
            // The sum is clamped, so that a sum of finite amounts stays finite.
            let sum = (f64::from_bits(seen) + amount).min(f64::MAX).to_bits();
            match self
                .value
                .compare_exchange_weak(seen, sum, Ordering::AcqRel, Ordering::Relaxed)
            {
                Ok(_) => return,
                Err(now) => seen = now,
            }
        }
    }

    pub(crate) fn value(&self) -> f64 {
        let value = f64::from_bits(self.value.load(Ordering::Acquire));
        match self.turn.as_ref().zip(self.series.of_model()) {
            Some((turn, (_, place))) => (value + turn.amount(place)).min(f64::MAX),
            None => value,
        }
    }

    /// Returns the shared part of the values of a model's series.
    pub(crate) fn turn(&self) -> Option<&Arc<Turn>> {
        self.turn.as_ref()
    }

    pub(crate) fn generation(&self) -> u32 {
        self.generation.load(Ordering::SeqCst) / GENERATION
    }

    pub(crate) fn is_held(&self) -> bool {
        self.holders.load(Ordering::SeqCst) > 0
    }

    /// Returns the value that a reader has delivered, and the time up to which it has.
    pub(crate) fn acknowledged(&self, reader: usize) -> (f64, u64) {
        let known = match reader {
            OTLP_READER => self.mark.get(),
            _ => {
                let rest = self.rest.load();
                rest.as_ref().and_then(|rest| rest.marks[reader].get())
            }
        };
        known.unwrap_or((0.0, self.start))
    }

    /// Returns the value and the time at which a reader's cumulative data points start.
    pub(crate) fn base(&self, reader: usize) -> Base {
        let rest = self.rest.load();
        let base = rest.as_ref().and_then(|rest| rest.bases()[reader]);
        base.unwrap_or((0.0, self.start))
    }

    /// Starts a reader's cumulative data points at the acknowledged value, because its earlier data points were deltas.
    pub(crate) fn rebase(&self, reader: usize) {
        let acknowledged = self.acknowledged(reader);
        if acknowledged != self.base(reader) {
            self.rest().bases()[reader] = Some(acknowledged);
        }
    }

    /// Adds a reader, which may have been removed before. It receives only amounts that are added after this call.
    pub(crate) fn begin(&self, reader: usize, now: u64) {
        self.acknowledge(reader, self.value(), now);
        self.rebase(reader);
    }

    pub(crate) fn acknowledge(&self, reader: usize, value: f64, at: u64) {
        match reader {
            OTLP_READER => self.mark.set(value, at),
            _ => self.rest().marks[reader].set(value, at),
        }
    }

    fn rest(&self) -> Arc<Rest> {
        loop {
            if let Some(rest) = self.rest.load_full() {
                return rest;
            }
            // Two readers may race to allocate it: the first allocation wins.
            let none = std::ptr::null::<Rest>();
            self.rest.compare_and_swap(none, Some(Arc::default()));
        }
    }

    /// Puts the counter on a reader's list. Returns `false` if it was already there.
    pub(crate) fn list(&self, reader: usize) -> bool {
        self.generation.fetch_or(1 << reader, Ordering::SeqCst) & (1 << reader) == 0
    }

    pub(crate) fn unlist(&self, reader: usize) {
        self.generation.fetch_and(!(1 << reader), Ordering::SeqCst);
    }

    pub(crate) fn is_on_list_of(&self, reader: usize) -> bool {
        self.generation.load(Ordering::SeqCst) & (1 << reader) != 0
    }

    pub(crate) fn is_listed(&self) -> bool {
        !self
            .generation
            .load(Ordering::SeqCst)
            .is_multiple_of(GENERATION)
    }
}

/// A session's handle to a counter. The series is exported as long as a handle exists.
#[derive(Debug)]
pub(crate) struct CounterHandle(Arc<Counter>);

impl CounterHandle {
    /// Creates a handle. Must be called under the registry's lock.
    pub(crate) fn new(counter: Arc<Counter>) -> Self {
        counter.generation.fetch_add(GENERATION, Ordering::SeqCst);
        counter.holders.fetch_add(1, Ordering::SeqCst);
        Self(counter)
    }

    pub(crate) fn add(&self, amount: f64) {
        self.0.add(amount);
    }

    pub(crate) fn series(&self) -> &Series {
        &self.0.series
    }

    /// Returns the shared part of the values of all these series; `None` if they do not share the same one.
    pub(crate) fn common<'a>(all: impl IntoIterator<Item = &'a Self>) -> Option<&'a Arc<Turn>> {
        let mut turns = all.into_iter().map(|held| held.0.turn());
        let first = turns.next()??;
        turns
            .all(|turn| turn.is_some_and(|turn| Arc::ptr_eq(turn, first)))
            .then_some(first)
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
