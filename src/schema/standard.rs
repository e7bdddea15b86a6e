//! The standard attributes, and the attributes that only events have.

use super::{Attribute, Gate, Kind, key};

const TEXT: Attribute = Attribute::of(Kind::Text);
const INT: Attribute = Attribute::of(Kind::Int);
const TEXTS: Attribute = Attribute::of(Kind::TextArray);

/// The attributes of every data point, event and span, in order. The custom attributes of `OTEL_RESOURCE_ATTRIBUTES`
/// follow them, unless `OTEL_METRICS_INCLUDE_RESOURCE_ATTRIBUTES` is off.
pub static STANDARD_ATTRIBUTES: &[Attribute] = &[
    TEXT.named(key::USER_ID, "Anonymous identifier of the installation"),
    TEXT.named(key::SESSION_ID, "Unique identifier of the session")
        .gated(Gate::SessionId),
    TEXT.named(key::APP_VERSION, "Version of the host program")
        .gated(Gate::Version),
    TEXT.named(
        key::ORGANIZATION_ID,
        "Organization UUID, when authenticated",
    )
    .when_known(),
    TEXT.named(
        key::USER_EMAIL,
        "Email address, when authenticated; the host can leave it out",
    )
    .when_known(),
    TEXT.named(key::USER_ACCOUNT_UUID, "Account UUID, when authenticated")
        .when_known()
        .gated(Gate::AccountUuid),
    TEXT.named(
        key::USER_ACCOUNT_ID,
        "Account in the tagged format of the admin APIs, when authenticated",
    )
    .when_known()
    .gated(Gate::AccountUuid),
    TEXT.named(
        key::TERMINAL_TYPE,
        "Terminal, such as `iTerm.app`, `vscode`, `cursor` or `tmux`",
    )
    .when_known(),
];

/// The attributes that every event has between the standard attributes and its specific attributes, in order. Metrics
/// never have them.
pub static EVENT_ATTRIBUTES: &[Attribute] = &[
    TEXT.named(key::EVENT_NAME, "Short name of the event"),
    TEXT.named(
        key::EVENT_TIMESTAMP,
        "Time of the event: ISO 8601, UTC, milliseconds",
    ),
    INT.named(
        key::EVENT_SEQUENCE,
        "Order of the events of one session, from 0, without gaps",
    ),
    TEXTS
        .named(
            key::WORKSPACE_HOST_PATHS,
            "Workspace folders selected on the host",
        )
        .when_known(),
    TEXT.named(
        key::PROMPT_ID,
        "UUID v4 of the prompt that the event belongs to, from the first prompt on",
    )
    .when_known(),
];
