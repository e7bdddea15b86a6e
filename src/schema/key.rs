//! The attributes that belong to no record: the standard attributes, those of all events, and that of all spans.

use super::{Attribute, Gate, Kind};

/// The attribute `span.type` of every span.
pub(crate) const SPAN_TYPE: &str = "span.type";

/// Defines a list of attributes, and a constant for the key of each.
macro_rules! attributes {
    ($(#[$meta:meta])* $LIST:ident {$(
        $KEY:ident: $Kind:ident $(.$rule:ident($($gate:expr)?))* = $key:literal, $description:literal;
    )*}) => {
        $(#[$meta])*
        pub static $LIST: &[Attribute] = &[$(
            Attribute::of(Kind::$Kind).named($key, $description) $(.$rule($($gate)?))*
        ),*];

        $(pub(crate) const $KEY: &str = $key;)*
    };
}

attributes! {
    /// The attributes of every data point, event and span, in order. The custom attributes of `OTEL_RESOURCE_ATTRIBUTES`
    /// follow them, unless `OTEL_METRICS_INCLUDE_RESOURCE_ATTRIBUTES` is off.
    STANDARD_ATTRIBUTES {
        USER_ID: String = "user.id", "Anonymous identifier of the installation";
        SESSION_ID: String.gated(Gate::SessionId) =
            "session.id", "Unique identifier of the session";
        APP_VERSION: String.gated(Gate::Version) = "app.version", "Version of the host program";
        ORGANIZATION_ID: String.when_known() =
            "organization.id", "Organization UUID, when authenticated";
        USER_EMAIL: String.when_known() =
            "user.email", "Email address, when authenticated; the host can leave it out";
        USER_ACCOUNT_UUID: String.when_known().gated(Gate::AccountUuid) =
            "user.account_uuid", "Account UUID, when authenticated";
        USER_ACCOUNT_ID: String.when_known().gated(Gate::AccountUuid) =
            "user.account_id", "Account in the tagged format of the admin APIs, when authenticated";
        TERMINAL_TYPE: String.when_known() =
            "terminal.type", "Terminal, such as `iTerm.app`, `vscode`, `cursor` or `tmux`";
    }
}

attributes! {
    /// The attributes that every event has between the standard attributes and its specific attributes, in order. Metrics
    /// never have them.
    EVENT_ATTRIBUTES {
        EVENT_NAME: String = "event.name", "Short name of the event";
        EVENT_TIMESTAMP: String = "event.timestamp", "Time of the event: ISO 8601, UTC, milliseconds";
        EVENT_SEQUENCE: Int =
            "event.sequence", "Order of the events of one session, from 0; a gap means lost events";
        WORKSPACE_HOST_PATHS: StringArray.when_known() =
            "workspace.host_paths", "Workspace folders selected on the host";
        PROMPT_ID: String.when_known() =
            "prompt.id", "UUID v4 of the prompt that the event belongs to, from the first prompt on";
    }
}
