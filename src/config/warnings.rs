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
    pub(super) variable: Option<String>,
    pub(super) value: Option<String>,
    pub(super) origin: Option<Provenance>,
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
