//! Text that must never be shown.

use std::fmt;

/// The replacement for a secret wherever it would be shown.
pub(crate) const HIDDEN: &str = "<hidden>";

/// The beginning of PEM text. Found in place of a path, the text may be a key.
pub(crate) const PEM_BEGIN: &str = "-----BEGIN";

/// A header value, a key or a token. `Debug` hides it; there is no `Display`.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Secret(String);

impl Secret {
    pub(crate) fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// Returns the text, only for use in the request that needs it.
    pub(crate) fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(HIDDEN)
    }
}
