//! The registry of all series, by metric and final attribute set.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use crossbeam_queue::SegQueue;

use super::READERS;
use super::attribute_bytes::{AttributeBytes, MAX_ATTRIBUTE_BYTES};
use super::counter::{Counter, CounterHandle};
use super::series::Series;
use super::turn::Turn;
use crate::clock::Clock;
use crate::session_attributes::{MAX_TEXT_BYTES, SessionAttributes, shorten};

/// The maximum number of series, unless the host expects more sessions. Measurements for further series are dropped and
/// counted.
const MAX_SERIES: usize = 200_000;
/// The number of series that the limit allows for each session that a host expects: those of a few models and of the
/// tools.
const SERIES_OF_A_SESSION: usize = 32;
/// The minimum number of attribute sets at which the registry removes unused sets.
const MIN_SETS: usize = 1024;

/// Returns whether a table has so much unused capacity that it should shrink.
pub(crate) fn is_mostly_empty(len: usize, capacity: usize) -> bool {
    capacity > 1024 && len < capacity / 4
}

/// The registry of series. Its lock is taken when a session uses a series for the first time and, for one counter at a
/// time, when a series ends. It is never taken to add an amount, and never held for the whole of a collection.
#[derive(Debug)]
pub(crate) struct Registry {
    groups: Mutex<Groups>,
    /// Series that a reader does not know yet, one queue for each reader.
    inboxes: [SegQueue<Arc<Counter>>; READERS],
    /// `true` for each active reader; changed under the lock.
    readers: [AtomicBool; READERS],
    series: AtomicUsize,
    /// Set when there may be unused series of an earlier configuration; changed under the lock.
    leftovers: AtomicBool,
    max_series: usize,
    max_attribute_bytes: usize,
    shortened_attributes: AtomicU64,
    clock: Clock,
    /// The latest timestamp that was assigned to any series.
    time: AtomicU64,
}

/// The series by their standard attributes, and the size of all attributes.
#[derive(Debug)]
struct Groups {
    sets: HashMap<Arc<SessionAttributes>, Group>,
    bytes: AttributeBytes,
    /// The number of sets at which unused sets are removed next.
    remove_unused_at: usize,
}

impl Groups {
    /// Returns the copy of an attribute set that is the key of its group. Bytes are counted and released by this copy:
    /// an equal set that a session took earlier may have its custom attributes at another address.
    fn known(&self, standard: &Arc<SessionAttributes>) -> Arc<SessionAttributes> {
        match self.sets.get_key_value(standard) {
            Some((known, _)) => Arc::clone(known),
            None => Arc::clone(standard),
        }
    }

    /// Removes the sets that have no series and that no session uses. The limit is at least twice the number of
    /// remaining sets, so that the amortized cost of a new set is constant.
    #[allow(
        clippy::mutable_key_type,
        reason = "what may change in a key plays no part in its hash"
    )]
    fn remove_unused(&mut self) {
        if self.sets.len() < self.remove_unused_at {
            return;
        }
        self.sets.retain(|standard, group| {
            !group.counters.is_empty() || Arc::strong_count(standard) > 1
        });
        self.remove_unused_at = (2 * self.sets.len()).max(MIN_SETS);
        if is_mostly_empty(self.sets.len(), self.sets.capacity()) {
            self.sets.shrink_to(self.remove_unused_at);
        }
    }
}

/// The series of one set of standard attributes.
#[derive(Debug, Default)]
struct Group {
    counters: Vec<Arc<Counter>>,
    /// `true` when the session is no longer remembered: series that end from then on are removed permanently.
    forgotten: bool,
}

impl Group {
    /// Returns the shared part of the values of the series' model, with a place for this series.
    fn turn(&self, series: &Series) -> Option<Arc<Turn>> {
        let (model, place) = series.of_model()?;
        let known = self.counters.iter().find_map(|counter| {
            let (of, _) = counter.series.of_model()?;
            counter.turn().filter(|_| of == model)
        });
        let turn = known
            .filter(|turn| turn.give(place))
            .cloned()
            .unwrap_or_else(|| {
                let turn = Turn::default();
                turn.give(place);
                Arc::new(turn)
            });
        Some(turn)
    }
}

