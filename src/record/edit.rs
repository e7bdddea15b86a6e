//! Permission decisions about the tools that edit code.

use std::borrow::Cow;

use super::string_enum::string_enum;
use super::{Decision, DecisionSource, optional};
use crate::language::{UNKNOWN, language_from_path};

string_enum! {
    /// A tool that edits code.
    EditTool {
        /// Replaces text in a file.
        Edit = "Edit",
        /// Writes a file.
        Write = "Write",
        /// Edits a notebook's cell.
        NotebookEdit = "NotebookEdit",
    }
}

/// A permission decision about a tool that edits code.
///
/// Adds 1 to `claude_code.code_edit_tool.decision`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CodeEditDecision {
    pub(crate) tool: EditTool,
    pub(crate) decision: Decision,
    pub(crate) source: DecisionSource,
    pub(crate) language: Cow<'static, str>,
}

impl CodeEditDecision {
    /// Creates a decision about a call of `tool`, on a file in an unknown language.
    pub fn new(tool: EditTool, decision: Decision, source: DecisionSource) -> Self {
        Self {
            tool,
            decision,
            source,
            language: Cow::Borrowed(UNKNOWN),
        }
    }

    /// Sets the language according to the extension of the edited file. The path itself is not sent.
    pub fn file_path(self, path: &str) -> Self {
        self.language(language_from_path(path))
    }

    /// Sets the language of the file (`language`), for example `Rust`. The default is `unknown`.
    pub fn language(mut self, language: impl Into<Cow<'static, str>>) -> Self {
        self.language = optional(language).unwrap_or(Cow::Borrowed(UNKNOWN));
        self
    }
}
