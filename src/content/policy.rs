//! The four content switches: the one gate that content passes.

use super::admitted::{Body, Prompt, ToolDetails, ToolInput, ToolOutputText, ToolParameters};
use std::str::FromStr;

use super::{Content, json, utf16};

/// Which content may leave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ContentFlags {
    pub(crate) user_prompts: bool,
    pub(crate) tool_details: bool,
    pub(crate) tool_content: bool,
    pub(crate) raw_api_bodies: bool,
    /// The one that is on by default: `tool_result.error`.
    pub(crate) error_messages: bool,
    /// In UTF-16 code units, the marker included; never shorter than the marker.
    pub(crate) max_length: usize,
}

/// Which content the configuration lets out.
///
/// A host asks it before it builds content that would be thrown away. Recording asks it anyway.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ContentPolicy {
    flags: ContentFlags,
}

impl ContentPolicy {
    pub(crate) fn new(flags: ContentFlags) -> Self {
        Self { flags }
    }

    /// Prompts are sent (`OTEL_LOG_USER_PROMPTS`).
    pub fn user_prompts(&self) -> bool {
        self.flags.user_prompts
    }

    /// Tool input and parameters, commands, file paths, MCP and skill names are sent (`OTEL_LOG_TOOL_DETAILS`).
    pub fn tool_details(&self) -> bool {
        self.flags.tool_details
    }

    /// Tool output is sent on spans (`OTEL_LOG_TOOL_CONTENT`).
    pub fn tool_content(&self) -> bool {
        self.flags.tool_content
    }

    /// Bodies of model requests and responses are sent (`OTEL_LOG_RAW_API_BODIES`).
    pub fn raw_api_bodies(&self) -> bool {
        self.flags.raw_api_bodies
    }

    /// The message of a failed tool is sent; on unless the host switched it off.
    pub fn error_messages(&self) -> bool {
        self.flags.error_messages
    }

    /// The longest body or tool output that is sent, in UTF-16 code units (`CLAUDE_CODE_OTEL_CONTENT_MAX_LENGTH`).
    pub fn max_length(&self) -> usize {
        self.flags.max_length
    }

    /// A prompt: its length always, its text by the switch.
    pub(crate) fn prompt(&self, content: Content) -> Prompt {
        let length = utf16::len(content.text());
        Prompt::new(length, self.flags.user_prompts.then_some(content))
    }

    /// A tool's arguments.
    pub(crate) fn tool_input(&self, content: Content) -> Option<ToolInput> {
        self.flags.tool_details.then(|| ToolInput::new(content))
    }

    /// What follows from a tool's arguments: parameters, paths, commands, names.
    pub(crate) fn tool_details_of(&self, content: Content) -> Option<ToolDetails> {
        self.flags.tool_details.then(|| ToolDetails::new(content))
    }

    /// The specific parameters of a tool call: those that the host gives, and those that follow from the call.
    pub(crate) fn tool_parameters(
        &self,
        given: Option<Content>,
        derived: Option<Content>,
    ) -> Option<ToolParameters> {
        let open = self.flags.tool_details && (given.is_some() || derived.is_some());
        open.then(|| ToolParameters::new(given, derived))
    }

    /// A member of a tool's arguments that is text: the first of these names that is there and not empty.
    pub(crate) fn member(&self, json: &Content, names: &[&str]) -> Option<String> {
        let mut names = names.iter().filter(|_| self.flags.tool_details);
        names.find_map(|name| json::member(json.text(), name))
    }

    /// A member of a tool's arguments that is a number or a boolean.
    pub(crate) fn scalar<T: FromStr>(&self, json: &Content, name: &str) -> Option<T> {
        let scalar = json::scalar(json.text(), name).filter(|_| self.flags.tool_details);
        scalar?.parse().ok()
    }

    /// A part of what a tool wrote or returned, with the room that is left; `is_input` says that it repeats the tool's
    /// arguments.
    pub(crate) fn tool_output(
        &self,
        content: &Content,
        is_input: bool,
        room: usize,
    ) -> Option<ToolOutputText> {
        let open = self.flags.tool_content && (!is_input || self.flags.tool_details);
        open.then(|| ToolOutputText::new(content, room, self.flags.max_length))
    }

    /// A request's or a response's body.
    pub(crate) fn body(&self, content: Content) -> Option<Body> {
        self.flags
            .raw_api_bodies
            .then(|| Body::new(content, self.flags.max_length))
    }
}
