//! Texts of records.

use std::borrow::{Borrow, Cow};
use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::ops::Deref;

use arrayvec::ArrayString;
use serde::{Serialize, Serializer};

/// A text of a record or of options: a name, an id, a message.
///
/// Setters and constructors take `impl Into<Text>`: a `&str`, a `String` or a `Cow<'static, str>`. A `&str` of up to 24
/// bytes is stored without an allocation, and a longer one is copied. A `String` is moved, and a `'static` text of any
/// length is neither copied nor moved if it comes from [`from_static`](Self::from_static) or from a borrowed
/// `Cow`. A `Cow` with a shorter lifetime is passed as `&cow`, which copies it, or as `cow.into_owned()`.
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
#[derive(Clone)]
pub struct Text(Storage);

/// The longest `&str`, in bytes, that is stored without an allocation: most names and ids fit, and a `Text` has 32 bytes.
const INLINE: usize = 24;

#[derive(Clone)]
enum Storage {
    Static(&'static str),
    Inline(ArrayString<INLINE>),
    Owned(String),
}

impl Text {
    /// Creates a text from a `'static` one, without an allocation.
    #[inline]
    pub const fn from_static(text: &'static str) -> Self {
        Self(Storage::Static(text))
    }

    /// Returns the text.
    #[inline]
    pub fn as_str(&self) -> &str {
        match &self.0 {
            Storage::Static(text) => text,
            Storage::Inline(text) => text,
            Storage::Owned(text) => text,
        }
    }
}

impl Default for Text {
    #[inline]
    fn default() -> Self {
        Self::from_static("")
    }
}

impl From<&str> for Text {
    #[inline]
    fn from(text: &str) -> Self {
        Self(match ArrayString::from(text) {
            Ok(text) => Storage::Inline(text),
            Err(_) => Storage::Owned(text.to_owned()),
        })
    }
}

impl From<&String> for Text {
    #[inline]
    fn from(text: &String) -> Self {
        text.as_str().into()
    }
}

impl From<String> for Text {
    #[inline]
    fn from(text: String) -> Self {
        Self(Storage::Owned(text))
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

impl From<&Cow<'_, str>> for Text {
    #[inline]
    fn from(text: &Cow<'_, str>) -> Self {
        (**text).into()
    }
}

impl Deref for Text {
    type Target = str;

    #[inline]
    fn deref(&self) -> &str {
        self.as_str()
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

impl PartialEq for Text {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl Eq for Text {}

impl PartialOrd for Text {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Text {
    fn cmp(&self, other: &Self) -> Ordering {
        self.as_str().cmp(other)
    }
}

impl Hash for Text {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_str().hash(state);
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
        match text.0 {
            Storage::Owned(text) => text,
            _ => text.as_str().to_owned(),
        }
    }
}

impl Serialize for Text {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self)
    }
}
