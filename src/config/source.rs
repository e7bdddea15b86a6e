//! The sources of values: layers and origins.

use std::fmt;
use std::path::{Path, PathBuf};

use crate::visible::visible;

/// A source of values, in order of precedence: the first listed wins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Layer {
    /// The settings of the organization, which no other layer can override.
    Managed,
    /// The embedding program, through the builder.
    Host,
    /// The project's settings of this user.
    Local,
    /// The project's settings.
    Project,
    /// The user's settings.
    User,
    /// The process environment.
    Environment,
}

impl fmt::Display for Layer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Managed => "managed settings",
            Self::Host => "host",
            Self::Local => "local settings",
            Self::Project => "project settings",
            Self::User => "user settings",
            Self::Environment => "environment",
        })
    }
}

/// The origin of a value: its layer and file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Provenance {
    layer: Layer,
    file: Option<PathBuf>,
}

impl Provenance {
    pub(crate) fn new(layer: Layer) -> Self {
        Self { layer, file: None }
    }

    pub(crate) fn in_file(layer: Layer, file: PathBuf) -> Self {
        Self {
            layer,
            file: Some(file),
        }
    }

    /// Returns the layer.
    pub fn layer(&self) -> Layer {
        self.layer
    }

    /// Returns the settings file, if the layer consists of files.
    pub fn file(&self) -> Option<&Path> {
        self.file.as_deref()
    }
}

impl fmt::Display for Provenance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.file {
            None => self.layer.fmt(f),
            Some(file) => write!(f, "{} {}", self.layer, visible(&file.to_string_lossy())),
        }
    }
}

/// The value that one layer assigns to one variable. Without `Debug`, because the value may be a secret.
#[derive(Clone)]
pub(crate) struct Assignment {
    pub(crate) origin: Provenance,
    pub(crate) name: String,
    pub(crate) value: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layers_are_ordered_by_precedence() {
        let order = [
            Layer::Managed,
            Layer::Host,
            Layer::Local,
            Layer::Project,
            Layer::User,
            Layer::Environment,
        ];
        assert!(order.is_sorted());
    }
}
