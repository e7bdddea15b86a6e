//! Content that is exported only while its gate, a variable such as `OTEL_LOG_USER_PROMPTS`, is on.
//!
//! Shaping converts a text to the form in which its kind is exported, for example to compact JSON. A long text is
//! shaped when the policy admits it, so that no more than its limit is kept. A shorter text is moved and shaped when it
//! is exported.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use super::redact::{RedactedBody, redact_body};
use super::{Content, ContentPolicy, Payload, REDACTED, json, tool_input, utf16};
use crate::schema::Gate;

/// The size, in bytes, above which a text is shaped on the caller's thread instead of being kept whole.
const SHAPE_AT_ONCE: usize = 256 * 1024;

/// The size limit, in bytes, of a text whose kind has no limit. It exceeds the size limit of a record, so that the
/// export, which truncates the text to fit, still detects that it is too long.
const MAX_BYTES: usize = 4 * 1024 * 1024;

/// Truncates the text to [`MAX_BYTES`].
fn bounded(content: Content) -> Content {
    if content.size() <= MAX_BYTES {
        return content;
    }
    let text = content.text();
    let mut end = MAX_BYTES;
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    Content::from(text[..end].to_owned())
}

/// Content that is exported only while its gate is open. `K` is its kind.
#[derive(Clone, Default)]
pub(crate) struct Gated<K> {
    content: Option<Content>,
    /// True if the content was shaped, so that it is exported as it is.
    shaped: bool,
    kind: PhantomData<K>,
}

/// A kind of content.
pub(crate) trait ContentKind: Clone + Default {
    /// The variable that must be on for the export.
    const GATE: Gate;

    /// True if the content is exported as `<REDACTED>` while the gate is closed. Other content is omitted.
    const REDACTED: bool = false;

    /// Returns the text in the shape in which it is exported; `None` if there is nothing to export.
    fn shape(text: &str) -> Option<Cow<'_, str>> {
        Some(Cow::Borrowed(text))
    }
}

impl<K: ContentKind> Gated<K> {
    fn new(content: Option<Content>) -> Self {
        Self {
            content,
            shaped: false,
            kind: PhantomData,
        }
    }

    /// Returns optional content; empty content counts as absent.
    pub(crate) fn optional(content: impl Into<Content>) -> Self {
        Self::new(Content::optional(content))
    }

    /// Returns the content: as the host gave it, or as [`filter`](Payload::filter) left it.
    pub(crate) fn content(&self) -> Option<&Content> {
        self.content.as_ref()
    }

    /// Returns the text to export; `None` if there is nothing to export.
    pub(crate) fn text(&self) -> Option<Cow<'_, str>> {
        match self.content.as_ref().map(Content::text) {
            Some(text) if self.shaped => Some(text.into()),
            Some(text) => K::shape(text),
            None => K::REDACTED.then_some(REDACTED.into()),
        }
    }

    /// Drops the content if the gate is closed.
    #[inline]
    pub(crate) fn drop_if_closed(&mut self, policy: &ContentPolicy) {
        self.content.take_if(|_| !policy.is_open(K::GATE));
    }

    /// Returns the content in the shape in which it is exported.
    fn shaped(content: Content) -> Self {
        let (content, shaped) = match K::shape(content.text()) {
            Some(Cow::Owned(text)) => (Some(text.into()), true),
            Some(Cow::Borrowed(_)) => (Some(content), false),
            None => (None, false),
        };
        Self {
            shaped,
            ..Self::new(content.map(bounded))
        }
    }

    /// Returns the content after [`filter`](Payload::filter).
    #[inline]
    pub(crate) fn filtered(mut self, policy: &ContentPolicy) -> Self {
        self.filter(policy);
        self
    }
}

impl<K: ContentKind> Payload for Gated<K> {
    fn size(&self) -> usize {
        self.content.as_ref().map_or(0, Content::size)
    }

    #[inline]
    fn filter(&mut self, policy: &ContentPolicy) -> bool {
        self.drop_if_closed(policy);
        if let Some(content) = self
            .content
            .take_if(|content| content.size() > SHAPE_AT_ONCE)
        {
            *self = Self::shaped(content);
        }
        true
    }
}

impl<K: ContentKind, T: Into<Content>> From<T> for Gated<K> {
    fn from(content: T) -> Self {
        Self::new(Some(content.into()))
    }
}

