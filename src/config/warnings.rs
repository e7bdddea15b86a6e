//! The warnings about the configuration. A problem with the configuration never fails the host.

use std::fmt;

use super::explain::Explanation;
use super::problem::Problem;
use super::source::{Assignment, Provenance};
use crate::visible::visible;

/// A warning about a setting that is probably a mistake. It displays the variable, its value (unless that is secret),
/// its origin and the fix.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Warning {
    variable: Option<String>,
    value: Option<String>,
    origin: Option<Provenance>,
    pub(super) problem: Problem,
}

impl Warning {
    /// Returns the variable, if the warning is about one.
    pub fn variable(&self) -> Option<&str> {
        self.variable.as_deref()
    }

    /// Returns the value with its secrets hidden; `None` if the warning is not about a value.
    pub fn value(&self) -> Option<&str> {
        self.value.as_deref()
    }

    /// Returns the origin of the value, or the settings file that the warning is about.
    pub fn origin(&self) -> Option<&Provenance> {
        self.origin.as_ref()
    }

    /// Returns the most similar valid value or variable.
    pub fn nearest(&self) -> Option<&str> {
        match &self.problem {
            Problem::MisspelledVariable { meant: nearest }
            | Problem::UnknownVariable { nearest }
            | Problem::UnknownValue { nearest, .. }
            | Problem::NotBoolean { nearest } => Some(nearest),
            _ => None,
        }
    }

    /// Returns true if the variable is probably a misspelled one of this library.
    pub(crate) fn is_misspelling(&self) -> bool {
        matches!(self.problem, Problem::MisspelledVariable { .. })
    }

    /// Returns true if a settings file of a project sets a variable that it may not set.
    pub(crate) fn is_misplaced(&self) -> bool {
        matches!(
            self.problem,
            Problem::NotInProject { .. }
                | Problem::OnlyOffInProject { .. }
                | Problem::SetInEnvironment
        )
    }
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(variable) = &self.variable {
            f.write_str(variable)?;
            if let Some(value) = &self.value {
                write!(f, "={value}")?;
            }
            if let Some(origin) = &self.origin {
                write!(f, " ({origin})")?;
            }
            f.write_str(": ")?;
        } else if let Some(origin) = &self.origin {
            write!(f, "{origin}: ")?;
        }
        f.write_str(&visible(&self.problem.to_string()))
    }
}

/// The resolution adds to the explanation. Each warning is kept once.
impl Explanation {
    /// Adds a warning about a value, and returns its message.
    pub(super) fn warn(&mut self, set: &Assignment, problem: Problem) -> String {
        let shown = set.variable.is_some().then(|| set.shown.clone());
        self.add(Some(&set.name), shown, Some(&set.origin), problem)
    }

    /// Adds a warning about a variable whose value cannot be shown, for example because it is not valid Unicode.
    pub(super) fn warn_of_name(&mut self, name: &str, origin: &Provenance, problem: Problem) {
        self.add(Some(name), None, Some(origin), problem);
    }

    /// Adds a warning about a settings file, or a folder of settings files.
    pub(super) fn warn_of_file(&mut self, origin: &Provenance, problem: Problem) {
        self.add(None, None, Some(origin), problem);
    }

    /// Adds a warning about the configuration as a whole.
    pub(super) fn warn_overall(&mut self, problem: Problem) {
        self.add(None, None, None, problem);
    }

    fn add(
        &mut self,
        variable: Option<&str>,
        value: Option<String>,
        origin: Option<&Provenance>,
        problem: Problem,
    ) -> String {
        let warning = Warning {
            variable: variable.map(visible),
            value,
            origin: origin.cloned(),
            problem,
        };
        let text = warning.to_string();
        if !self.warnings.contains(&warning) {
            self.warnings.push(warning);
        }
        text
    }

    /// Adds a behavior that results from the variables although none of them states it.
    pub(super) fn fact(&mut self, text: &str) {
        self.facts.push(visible(text));
    }
}
