//! A map that forgets its oldest entries.

use std::collections::{HashMap, VecDeque};

/// The maximum number of entries. A stream may be endless, but steps do not refer to calls that ended long ago.
const MAX_ENTRIES: usize = 4_096;

/// Values by the ids that the host gave them. Above a limit, the oldest is forgotten.
pub(crate) struct Recent<T> {
    /// The values, each with the number of its insertion.
    values: HashMap<String, (u64, T)>,
    /// The ids and the numbers of their insertions, oldest first.
    order: VecDeque<(u64, String)>,
    insertions: u64,
}

impl<T> Default for Recent<T> {
    fn default() -> Self {
        Self {
            values: HashMap::new(),
            order: VecDeque::new(),
            insertions: 0,
        }
    }
}

impl<T> Recent<T> {
    pub(crate) fn get(&self, id: &str) -> Option<&T> {
        self.values.get(id).map(|(_, value)| value)
    }

    pub(crate) fn remove(&mut self, id: &str) -> Option<T> {
        self.values.remove(id).map(|(_, value)| value)
    }

    /// Adds or replaces a value, which is then the newest.
    pub(crate) fn insert(&mut self, id: String, value: T) {
        self.insertions += 1;
        self.order.push_back((self.insertions, id.clone()));
        self.values.insert(id, (self.insertions, value));
        // A value that was replaced in the meantime has a later insertion, and stays.
        if self.order.len() > MAX_ENTRIES
            && let Some((insertion, oldest)) = self.order.pop_front()
            && self
                .values
                .get(&oldest)
                .is_some_and(|(newest, _)| *newest == insertion)
        {
            self.values.remove(&oldest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn oldest_value_is_forgotten_above_the_limit() {
        let mut recent = Recent::default();
        for n in 0..MAX_ENTRIES {
            recent.insert(n.to_string(), n);
        }
        // A replaced value is the newest.
        recent.insert("0".to_owned(), MAX_ENTRIES);
        assert_eq!(recent.get("0"), Some(&MAX_ENTRIES));
        assert_eq!(recent.get("1"), Some(&1));
        recent.insert("new".to_owned(), 0);
        assert_eq!(recent.get("1"), None);
        assert_eq!(recent.get("0"), Some(&MAX_ENTRIES));
    }
}
