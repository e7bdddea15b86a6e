//! The nine events: log records whose body and `event_name` are the full name.

use super::{Attribute, DECISIONS, Gate, QUOTED_BOOLEANS, SOURCES, SPEEDS, key};

/// An event of the catalog.
#[derive(Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Event {
    /// The short name: the attribute `event.name`.
    pub name: &'static str,
    /// The full name: the body and the `event_name` of the log record.
    pub body: &'static str,
    /// The occasion of the event, as the generated documentation describes it.
    pub description: &'static str,
    /// The variable that must be on for the event to be emitted; `None` if the event is always emitted.
    pub gate: Option<Gate>,
    /// The attributes that follow the standard and the event attributes, in order.
    pub attributes: &'static [Attribute],
}

const REQUEST_ID: Attribute = Attribute::text(key::REQUEST_ID, "The API's request id").when_known();
const SPEED: Attribute = Attribute::text(key::SPEED, "Whether fast mode was active").one_of(SPEEDS);
const QUERY_SOURCE: Attribute =
    Attribute::text(key::QUERY_SOURCE, "Subsystem that made the request").when_known();
const BODY_LENGTH: Attribute = Attribute::int(
    key::BODY_LENGTH,
    "Length of the body before truncation, in UTF-16 code units",
);
const BODY_TRUNCATED: Attribute =
    Attribute::text(key::BODY_TRUNCATED, "Present when the body was truncated")
        .one_of(&["true"])
        .when_known();
const TOOL_NAME: Attribute = Attribute::text(
    key::TOOL_NAME,
    "Name of the tool; `mcp_tool` for every MCP tool",
);
const TOOL_USE_ID: Attribute =
    Attribute::text(key::TOOL_USE_ID, "Id of the tool call").when_known();

/// `claude_code.user_prompt`
pub(crate) static USER_PROMPT: Event = Event {
    name: "user_prompt",
    body: "claude_code.user_prompt",
    description: "A user submits a prompt",
    gate: None,
    attributes: &[
        Attribute::int(
            key::PROMPT_LENGTH,
            "Length of the prompt in UTF-16 code units",
        ),
        Attribute::text(key::PROMPT, "The prompt, never truncated")
            .redacted_without(Gate::UserPrompts),
    ],
};

/// `claude_code.api_request`
pub(crate) static API_REQUEST: Event = Event {
    name: "api_request",
    body: "claude_code.api_request",
    description: "The API answered a request",
    gate: None,
    attributes: &[
        Attribute::text(key::MODEL, "Model that answered"),
        Attribute::int(key::INPUT_TOKENS, "Input tokens"),
        Attribute::int(key::OUTPUT_TOKENS, "Output tokens"),
        Attribute::int(key::CACHE_READ_TOKENS, "Tokens read from the cache"),
        Attribute::int(key::CACHE_CREATION_TOKENS, "Tokens written to the cache"),
        Attribute::double(key::COST_USD, "Estimated cost in USD"),
        Attribute::int(
            key::DURATION_MS,
            "Duration of the last attempt in milliseconds",
        ),
        REQUEST_ID,
        SPEED,
        QUERY_SOURCE,
    ],
};

/// `claude_code.api_error`
pub(crate) static API_ERROR: Event = Event {
    name: "api_error",
    body: "claude_code.api_error",
    description: "A request failed for good, after its last attempt",
    gate: None,
    attributes: &[
        Attribute::text(key::MODEL, "Model that was asked for"),
        Attribute::text(key::ERROR, "Error message"),
        Attribute::text(key::STATUS_CODE, "HTTP status, or `undefined` without one"),
        Attribute::int(
            key::DURATION_MS,
            "Duration of the last attempt in milliseconds",
        ),
        Attribute::int(key::ATTEMPT, "Attempts made in all; 1 means no retry"),
        REQUEST_ID,
        SPEED,
        QUERY_SOURCE,
    ],
};

/// `claude_code.api_request_body`
pub(crate) static API_REQUEST_BODY: Event = Event {
    name: "api_request_body",
    body: "claude_code.api_request_body",
    description: "The body of one attempt of a request",
    gate: Some(Gate::RawApiBodies),
    attributes: &[
        Attribute::text(
            key::BODY,
            "The request as compact JSON, thinking redacted, truncated at 60 KB",
        )
        .gated(Gate::RawApiBodies),
        BODY_LENGTH,
        BODY_TRUNCATED,
        Attribute::text(key::MODEL, "Model that was asked for"),
        QUERY_SOURCE,
    ],
};

