//! The limit on the total size of the attributes of metrics.

use std::collections::HashMap;
use std::sync::Arc;

use super::series::Series;
use crate::session_attributes::SessionAttributes;

/// The maximum size of all attributes in the registry, in bytes. Measurements for new series beyond it are dropped and
/// counted.
pub(super) const MAX_ATTRIBUTE_BYTES: usize = 64 * 1024 * 1024;

/// The sizes of the attributes of all series. A text or an attribute set that several series share counts once.
#[derive(Debug, Default)]
pub(super) struct AttributeBytes {
    used: usize,
    /// The texts of attributes that belong to one metric, with the number of series that have them.
    texts: HashMap<Arc<str>, usize>,
    /// The custom attributes by address, with the number of attribute sets that have them.
    custom: HashMap<usize, usize>,
}

impl AttributeBytes {
    pub(super) fn used(&self) -> usize {
        self.used
    }

    /// Returns the shared copy of a text that a series already has.
    pub(super) fn text(&self, text: &str) -> Option<Arc<str>> {
        self.texts
            .get_key_value(text)
            .map(|(known, _)| Arc::clone(known))
    }

    /// Adds a series, and its attribute set if the series is the first of that set. Returns `false`, and adds nothing,
    /// when the attributes would exceed the limit.
    pub(super) fn add(
        &mut self,
        series: &Series,
        set: Option<&SessionAttributes>,
        limit: usize,
    ) -> bool {
        let text = series.text();
        let mut bytes = text
            .filter(|text| !self.texts.contains_key(*text))
            .map_or(0, |text| text.len());
        if let Some(set) = set {
            bytes += set.own_bytes();
            if !self.custom.contains_key(&address(set)) {
                bytes += set.custom_bytes();
            }
        }
        if self.used + bytes > limit {
            return false;
        }
        self.used += bytes;
        if let Some(text) = text {
            *self.texts.entry(Arc::clone(text)).or_default() += 1;
        }
        if let Some(set) = set {
            *self.custom.entry(address(set)).or_default() += 1;
        }
        true
    }

    /// Releases the bytes of a series' own attributes.
    pub(super) fn remove_series(&mut self, series: &Series) {
        let Some(text) = series.text() else {
            return;
        };
        if let Some(users) = self.texts.get_mut(text) {
            *users -= 1;
            if *users == 0 {
                self.texts.remove(text);
                self.used -= text.len();
            }
        }
    }

    /// Releases the bytes of an attribute set whose last series was removed.
    pub(super) fn remove_set(&mut self, set: &SessionAttributes) {
        self.used -= set.own_bytes();
        if let Some(users) = self.custom.get_mut(&address(set)) {
            *users -= 1;
            if *users == 0 {
                self.custom.remove(&address(set));
                self.used -= set.custom_bytes();
            }
        }
    }
}

/// Returns the address of the custom attributes. The set keeps them alive, so that no other attributes get this
/// address.
fn address(set: &SessionAttributes) -> usize {
    set.custom.as_ptr().addr()
}
