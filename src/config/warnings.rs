//! The warnings about the configuration. A problem with the configuration never fails the host.

use std::fmt;

use super::problem::Problem;
use super::source::Provenance;
use crate::visible::visible;

/// A warning about a setting that is probably a mistake. It displays the variable, its value (unless that is secret),
/// its origin and the fix.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Warning {
    variable: Option<String>,
    value: Option<String>,
    origin: Option<Provenance>,
    problem: Problem,
}

impl Warning {
    /// Returns a warning about a value, shown without secrets.
    pub(super) fn about(name: &str, shown: String, origin: Provenance, problem: Problem) -> Self {
        let mut warning = Self::about_name(name, origin, problem);
        warning.value = Some(shown);
        warning
    }

    /// Returns a warning about a variable whose value cannot be shown: an unknown variable may hold a secret, and some
    /// values are not valid text.
    pub(super) fn about_name(name: &str, origin: Provenance, problem: Problem) -> Self {
        let mut warning = Self::about_file(origin, problem);
        warning.variable = Some(visible(name));
        warning
    }

    /// Returns a warning about a settings file, or a folder of settings files.
    pub(super) fn about_file(origin: Provenance, problem: Problem) -> Self {
        let mut warning = Self::overall(problem);
        warning.origin = Some(origin);
        warning
    }

    /// Returns a warning about the configuration as a whole.
    pub(super) fn overall(problem: Problem) -> Self {
        Self {
            variable: None,
            value: None,
            origin: None,
            problem,
        }
    }

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

    /// Returns the most similar valid word or variable.
    pub fn nearest(&self) -> Option<&str> {
        match &self.problem {
            Problem::UnknownVariable { nearest }
            | Problem::UnknownValue { nearest, .. }
            | Problem::NotBoolean { nearest } => Some(nearest),
            _ => None,
        }
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

    #[cfg(test)]
    pub(super) fn problem(&self) -> &Problem {
        &self.problem
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

/// The findings of a resolution. Each warning is kept once.
#[derive(Default)]
pub(super) struct Report {
    pub(super) warnings: Vec<Warning>,
    /// The behavior that results from the variables although none of them states it.
    pub(super) facts: Vec<String>,
}

impl Report {
    pub(super) fn warn(&mut self, warning: Warning) {
        if !self.warnings.contains(&warning) {
            self.warnings.push(warning);
        }
    }

    pub(super) fn fact(&mut self, text: String) {
        self.facts.push(visible(&text));
    }
}
