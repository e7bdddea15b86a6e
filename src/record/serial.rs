//! Deserialization of the types of fields, and the rules between fields.

use std::time::Duration;

use serde::Deserialize;
use serde::de::{Deserializer, Error};

use super::prompt::PromptId;
use super::usage::Seconds;
use super::{
    Decision, DecisionSource, ErrorMessage, Measured, Quoted, Status, Text, ToolDecision,
    ToolError, ToolName, ToolResult,
};
use crate::content::{
    Body, Content, Gated, HookDefinitions, Prompt, ToolDetails, ToolInput, ToolParameters,
};
use crate::serial::{Flag, HttpStatus, Id, Json, Read, read_as};

read_as! {
    ErrorMessage: Text => Self::from;
    Gated<HookDefinitions>: Json => |Json(json)| Self::from(json);
    Gated<Prompt>: Text => |text| Self::from(text.into_owned());
    Gated<ToolDetails>: Text => |text| Self::optional(text.into_owned());
    Gated<ToolInput>: Content => Self::from;
    Gated<ToolParameters>: Content => Self::from;
    Quoted: Flag => |Flag(value)| Self(value);
    Status: HttpStatus => |HttpStatus(status)| Self(status);
    ToolError: Option<Text> => |text| Self(text.map(ErrorMessage));
    ToolName: Text => Self::from;
    Body: Content => Self::from;
}

impl Read for PromptId {
    fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Id::read(deserializer).map(|Id(id)| Self(id.into()))
    }

    fn optional(self) -> Option<Self> {
        (!self.0.is_empty()).then_some(self)
    }
}

impl Read for Seconds {
    fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let seconds = f64::deserialize(deserializer)?;
        let duration = Duration::try_from_secs_f64(seconds);
        duration.map(Self).map_err(D::Error::custom)
    }
}

impl<T: Read> Read for Measured<T> {
    fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        T::read(deserializer).map(|value| Self(Some(value)))
    }
}

impl ToolDecision {
    /// Hides the name of an MCP tool.
    pub(super) fn checked(mut self) -> Result<Self, &'static str> {
        match self.mcp.take() {
            Some(mcp) => Ok(self.mcp(&mcp)),
            None => Ok(self),
        }
    }
}

impl ToolResult {
    /// Checks the decision, hides the name of an MCP tool, and drops the error of a call that succeeded.
    pub(super) fn checked(mut self) -> Result<Self, &'static str> {
        pair(self.decision_type, self.decision_source)?;
        if self.success.0 {
            self = self.success(true);
        }
        match self.mcp.take() {
            Some(mcp) => Ok(self.mcp(mcp)),
            None => Ok(self),
        }
    }
}

/// Returns a decision with its source, or `None` if both are missing. It is an error if only one of them is missing.
pub(crate) fn pair(
    decision: Option<Decision>,
    source: Option<DecisionSource>,
) -> Result<Option<(Decision, DecisionSource)>, &'static str> {
    match (decision, source) {
        (Some(decision), Some(source)) => Ok(Some((decision, source))),
        (None, None) => Ok(None),
        (Some(_), None) => Err("a decision without its source"),
        (None, Some(_)) => Err("a decision's source without the decision"),
    }
}
