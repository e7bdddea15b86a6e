//! The standard attributes, and the attributes that only events have.

use super::{Attribute, Gate, key};

/// The attributes of every data point, event and span, in order. The custom attributes of `OTEL_RESOURCE_ATTRIBUTES`
/// follow them, unless `OTEL_METRICS_INCLUDE_RESOURCE_ATTRIBUTES` is off.
pub static STANDARD_ATTRIBUTES: &[Attribute] = &[
    Attribute::text(key::USER_ID, "Anonymous identifier of the installation"),
    Attribute::text(key::SESSION_ID, "Unique identifier of the session").gated(Gate::SessionId),
    Attribute::text(key::APP_VERSION, "Version of the host program").gated(Gate::Version),
    Attribute::text(
        key::ORGANIZATION_ID,
        "Organization UUID, when authenticated",
    )
    .when_known(),
    Attribute::text(
        key::USER_EMAIL,
        "Email address, when authenticated; the host can leave it out",
    )
    .when_known(),
    Attribute::text(key::USER_ACCOUNT_UUID, "Account UUID, when authenticated")
        .when_known()
        .gated(Gate::AccountUuid),
    Attribute::text(
        key::USER_ACCOUNT_ID,
        "Account in the tagged format of the admin APIs, when authenticated",
    )
    .when_known()
    .gated(Gate::AccountUuid),
    Attribute::text(
        key::TERMINAL_TYPE,
        "Terminal, such as `iTerm.app`, `vscode`, `cursor` or `tmux`",
    )
    .when_known(),
];

/// The attributes that every event has between the standard attributes and its specific attributes, in order. Metrics
/// never have them.
pub static EVENT_ATTRIBUTES: &[Attribute] = &[
    Attribute::text(key::EVENT_NAME, "Short name of the event"),
    Attribute::text(
        key::EVENT_TIMESTAMP,
        "Time of the event: ISO 8601, UTC, milliseconds",
    ),
    Attribute::int(
        key::EVENT_SEQUENCE,
        "Order of the events of one session, from 0, without gaps",
    ),
    Attribute::texts(
        key::WORKSPACE_HOST_PATHS,
        "Workspace folders selected on the host",
    )
    .when_known(),
    Attribute::text(
        key::PROMPT_ID,
        "UUID v4 of the prompt that the event belongs to, from the first prompt on",
    )
    .when_known(),
];
