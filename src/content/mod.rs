//! What may leave: redaction, truncation and shaping of content.
//!
//! Prompt, tool input, tool output and bodies enter as [`Content`], which nothing outside this room can open. The
//! [`ContentPolicy`] opens it when the switches allow, and hands out an admitted form that carries its own bounds.

mod admitted;
pub(crate) mod json;
mod policy;
pub(crate) mod redact;
pub(crate) mod tool_input;
pub(crate) mod truncate;
pub(crate) mod utf16;

pub(crate) use policy::ContentFlags;
pub use policy::ContentPolicy;

pub(crate) use admitted::{Body, Prompt, ToolDetails, ToolInput, ToolOutputText, ToolParameters};
pub(crate) use redact::REDACTED;

use std::fmt;
use std::sync::Arc;

use serde::Serialize;
use serde_json::value::RawValue;

use crate::language::{UNKNOWN, language_of};

/// Text that a switch may hold back: a prompt, a tool's input or output, a request's or a response's body.
///
/// It is made from a `String`, a `&'static str`, an `Arc<str>`, a [`RawValue`] or, with [`Content::json`], from anything
/// that serialises; none of the conversions but the last copies the text. `Debug` shows its length alone.
///
/// ```
/// use claude_code_telemetry::Content;
/// let content = Content::from(String::from("secret plans"));
/// assert!(!format!("{content:?}").contains("secret"));
/// ```
#[derive(Clone)]
pub struct Content(Text);

#[derive(Clone)]
enum Text {
    Static(&'static str),
    Owned(Arc<String>),
    Shared(Arc<str>),
}

impl Content {
    /// The JSON text of a value. A value that cannot be serialised (a map whose keys are no texts) becomes empty
    /// content. Keys are written in the order in which the value gives them: that of a struct's fields; a
    /// `serde_json::Value` sorts them.
    ///
    /// Serialising costs time even when a switch holds the content back; ask
    /// [`content_policy`](crate::Telemetry::content_policy) first where that matters.
    pub fn json(value: &impl Serialize) -> Self {
        Self::from(serde_json::to_string(value).unwrap_or_default())
    }

    /// Returns optional content of a record. Empty content counts as not given.
    pub(crate) fn optional(content: impl Into<Self>) -> Option<Self> {
        Some(content.into()).filter(|content| content.size() > 0)
    }

    /// The size in bytes; says nothing about the text.
    pub(crate) fn size(&self) -> usize {
        self.text().len()
    }

    /// The programming language of the file that the text names: by its extension, and that alone.
    pub(crate) fn language(&self) -> &'static str {
        language_of(self.text())
    }

    /// The same for the file that a member of the JSON text names.
    pub(crate) fn language_of_member(&self, names: &[&str]) -> &'static str {
        let path = names
            .iter()
            .find_map(|name| json::member(self.text(), name));
        path.map_or(UNKNOWN, |path| language_of(&path))
    }

    fn text(&self) -> &str {
        match &self.0 {
            Text::Static(text) => text,
            Text::Owned(text) => text,
            Text::Shared(text) => text,
        }
    }
}

impl fmt::Debug for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Content({} bytes)", self.size())
    }
}

impl From<&'static str> for Content {
    fn from(text: &'static str) -> Self {
        Self(Text::Static(text))
    }
}

impl From<String> for Content {
    fn from(text: String) -> Self {
        Self(Text::Owned(Arc::new(text)))
    }
}

impl From<Arc<str>> for Content {
    fn from(text: Arc<str>) -> Self {
        Self(Text::Shared(text))
    }
}

impl From<Box<RawValue>> for Content {
    fn from(json: Box<RawValue>) -> Self {
        Self::from(Box::<str>::from(json).into_string())
    }
}
