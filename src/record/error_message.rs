//! Error messages.

use std::borrow::Cow;
use std::fmt;

/// The message of an error. The message may repeat content (a command, a path, a part of a body), so `Debug` shows only
/// its length.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct ErrorMessage(pub(crate) Cow<'static, str>);

impl fmt::Debug for ErrorMessage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ErrorMessage({} bytes)", self.0.len())
    }
}
