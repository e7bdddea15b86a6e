//! The sessions of a process: those that are open, and the last ones that ended.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use super::SessionCore;
use crate::session_attributes::Standard;

/// So many ended sessions are remembered, so that one that is opened again goes on.
const REMEMBERED: usize = 1024;

/// The attribute sets that are kept for each session, so that an identity that returns continues its series.
const IDENTITIES: usize = 64;

/// What outlives a session: its counters go on when its id is opened again.
#[derive(Debug, Default)]
pub(crate) struct Memory {
    /// The next `event.sequence`.
    pub(crate) sequence: AtomicU64,
    /// The prompts so far: the last `interaction.sequence`.
    pub(crate) interactions: AtomicU64,
    /// The attribute sets under which its series are kept.
    standards: Mutex<VecDeque<Arc<Standard>>>,
}

impl Memory {
    /// Events that were lost before they had a number leave a gap all the same.
    pub(crate) fn skip(&self, events: u64) {
        self.sequence.fetch_add(events, Ordering::Relaxed);
    }

    /// Adds an attribute set. Returns the set that was not used for the longest time when there are too many.
    pub(crate) fn uses(&self, standard: &Arc<Standard>) -> Option<Arc<Standard>> {
        let mut standards = self
            .standards
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let known = standards
            .iter()
            .position(|known| Arc::ptr_eq(known, standard));
        if let Some(known) = known.and_then(|at| standards.remove(at)) {
            standards.push_back(known);
            return None;
        }
        let unused = (standards.len() == IDENTITIES)
            .then(|| standards.pop_front())
            .flatten();
        // Nearly always there is but one.
        standards.reserve_exact(1);
        standards.push_back(Arc::clone(standard));
        unused
    }
}

/// All sessions by id.
#[derive(Default)]
pub(crate) struct Book(Mutex<Pages>);

#[derive(Default)]
struct Pages {
    /// Those that are open, by where they are.
    open: HashMap<usize, Weak<SessionCore>>,
    known: HashMap<Arc<str>, Entry>,
    /// Ended sessions, the oldest first.
    ended: VecDeque<Arc<str>>,
}

#[derive(Debug, Default)]
struct Entry {
    memory: Arc<Memory>,
    open: usize,
}

impl Book {
    /// A session begins, or one of this id goes on.
    pub(crate) fn open(&self, id: &Arc<str>) -> Arc<Memory> {
        let mut pages = self.lock();
        let entry = pages.known.entry(Arc::clone(id)).or_default();
        entry.open += 1;
        let (memory, reopened) = (Arc::clone(&entry.memory), entry.open == 1);
        if reopened && let Some(at) = pages.ended.iter().position(|ended| ended == id) {
            pages.ended.remove(at);
        }
        memory
    }

    /// A session ends. `forget` gets the attribute sets of one that is no longer remembered for it; under the lock, so
    /// that it cannot be opened again in between.
    pub(crate) fn close(&self, id: &Arc<str>, forget: impl Fn(&Arc<Standard>)) {
        let mut pages = self.lock();
        let Some(entry) = pages.known.get_mut(id) else {
            return;
        };
        entry.open = entry.open.saturating_sub(1);
        if entry.open > 0 {
            return;
        }
        pages.ended.push_back(Arc::clone(id));
        if pages.ended.len() <= REMEMBERED {
            return;
        }
        if let Some(entry) = pages
            .ended
            .pop_front()
            .and_then(|id| pages.known.remove(&id))
        {
            let (len, capacity) = (pages.known.len(), pages.known.capacity());
            if capacity > 4 * REMEMBERED && len < capacity / 4 {
                pages.known.shrink_to(len * 2);
            }
            entry
                .memory
                .standards
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .iter()
                .for_each(forget);
        }
    }

    /// A session that [began](Self::open) can be found.
    pub(crate) fn enter(&self, session: &Arc<SessionCore>) {
        let session = Arc::downgrade(session);
        self.lock().open.insert(session.as_ptr().addr(), session);
    }

    /// The end of one that was entered.
    pub(crate) fn leave(&self, session: *const SessionCore) {
        let left = self.lock().open.remove(&session.addr());
        drop(left);
    }

    /// All that are open.
    pub(crate) fn all(&self) -> Vec<Arc<SessionCore>> {
        let open: Vec<_> = self.lock().open.values().cloned().collect();
        // Outside the lock: the last hold on one may be this.
        open.iter().filter_map(Weak::upgrade).collect()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Pages> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
