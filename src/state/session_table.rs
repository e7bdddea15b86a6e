//! The sessions of a process: the open ones and the most recently ended ones.

use std::collections::{HashMap, VecDeque};
use std::ptr;
use std::sync::{Arc, Mutex, MutexGuard, Weak};

use super::SessionCore;
use super::session_state::SessionState;
use crate::lock::lock;

/// The maximum number of ended sessions that are remembered. A remembered session continues when its id is opened
/// again.
const REMEMBERED: usize = 1024;

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
        if entry.open.is_empty() {
            // Most ids have only one open session.
            entry.open.reserve_exact(1);
        }
        entry.open.push(Weak::clone(session));
        let (state, reopened) = (Arc::clone(&entry.state), entry.open.len() == 1);
        if reopened && let Some(at) = sessions.ended.iter().position(|ended| ended == id) {
            sessions.ended.remove(at);
        }
        state
    }

    /// Closes a session, and forgets the oldest ended one if there are too many. Returns whether one was forgotten.
    pub(crate) fn close(&self, session: &SessionCore) -> bool {
        let mut sessions = self.lock();
        let Some(entry) = sessions.known.get_mut(&session.id) else {
            return false;
        };
        entry.open.retain(|open| !ptr::eq(open.as_ptr(), session));
        if !entry.open.is_empty() {
            return false;
        }
        entry.open = Vec::new();
        sessions.ended.push_back(Arc::clone(&session.id));
        if sessions.ended.len() <= REMEMBERED {
            return false;
        }
        if let Some(forgotten) = sessions.ended.pop_front() {
            sessions.known.remove(&forgotten);
            // Releases the memory of a time when many more sessions were open.
            let (len, capacity) = (sessions.known.len(), sessions.known.capacity());
            if capacity > 4 * REMEMBERED && len < capacity / 4 {
                sessions.known.shrink_to(len * 2);
            }
        }
        true
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
        lock(&self.0)
    }
}
