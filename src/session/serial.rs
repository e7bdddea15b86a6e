//! Deserialization of sessions, permissions and outputs, and the rules between the fields of an outcome.

use std::fmt;
use std::time::{Duration, SystemTime};

use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

use super::{Permission, SessionOptions, ToolOutcome, ToolOutput};
use crate::record::{Decision, DecisionSource, Identity, OrUnknown, StartType, UuidString, pair};
use crate::serial::{Member, read};

impl<'de> Deserialize<'de> for SessionOptions {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        struct Fields {
            #[serde(alias = "session.id")]
            session_id: Option<Member<UuidString>>,
            #[serde(alias = "terminal.type")]
            terminal_type: Option<String>,
            #[serde(alias = "workspace.host_paths")]
            workspace_host_paths: Option<Vec<String>>,
            interactive: Option<bool>,
            start_type: Option<StartType>,
            #[serde(flatten)]
            identity: Identity,
        }
        let fields = Fields::deserialize(deserializer)?;
        let options = Self {
            id: fields.session_id.map(|Member(UuidString(id))| id),
            identity: fields.identity,
            terminal_type: fields.terminal_type.map(Into::into),
            start_type: fields.start_type,
            non_interactive: fields.interactive == Some(false),
            workspace_host_paths: None,
        };
        Ok(options.workspace_host_paths(fields.workspace_host_paths.unwrap_or_default()))
    }
}

/// Without a decision, only the span of the wait is recorded. Its decision is `span_decision`, or else `unknown`.
impl<'de> Deserialize<'de> for Permission {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        struct Fields {
            decision: Option<Decision>,
            source: Option<DecisionSource>,
            blocked_ms: Option<Member<Duration>>,
            decision_event: Option<bool>,
            result_decision: Option<bool>,
            span_decision: Option<Member<OrUnknown<Decision>>>,
            span_source: Option<Member<OrUnknown<DecisionSource>>>,
            at: Option<Member<SystemTime>>,
        }
        let fields = Fields::deserialize(deserializer)?;
        let decided = pair(fields.decision, fields.source).map_err(serde::de::Error::custom)?;
        let permission = match decided {
            Some((decision, source)) => Self::new(decision, source),
            None => Self::accepted(DecisionSource::Config)
                .without_event()
                .without_result(),
        };
        let decision = fields
            .span_decision
            .map(|Member(OrUnknown(decision))| decision);
        let source = fields.span_source.map(|Member(OrUnknown(source))| source);
        Ok(Self {
            waited: fields.blocked_ms.map(|Member(time)| time),
            event: permission.event && fields.decision_event != Some(false),
            on_result: permission.on_result && fields.result_decision != Some(false),
            span: (
                decision.unwrap_or(fields.decision),
                source.unwrap_or(fields.source),
            ),
            at: fields.at.map(|Member(time)| time),
            ..permission
        })
    }
}

/// The texts of an output, in the order of their keys. Keys that the span event cannot have are ignored, and a member
/// whose value is `null` counts as missing.
impl<'de> Deserialize<'de> for ToolOutput {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members;

        impl<'de> Visitor<'de> for Members {
            type Value = ToolOutput;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a JSON object of strings")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<ToolOutput, A::Error> {
                let mut output = ToolOutput::new();
                while let Some((key, text)) = map.next_entry::<String, Option<String>>()? {
                    output = match (&*key, text) {
                        ("output", Some(text)) => output.output(text),
                        ("content", Some(text)) => output.content(text),
                        ("diff", Some(text)) => output.diff(text),
                        ("bash_command", Some(text)) => output.bash_command(text),
                        ("file_path", Some(text)) => output.file_path(text),
                        _ => output,
                    };
                }
                Ok(output)
            }
        }

        deserializer.deserialize_map(Members)
    }
}

read! { ToolOutput }

impl ToolOutcome {
    /// Drops the error of a call that succeeded.
    pub(super) fn checked(self) -> Result<Self, &'static str> {
        let success = self.success.0;
        Ok(if success { self.success(true) } else { self })
    }
}
