//! Content that may be exported: redaction, truncation and shaping.
//!
//! Prompts, tool input, tool output and bodies are passed as [`Content`], which no code outside this module can read.
//! The [`ContentPolicy`] reads it if the content switches (`OTEL_LOG_*`) allow, and returns the form that may be sent.

mod gated;
pub(crate) mod json;
mod payload;
mod policy;
#[allow(unreachable_pub, reason = "the fuzz targets call it")]
pub(crate) mod redact;
#[allow(unreachable_pub, reason = "the fuzz targets call it")]
pub(crate) mod tool_input;
pub(crate) mod truncate;
pub(crate) mod utf16;

pub use policy::ContentPolicy;

pub(crate) use gated::{
    Body, ContentKind, Gated, HookDefinitions, PromptText, ToolContent, ToolDetails, ToolInput,
    ToolParameters,
};
pub(crate) use payload::{Filtered, Payload};
pub(crate) use redact::REDACTED;
pub(crate) use truncate::Truncated;

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use serde::Serialize;
use serde_json::value::RawValue;

use crate::language::{UNKNOWN, language_from_path};

/// Text whose export a content switch controls: a prompt, the input or output of a tool, the body of a request or a
/// response.
///
/// It is created from a `&str`, a `String`, a `Cow<'static, str>`, an `Arc<str>`, a [`RawValue`] or, with
/// [`Content::json`], from any value that serializes. A `&str` is copied, and a `String` is moved; [`Content::from_static`]
/// does neither. `Debug` shows only the length.
///
/// A `Cow` with a shorter lifetime, such as the result of `String::from_utf8_lossy`, is passed as `cow.into_owned()`, or
/// as `&cow`, which copies it.
///
/// ```
/// use claude_code_telemetry::Content;
/// let content = Content::from(String::from("secret plans"));
/// assert!(!format!("{content:?}").contains("secret"));
/// ```
#[derive(Clone)]
pub struct Content(Storage);

#[derive(Clone)]
enum Storage {
    Static(&'static str),
    Owned(Arc<String>),
    Shared(Arc<str>),
}

impl Content {
    /// Creates content from a `'static` string, without an allocation.
    pub const fn from_static(text: &'static str) -> Self {
        Self(Storage::Static(text))
    }

    /// Creates content from the JSON text of a value. A value that cannot be serialized (a map whose keys are not
    /// strings) becomes empty content. Keys are written in the order of the value: that of a struct's fields; a
    /// `serde_json::Value` sorts them.
    ///
    /// Serialization takes time even if a switch then drops the content; check
    /// [`content_policy`](crate::Telemetry::content_policy) first where that matters.
    pub fn json(value: &impl Serialize) -> Self {
        Self::from(serde_json::to_string(value).unwrap_or_default())
    }

    /// Returns the optional content of a record; `None` for empty content.
    pub(crate) fn optional(content: impl Into<Self>) -> Option<Self> {
        Some(content.into()).filter(|content| content.size() > 0)
    }

    /// Returns the size in bytes, which reveals nothing about the text.
    pub(crate) fn size(&self) -> usize {
        self.text().len()
    }

    /// Returns the programming language of the file whose path is the text, determined only by the file name.
    pub(crate) fn language(&self) -> &'static str {
        language_from_path(self.text())
    }

    /// Returns the programming language of the file whose path is a member of the JSON text: the first member with one
    /// of these names.
    pub(crate) fn language_of_member(&self, names: &[&str]) -> &'static str {
        let path = names
            .iter()
            .find_map(|name| json::member(self.text(), name));
        path.map_or(UNKNOWN, |path| language_from_path(&path))
    }

    fn text(&self) -> &str {
        match &self.0 {
            Storage::Static(text) => text,
            Storage::Owned(text) => text,
            Storage::Shared(text) => text,
        }
    }
}

impl fmt::Debug for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Content({} bytes)", self.size())
    }
}

impl From<&str> for Content {
    fn from(text: &str) -> Self {
        Self(Storage::Shared(text.into()))
    }
}

impl From<&String> for Content {
    fn from(text: &String) -> Self {
        Self::from(text.as_str())
    }
}

impl From<Cow<'static, str>> for Content {
    fn from(text: Cow<'static, str>) -> Self {
        match text {
            Cow::Borrowed(text) => Self::from_static(text),
            Cow::Owned(text) => text.into(),
        }
    }
}

impl From<&Cow<'_, str>> for Content {
    fn from(text: &Cow<'_, str>) -> Self {
        Self::from(&**text)
    }
}

impl From<String> for Content {
    fn from(text: String) -> Self {
        Self(Storage::Owned(Arc::new(text)))
    }
}

impl From<Arc<str>> for Content {
    fn from(text: Arc<str>) -> Self {
        Self(Storage::Shared(text))
    }
}

impl From<Box<RawValue>> for Content {
    fn from(json: Box<RawValue>) -> Self {
        Self::from(Box::<str>::from(json).into_string())
    }
}