impl Registry {
    /// Creates a registry without readers.
    pub(crate) fn new(expected_sessions: usize, clock: Clock) -> Self {
        Self {
            groups: Mutex::new(Groups {
                sets: HashMap::new(),
                bytes: AttributeBytes::default(),
                remove_unused_at: MIN_SETS,
            }),
            inboxes: std::array::from_fn(|_| SegQueue::new()),
            readers: std::array::from_fn(|_| AtomicBool::new(false)),
            series: AtomicUsize::new(0),
            leftovers: AtomicBool::new(false),
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

    /// Returns the number of attributes that were shortened so far.
    pub(crate) fn shortened_attributes(&self) -> u64 {
        self.shortened_attributes.load(Ordering::Relaxed)
    }

    /// Returns the shared copy of an attribute set.
    pub(crate) fn intern(&self, standard: SessionAttributes) -> Arc<SessionAttributes> {
        let mut groups = self.lock();
        if let Some((known, _)) = groups.sets.get_key_value(&standard) {
            let known = Arc::clone(known);
            known.outdated.store(false, Ordering::Relaxed);
            if let Some(group) = groups.sets.get_mut(&known) {
                group.forgotten = false;
            }
            return known;
        }
        groups.remove_unused();
        let standard = Arc::new(standard);
        groups.sets.insert(Arc::clone(&standard), Group::default());
        standard
    }

    /// Opens a series, which begins or continues. Returns `None` when the registry is full.
    pub(crate) fn open(
        &self,
        standard: &Arc<SessionAttributes>,
        series: Series,
    ) -> Option<CounterHandle> {
        self.open_all(standard, [series]).pop()
    }

    /// Opens several series. Returns those that the registry has room for.
    pub(crate) fn open_all(
        &self,
        standard: &Arc<SessionAttributes>,
        all: impl IntoIterator<Item = Series>,
    ) -> Vec<CounterHandle> {
        let all = all.into_iter();
        let mut groups = self.lock();
        let series = self.len().saturating_add(all.size_hint().1.unwrap_or(1));
        let bytes = groups.bytes.used() + standard.bytes() + MAX_TEXT_BYTES;
        if series > self.max_series || bytes > self.max_attribute_bytes {
            self.sweep_leftovers(&mut groups);
        }
        let standard = groups.known(standard);
        let Groups { sets, bytes, .. } = &mut *groups;
        let group = sets.entry(Arc::clone(&standard)).or_default();
        all.filter_map(|series| self.hold(&standard, group, bytes, series))
            .collect()
    }

    fn hold(
        &self,
        standard: &Arc<SessionAttributes>,
        group: &mut Group,
        bytes: &mut AttributeBytes,
        series: Series,
    ) -> Option<CounterHandle> {
        let counter = match group
            .counters
            .iter()
            .find(|counter| counter.series == series)
        {
            Some(counter) => Arc::clone(counter),
            None => {
                if self.series.load(Ordering::Relaxed) >= self.max_series {
                    return None;
                }
                let set = group.counters.is_empty().then_some(&**standard);
                if !bytes.add(&series, set, self.max_attribute_bytes) {
                    return None;
                }
                self.series.fetch_add(1, Ordering::Relaxed);
                let turn = group.turn(&series);
                let now = self.now();
                let counter = Arc::new(Counter::new(series, Arc::clone(standard), now, turn));
                // Doubling the capacity would dominate the memory of a session with few series.
                if group.counters.len() == group.counters.capacity() {
                    group.counters.reserve_exact(1 + group.counters.len() / 2);
                }
                group.counters.push(Arc::clone(&counter));
                counter
            }
        };
        let held = CounterHandle::new(Arc::clone(&counter));
        for (reader, inbox) in self.inboxes.iter().enumerate() {
            if self.readers[reader].load(Ordering::Relaxed) && counter.list(reader) {
                inbox.push(Arc::clone(&counter));
            }
        }
        Some(held)
    }

    /// Forgets a session that will not be opened again: its series are removed when every reader has delivered them.
    pub(crate) fn forget(&self, standard: &Arc<SessionAttributes>) {
        if !standard.of_one_session {
            return;
        }
        let mut groups = self.lock();
        let standard = groups.known(standard);
        let Groups { sets, bytes, .. } = &mut *groups;
        if let Some(group) = sets.get_mut(&standard) {
            group.forgotten = true;
            self.sweep(&standard, group, bytes);
            if group.counters.is_empty() {
                remove(sets, &standard);
            }
        }
    }

    /// Returns the queue of series that are new to a reader.
    pub(crate) fn inbox(&self, reader: usize) -> &SegQueue<Arc<Counter>> {
        &self.inboxes[reader]
    }

    /// Removes a counter from a reader's list after the reader has delivered all of it and saw it without holders at
    /// `generation`. Returns `false`, and keeps the counter on the list, if the counter was opened again or never ends.
    pub(crate) fn retire(&self, counter: &Arc<Counter>, reader: usize, generation: u32) -> bool {
        if !counter.standard.ends() || counter.is_held() {
            return false;
        }
        let mut groups = self.lock();
        if counter.is_held() || counter.generation() != generation {
            return false;
        }
        counter.unlist(reader);
        let outdated = counter.standard.outdated.load(Ordering::Relaxed);
        let Groups { sets, bytes, .. } = &mut *groups;
        if let Some(group) = sets.get_mut(&counter.standard) {
            // A remembered session may be opened again and continue, as long as there is room.
            if group.forgotten || (outdated && !counter.standard.of_one_session) {
                self.sweep(&counter.standard, group, bytes);
            } else if outdated {
                self.leftovers.store(true, Ordering::Relaxed);
            }
            if group.forgotten && group.counters.is_empty() {
                remove(sets, &counter.standard);
            }
        }
        true
    }

    /// Adds a reader, which receives only amounts that are added after this call. Does nothing if the reader is active.
    pub(crate) fn join(&self, reader: usize) {
        let groups = self.lock();
        if self.readers[reader].swap(true, Ordering::Relaxed) {
            return;
        }
        let now = self.now();
        for counter in groups.sets.values().flat_map(|group| &group.counters) {
            counter.begin(reader, now);
            let lives = counter.is_held() || !counter.standard.ends();
            if lives && counter.list(reader) {
                self.inboxes[reader].push(Arc::clone(counter));
            }
        }
    }

    /// Marks all attribute sets as outdated after the configuration changed: series without a holder end, unless a
    /// session uses their attributes again.
    pub(crate) fn outdate(&self) {
        let groups = self.lock();
        for standard in groups.sets.keys() {
            standard.outdated.store(true, Ordering::Relaxed);
        }
        self.leftovers.store(true, Ordering::Relaxed);
    }

    /// Starts a reader's cumulative data points at the acknowledged values, because its earlier data points were
    /// deltas.
    pub(crate) fn rebase(&self, reader: usize) {
        let groups = self.lock();
        for counter in groups.sets.values().flat_map(|group| &group.counters) {
            counter.rebase(reader);
        }
    }

    /// Removes a reader if `still` returns `true`: no series is kept for it any longer. Returns `false` if the reader
    /// was turned on again.
    pub(crate) fn leave_if(&self, reader: usize, still: impl Fn() -> bool) -> bool {
        let mut groups = self.lock();
        // Checked under the lock: a reader that is turned on again updates the epoch before it joins. Otherwise this
        // call could remove it after it joined.
        if !still() {
            return false;
        }
        self.remove(&mut groups, reader);
        true
    }

    /// Removes a reader: no series is kept for it any longer.
    pub(crate) fn leave(&self, reader: usize) {
        self.remove(&mut self.lock(), reader);
    }

    #[allow(
        clippy::mutable_key_type,
        reason = "what is compared and hashed of the attributes does not change"
    )]
    fn remove(&self, groups: &mut Groups, reader: usize) {
        self.readers[reader].store(false, Ordering::Relaxed);
        while self.inboxes[reader].pop().is_some() {}
        self.leftovers.store(true, Ordering::Relaxed);
        let Groups { sets, bytes, .. } = groups;
        sets.retain(|standard, group| {
            for counter in &group.counters {
                counter.unlist(reader);
            }
            if group.forgotten {
                self.sweep(standard, group, bytes);
            }
            !(group.forgotten && group.counters.is_empty())
        });
    }

