//! The attribute keys, each defined once.

macro_rules! keys {
    ($($name:ident = $key:literal;)*) => { $(pub(crate) const $name: &str = $key;)* };
}

// Standard attributes.
keys! {
    USER_ID = "user.id";
    SESSION_ID = "session.id";
    APP_VERSION = "app.version";
    ORGANIZATION_ID = "organization.id";
    USER_EMAIL = "user.email";
    USER_ACCOUNT_UUID = "user.account_uuid";
    USER_ACCOUNT_ID = "user.account_id";
    TERMINAL_TYPE = "terminal.type";
}

// Attributes of every event.
keys! {
    EVENT_NAME = "event.name";
    EVENT_TIMESTAMP = "event.timestamp";
    EVENT_SEQUENCE = "event.sequence";
    WORKSPACE_HOST_PATHS = "workspace.host_paths";
    PROMPT_ID = "prompt.id";
}

// Model requests.
keys! {
    MODEL = "model";
    INPUT_TOKENS = "input_tokens";
    OUTPUT_TOKENS = "output_tokens";
    CACHE_READ_TOKENS = "cache_read_tokens";
    CACHE_CREATION_TOKENS = "cache_creation_tokens";
    COST_USD = "cost_usd";
    DURATION_MS = "duration_ms";
    REQUEST_ID = "request_id";
    SPEED = "speed";
    QUERY_SOURCE = "query_source";
    ERROR = "error";
    STATUS_CODE = "status_code";
    ATTEMPT = "attempt";
    BODY = "body";
    BODY_LENGTH = "body_length";
    BODY_TRUNCATED = "body_truncated";
}

// Prompts and tools.
keys! {
    PROMPT_LENGTH = "prompt_length";
    PROMPT = "prompt";
    TOOL_NAME = "tool_name";
    TOOL_USE_ID = "tool_use_id";
    SUCCESS = "success";
    ERROR_TYPE = "error_type";
    TOOL_PARAMETERS = "tool_parameters";
    TOOL_INPUT = "tool_input";
    TOOL_RESULT_SIZE_BYTES = "tool_result_size_bytes";
    DECISION_SOURCE = "decision_source";
    DECISION_TYPE = "decision_type";
    MCP_SERVER_SCOPE = "mcp_server_scope";
    DECISION = "decision";
    SOURCE = "source";
}

// Plugins and skills.
keys! {
    PLUGIN_NAME = "plugin.name";
    PLUGIN_VERSION = "plugin.version";
    MARKETPLACE_NAME = "marketplace.name";
    MARKETPLACE_IS_OFFICIAL = "marketplace.is_official";
    INSTALL_TRIGGER = "install.trigger";
    SKILL_NAME = "skill.name";
    SKILL_SOURCE = "skill.source";
}

// Attributes that only metrics have.
keys! {
    TYPE = "type";
    START_TYPE = "start_type";
    LANGUAGE = "language";
}

// Attributes that only spans have.
keys! {
    SPAN_TYPE = "span.type";
    USER_PROMPT = "user_prompt";
    USER_PROMPT_LENGTH = "user_prompt_length";
    INTERACTION_SEQUENCE = "interaction.sequence";
    INTERACTION_DURATION_MS = "interaction.duration_ms";
    GEN_AI_SYSTEM = "gen_ai.system";
    GEN_AI_REQUEST_MODEL = "gen_ai.request.model";
    LLM_REQUEST_CONTEXT = "llm_request.context";
    TTFT_MS = "ttft_ms";
    GEN_AI_RESPONSE_ID = "gen_ai.response.id";
    RESPONSE_HAS_TOOL_CALL = "response.has_tool_call";
    STOP_REASON = "stop_reason";
    GEN_AI_RESPONSE_FINISH_REASONS = "gen_ai.response.finish_reasons";
    GEN_AI_TOOL_CALL_ID = "gen_ai.tool.call.id";
    RESULT_TOKENS = "result_tokens";
    FILE_PATH = "file_path";
    FULL_COMMAND = "full_command";
    SPAN_SKILL_NAME = "skill_name";
    SUBAGENT_TYPE = "subagent_type";
    HOOK_EVENT = "hook_event";
    HOOK_NAME = "hook_name";
    NUM_HOOKS = "num_hooks";
    NUM_SUCCESS = "num_success";
    NUM_BLOCKING = "num_blocking";
    NUM_NON_BLOCKING_ERROR = "num_non_blocking_error";
    NUM_CANCELLED = "num_cancelled";
    HOOK_DEFINITIONS = "hook_definitions";
    OUTPUT = "output";
    CONTENT = "content";
    DIFF = "diff";
    BASH_COMMAND = "bash_command";
}
