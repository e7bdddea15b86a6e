//! Permission decisions about the tools that edit code.

use super::definition::record;
use super::string_enum::string_enum;
use super::{Decision, DecisionSource, Text};
use crate::language::language_from_path;

string_enum! {
    /// A tool that edits code.
    pub enum EditTool {
        /// Replaces text in a file.
        Edit = "Edit",
        /// Writes a file.
        Write = "Write",
        /// Edits a notebook's cell.
        NotebookEdit = "NotebookEdit",
    }
}

record! {
    /// A permission decision about a tool that edits code.
    ///
    /// Adds 1 to `claude_code.code_edit_tool.decision`.
    record CodeEditDecision: Clone, Debug, PartialEq, Eq;

    /// Creates a decision about a call of `tool`, on a file in an unknown language.
    new(tool: EditTool, decision: Decision, source: DecisionSource);

    fields {
        required tool: EditTool = "tool_name";
        required decision: Decision = "decision";
        required source: DecisionSource = "source";
        /// Sets the language of the file (`language`), for example `Rust`. The default is `unknown`.
        optional language: Option<Text> = "language";
    }
}

impl CodeEditDecision {
    /// Sets the language according to the extension of the edited file. The path itself is not sent.
    pub fn file_path(self, path: &str) -> Self {
        self.language(language_from_path(path))
    }
}
