//! The state of a session id, which outlives the sessions that have it.

use std::collections::VecDeque;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex};

use crate::lock::lock;
use crate::session_attributes::SessionAttributes;

/// The maximum number of attribute sets that are kept for each session, so that the series of an earlier identity
/// continue when the host sets it again. It bounds the memory of a session that changes its identity all the time.
const MAX_ATTRIBUTE_SETS: usize = 64;

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
    /// Keeps an attribute set as the most recently used one. The registry keeps the series of a set as long as the set
    /// is referred to.
    pub(crate) fn keep(&self, standard: &Arc<SessionAttributes>) {
        let mut attribute_sets = lock(&self.attribute_sets);
        let known = attribute_sets
            .iter()
            .position(|known| Arc::ptr_eq(known, standard));
        if let Some(known) = known.and_then(|at| attribute_sets.remove(at)) {
            attribute_sets.push_back(known);
            return;
        }
        if attribute_sets.len() == MAX_ATTRIBUTE_SETS {
            attribute_sets.pop_front();
        }
        // Most sessions have only one attribute set.
        attribute_sets.reserve_exact(1);
        attribute_sets.push_back(Arc::clone(standard));
    }
}