    /// Returns the number of series that a reader has not delivered completely.
    pub(crate) fn undelivered(&self, reader: usize) -> u64 {
        let groups = self.lock();
        let counters = groups.sets.values().flat_map(|group| &group.counters);
        counters
            .filter(|counter| counter.is_on_list_of(reader))
            .filter(|counter| counter.value() != counter.acknowledged(reader).0)
            .count() as u64
    }

    /// Returns the number of series, live or remembered.
    pub(crate) fn len(&self) -> usize {
        self.series.load(Ordering::Relaxed)
    }

    /// Returns the maximum number of series.
    pub(crate) fn max_len(&self) -> usize {
        self.max_series
    }

    /// Returns the size of the attributes of all series, in bytes. Texts and sets that series share count once.
    pub(crate) fn attribute_bytes(&self) -> usize {
        self.lock().bytes.used()
    }

    /// Returns the maximum of [`attribute_bytes`](Self::attribute_bytes).
    pub(crate) fn max_attribute_bytes(&self) -> usize {
        self.max_attribute_bytes
    }

    fn sweep(&self, standard: &SessionAttributes, group: &mut Group, bytes: &mut AttributeBytes) {
        let before = group.counters.len();
        group.counters.retain(|counter| {
            let keep = counter.is_held() || counter.is_listed();
            if !keep {
                bytes.remove_series(&counter.series);
            }
            keep
        });
        if before > 0 && group.counters.is_empty() {
            bytes.remove_set(standard);
        }
        self.series
            .fetch_sub(before - group.counters.len(), Ordering::Relaxed);
    }

    /// Makes room by removing series whose attributes no session uses any longer, which have no holder and which no
    /// reader still has to deliver.
    #[allow(
        clippy::mutable_key_type,
        reason = "what is compared and hashed of the attributes does not change"
    )]
    fn sweep_leftovers(&self, groups: &mut Groups) {
        if !self.leftovers.swap(false, Ordering::Relaxed) {
            return;
        }
        let Groups { sets, bytes, .. } = groups;
        sets.retain(|standard, group| {
            if !standard.outdated.load(Ordering::Relaxed) {
                return true;
            }
            self.sweep(standard, group, bytes);
            // A set that a session still references must stay the shared copy.
            !group.counters.is_empty() || Arc::strong_count(standard) > 1
        });
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Groups> {
        self.groups.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Removes a group, and shrinks a table that has become mostly empty.
#[allow(
    clippy::mutable_key_type,
    reason = "what may change in a key plays no part in its hash"
)]
fn remove(groups: &mut HashMap<Arc<SessionAttributes>, Group>, standard: &Arc<SessionAttributes>) {
    groups.remove(standard);
    if is_mostly_empty(groups.len(), groups.capacity()) {
        groups.shrink_to(groups.len() * 2);
    }
}

#[cfg(test)]
mod tests;
