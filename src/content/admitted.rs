//! Content that the policy admitted. Each kind has its own size limit.
//!
//! A long text is shaped when it is admitted, so that no more than its limit is kept. A shorter text is moved and
//! shaped when it is exported.

use std::borrow::Cow;

use super::redact::{RedactedBody, redact_body};
use super::truncate::fit;
use super::{Content, REDACTED, json, tool_input, utf16};

/// The size, in bytes, above which a text is shaped on the caller's thread instead of being kept whole.
const SHAPE_AT_ONCE: usize = 256 * 1024;

/// The size limit, in bytes, of a kept text whose kind has no limit. It exceeds the size limit of a record, so that the
/// export, which truncates the text to fit, still detects that it is too long.
const KEPT: usize = 4 * 1024 * 1024;

/// Returns the text, truncated to [`KEPT`] bytes.
fn kept(content: Content) -> Content {
    if content.size() <= KEPT {
        return content;
    }
    let text = content.text();
    let mut end = KEPT;
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    Content::from(text[..end].to_owned())
}

/// A prompt: its length, and its text if the content switch allows it.
#[derive(Debug)]
pub(crate) struct Prompt {
    length: usize,
    text: Option<Content>,
}

impl Prompt {
    pub(super) fn new(length: usize, text: Option<Content>) -> Self {
        let text = text.map(kept);
        Self { length, text }
    }

    /// Returns the length in UTF-16 code units.
    pub(crate) fn length(&self) -> u64 {
        self.length as u64
    }

    /// Returns the prompt, or `<REDACTED>`.
    pub(crate) fn text(&self) -> &str {
        self.text.as_ref().map_or(REDACTED, Content::text)
    }

    pub(crate) fn size(&self) -> usize {
        self.text.as_ref().map_or(0, Content::size)
    }
}

/// The arguments of a tool call.
#[derive(Debug)]
pub(crate) enum ToolInput {
    Whole(Content),
    Shaped(Option<ShapedText>),
}

/// Text in its final form. `Debug` hides it.
pub(crate) struct ShapedText(String);

impl std::fmt::Debug for ShapedText {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "ShapedText({} bytes)", self.0.len())
    }
}

impl ToolInput {
    pub(super) fn new(content: Content) -> Self {
        if content.size() <= SHAPE_AT_ONCE {
            Self::Whole(content)
        } else {
            Self::Shaped(tool_input::shape(content.text()).map(ShapedText))
        }
    }

    /// Returns the bounded JSON text; `None` when the input is not JSON.
    pub(crate) fn text(&self) -> Option<Cow<'_, str>> {
        match self {
            Self::Whole(content) => tool_input::shape(content.text()).map(Cow::Owned),
            Self::Shaped(text) => text.as_ref().map(|text| Cow::Borrowed(text.0.as_str())),
        }
    }

    pub(crate) fn size(&self) -> usize {
        match self {
            Self::Whole(content) => content.size(),
            Self::Shaped(text) => text.as_ref().map_or(0, |text| text.0.len()),
        }
    }
}

/// Parameters, paths, commands and names derived from the arguments of a tool call.
#[derive(Debug)]
pub(crate) struct ToolDetails(Content);

impl ToolDetails {
    pub(super) fn new(content: Content) -> Self {
        Self(kept(content))
    }

    pub(crate) fn text(&self) -> &str {
        self.0.text()
    }

    /// Returns the text as compact JSON. Text that is not JSON is returned unchanged.
    pub(crate) fn json(&self) -> Cow<'_, str> {
        json::compact(self.0.text()).map_or(Cow::Borrowed(self.0.text()), Cow::Owned)
    }

    pub(crate) fn size(&self) -> usize {
        self.0.size()
    }
}

/// The specific parameters of a tool call: those from the host, then those derived from the call.
#[derive(Debug)]
pub(crate) struct ToolParameters([Option<ToolDetails>; 2]);

impl ToolParameters {
    pub(super) fn new(given: Option<Content>, derived: Option<Content>) -> Self {
        Self([given, derived].map(|content| content.map(ToolDetails::new)))
    }

    fn objects(&self) -> impl Iterator<Item = &ToolDetails> {
        self.0.iter().flatten()
    }

    /// Returns one compact JSON object, in which a parameter from the host takes precedence. Text from the host that is
    /// not an object is returned unchanged. `None` when no parameter is left.
    pub(crate) fn json(&self) -> Option<Cow<'_, str>> {
        match json::merge(self.objects().map(ToolDetails::text)) {
            Ok(merged) => merged.map(Cow::Owned),
            Err(_) => self.objects().next().map(ToolDetails::json),
        }
    }

    /// Returns the parameter `name` if it is a string.
    pub(crate) fn text(&self, name: &str) -> Option<ToolDetails> {
        let text = self
            .objects()
            .find_map(|object| json::member(object.text(), name));
        text.map(|text| ToolDetails::new(text.into()))
    }

    pub(crate) fn size(&self) -> usize {
        self.objects().map(ToolDetails::size).sum()
    }
}

/// The body of a request or a response.
#[derive(Debug)]
pub(crate) enum Body {
    Whole { content: Content, limit: usize },
    Redacted(RedactedBody),
}

impl Body {
    pub(super) fn new(content: Content, limit: usize) -> Self {
        if content.size() <= SHAPE_AT_ONCE {
            Self::Whole { content, limit }
        } else {
            Self::Redacted(redact_body(content.text(), limit))
        }
    }

    /// Returns compact JSON without thinking, truncated at the limit.
    pub(crate) fn redacted(&self) -> Cow<'_, RedactedBody> {
        match self {
            Self::Whole { content, limit } => Cow::Owned(redact_body(content.text(), *limit)),
            Self::Redacted(body) => Cow::Borrowed(body),
        }
    }

    pub(crate) fn size(&self) -> usize {
        match self {
            Self::Whole { content, .. } => content.size(),
            Self::Redacted(body) => body.text.len(),
        }
    }
}

/// A part of a tool's output, truncated to the room that the parts before it left within the limit.
pub(crate) struct ToolOutputText {
    text: String,
    units: usize,
    /// The length before the truncation; `None` when the text is whole.
    cut_from: Option<usize>,
}

impl ToolOutputText {
    pub(super) fn new(content: &Content, room: usize, limit: usize) -> Self {
        let fitted = fit(content.text(), room, limit);
        Self {
            cut_from: fitted.truncated.then_some(fitted.original_length),
            units: if fitted.truncated {
                utf16::len(&fitted.text)
            } else {
                fitted.original_length
            },
            text: fitted.text.into_owned(),
        }
    }

    /// Returns the text after truncation; `None` when there was no room at all.
    pub(crate) fn text(&self) -> Option<&str> {
        (self.cut_from.is_none() || !self.text.is_empty()).then_some(&self.text)
    }

    /// Returns the length that was sent, in UTF-16 code units.
    pub(crate) fn units(&self) -> usize {
        self.units
    }

    /// Returns the length before the truncation, in UTF-16 code units; `None` when the text is whole.
    pub(crate) fn cut_from(&self) -> Option<u64> {
        self.cut_from.map(|length| length as u64)
    }

    pub(crate) fn size(&self) -> usize {
        self.text.len()
    }
}
