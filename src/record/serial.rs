//! Deserialization of the types of fields, and the rules between fields.

use std::fmt::Display;
use std::str::FromStr;
use std::time::Duration;

use serde::Deserialize;
use serde::de::{Deserializer, Error};
use serde_json::Value;
use serde_json::value::RawValue;

use super::prompt::UuidString;
use super::usage::Seconds;
use super::{
    BoolAsString, Decision, DecisionSource, ErrorMessage, Measured, OrUnknown, StatusCodeString,
    Text, ToolDecision, ToolError, ToolName, ToolResult,
};
use crate::content::{
    Body, Content, Gated, HookDefinitions, PromptText, ToolDetails, ToolInput, ToolParameters,
};
use crate::serial::{FromJsonMember, parse_enum, read_as};

read_as! {
    ErrorMessage: Text => Self::from;
    Gated<HookDefinitions>: Box<RawValue> => Self::from;
    Gated<PromptText>: String => Self::from;
    Gated<ToolDetails>: String => Self::optional;
    Gated<ToolInput>: Content => Self::from;
    Gated<ToolParameters>: Content => Self::from;
    ToolError: Option<Text> => |text| Self(text.map(ErrorMessage));
    ToolName: Text => Self::from;
    Body: Content => Self::from;
}

/// A boolean, or its string as events carry it.
impl FromJsonMember for BoolAsString {
    fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = match Value::deserialize(deserializer)? {
            Value::Bool(value) => Some(value),
            Value::String(text) => text.parse().ok(),
            _ => None,
        };
        let expected = || D::Error::custom(r#"expected true, false, "true" or "false""#);
        value.map(Self).ok_or_else(expected)
    }
}

/// An HTTP status, or its string as events carry it. The string `undefined` becomes `None`.
impl FromJsonMember for StatusCodeString {
    fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let status = match Value::deserialize(deserializer)? {
            Value::String(text) if text == "undefined" => return Ok(Self(None)),
            Value::String(text) => text.parse().ok(),
            value => u16::deserialize(value).ok(),
        };
        let expected = || D::Error::custom(r#"expected an HTTP status or "undefined""#);
        status.map(|status| Self(Some(status))).ok_or_else(expected)
    }
}

/// A UUID, in the form with hyphens. An empty string is accepted, because the setters treat it as missing.
impl FromJsonMember for UuidString {
    fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        // The length excludes the forms with braces or without hyphens.
        let is_uuid = || text.len() == 36 && uuid::Uuid::parse_str(&text).is_ok();
        if text.is_empty() || is_uuid() {
            Ok(Self(text.into()))
        } else {
            Err(D::Error::custom(format_args!(
                "{text:?} is not a UUID with hyphens"
            )))
        }
    }

    fn optional(self) -> Option<Self> {
        (!self.0.is_empty()).then_some(self)
    }
}

/// A variant of an enum, or the string `unknown`, which a span has if there was no decision.
impl<T: FromStr<Err: Display>> FromJsonMember for OrUnknown<T> {
    fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Ok(Self(match &*text {
            "unknown" => None,
            text => Some(parse_enum(text)?),
        }))
    }
}

impl FromJsonMember for Seconds {
    fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let seconds = f64::deserialize(deserializer)?;
        let duration = Duration::try_from_secs_f64(seconds);
        duration.map(Self).map_err(D::Error::custom)
    }
}

impl<T: FromJsonMember> FromJsonMember for Measured<T> {
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
