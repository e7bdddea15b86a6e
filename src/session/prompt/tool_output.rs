//! What a tool wrote and returned: the span event `tool.output`.

use crate::catalog::key;
use crate::content::{Content, ContentPolicy, ToolOutputText};
use crate::record::{Attributes, EditTool, ToolName};

/// What a tool wrote and returned: the attributes of the span event `tool.output`, in the order in which they are given.
///
/// They are content. All need `OTEL_LOG_TOOL_CONTENT`; what comes from the tool's input (the command, the path, the diff,
/// and the content of a tool that writes) needs `OTEL_LOG_TOOL_DETAILS` too. Together they share one limit of 60 KB.
///
/// ```
/// use claude_code_telemetry::{ToolOutcome, ToolOutput};
/// let output = ToolOutput::new().file_path("/src/lib.rs").diff("[...]");
/// let outcome = ToolOutcome::new().output(output);
/// ```
#[derive(Clone, Debug, Default)]
pub struct ToolOutput(Vec<(Part, Content)>);

/// An attribute of the event, with the keys that say how it was cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    Output,
    Content,
    Diff,
    BashCommand,
    FilePath,
}

impl Part {
    /// Key, key of "was cut", key of the length before.
    fn keys(self) -> [&'static str; 3] {
        match self {
            Self::Output => [key::OUTPUT, "output_truncated", "output_original_length"],
            Self::Content => [key::CONTENT, "content_truncated", "content_original_length"],
            Self::Diff => [key::DIFF, "diff_truncated", "diff_original_length"],
            Self::BashCommand => [
                key::BASH_COMMAND,
                "bash_command_truncated",
                "bash_command_original_length",
            ],
            Self::FilePath => [
                key::FILE_PATH,
                "file_path_truncated",
                "file_path_original_length",
            ],
        }
    }

    /// Whether it repeats the tool's input.
    fn is_input(self, tool: &ToolName) -> bool {
        match self {
            Self::Output => false,
            Self::Content => tool.0.parse::<EditTool>().is_ok(),
            Self::Diff | Self::BashCommand | Self::FilePath => true,
        }
    }
}

impl ToolOutput {
    /// Nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// What the tool returned.
    pub fn output(self, text: impl Into<Content>) -> Self {
        self.with(Part::Output, text)
    }

    /// What was read or written.
    pub fn content(self, text: impl Into<Content>) -> Self {
        self.with(Part::Content, text)
    }

    /// What an edit changed.
    pub fn diff(self, text: impl Into<Content>) -> Self {
        self.with(Part::Diff, text)
    }

    /// The command of a shell.
    pub fn bash_command(self, text: impl Into<Content>) -> Self {
        self.with(Part::BashCommand, text)
    }

    /// The file that was read or written.
    pub fn file_path(self, text: impl Into<Content>) -> Self {
        self.with(Part::FilePath, text)
    }

    /// A part that is given again replaces the one before.
    fn with(mut self, part: Part, text: impl Into<Content>) -> Self {
        self.0.retain(|(known, _)| *known != part);
        self.0
            .extend(Content::optional(text).map(|text| (part, text)));
        self
    }

    /// What the policy lets out, cut to the shared limit. Nothing when that is nothing.
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

impl<T: Into<Content>> From<T> for ToolOutput {
    fn from(text: T) -> Self {
        Self::new().output(text)
    }
}

/// The output without what the switches hold back.
pub(crate) struct AdmittedOutput(Vec<(Part, ToolOutputText)>);

impl AdmittedOutput {
    pub(crate) fn attributes<'a>(&'a self, out: &mut Attributes<'a>) {
        for (part, text) in &self.0 {
            let [key, truncated, original_length] = part.keys();
            out.text_if(key, text.text());
            if let Some(length) = text.cut_from() {
                out.bool(truncated, true);
                out.count(original_length, length);
            }
        }
    }

    pub(crate) fn size(&self) -> usize {
        self.0.iter().map(|(_, text)| text.size()).sum()
    }
}