impl<K> fmt::Debug for Gated<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.content.fmt(f)
    }
}

/// A prompt.
#[derive(Clone, Default)]
pub(crate) struct PromptText;

impl ContentKind for PromptText {
    const GATE: Gate = Gate::UserPrompts;
    const REDACTED: bool = true;
}

impl Gated<PromptText> {
    /// Returns the length in UTF-16 code units. It must be called before the policy filters the prompt.
    pub(crate) fn length(&self) -> u64 {
        utf16::len(self.content().map_or("", Content::text)) as u64
    }
}

/// The arguments of a tool call: bounded JSON text. Arguments that are not JSON are omitted.
#[derive(Clone, Default)]
pub(crate) struct ToolInput;

impl ContentKind for ToolInput {
    const GATE: Gate = Gate::ToolDetails;

    fn shape(text: &str) -> Option<Cow<'_, str>> {
        tool_input::shape(text).map(Cow::Owned)
    }
}

/// Paths, commands and names derived from the arguments of a tool call.
#[derive(Clone, Default)]
pub(crate) struct ToolDetails;

impl ContentKind for ToolDetails {
    const GATE: Gate = Gate::ToolDetails;
}

/// The definitions of hooks: compact JSON text. Text that is not JSON is exported unchanged.
#[derive(Clone, Default)]
pub(crate) struct HookDefinitions;

impl ContentKind for HookDefinitions {
    const GATE: Gate = Gate::ToolDetails;

    fn shape(text: &str) -> Option<Cow<'_, str>> {
        Some(json::compact(text).map_or(Cow::Borrowed(text), Cow::Owned))
    }
}

/// The specific parameters of a tool call: a compact JSON object without empty texts. Text that is not an object is
/// exported unchanged.
#[derive(Clone, Default)]
pub(crate) struct ToolParameters;

impl ContentKind for ToolParameters {
    const GATE: Gate = Gate::ToolDetails;

    fn shape(text: &str) -> Option<Cow<'_, str>> {
        match json::merge([text]) {
            Ok(merged) => merged.map(Cow::Owned),
            Err(_) => HookDefinitions::shape(text),
        }
    }
}

impl Gated<ToolParameters> {
    /// Adds the parameters that are derived from the call. A parameter from the host takes precedence.
    pub(crate) fn add_derived(&mut self, derived: Option<Content>) {
        self.content = match (self.content.take(), derived) {
            (Some(given), Some(derived)) => match json::merge([given.text(), derived.text()]) {
                Ok(merged) => merged.map(Content::from),
                Err(_) => Some(given),
            },
            (given, derived) => given.or(derived),
        };
    }

    /// Returns the parameter `name` if it is a string.
    pub(crate) fn parameter(&self, name: &str) -> Option<String> {
        json::member(self.content()?.text(), name)
    }
}

/// The body of a request or a response.
#[derive(Clone, Debug)]
pub(crate) enum Body {
    Whole { content: Content, limit: usize },
    Redacted(RedactedBody),
}

impl Body {
    pub(crate) const GATE: Gate = Gate::RawApiBodies;

    /// Returns compact JSON without thinking, truncated at the limit.
    pub(crate) fn redacted(&self) -> Cow<'_, RedactedBody> {
        match self {
            Self::Whole { content, limit } => Cow::Owned(redact_body(content.text(), *limit)),
            Self::Redacted(body) => Cow::Borrowed(body),
        }
    }
}

impl<T: Into<Content>> From<T> for Body {
    fn from(content: T) -> Self {
        Self::Whole {
            content: content.into(),
            // The filter sets the limit when the policy admits the body.
            limit: 0,
        }
    }
}

impl Payload for Body {
    fn size(&self) -> usize {
        match self {
            Self::Whole { content, .. } => content.size(),
            Self::Redacted(body) => body.text.len(),
        }
    }

    fn filter(&mut self, policy: &ContentPolicy) -> bool {
        if !policy.is_open(Self::GATE) {
            return false;
        }
        if let Self::Whole { content, limit } = self {
            *limit = policy.max_length();
            if content.size() > SHAPE_AT_ONCE {
                *self = Self::Redacted(redact_body(content.text(), *limit));
            }
        }
        true
    }
}

/// The output of a tool.
#[derive(Clone, Default)]
pub(crate) struct ToolContent;

impl ContentKind for ToolContent {
    const GATE: Gate = Gate::ToolContent;
}
