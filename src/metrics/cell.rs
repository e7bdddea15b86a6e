//! One series: a value that is added to without a lock, and what each reader has acknowledged of it.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arc_swap::ArcSwapOption;

use super::series::Series;
use super::turn::Turn;
use super::{OTLP_READER, READERS};
use crate::session_attributes::Standard;

/// The value of one series since its start.
#[derive(Debug)]
pub(crate) struct Cell {
    pub(crate) series: Series,
    pub(crate) standard: Arc<Standard>,
    /// When the series began, in nanoseconds since 1970.
    pub(crate) start: u64,
    value: AtomicU64,
    /// The other part of the value, where several are added at once.
    turn: Option<Arc<Turn>>,
    /// Sessions that hold the cell and may add to it.
    holders: AtomicU32,
    /// How often a session took hold of it, above the bits of the readers that have the cell in their lists, which are
    /// changed under the registry's lock. A reader that saw no holder retires the cell only when nobody took hold of it
    /// since; without the count a session could come, add and go between the two looks.
    openings: AtomicU32,
    /// What the OTLP exporter knows of it.
    mark: Mark,
    /// What most cells never need.
    rest: ArcSwapOption<Rest>,
}

/// One opening: above a bit for each reader.
const OPENING: u32 = 1 << READERS;

/// What the other readers know of a cell, and where cumulative points begin that do not begin with the series.
#[derive(Debug, Default)]
struct Rest {
    marks: [Mark; READERS],
    bases: Mutex<[Option<Base>; READERS]>,
}

/// Value and time from which on a reader counts.
type Base = (f64, u64);

/// What one reader knows of a cell. Only the reader's own task writes it.
#[derive(Debug, Default)]
struct Mark {
    acknowledged: AtomicU64,
    acknowledged_at: AtomicU64,
}

impl Mark {
    /// Value and time; nothing before the first.
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

impl Cell {
    pub(crate) fn new(
        series: Series,
        standard: Arc<Standard>,
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
            openings: AtomicU32::new(0),
            mark: Mark::default(),
            rest: ArcSwapOption::empty(),
        }
    }

    /// Adds an amount. Neither locks nor allocates.
    fn add(&self, amount: f64) {
        let mut seen = self.value.load(Ordering::Relaxed);
        loop {
            // A sum of finite amounts stays finite.
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

    /// What is added to together with other series.
    pub(crate) fn turn(&self) -> Option<&Arc<Turn>> {
        self.turn.as_ref()
    }

    pub(crate) fn openings(&self) -> u32 {
        self.openings.load(Ordering::SeqCst) / OPENING
    }

    pub(crate) fn is_held(&self) -> bool {
        self.holders.load(Ordering::SeqCst) > 0
    }

    /// Value and time up to which a reader has delivered the series.
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

    /// Value and time from which on a reader's cumulative points count.
    pub(crate) fn base(&self, reader: usize) -> Base {
        let rest = self.rest.load();
        let base = rest.as_ref().and_then(|rest| rest.bases()[reader]);
        base.unwrap_or((0.0, self.start))
    }

    /// A reader's cumulative points count from what it has acknowledged: its points so far were deltas.
    pub(crate) fn rebase(&self, reader: usize) {
        let acknowledged = self.acknowledged(reader);
        if acknowledged != self.base(reader) {
            self.rest().bases()[reader] = Some(acknowledged);
        }
    }

    /// A reader comes, perhaps again: it gets what is added from now on.
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
            // Two readers may come at once: the first one's stays.
            let none = std::ptr::null::<Rest>();
            self.rest.compare_and_swap(none, Some(Arc::default()));
        }
    }

    /// Puts the cell on a reader's list; false when it was there.
    pub(crate) fn list(&self, reader: usize) -> bool {
        self.openings.fetch_or(1 << reader, Ordering::SeqCst) & (1 << reader) == 0
    }

    pub(crate) fn unlist(&self, reader: usize) {
        self.openings.fetch_and(!(1 << reader), Ordering::SeqCst);
    }

    pub(crate) fn is_on_list_of(&self, reader: usize) -> bool {
        self.openings.load(Ordering::SeqCst) & (1 << reader) != 0
    }

    pub(crate) fn is_listed(&self) -> bool {
        !self.openings.load(Ordering::SeqCst).is_multiple_of(OPENING)
    }
}

/// A session's hold on a cell: as long as it lives the series is reported.
#[derive(Debug)]
pub(crate) struct Held(Arc<Cell>);

impl Held {
    /// Called under the registry's lock.
    pub(crate) fn new(cell: Arc<Cell>) -> Self {
        cell.openings.fetch_add(OPENING, Ordering::SeqCst);
        cell.holders.fetch_add(1, Ordering::SeqCst);
        Self(cell)
    }

    pub(crate) fn add(&self, amount: f64) {
        self.0.add(amount);
    }

    pub(crate) fn series(&self) -> &Series {
        &self.0.series
    }

    /// What all of these are added to at once, if there is such a thing.
    pub(crate) fn common<'a>(all: impl IntoIterator<Item = &'a Self>) -> Option<&'a Arc<Turn>> {
        let mut turns = all.into_iter().map(|held| held.0.turn());
        let first = turns.next()??;
        turns
            .all(|turn| turn.is_some_and(|turn| Arc::ptr_eq(turn, first)))
            .then_some(first)
    }
}

impl Clone for Held {
    /// No new opening: the cell is held all the while.
    fn clone(&self) -> Self {
        self.0.holders.fetch_add(1, Ordering::SeqCst);
        Self(Arc::clone(&self.0))
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.0.holders.fetch_sub(1, Ordering::SeqCst);
    }
}
