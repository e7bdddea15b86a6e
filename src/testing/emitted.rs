//! Lists of emitted items, and their queries.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use super::attributes::Attribute;
use super::items::{Item, Metric, Span};
use super::names::{check_key, check_name, short};

/// A list of emitted items: a slice that can be filtered by name and attribute.
///
/// A name that is not in the [`catalog`](crate::catalog) is a mistake in the test. It causes a panic that names the
/// nearest one, because otherwise an assertion that something is missing would pass.
#[derive(Clone)]
pub struct Emitted<T> {
    pub(super) items: Vec<T>,
    /// The names of the items before the first selection.
    all: Arc<[String]>,
}

impl<T: Item> Emitted<T> {
    pub(super) fn new(items: impl IntoIterator<Item = T>) -> Self {
        let items: Vec<_> = items.into_iter().collect();
        let all = items.iter().map(|item| short(item.name()).to_owned());
        Self {
            all: all.collect(),
            items,
        }
    }

    /// Returns the items with this name, with or without the prefix `claude_code.`.
    ///
    /// ```
    /// # use claude_code_telemetry::{Commit, Identity, Telemetry};
    /// # let telemetry = Telemetry::in_memory();
    /// # let session = telemetry.session(Identity::new());
    /// session.record_commit(Commit::new());
    /// assert_eq!(telemetry.metrics().named("commit.count").len(), 1);
    /// ```
    ///
    /// # Panics
    ///
    /// Panics if the catalog has no such name.
    #[track_caller]
    pub fn named(&self, name: &str) -> Self {
        check_name(T::KIND, name);
        self.filter(|item| short(item.name()) == short(name))
    }

    /// Returns the items that have this attribute with this value.
    ///
    /// ```
    /// # use claude_code_telemetry::{Identity, LinesOfCode, Telemetry};
    /// # let telemetry = Telemetry::in_memory();
    /// # let session = telemetry.session(Identity::new());
    /// session.record_lines_of_code(LinesOfCode::new().added(12).removed(5));
    /// let removed = telemetry.metrics().named("lines_of_code.count").with("type", "removed");
    /// assert_eq!(removed.total(), 5.0);
    /// ```
    ///
    /// # Panics
    ///
    /// Panics if neither the catalog nor an item of the list has such an attribute.
    #[track_caller]
    pub fn with(&self, key: &str, value: impl Into<Attribute>) -> Self {
        self.check_key(key);
        let value = value.into();
        self.filter(|item| item.attributes().get(key) == Some(&value))
    }

    /// Returns the items that do not have this attribute.
    ///
    /// ```
    /// # use claude_code_telemetry::{Identity, Telemetry};
    /// # let telemetry = Telemetry::in_memory();
    /// # let session = telemetry.session(Identity::new());
    /// assert!(telemetry.metrics().without("session.id").is_empty());
    /// ```
    ///
    /// # Panics
    ///
    /// Panics if neither the catalog nor an item of the list has such an attribute. To check that an attribute of
    /// `OTEL_RESOURCE_ATTRIBUTES` is missing, use [`Attributes::get`](super::Attributes::get).
    #[track_caller]
    pub fn without(&self, key: &str) -> Self {
        self.check_key(key);
        self.filter(|item| item.attributes().get(key).is_none())
    }

    #[track_caller]
    fn check_key(&self, key: &str) {
        let is_emitted = self.iter().any(|item| item.attributes().get(key).is_some());
        check_key(key, is_emitted);
    }

    /// Returns the items for which `keep` returns true.
    ///
    /// ```
    /// # use claude_code_telemetry::{Identity, Telemetry};
    /// # let telemetry = Telemetry::in_memory();
    /// # let session = telemetry.session(Identity::new());
    /// session.prompt("hi").end();
    /// let short = telemetry.spans().filter(|span| span.duration.as_secs() < 60);
    /// assert_eq!(short.len(), 1);
    /// ```
    pub fn filter(&self, keep: impl Fn(&T) -> bool) -> Self {
        Self {
            items: self.iter().filter(|item| keep(item)).cloned().collect(),
            all: Arc::clone(&self.all),
        }
    }

    /// Returns the names in order, without the prefix `claude_code.`.
    ///
    /// ```
    /// # use claude_code_telemetry::{Identity, Telemetry};
    /// # let telemetry = Telemetry::in_memory();
    /// # let session = telemetry.session(Identity::new());
    /// session.prompt("hi").end();
    /// assert_eq!(telemetry.events().names(), ["user_prompt"]);
    /// ```
    pub fn names(&self) -> Vec<&str> {
        self.iter().map(|item| short(item.name())).collect()
    }

