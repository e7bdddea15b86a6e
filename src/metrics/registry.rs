//! The registry of all series, by attribute set.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use super::READERS;
use super::attribute_bytes::AttributeBytes;
use super::counter::{Counter, CounterHandle, Sample};
use super::series::Series;
use crate::clock::Clock;
use crate::lock::lock;
use crate::session_attributes::{SessionAttributes, shorten};

/// The maximum number of series, unless the host expects more sessions. Measurements for further series are dropped and
/// counted.
const MAX_SERIES: usize = 200_000;
/// The number of series that the limit allows for each session that a host expects: those of a few models and of the
/// tools.
const SERIES_OF_A_SESSION: usize = 32;
/// The maximum size of all attributes, in bytes. Measurements for new series beyond it are dropped and counted.
const MAX_ATTRIBUTE_BYTES: usize = 64 * 1024 * 1024;
/// The number of attribute sets from which a new one may remove those that are unused.
const CLEANUP_THRESHOLD: usize = 1024;

/// The registry of series. Its lock is taken when a session uses a series for the first time, and when a reader lists
/// the series. It is never taken to add a measurement, and never held while data points are encoded or sent.
#[derive(Debug)]
pub(crate) struct Registry {
    table: Mutex<Table>,
    /// The maximum number of series.
    pub(crate) max_series: usize,
    /// The maximum size of the attributes of all series, in bytes.
    pub(crate) max_attribute_bytes: usize,
    /// The number of attributes that were shortened so far.
    pub(crate) shortened_attributes: AtomicU64,
    clock: Clock,
    /// The latest timestamp that was assigned to any series.
    time: AtomicU64,
}

#[derive(Debug, Default)]
struct Table {
    /// The counters by attribute set. Sessions refer to the copy that is the key.
    sets: HashMap<Arc<SessionAttributes>, Vec<Arc<Counter>>>,
    series: usize,
    bytes: AttributeBytes,
    /// The active readers.
    readers: [bool; READERS],
    /// The number of sets at which a new one removes those that are unused.
    max_sets: usize,
    /// `true` if there was no room for a series, and nothing has happened since then that lets a sweep remove series: a
    /// reader that delivered an ended series or was removed, a session that was forgotten, a new configuration.
    full: bool,
}

impl Registry {
    /// Creates a registry without readers.
    pub(crate) fn new(expected_sessions: usize, clock: Clock) -> Self {
        Self {
            table: Mutex::default(),
            max_series: expected_sessions
                .saturating_mul(SERIES_OF_A_SESSION)
                .max(MAX_SERIES),
            max_attribute_bytes: MAX_ATTRIBUTE_BYTES,
            shortened_attributes: AtomicU64::new(0),
            clock,
            time: AtomicU64::new(0),
        }
    }

    /// Returns the current time in nanoseconds since the Unix epoch. It never decreases: while the system clock is
    /// behind an earlier timestamp, that timestamp is returned again. Otherwise a data point could end before its
    /// series starts, and receivers interpret a start that moves as a reset.
    fn now(&self) -> u64 {
        self.now_after(0)
    }

    /// Returns the current time as [`now`](Self::now) does, but later than an earlier timestamp.
    pub(crate) fn now_after(&self, earlier: u64) -> u64 {
        let now = self.clock.now().max(earlier.saturating_add(1));
        self.time.fetch_max(now, Ordering::Relaxed).max(now)
    }

    /// Returns a text for an attribute that belongs to one metric, shortened to the limit for metrics. Series share one
    /// copy.
    pub(crate) fn text(&self, text: &str) -> Arc<str> {
        let short = shorten(text);
        if short.len() < text.len() {
            self.count_shortened(1);
        }
        self.lock()
            .bytes
            .text(short)
            .unwrap_or_else(|| short.into())
    }

    /// Counts attributes that were shortened.
    pub(crate) fn count_shortened(&self, attributes: usize) {
        self.shortened_attributes
            .fetch_add(attributes as u64, Ordering::Relaxed);
    }

