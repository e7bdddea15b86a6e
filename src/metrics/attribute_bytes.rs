//! The total size of the attributes of metrics.

use std::collections::HashSet;
use std::sync::Arc;

use super::series::Series;
use crate::session_attributes::SessionAttributes;

/// The size of the attributes of all series. A text or an attribute set that several series share counts once.
#[derive(Debug, Default)]
pub(super) struct AttributeBytes {
    used: usize,
    /// The texts of attributes that belong to one metric.
    texts: HashSet<Arc<str>>,
    /// The addresses of the custom attributes. Each belongs to an attribute set, which keeps it alive.
    custom: HashSet<usize>,
}

impl AttributeBytes {
    pub(super) fn used(&self) -> usize {
        self.used
    }

    /// Returns the shared copy of a text that a series already has.
    pub(super) fn text(&self, text: &str) -> Option<Arc<str>> {
        self.texts.get(text).cloned()
    }

    /// Returns the bytes that a series would add. `set` is the attribute set of the series if the series would be the
    /// first of that set; the result then includes the bytes of the set.
    pub(super) fn of(&self, series: &Series, set: Option<&SessionAttributes>) -> usize {
        let text = series.text.as_deref();
        let text = text.filter(|text| !self.texts.contains(*text));
        let custom = set.filter(|set| !self.custom.contains(&address(set)));
        text.map_or(0, str::len)
            + set.map_or(0, SessionAttributes::own_bytes)
            + custom.map_or(0, SessionAttributes::custom_bytes)
    }

    /// Adds the bytes of a series. `set` is its attribute set if the series is the first of that set.
    pub(super) fn add(&mut self, series: &Series, set: Option<&SessionAttributes>) {
        self.used += self.of(series, set);
        self.texts.extend(series.text.clone());
        self.custom.extend(set.map(address));
    }

    /// Releases the bytes of removed series. `sets`: the attribute sets that still have series.
    pub(super) fn recount<'a>(&mut self, sets: impl Iterator<Item = &'a SessionAttributes>) {
        // A text to which only `texts` still refers belongs to no remaining series.
        self.texts.retain(|text| Arc::strong_count(text) > 1);
        self.used = self.texts.iter().map(|text| text.len()).sum();
        self.custom.clear();
        for set in sets {
            self.used += set.own_bytes();
            if self.custom.insert(address(set)) {
                self.used += set.custom_bytes();
            }
        }
    }
}

fn address(set: &SessionAttributes) -> usize {
    set.custom.as_ptr().addr()
}
