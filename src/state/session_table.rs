//! The sessions of a process: the open ones and the most recently ended ones.

use std::collections::{HashMap, VecDeque};
use std::ptr;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use super::SessionCore;
use crate::session_attributes::SessionAttributes;

/// The maximum number of ended sessions that are remembered. A remembered session continues when its id is opened
/// again.
const REMEMBERED: usize = 1024;

/// The maximum number of attribute sets that are kept for each session, so that the series of an earlier identity
/// continue when the host sets it again.
const IDENTITIES: usize = 64;

/// The state that outlives a session, so that its event sequence and its series continue when its id is opened again.
#[derive(Debug, Default)]
pub(crate) struct SessionState {
    /// The next `event.sequence`.
    pub(crate) sequence: AtomicU64,
    /// The number of prompts so far: the last `interaction.sequence`.
    pub(crate) interactions: AtomicU64,
    /// The attribute sets of the session's series, least recently used first.
    attribute_sets: Mutex<VecDeque<Arc<SessionAttributes>>>,
}

impl SessionState {
    /// Adds an attribute set, or marks it as most recently used. The registry keeps the series of a set as long as the set
    /// is referred to.
    pub(crate) fn uses(&self, standard: &Arc<SessionAttributes>) {
        let mut attribute_sets = self
            .attribute_sets
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let known = attribute_sets
            .iter()
            .position(|known| Arc::ptr_eq(known, standard));
        if let Some(known) = known.and_then(|at| attribute_sets.remove(at)) {
            attribute_sets.push_back(known);
            return;
        }
        if attribute_sets.len() == IDENTITIES {
            attribute_sets.pop_front();
        }
        // Most sessions have only one attribute set.
        attribute_sets.reserve_exact(1);
        attribute_sets.push_back(Arc::clone(standard));
    }
}

/// The table of all sessions by id.
#[derive(Default)]
pub(crate) struct SessionTable(Mutex<Sessions>);

#[derive(Default)]
struct Sessions {
    /// The open and the remembered sessions.
    known: HashMap<Arc<str>, Entry>,
    /// The ids of the remembered ended sessions, oldest first.
    ended: VecDeque<Arc<str>>,
}

#[derive(Default)]
struct Entry {
    state: Arc<SessionState>,
    /// The open sessions with this id.
    open: Vec<Weak<SessionCore>>,
}

impl SessionTable {
    /// Opens a session, or continues the session of this id.
    pub(crate) fn open(&self, id: &Arc<str>, session: &Weak<SessionCore>) -> Arc<SessionState> {
        let mut sessions = self.lock();
        let entry = sessions.known.entry(Arc::clone(id)).or_default();
        entry.open.push(Weak::clone(session));
        let (state, reopened) = (Arc::clone(&entry.state), entry.open.len() == 1);
        if reopened && let Some(at) = sessions.ended.iter().position(|ended| ended == id) {
            sessions.ended.remove(at);
        }
        state
    }

    /// Closes a session, and forgets the oldest ended one if there are too many.
    pub(crate) fn close(&self, session: &SessionCore) {
        let mut sessions = self.lock();
        let Some(entry) = sessions.known.get_mut(&session.id) else {
            return;
        };
        entry.open.retain(|open| !ptr::eq(open.as_ptr(), session));
        if !entry.open.is_empty() {
            return;
        }
        entry.open = Vec::new();
        sessions.ended.push_back(Arc::clone(&session.id));
        if sessions.ended.len() <= REMEMBERED {
            return;
        }
        if let Some(forgotten) = sessions.ended.pop_front() {
            sessions.known.remove(&forgotten);
            let (len, capacity) = (sessions.known.len(), sessions.known.capacity());
            if capacity > 4 * REMEMBERED && len < capacity / 4 {
                sessions.known.shrink_to(len * 2);
            }
        }
    }

    /// Returns all open sessions.
    pub(crate) fn all(&self) -> Vec<Arc<SessionCore>> {
        let sessions = self.lock();
        let open = sessions.known.values().flat_map(|entry| &entry.open);
        let open: Vec<_> = open.cloned().collect();
        drop(sessions);
        // Upgraded without the lock: this may become the last reference to a session, and dropping it takes the lock.
        open.iter().filter_map(Weak::upgrade).collect()
    }

    fn lock(&self) -> MutexGuard<'_, Sessions> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