    /// Returns the shared copy of an attribute set. The registry keeps the series of a set at least as long as a copy
    /// exists, unless the set is outdated and the registry is full.
    pub(crate) fn intern(&self, standard: SessionAttributes) -> Arc<SessionAttributes> {
        let mut table = self.lock();
        if let Some((known, _)) = table.sets.get_key_value(&standard) {
            known.outdated.store(false, Ordering::Relaxed);
            return Arc::clone(known);
        }
        if table.sets.len() >= table.max_sets.max(CLEANUP_THRESHOLD) {
            table.sweep();
            // At least twice the number of remaining sets, so that the amortized cost of a new set is constant.
            table.max_sets = 2 * table.sets.len();
        }
        let standard = Arc::new(standard);
        table.sets.insert(Arc::clone(&standard), Vec::new());
        standard
    }

    /// Opens a series, which begins or continues. Returns `None` when the registry is full.
    pub(crate) fn open(
        &self,
        standard: &Arc<SessionAttributes>,
        series: impl Into<Series>,
    ) -> Option<CounterHandle> {
        self.open_all(standard, [series.into()]).pop()
    }

    /// Opens several series. Returns those that the registry has room for.
    pub(crate) fn open_all(
        &self,
        standard: &Arc<SessionAttributes>,
        all: impl IntoIterator<Item = Series>,
    ) -> Vec<CounterHandle> {
        let mut table = self.lock();
        let opened = all.into_iter().filter_map(|series| {
            let known = table.find(standard, &series);
            let counter = known.or_else(|| self.add(&mut table, standard, series))?;
            Some(CounterHandle::new(counter))
        });
        opened.collect()
    }

    fn add(
        &self,
        table: &mut Table,
        standard: &Arc<SessionAttributes>,
        series: Series,
    ) -> Option<Arc<Counter>> {
        let has_room = |table: &Table| {
            table.series < self.max_series
                && table.bytes_with(standard, &series) <= self.max_attribute_bytes
        };
        if !has_room(table) {
            // Another sweep would hardly find anything before one of the events that reset `full`.
            if !std::mem::replace(&mut table.full, true) {
                table.sweep();
            }
            if !has_room(table) {
                return None;
            }
        }
        Some(table.insert(standard, series, self.now()))
    }

    /// Adds a reader, which receives only measurements that are added after this call. Does nothing if the reader is
    /// active.
    pub(crate) fn add_reader(&self, reader: usize) {
        let mut table = self.lock();
        if std::mem::replace(&mut table.readers[reader], true) {
            return;
        }
        let now = self.now();
        table
            .counters()
            .for_each(|counter| counter.begin(reader, now));
    }

    /// Removes a reader: no series is kept for it any longer.
    pub(crate) fn remove_reader(&self, reader: usize) {
        self.lock().readers[reader] = false;
        self.remove_ended();
    }

    /// Returns a sample of every series that a reader reports, in the order of the catalog.
    pub(crate) fn collect(&self, reader: usize) -> Vec<Sample> {
        let table = self.lock();
        // Between a configuration that turns a reader on and `add_reader`, the counters have no start for it.
        if !table.readers[reader] {
            return Vec::new();
        }
        let mut samples = Vec::with_capacity(table.series);
        let is_live = |counter: &&Arc<Counter>| counter.is_held() || !counter.is_delivered(reader);
        samples.extend(table.counters().filter(is_live).map(Counter::sample));
        drop(table);
        samples.sort_by_cached_key(|sample| sample.counter.series.metric_index());
        samples
    }

    /// Removes series that ended, after a reader has delivered some.
    pub(crate) fn remove_ended(&self) {
        let mut table = self.lock();
        table.sweep();
        table.full = false;
    }

    /// Makes a full registry look again for series to remove, after a session was forgotten.
    pub(crate) fn retry_eviction(&self) {
        self.lock().full = false;
    }

    /// Marks all attribute sets as outdated after the configuration changed: series without a holder end, unless a
    /// session uses their attributes again.
    pub(crate) fn mark_outdated(&self) {
        let mut table = self.lock();
        for standard in table.sets.keys() {
            standard.outdated.store(true, Ordering::Relaxed);
        }
        table.full = false;
    }

