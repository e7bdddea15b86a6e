//! The output of a tool: the span event `tool.output`.

use crate::content::{Content, ContentPolicy, Gated, Payload, ToolContent, ToolDetails, Truncated};
use crate::encode::spans::SpanEvent;
use crate::record::{Value, attribute_rows};
use crate::schema;

pub(super) const TOOL_OUTPUT: &schema::SpanEvent = &schema::SpanEvent {
    name: "tool.output",
    description: "What a successful tool wrote and returned. Its attributes share one limit of 60 KB; a truncated one \
                  adds `<attribute>_truncated` (bool) and `<attribute>_original_length` (int)",
    // The whole event needs `OTEL_LOG_TOOL_CONTENT`. `Gated<ToolDetails>` is the switch that an attribute needs in
    // addition.
    attributes: attribute_rows! {
        Gated<ToolDetails> = "bash_command", "The command";
        Gated<ToolDetails> = "file_path", "The file";
        Gated<ToolDetails> = "diff", "What an edit changed";
        Gated<ToolContent> =
            "content", "What was read; what was written needs `OTEL_LOG_TOOL_DETAILS` too";
        Gated<ToolContent> = "output", "What the tool returned";
    },
};

/// The output of a tool: the attributes of the span event `tool.output`, in the order in which they are added.
///
/// All attributes are content and need `OTEL_LOG_TOOL_CONTENT`. Attributes that repeat the tool's input (the command,
/// the path, the diff, and the content of a tool that writes) need `OTEL_LOG_TOOL_DETAILS` too. All attributes share
/// one limit, by default 60 KB (`CLAUDE_CODE_OTEL_CONTENT_MAX_LENGTH`).
///
/// ```
/// use claude_code_telemetry::{ToolOutcome, ToolOutput};
/// let output = ToolOutput::new().file_path("/src/lib.rs").diff("[...]");
/// let outcome = ToolOutcome::new().output(output);
/// ```
#[derive(Clone, Debug, Default)]
pub struct ToolOutput(Vec<(Keys, Content)>);

/// The keys of an attribute of the event, of its truncation flag and of its original length.
type Keys = [&'static str; 3];

macro_rules! keys {
    ($key:literal) => {
        [
            $key,
            concat!($key, "_truncated"),
            concat!($key, "_original_length"),
        ]
    };
}

impl ToolOutput {
    /// Creates an empty output.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the text that the tool returned.
    ///
    /// ```
    /// # use claude_code_telemetry::ToolOutput;
    /// # let stdout = b"ok";
    /// let output = ToolOutput::new().output(String::from_utf8_lossy(stdout).into_owned());
    /// ```
    pub fn output(self, text: impl Into<Content>) -> Self {
        self.with(keys!("output"), text)
    }

    /// Sets the content that the tool read or wrote.
    pub fn content(self, text: impl Into<Content>) -> Self {
        self.with(keys!("content"), text)
    }

    /// Sets the changes of an edit.
    pub fn diff(self, text: impl Into<Content>) -> Self {
        self.with(keys!("diff"), text)
    }

    /// Sets the command that a shell ran.
    pub fn bash_command(self, text: impl Into<Content>) -> Self {
        self.with(keys!("bash_command"), text)
    }

    /// Sets the file that the tool read or wrote.
    pub fn file_path(self, text: impl Into<Content>) -> Self {
        self.with(keys!("file_path"), text)
    }

    /// Adds an attribute, or replaces its earlier value.
    fn with(mut self, keys: Keys, text: impl Into<Content>) -> Self {
        self.0.retain(|(known, _)| *known != keys);
        self.0
            .extend(Content::optional(text).map(|text| (keys, text)));
        self
    }

    /// Returns the event at `time` with the attributes that the policy allows, cut to the shared limit. `is_edit` is
    /// true for a tool that edits files, whose `content` repeats its input.
    pub(crate) fn event(&self, is_edit: bool, policy: &ContentPolicy, time: u64) -> OutputEvent {
        let mut room = policy.max_length();
        let mut texts = Vec::new();
        for (keys, content) in &self.0 {
            let is_input = match keys[0] {
                "output" => false,
                "content" => is_edit,
                _ => true,
            };
            let text = policy.tool_output(content, is_input, &mut room);
            texts.extend(text.map(|text| (*keys, text)));
        }
        OutputEvent { time, texts }
    }
}

impl Payload for ToolOutput {}

impl<T: Into<Content>> From<T> for ToolOutput {
    fn from(text: T) -> Self {
        Self::new().output(text)
    }
}

/// The event `tool.output` of a span, after the content policy was applied. It is not sent without texts.
#[derive(Clone, Default)]
pub(crate) struct OutputEvent {
    /// Nanoseconds since the Unix epoch.
    time: u64,
    /// The keys and the text of each attribute.
    texts: Vec<(Keys, Truncated)>,
}

impl OutputEvent {
    pub(super) fn span_event(&self) -> Option<SpanEvent<'_>> {
        let mut attributes = Vec::new();
        for ([key, truncated, original_length], text) in &self.texts {
            if !text.text.is_empty() {
                attributes.push((*key, Value::String((&*text.text).into())));
            }
            if text.truncated {
                attributes.push((*truncated, Value::Bool(true)));
                let length = Value::Int(text.original_length as i64);
                attributes.push((*original_length, length));
            }
        }
        (!self.texts.is_empty()).then_some(SpanEvent {
            event: TOOL_OUTPUT,
            time: self.time,
            attributes,
        })
    }
}

impl Payload for OutputEvent {
    fn size(&self) -> usize {
        self.texts.iter().map(|(_, text)| text.text.len()).sum()
    }
}
