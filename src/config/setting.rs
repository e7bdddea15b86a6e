//! A variable that is set.

use super::source::{Assignment, Layer, Provenance};
use super::variables::Variable;

/// A variable that is set, with its origin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setting {
    pub(super) variable: &'static Variable,
    pub(super) winner: Assignment,
    /// The overridden assignments, the highest layer first.
    pub(super) overridden: Vec<Assignment>,
}

impl Setting {
    /// Returns the name of the variable.
    pub fn name(&self) -> &str {
        &self.winner.name
    }

    /// Returns the effect of the variable, in one line.
    pub fn meaning(&self) -> &str {
        self.variable.meaning
    }

    /// Returns the default of the variable; empty when there is none, or when it depends on other variables.
    pub fn default(&self) -> &str {
        self.variable.kind.default
    }

    /// Returns the value as it was written; `<hidden>` when it is secret.
    pub fn value(&self) -> &str {
        &self.winner.shown
    }

    /// Returns the origin of the value.
    pub fn origin(&self) -> &Provenance {
        &self.winner.origin
    }

    /// Returns the overridden values with their origins, the highest layer first.
    pub fn overrode(&self) -> impl Iterator<Item = (&str, &Provenance)> {
        let overridden = self.overridden.iter();
        overridden.map(|set| (&*set.shown, &set.origin))
    }

    pub(super) fn text(&self) -> &str {
        self.winner.text()
    }

    pub(super) fn layer(&self) -> Layer {
        self.winner.layer()
    }
}
