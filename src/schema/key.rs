//! The attribute keys that belong to no record.

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

// Attributes of every event, and of every span.
keys! {
    EVENT_NAME = "event.name";
    EVENT_TIMESTAMP = "event.timestamp";
    EVENT_SEQUENCE = "event.sequence";
    WORKSPACE_HOST_PATHS = "workspace.host_paths";
    PROMPT_ID = "prompt.id";
    SPAN_TYPE = "span.type";
}
