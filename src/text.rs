//! Texts of records.

use std::borrow::{Borrow, Cow};
use std::fmt;
use std::ops::Deref;

use compact_str::CompactString;
use serde::{Serialize, Serializer};

/// A text of a record or of options: a name, an id, a message.
///
/// Setters and constructors take `impl Into<Text>`: a `&str`, a `String` or a `Cow<'static, str>`. Texts of up to 24
/// bytes are stored without an allocation. A longer `&str` is copied, a longer `String` is moved, and a `'static` text
/// of any length is neither copied nor moved if it comes from [`from_static`](Self::from_static) or from a borrowed
/// `Cow`.
///
/// ```
/// use claude_code_telemetry::{ApiRequest, Text};
///
/// const MODEL: Text = Text::from_static("claude-sonnet-4-6");
///
/// fn record(id: &str) -> ApiRequest {
///     ApiRequest::new(MODEL).request_id(id)
/// }
/// ```
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Text(CompactString);

impl Text {
    /// Creates a text from a `'static` one, without an allocation.
    #[inline]
    pub const fn from_static(text: &'static str) -> Self {
        Self(CompactString::const_new(text))
    }

    /// Returns the text.
    #[inline]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<&str> for Text {
    #[inline]
    fn from(text: &str) -> Self {
        Self(CompactString::new(text))
    }
}

impl From<&String> for Text {
    #[inline]
    fn from(text: &String) -> Self {
        Self(CompactString::new(text))
    }
}

impl From<String> for Text {
    #[inline]
    fn from(text: String) -> Self {
        Self(text.into())
    }
}

impl From<Cow<'static, str>> for Text {
    #[inline]
    fn from(text: Cow<'static, str>) -> Self {
        match text {
            Cow::Borrowed(text) => Self::from_static(text),
            Cow::Owned(text) => text.into(),
        }
    }
}

impl Deref for Text {
    type Target = str;

    #[inline]
    fn deref(&self) -> &str {
        &self.0
    }
}

impl AsRef<str> for Text {
    fn as_ref(&self) -> &str {
        self
    }
}

impl Borrow<str> for Text {
    fn borrow(&self) -> &str {
        self
    }
}

impl PartialEq<str> for Text {
    fn eq(&self, other: &str) -> bool {
        **self == *other
    }
}

impl PartialEq<&str> for Text {
    fn eq(&self, other: &&str) -> bool {
        **self == **other
    }
}

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self)
    }
}

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&**self, f)
    }
}

impl From<Text> for String {
    fn from(text: Text) -> Self {
        text.0.into_string()
    }
}

impl Serialize for Text {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self)
    }
}
