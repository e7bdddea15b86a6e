//! The sources of values: layers and origins.

use std::fmt;
use std::path::{Path, PathBuf};

use super::secret::Secret;
use super::variables::{self, Variable};
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

/// The value that one layer assigns to one variable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Assignment {
    pub(crate) origin: Provenance,
    pub(crate) name: String,
    /// The text without surrounding white space. An empty text cancels the layers below.
    pub(crate) text: Secret,
    /// `None` for an unknown name.
    pub(crate) variable: Option<&'static Variable>,
    /// The text as it was written, with its secrets hidden; empty for an unknown name, because the text may be a secret.
    pub(crate) shown: String,
}

impl Assignment {
    pub(crate) fn new(origin: Provenance, name: &str, text: &str) -> Self {
        let variable = variables::find(name);
        Self {
            origin,
            name: name.to_owned(),
            text: Secret::new(text.trim()),
            variable,
            shown: variable.map_or_else(String::new, |known| (known.kind.shown)(text)),
        }
    }

    pub(crate) fn text(&self) -> &str {
        self.text.expose()
    }

    pub(crate) fn layer(&self) -> Layer {
        self.origin.layer
    }
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
