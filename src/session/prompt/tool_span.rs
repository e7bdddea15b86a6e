//! The three spans of a tool call.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use super::tool_options::{PATH_MEMBERS, Permission, ToolCallOptions, ToolOutcome};
use super::tool_output::AdmittedOutput;
use crate::catalog::{self, key, span};
use crate::content::{ContentPolicy, ToolDetails, ToolInput};
use crate::encode::spans::{SpanEvent, SpanRecord};
use crate::record::{Attributes, Failure, MCP_TOOL, ToolName, millis, text_size, tool_parameters};

/// The attributes of the call on its spans, after the content policy was applied.
pub(crate) struct Details {
    name: ToolName,
    is_mcp: bool,
    /// `true` if the name of an MCP tool may be sent.
    open: bool,
    tool_use_id: Option<Cow<'static, str>>,
    file_path: Option<ToolDetails>,
    full_command: Option<ToolDetails>,
    skill_name: Option<ToolDetails>,
    subagent_type: Option<ToolDetails>,
    input: Option<ToolInput>,
}

impl Details {
    /// Applies the content policy to the call, and removes content that the policy withholds from `options` as well. If
    /// the span is not `recorded`, the content is not read at all.
    pub(crate) fn admit(
        options: &mut ToolCallOptions,
        policy: &ContentPolicy,
        recorded: bool,
    ) -> Self {
        let open = policy.tool_details();
        if !open {
            options.input = None;
            options.parameters = None;
            options.file_path = None;
        }
        let input = options.input.as_ref().filter(|_| recorded);
        let parameters = || {
            let (mcp, given) = (options.mcp.as_ref(), options.parameters.as_ref());
            tool_parameters(&options.name, mcp, given, input, policy)
        };
        let parameters = recorded.then(parameters).flatten();
        let parameter = |name: &str| parameters.as_ref()?.text(name);
        let detail =
            |members: &[&str]| policy.tool_details_of(policy.member(input?, members)?.into());
        let file_path = options
            .file_path
            .as_ref()
            .filter(|_| recorded)
            .and_then(|path| policy.tool_details_of(path.clone()));
        Self {
            is_mcp: options.mcp.is_some() || options.name.is_mcp(),
            open,
            tool_use_id: options.tool_use_id.clone(),
            file_path: file_path.or_else(|| detail(PATH_MEMBERS)),
            full_command: parameter(key::FULL_COMMAND),
            skill_name: parameter(key::SPAN_SKILL_NAME),
            subagent_type: detail(&["subagent_type"]),
            input: input.and_then(|input| policy.tool_input(input.clone())),
            name: match &options.mcp {
                // MCP servers choose the names of their tools freely; on spans the names have one form.
                Some(mcp) if open => options.name.of_mcp(mcp),
                _ => options.name.clone(),
            },
        }
    }

    /// Returns the name for events.
    pub(crate) fn public_name(&self) -> Cow<'static, str> {
        if self.is_mcp {
            Cow::Borrowed(MCP_TOOL)
        } else {
            self.name.0.clone()
        }
    }

    /// Returns the name for spans.
    fn span_name(&self) -> &str {
        if self.is_mcp && !self.open {
            MCP_TOOL
        } else {
            &self.name.0
        }
    }
}

/// The data of the span `claude_code.tool`.
pub(crate) struct ToolSpan {
    details: Arc<Details>,
    duration: Duration,
    result_tokens: Option<u64>,
    output: Option<(u64, AdmittedOutput)>,
}

impl ToolSpan {
    /// Creates the span of a call that ended at `end`, in nanoseconds since the Unix epoch. Only a successful call
    /// carries its output.
    pub(crate) fn new(
        details: Arc<Details>,
        duration: Duration,
        end: u64,
        outcome: Option<&ToolOutcome>,
        policy: &ContentPolicy,
    ) -> Self {
        let output = outcome
            .filter(|outcome| outcome.failure.is_none())
            .and_then(|outcome| outcome.output.admit(&details.name, policy));
        Self {
            details,
            duration,
            result_tokens: outcome.and_then(|outcome| outcome.result_tokens),
            output: output.map(|output| (end, output)),
        }
    }
}