/// `claude_code.api_response_body`
pub(crate) static API_RESPONSE_BODY: Event = Event {
    name: "api_response_body",
    body: "claude_code.api_response_body",
    description: "The body of a successful response",
    gate: Some(Gate::RawApiBodies),
    attributes: &[
        Attribute::text(
            key::BODY,
            "The response as compact JSON, thinking redacted, truncated at 60 KB",
        )
        .gated(Gate::RawApiBodies),
        BODY_LENGTH,
        BODY_TRUNCATED,
        Attribute::text(key::MODEL, "Model that answered"),
        QUERY_SOURCE,
        REQUEST_ID,
    ],
};

/// `claude_code.tool_decision`
pub(crate) static TOOL_DECISION: Event = Event {
    name: "tool_decision",
    body: "claude_code.tool_decision",
    description: "A tool call was permitted or denied",
    gate: None,
    attributes: &[
        Attribute::text(key::DECISION, "Outcome").one_of(DECISIONS),
        Attribute::text(key::SOURCE, "Who or what decided").one_of(SOURCES),
        TOOL_NAME,
        TOOL_USE_ID,
    ],
};

/// `claude_code.tool_result`
pub(crate) static TOOL_RESULT: Event = Event {
    name: "tool_result",
    body: "claude_code.tool_result",
    description: "A tool call completed",
    gate: None,
    attributes: &[
        TOOL_NAME,
        TOOL_USE_ID,
        Attribute::text(key::SUCCESS, "Whether the tool succeeded").one_of(QUOTED_BOOLEANS),
        Attribute::int(
            key::DURATION_MS,
            "Duration of the execution in milliseconds",
        ),
        Attribute::text(key::ERROR_TYPE, "Class of the error, when the tool failed").when_known(),
        Attribute::text(key::ERROR, "Error message, when the tool failed").when_known(),
        Attribute::text(
            key::TOOL_PARAMETERS,
            "JSON text of the tool's specific parameters, those that follow from the input included",
        )
        .when_known()
        .gated(Gate::ToolDetails),
        Attribute::text(
            key::TOOL_INPUT,
            "JSON text of the tool's arguments, bounded",
        )
        .when_known()
        .gated(Gate::ToolDetails),
        Attribute::int(key::TOOL_RESULT_SIZE_BYTES, "Size of the result in bytes").when_known(),
        Attribute::text(key::DECISION_SOURCE, "Who or what decided")
            .one_of(SOURCES)
            .when_known(),
        Attribute::text(key::DECISION_TYPE, "Outcome of the decision")
            .one_of(DECISIONS)
            .when_known(),
        Attribute::text(
            key::MCP_SERVER_SCOPE,
            "Scope of the MCP server, for MCP tools",
        )
        .when_known(),
    ],
};

/// `claude_code.plugin_installed`
pub(crate) static PLUGIN_INSTALLED: Event = Event {
    name: "plugin_installed",
    body: "claude_code.plugin_installed",
    description: "A plugin finished installing",
    gate: None,
    attributes: &[
        Attribute::text(key::PLUGIN_NAME, "Name of the plugin"),
        Attribute::text(
            key::PLUGIN_VERSION,
            "Version, when the marketplace entry declares one",
        )
        .when_known(),
        Attribute::text(key::MARKETPLACE_NAME, "Marketplace it came from"),
        Attribute::text(
            key::MARKETPLACE_IS_OFFICIAL,
            "Whether that is an official marketplace",
        )
        .one_of(QUOTED_BOOLEANS),
        Attribute::text(key::INSTALL_TRIGGER, "Where it was installed from").one_of(&["cli", "ui"]),
    ],
};

/// `claude_code.skill_activated`
pub(crate) static SKILL_ACTIVATED: Event = Event {
    name: "skill_activated",
    body: "claude_code.skill_activated",
    description: "A skill was invoked",
    gate: None,
    attributes: &[
        Attribute::text(key::SKILL_NAME, "Name of the skill"),
        Attribute::text(
            key::SKILL_SOURCE,
            "Where it came from: `bundled`, `userSettings`, `projectSettings`, `plugin`",
        ),
        Attribute::text(key::PLUGIN_NAME, "Plugin that owns the skill").when_known(),
        Attribute::text(key::MARKETPLACE_NAME, "Marketplace of that plugin").when_known(),
    ],
};

/// All events.
pub static EVENTS: &[&Event] = &[
    &USER_PROMPT,
    &API_REQUEST,
    &API_ERROR,
    &API_REQUEST_BODY,
    &API_RESPONSE_BODY,
    &TOOL_DECISION,
    &TOOL_RESULT,
    &PLUGIN_INSTALLED,
    &SKILL_ACTIVATED,
];
