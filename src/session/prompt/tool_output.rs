//! The output of a tool: the span event `tool.output`.

use crate::content::{
    Content, ContentPolicy, Gated, Payload, ToolContent, ToolDetails, ToolOutputText,
};
use crate::record::{Attributes, EditTool, ToolName, Value, attribute_rows};
use crate::schema::SpanEvent;

pub(super) const TOOL_OUTPUT: &SpanEvent = &SpanEvent {
    name: "tool.output",
    description: "What a successful tool wrote and returned. Its attributes share one limit of 60 KB; a truncated one \
                  adds `<attribute>_truncated` (bool) and `<attribute>_original_length` (int)",
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
/// one limit of 60 KB.
///
/// ```
/// use claude_code_telemetry::{ToolOutcome, ToolOutput};
/// let output = ToolOutput::new().file_path("/src/lib.rs").diff("[...]");
/// let outcome = ToolOutcome::new().output(output);
/// ```
#[derive(Clone, Debug, Default)]
pub struct ToolOutput(Vec<(Part, Content)>);

/// An attribute of the event, together with the attributes that describe its truncation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    Output,
    Content,
    Diff,
    BashCommand,
    FilePath,
}

impl Part {
    /// Returns the key of the attribute, of its truncation flag and of its original length.
    fn keys(self) -> [&'static str; 3] {
        match self {
            Self::Output => ["output", "output_truncated", "output_original_length"],
            Self::Content => ["content", "content_truncated", "content_original_length"],
            Self::Diff => ["diff", "diff_truncated", "diff_original_length"],
            Self::BashCommand => [
                "bash_command",
                "bash_command_truncated",
                "bash_command_original_length",
            ],
            Self::FilePath => [
                "file_path",
                "file_path_truncated",
                "file_path_original_length",
            ],
        }
    }

    /// Returns `true` if the attribute repeats the tool's input.
    fn is_input(self, tool: &ToolName) -> bool {
        match self {
            Self::Output => false,
            Self::Content => tool.0.parse::<EditTool>().is_ok(),
            Self::Diff | Self::BashCommand | Self::FilePath => true,
        }
    }
}

impl ToolOutput {
    /// Creates an empty output.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the text that the tool returned.
    pub fn output(self, text: impl Into<Content>) -> Self {
        self.with(Part::Output, text)
    }

    /// Sets the content that the tool read or wrote.
    pub fn content(self, text: impl Into<Content>) -> Self {
        self.with(Part::Content, text)
    }

    /// Sets the changes of an edit.
    pub fn diff(self, text: impl Into<Content>) -> Self {
        self.with(Part::Diff, text)
    }

    /// Sets the command that a shell ran.
    pub fn bash_command(self, text: impl Into<Content>) -> Self {
        self.with(Part::BashCommand, text)
    }

    /// Sets the file that the tool read or wrote.
    pub fn file_path(self, text: impl Into<Content>) -> Self {
        self.with(Part::FilePath, text)
    }

    /// Adds an attribute, or replaces its earlier value.
    fn with(mut self, part: Part, text: impl Into<Content>) -> Self {
        self.0.retain(|(known, _)| *known != part);
        self.0
            .extend(Content::optional(text).map(|text| (part, text)));
        self
    }

    /// Returns the attributes that the policy allows, cut to the shared limit; `None` if there are none.
    pub(crate) fn admit(&self, tool: &ToolName, policy: &ContentPolicy) -> Option<AdmittedOutput> {
        let mut room = policy.max_length();
        let mut parts = Vec::new();
        for (part, content) in &self.0 {
            let Some(text) = policy.tool_output(content, part.is_input(tool), room) else {
                continue;
            };
            room = room.saturating_sub(text.units());
            parts.push((*part, text));
        }
        (!parts.is_empty()).then_some(AdmittedOutput(parts))
    }
}

impl Payload for ToolOutput {}

impl<T: Into<Content>> From<T> for ToolOutput {
    fn from(text: T) -> Self {
        Self::new().output(text)
    }
}

/// The output after the content policy was applied.
#[derive(Clone)]
pub(crate) struct AdmittedOutput(Vec<(Part, ToolOutputText)>);

impl AdmittedOutput {
    pub(crate) fn attributes<'a>(&'a self, out: &mut Attributes<'a>) {
        for (part, text) in &self.0 {
            let [key, truncated, original_length] = part.keys();
            if let Some(text) = text.text().filter(|text| !text.is_empty()) {
                out.push(key, Value::Text(text.into()));
            }
            if let Some(length) = text.cut_from() {
                out.push(truncated, Value::Bool(true));
                out.push(original_length, Value::Int(length));
            }
        }
    }

    pub(crate) fn size(&self) -> usize {
        self.0.iter().map(|(_, text)| text.size()).sum()
    }
}
