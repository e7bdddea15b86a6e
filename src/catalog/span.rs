//! The span tree of a prompt.

use super::{Attribute, Gate, SPEEDS, key};

/// A span of the catalog. All spans have the kind INTERNAL.
#[derive(Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Span {
    /// The name, as it is sent.
    pub name: &'static str,
    /// The attribute `span.type`: the name without `claude_code.`.
    pub span_type: &'static str,
    /// The work that the span covers, as the generated documentation describes it.
    pub description: &'static str,
    /// The attributes that follow the standard attributes and `span.type`, in order.
    pub attributes: &'static [Attribute],
    /// The span events that the span can have.
    pub events: &'static [&'static SpanEvent],
    /// The condition under which the status is ERROR. Otherwise the status is unset.
    pub error: Option<&'static str>,
}

/// A span event of the catalog.
#[derive(Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SpanEvent {
    /// The name, as it is sent.
    pub name: &'static str,
    /// The occasion of the span event, as the generated documentation describes it.
    pub description: &'static str,
    /// The attributes, in order.
    pub attributes: &'static [Attribute],
}

const DURATION_MS: Attribute = Attribute::int(key::DURATION_MS, "Duration in milliseconds");

/// `gen_ai.request.attempt`
pub(crate) static REQUEST_ATTEMPT: SpanEvent = SpanEvent {
    name: "gen_ai.request.attempt",
    description: "One for each attempt",
    attributes: &[Attribute::int(
        key::ATTEMPT,
        "Number of the attempt, from 1",
    )],
};

/// `tool.output`
pub(crate) static TOOL_OUTPUT: SpanEvent = SpanEvent {
    name: "tool.output",
    description: "What a successful tool wrote and returned. Its attributes share one limit of 60 KB; a truncated one \
                  adds `<attribute>_truncated` (bool) and `<attribute>_original_length` (int)",
    attributes: &[
        Attribute::text(key::BASH_COMMAND, "The command")
            .when_known()
            .gated(Gate::ToolDetails),
        Attribute::text(key::FILE_PATH, "The file")
            .when_known()
            .gated(Gate::ToolDetails),
        Attribute::text(key::DIFF, "What an edit changed")
            .when_known()
            .gated(Gate::ToolDetails),
        Attribute::text(
            key::CONTENT,
            "What was read; what was written needs `OTEL_LOG_TOOL_DETAILS` too",
        )
        .when_known()
        .gated(Gate::ToolContent),
        Attribute::text(key::OUTPUT, "What the tool returned")
            .when_known()
            .gated(Gate::ToolContent),
    ],
};

/// `claude_code.interaction`
pub(crate) static INTERACTION: Span = Span {
    name: "claude_code.interaction",
    span_type: "interaction",
    description: "One prompt, from its submission to the end of the turn",
    attributes: &[
        Attribute::text(key::USER_PROMPT, "The prompt").redacted_without(Gate::UserPrompts),
        Attribute::int(
            key::USER_PROMPT_LENGTH,
            "Length of the prompt in UTF-16 code units",
        ),
        Attribute::int(
            key::INTERACTION_SEQUENCE,
            "Number of the prompt in its session, from 1",
        ),
        Attribute::int(key::INTERACTION_DURATION_MS, "Duration in milliseconds"),
    ],
    events: &[],
    error: None,
};

/// `claude_code.llm_request`
pub(crate) static LLM_REQUEST: Span = Span {
    name: "claude_code.llm_request",
    span_type: "llm_request",
    description: "One model request with its retries",
    attributes: &[
        Attribute::text(key::MODEL, "Model that was asked for"),
        Attribute::text(key::GEN_AI_SYSTEM, "Always `anthropic`").one_of(&["anthropic"]),
        Attribute::text(key::GEN_AI_REQUEST_MODEL, "Model that was asked for"),
        Attribute::text(key::LLM_REQUEST_CONTEXT, "Where the request came from").one_of(&[
            "interaction",
            "tool",
            "standalone",
        ]),
        Attribute::text(key::SPEED, "Whether fast mode was active").one_of(SPEEDS),
        Attribute::text(key::QUERY_SOURCE, "Subsystem that made the request").when_known(),
        Attribute::int(key::DURATION_MS, "Duration of all attempts in milliseconds"),
        Attribute::int(key::TTFT_MS, "Time to the first token in milliseconds").when_known(),
        Attribute::int(key::INPUT_TOKENS, "Input tokens").when_known(),
        Attribute::int(key::OUTPUT_TOKENS, "Output tokens").when_known(),
        Attribute::int(key::CACHE_READ_TOKENS, "Tokens read from the cache").when_known(),
        Attribute::int(key::CACHE_CREATION_TOKENS, "Tokens written to the cache").when_known(),
        Attribute::text(key::REQUEST_ID, "The API's request id").when_known(),
        Attribute::text(key::GEN_AI_RESPONSE_ID, "The same id").when_known(),
        Attribute::bool(key::SUCCESS, "Whether the API answered"),
        Attribute::int(key::ATTEMPT, "Attempts made in all"),
        Attribute::int(key::STATUS_CODE, "HTTP status of the failure").when_known(),
        Attribute::text(key::ERROR, "Error message").when_known(),
        Attribute::bool(
            key::RESPONSE_HAS_TOOL_CALL,
            "Whether the answer calls a tool",
        )
        .when_known(),
        Attribute::text(key::STOP_REASON, "Why the model stopped").when_known(),
        Attribute::texts(key::GEN_AI_RESPONSE_FINISH_REASONS, "The same as a list").when_known(),
    ],
    events: &[&REQUEST_ATTEMPT],
    error: Some("the request failed; the message is the error's"),
};