    /// Starts the next data points of a push reader where the last delivered ones ended.
    pub(crate) fn start_at_delivered(&self, reader: usize) {
        self.lock()
            .counters()
            .for_each(|counter| counter.start_at_delivered(reader));
    }

    /// Returns the number of series that a push reader has not delivered completely.
    pub(crate) fn undelivered(&self, reader: usize) -> u64 {
        let table = self.lock();
        if !table.readers[reader] {
            return 0;
        }
        let counters = table.counters();
        let changed =
            counters.filter(|counter| !counter.is_delivered_value(reader, counter.value()));
        changed.count() as u64
    }

    /// Returns the number of series, live or remembered.
    pub(crate) fn len(&self) -> usize {
        self.lock().series
    }

    /// Returns the size of the attributes of all series, in bytes. Texts and sets that series share count once.
    pub(crate) fn attribute_bytes(&self) -> usize {
        self.lock().bytes.used()
    }

    fn lock(&self) -> MutexGuard<'_, Table> {
        lock(&self.table)
    }
}

impl Table {
    fn counters(&self) -> impl Iterator<Item = &Arc<Counter>> {
        self.sets.values().flatten()
    }

    fn find(&self, standard: &Arc<SessionAttributes>, series: &Series) -> Option<Arc<Counter>> {
        let mut counters = self.sets.get(standard)?.iter();
        counters.find(|counter| counter.series == *series).cloned()
    }

    /// Returns the size of the attributes with one more series.
    fn bytes_with(&self, standard: &Arc<SessionAttributes>, series: &Series) -> usize {
        let is_first = self.sets.get(standard).is_none_or(Vec::is_empty);
        self.bytes.used() + self.bytes.of(series, is_first.then_some(standard))
    }

    fn insert(
        &mut self,
        standard: &Arc<SessionAttributes>,
        series: Series,
        now: u64,
    ) -> Arc<Counter> {
        let entry = self.sets.entry(Arc::clone(standard));
        let standard = Arc::clone(entry.key());
        let counters = entry.or_default();
        self.bytes
            .add(&series, counters.is_empty().then_some(&*standard));
        self.series += 1;
        let counter = Arc::new(Counter::new(series, standard, now));
        // Doubling the capacity would dominate the memory of a session with few series.
        if counters.len() == counters.capacity() {
            counters.reserve_exact(1 + counters.len() / 2);
        }
        counters.push(Arc::clone(&counter));
        counter
    }

    /// Removes ended series that every reader has delivered and whose session is forgotten: only the registry refers to
    /// their attribute set. If the registry is full, also removes those with outdated attributes, even if a session
    /// still refers to them.
    #[allow(
        clippy::mutable_key_type,
        reason = "what is compared and hashed of the attributes does not change"
    )]
    fn sweep(&mut self) {
        let (readers, full) = (self.readers, self.full);
        let is_delivered = |counter: &Counter| {
            let mut active = (0..READERS).filter(|reader| readers[*reader]);
            active.all(|reader| counter.is_delivered(reader))
        };
        self.sets.retain(|standard, counters| {
            // The references are those of the key and of the counters.
            let is_forgotten = Arc::strong_count(standard) == 1 + counters.len();
            let is_outdated = standard.outdated.load(Ordering::Relaxed);
            if standard.ends() && (is_forgotten || full && is_outdated) {
                counters.retain(|counter| counter.is_held() || !is_delivered(counter));
            }
            !counters.is_empty() || Arc::strong_count(standard) > 1
        });
        if self.sets.capacity() > CLEANUP_THRESHOLD && self.sets.len() < self.sets.capacity() / 4 {
            self.sets.shrink_to(self.sets.len());
        }
        self.series = self.counters().count();
        let used = self
            .sets
            .iter()
            .filter(|(_, counters)| !counters.is_empty());
        self.bytes.recount(used.map(|(standard, _)| &**standard));
    }
}

#[cfg(test)]
mod tests;