impl SpanRecord for ToolSpan {
    fn span(&self) -> &'static catalog::Span {
        &span::TOOL
    }

    fn attributes<'a>(&'a self, out: &mut Attributes<'a>) {
        let details = &*self.details;
        out.text(key::TOOL_NAME, details.span_name());
        out.text_if(key::TOOL_USE_ID, details.tool_use_id.as_deref());
        out.text_if(key::GEN_AI_TOOL_CALL_ID, details.tool_use_id.as_deref());
        out.count(key::DURATION_MS, millis(self.duration));
        out.count_if(key::RESULT_TOKENS, self.result_tokens);
        for (key, detail) in [
            (key::FILE_PATH, &details.file_path),
            (key::FULL_COMMAND, &details.full_command),
            (key::SPAN_SKILL_NAME, &details.skill_name),
            (key::SUBAGENT_TYPE, &details.subagent_type),
        ] {
            out.text_if(key, detail.as_ref().map(ToolDetails::text));
        }
        out.text_if(
            key::TOOL_INPUT,
            details.input.as_ref().and_then(ToolInput::text),
        );
    }

    fn events<'a>(&'a self, out: &mut Vec<SpanEvent<'a>>) {
        if let Some((time, output)) = &self.output {
            let mut attributes = Attributes::default();
            output.attributes(&mut attributes);
            out.push(SpanEvent {
                event: &span::TOOL_OUTPUT,
                time: *time,
                attributes,
            });
        }
    }

    fn size(&self) -> usize {
        let details = &*self.details;
        let texts = [
            &details.file_path,
            &details.full_command,
            &details.skill_name,
            &details.subagent_type,
        ];
        text_size(&[Some(&details.name.0), details.tool_use_id.as_ref()])
            + texts
                .into_iter()
                .flatten()
                .map(ToolDetails::size)
                .sum::<usize>()
            + details.input.as_ref().map_or(0, ToolInput::size)
            + self.output.as_ref().map_or(0, |(_, output)| output.size())
    }
}

/// The data of the span `claude_code.tool.blocked_on_user`.
pub(crate) struct BlockedSpan {
    duration: Duration,
    decision: &'static str,
    source: &'static str,
}

impl BlockedSpan {
    pub(crate) fn new(duration: Duration, permission: &Permission) -> Self {
        const UNKNOWN: &str = "unknown";
        let (decision, source) = permission.span;
        Self {
            duration,
            decision: decision.map_or(UNKNOWN, |decision| decision.as_str()),
            source: source.map_or(UNKNOWN, |source| source.as_str()),
        }
    }
}

impl SpanRecord for BlockedSpan {
    fn span(&self) -> &'static catalog::Span {
        &span::TOOL_BLOCKED
    }

    fn attributes<'a>(&'a self, out: &mut Attributes<'a>) {
        out.count(key::DURATION_MS, millis(self.duration));
        out.text(key::DECISION, self.decision);
        out.text(key::SOURCE, self.source);
    }

    fn size(&self) -> usize {
        0
    }
}

/// The data of the span `claude_code.tool.execution`.
pub(crate) struct ExecutionSpan {
    duration: Duration,
    /// `false` when the call was abandoned.
    finished: bool,
    failure: Option<Failure>,
    /// `true` if the error message may be sent.
    show_error: bool,
}

impl ExecutionSpan {
    pub(crate) fn new(
        duration: Duration,
        outcome: Option<&ToolOutcome>,
        policy: &ContentPolicy,
    ) -> Self {
        Self {
            duration,
            finished: outcome.is_some(),
            failure: outcome.and_then(|outcome| outcome.failure.clone()),
            show_error: policy.error_messages(),
        }
    }

    fn error(&self) -> Option<&str> {
        self.failure
            .as_ref()?
            .error
            .as_ref()
            .filter(|_| self.show_error)
            .map(|error| &*error.0)
    }
}

impl SpanRecord for ExecutionSpan {
    fn span(&self) -> &'static catalog::Span {
        &span::TOOL_EXECUTION
    }

    fn attributes<'a>(&'a self, out: &mut Attributes<'a>) {
        out.count(key::DURATION_MS, millis(self.duration));
        out.bool(key::SUCCESS, self.finished && self.failure.is_none());
        out.text_if(key::ERROR, self.error());
    }

    fn failure(&self) -> Option<Cow<'_, str>> {
        self.failure
            .as_ref()
            .map(|_| Cow::Borrowed(self.error().unwrap_or_default()))
    }

    fn size(&self) -> usize {
        self.failure
            .as_ref()
            .and_then(|failure| failure.error.as_ref())
            .map_or(0, |error| error.0.len())
    }
}