/// `claude_code.tool`
pub(crate) static TOOL: Span = Span {
    name: "claude_code.tool",
    span_type: "tool",
    description: "One tool call: the wait for permission and the execution",
    attributes: &[
        Attribute::text(
            key::TOOL_NAME,
            "Name of the tool; of an MCP tool `mcp_tool`, or `mcp__server__tool` with `OTEL_LOG_TOOL_DETAILS`",
        ),
        Attribute::text(key::TOOL_USE_ID, "Id of the tool call").when_known(),
        Attribute::text(key::GEN_AI_TOOL_CALL_ID, "The same id").when_known(),
        Attribute::int(
            key::DURATION_MS,
            "Duration of wait and execution in milliseconds",
        ),
        Attribute::int(key::RESULT_TOKENS, "Tokens of the result").when_known(),
        Attribute::text(key::FILE_PATH, "The file")
            .when_known()
            .gated(Gate::ToolDetails),
        Attribute::text(key::FULL_COMMAND, "The command")
            .when_known()
            .gated(Gate::ToolDetails),
        Attribute::text(key::SPAN_SKILL_NAME, "The skill")
            .when_known()
            .gated(Gate::ToolDetails),
        Attribute::text(key::SUBAGENT_TYPE, "The subagent")
            .when_known()
            .gated(Gate::ToolDetails),
        Attribute::text(
            key::TOOL_INPUT,
            "JSON text of the tool's arguments, bounded",
        )
        .when_known()
        .gated(Gate::ToolDetails),
    ],
    events: &[&TOOL_OUTPUT],
    error: None,
};

/// `claude_code.tool.blocked_on_user`
pub(crate) static TOOL_BLOCKED: Span = Span {
    name: "claude_code.tool.blocked_on_user",
    span_type: "tool.blocked_on_user",
    description: "The wait for the permission decision",
    attributes: &[
        DURATION_MS,
        Attribute::text(key::DECISION, "Outcome; `unknown` if no decision was made")
            .one_of(&["accept", "reject", "unknown"]),
        Attribute::text(
            key::SOURCE,
            "Source of the decision; `unknown` if no decision was made",
        )
        .one_of(&[
            "config",
            "hook",
            "user_permanent",
            "user_temporary",
            "user_abort",
            "user_reject",
            "unknown",
        ]),
    ],
    events: &[],
    error: None,
};

/// `claude_code.tool.execution`
pub(crate) static TOOL_EXECUTION: Span = Span {
    name: "claude_code.tool.execution",
    span_type: "tool.execution",
    description: "The execution; absent when the call was denied",
    attributes: &[
        DURATION_MS,
        Attribute::bool(key::SUCCESS, "Whether the tool succeeded"),
        Attribute::text(key::ERROR, "Error message").when_known(),
    ],
    events: &[],
    error: Some("the tool failed; the message is the error's"),
};

/// `claude_code.hook`
pub(crate) static HOOK: Span = Span {
    name: "claude_code.hook",
    span_type: "hook",
    description: "The hooks of one hook event, when the host records them",
    attributes: &[
        Attribute::text(key::HOOK_EVENT, "The hook event, such as `PreToolUse`"),
        Attribute::text(
            key::HOOK_NAME,
            "Its full name, such as `PreToolUse:Bash`; `PreToolUse:mcp_tool` for an MCP tool unless `OTEL_LOG_TOOL_DETAILS` is on",
        ),
        Attribute::int(key::NUM_HOOKS, "Hooks that ran"),
        DURATION_MS,
        Attribute::int(key::NUM_SUCCESS, "Hooks that succeeded"),
        Attribute::int(key::NUM_BLOCKING, "Hooks that blocked"),
        Attribute::int(
            key::NUM_NON_BLOCKING_ERROR,
            "Hooks that failed without blocking",
        ),
        Attribute::int(key::NUM_CANCELLED, "Hooks that were cancelled"),
        Attribute::text(key::HOOK_DEFINITIONS, "JSON text of their definitions")
            .when_known()
            .gated(Gate::ToolDetails),
    ],
    events: &[],
    error: Some("a hook failed without blocking; the message counts them"),
};

/// All spans, parents before their children.
pub static SPANS: &[&Span] = &[
    &INTERACTION,
    &LLM_REQUEST,
    &TOOL,
    &TOOL_BLOCKED,
    &TOOL_EXECUTION,
    &HOOK,
];