    /// Returns the only item.
    ///
    /// # Errors
    ///
    /// Returns an error if there are no items, or more than one. The error lists the names of the items; if there are
    /// none, those from which they were selected.
    ///
    /// ```
    /// # use claude_code_telemetry::{Identity, Telemetry};
    /// # let telemetry = Telemetry::in_memory();
    /// # let session = telemetry.session(Identity::new());
    /// session.prompt("hi").end();
    /// assert_eq!(telemetry.events().only()?.name, "claude_code.user_prompt");
    /// # Ok::<(), claude_code_telemetry::testing::NotOne>(())
    /// ```
    pub fn only(&self) -> Result<&T, NotOne> {
        match &self.items[..] {
            [item] => Ok(item),
            items => Err(NotOne {
                names: items.iter().map(|item| item.name().to_owned()).collect(),
                all: Arc::clone(&self.all),
            }),
        }
    }
}

/// Compares the items, wherever they were selected from.
impl<T: PartialEq> PartialEq for Emitted<T> {
    fn eq(&self, other: &Self) -> bool {
        self.items == other.items
    }
}

impl<T: fmt::Debug> fmt::Debug for Emitted<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(&self.items).finish()
    }
}

impl Emitted<Metric> {
    /// Returns the sum of all series.
    ///
    /// ```
    /// # use claude_code_telemetry::{Commit, Identity, Telemetry};
    /// # let telemetry = Telemetry::in_memory();
    /// # let session = telemetry.session(Identity::new());
    /// session.record_commit(Commit::new().count(2));
    /// assert_eq!(telemetry.metrics().named("commit.count").total(), 2.0);
    /// ```
    pub fn total(&self) -> f64 {
        self.iter().map(|metric| metric.total).sum()
    }
}

impl Emitted<Span> {
    /// Returns the direct children of a span.
    ///
    /// ```
    /// # use claude_code_telemetry::{HookOutcome, Identity, Telemetry};
    /// # let telemetry = Telemetry::in_memory();
    /// # let session = telemetry.session(Identity::new());
    /// let prompt = session.prompt("hi");
    /// prompt.hook("PreToolUse", "PreToolUse:Bash").finish(HookOutcome::new());
    /// prompt.end();
    /// let spans = telemetry.spans();
    /// let root = spans.named("interaction").only()?.clone();
    /// assert_eq!(spans.children_of(&root).names(), ["hook"]);
    /// # Ok::<(), claude_code_telemetry::testing::NotOne>(())
    /// ```
    pub fn children_of(&self, parent: &Span) -> Self {
        self.filter(|span| {
            span.trace_id == parent.trace_id && span.parent.as_deref() == Some(&parent.id)
        })
    }
}

impl<T> Deref for Emitted<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        &self.items
    }
}

impl<T> IntoIterator for Emitted<T> {
    type Item = T;
    type IntoIter = std::vec::IntoIter<T>;

    fn into_iter(self) -> Self::IntoIter {
        self.items.into_iter()
    }
}

impl<'a, T> IntoIterator for &'a Emitted<T> {
    type Item = &'a T;
    type IntoIter = std::slice::Iter<'a, T>;

    fn into_iter(self) -> Self::IntoIter {
        self.items.iter()
    }
}

/// The error of [`Emitted::only`]: there is not exactly one item.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected one, but there {}", match &self.names[..] {
    [] if self.all.is_empty() => "is none".to_owned(),
    [] => format!("is none; before the selection there were {}", listed(&self.all)),
    names => format!("are {}", listed(names)),
})]
#[non_exhaustive]
pub struct NotOne {
    /// The names of the items.
    pub names: Vec<String>,
    /// The names of the items before the first selection.
    all: Arc<[String]>,
}

/// The number of different names that a message lists.
const MAX_NAMES: usize = 10;

/// Returns the number of names, and each name with the number of its items.
fn listed(names: &[String]) -> String {
    let mut counts = BTreeMap::<&str, usize>::new();
    for name in names {
        *counts.entry(name).or_default() += 1;
    }
    let mut texts: Vec<_> = counts
        .iter()
        .take(MAX_NAMES)
        .map(|(name, count)| format!("{name} ({count})"))
        .collect();
    texts.extend((counts.len() > MAX_NAMES).then(|| "...".to_owned()));
    format!("{}: {}", names.len(), texts.join(", "))
}
