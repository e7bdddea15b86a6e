//! The content switches, which all content must pass.

use std::str::FromStr;

use super::truncate::{Truncated, fit};
use super::{Content, json, utf16};
use crate::schema::Gate;

/// The content that the configuration allows to be exported.
///
/// A host checks the policy before it builds content that would be dropped. Recording checks it again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ContentPolicy {
    pub(crate) user_prompts: bool,
    pub(crate) tool_details: bool,
    pub(crate) tool_content: bool,
    pub(crate) raw_api_bodies: bool,
    /// True if the error messages of failed tools are sent: the only switch that is on by default.
    pub(crate) error_messages: bool,
    /// The content limit in UTF-16 code units, including the marker at the end of a truncated text; never shorter than
    /// this marker.
    pub(crate) max_length: usize,
}

impl ContentPolicy {
    /// Returns true if prompts are sent (`OTEL_LOG_USER_PROMPTS`).
    pub fn user_prompts(&self) -> bool {
        self.user_prompts
    }

    /// Returns true if tool input and parameters, commands, file paths, MCP and skill names are sent
    /// (`OTEL_LOG_TOOL_DETAILS`).
    pub fn tool_details(&self) -> bool {
        self.tool_details
    }

    /// Returns true if tool output is sent on spans (`OTEL_LOG_TOOL_CONTENT`).
    pub fn tool_content(&self) -> bool {
        self.tool_content
    }

    /// Returns true if the bodies of model requests and responses are sent (`OTEL_LOG_RAW_API_BODIES`).
    pub fn raw_api_bodies(&self) -> bool {
        self.raw_api_bodies
    }

    /// Returns true if the error messages of failed tools are sent; on unless the host switches it off.
    pub fn error_messages(&self) -> bool {
        self.error_messages
    }

    /// Returns the length limit of bodies and tool output, in UTF-16 code units
    /// (`CLAUDE_CODE_OTEL_CONTENT_MAX_LENGTH`).
    pub fn max_length(&self) -> usize {
        self.max_length
    }

    /// Returns true if the variable of `gate` permits the export.
    pub(crate) fn is_open(&self, gate: Gate) -> bool {
        match gate {
            Gate::UserPrompts => self.user_prompts,
            Gate::ToolDetails => self.tool_details,
            Gate::ToolContent => self.tool_content,
            Gate::RawApiBodies => self.raw_api_bodies,
            // These variables withhold standard attributes, not content.
            Gate::SessionId | Gate::Version | Gate::AccountUuid => true,
        }
    }

    /// Returns a string from the arguments of a tool call: the first of these members that is present and not empty.
    /// Returns `None` while `OTEL_LOG_TOOL_DETAILS` is off.
    pub(crate) fn member(&self, json: &Content, names: &[&str]) -> Option<String> {
        if !self.tool_details {
            return None;
        }
        names
            .iter()
            .find_map(|name| json::member(json.text(), name))
    }

    /// Returns a number or a boolean from the arguments of a tool call; `None` while `OTEL_LOG_TOOL_DETAILS` is off.
    pub(crate) fn scalar<T: FromStr>(&self, json: &Content, name: &str) -> Option<T> {
        if !self.tool_details {
            return None;
        }
        json::scalar(json.text(), name)?.parse().ok()
    }

    /// Returns true if a part of a tool's output may be exported. `is_input` is true if the part repeats the arguments
    /// of the call.
    pub(crate) fn admits_tool_output(&self, is_input: bool) -> bool {
        self.tool_content && (!is_input || self.tool_details)
    }

    /// Returns a part of a tool's output, truncated to `room` UTF-16 code units, if it may be exported. Subtracts its
    /// length from `room`. `is_input` is true if the part repeats the arguments of the call.
    pub(crate) fn tool_output(
        &self,
        content: &Content,
        is_input: bool,
        room: &mut usize,
    ) -> Option<Truncated> {
        if !self.admits_tool_output(is_input) {
            return None;
        }
        let part = fit(content.text(), *room, self.max_length);
        *room -= utf16::len(&part.text);
        Some(part)
    }
}
