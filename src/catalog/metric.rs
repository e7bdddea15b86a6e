//! The eight metrics: monotonic sums of doubles.

use super::{Attribute, DECISIONS, SOURCES, key};

/// A metric of the catalog.
#[derive(Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Metric {
    /// The name, as it is sent.
    pub name: &'static str,
    /// The unit, in UCUM notation if UCUM defines the unit.
    pub unit: &'static str,
    /// The description, as it is sent.
    pub description: &'static str,
    /// The attributes of a data point that follow the standard attributes, in order.
    pub attributes: &'static [Attribute],
}

const MODEL: Attribute = Attribute::text(key::MODEL, "Model that was asked for");

/// `claude_code.session.count`
pub(crate) static SESSION_COUNT: Metric = Metric {
    name: "claude_code.session.count",
    unit: "{count}",
    description: "Count of CLI sessions started",
    attributes: &[Attribute::text(key::START_TYPE, "How the session began")
        .one_of(&["fresh", "resume", "continue"])
        .when_known()],
};

/// `claude_code.lines_of_code.count`
pub(crate) static LINES_OF_CODE: Metric = Metric {
    name: "claude_code.lines_of_code.count",
    unit: "{count}",
    description: "Count of lines of code modified",
    attributes: &[
        Attribute::text(key::TYPE, "Whether the lines were added or removed")
            .one_of(&["added", "removed"]),
    ],
};

/// `claude_code.pull_request.count`
pub(crate) static PULL_REQUEST: Metric = Metric {
    name: "claude_code.pull_request.count",
    unit: "{count}",
    description: "Number of pull requests created",
    attributes: &[],
};

/// `claude_code.commit.count`
pub(crate) static COMMIT: Metric = Metric {
    name: "claude_code.commit.count",
    unit: "{count}",
    description: "Number of git commits created",
    attributes: &[],
};

/// `claude_code.cost.usage`
pub(crate) static COST: Metric = Metric {
    name: "claude_code.cost.usage",
    unit: "USD",
    description: "Cost of the Claude Code session",
    attributes: &[MODEL],
};

/// `claude_code.token.usage`
pub(crate) static TOKENS: Metric = Metric {
    name: "claude_code.token.usage",
    unit: "tokens",
    description: "Number of tokens used",
    attributes: &[
        MODEL,
        Attribute::text(key::TYPE, "Kind of tokens").one_of(&[
            "input",
            "output",
            "cacheRead",
            "cacheCreation",
        ]),
    ],
};

/// `claude_code.code_edit_tool.decision`
pub(crate) static CODE_EDIT_DECISION: Metric = Metric {
    name: "claude_code.code_edit_tool.decision",
    unit: "{count}",
    description: "Count of code editing tool permission decisions",
    attributes: &[
        Attribute::text(key::DECISION, "Outcome").one_of(DECISIONS),
        Attribute::text(key::SOURCE, "Who or what decided").one_of(SOURCES),
        Attribute::text(key::TOOL_NAME, "The editing tool").one_of(&[
            "Edit",
            "Write",
            "NotebookEdit",
        ]),
        Attribute::text(
            key::LANGUAGE,
            "Programming language of the file; `unknown` for other extensions",
        ),
    ],
};

/// `claude_code.active_time.total`
pub(crate) static ACTIVE_TIME: Metric = Metric {
    name: "claude_code.active_time.total",
    unit: "s",
    description: "Total active time in seconds",
    attributes: &[Attribute::text(
        key::TYPE,
        "Keyboard interaction, or tools and model answers",
    )
    .one_of(&["user", "cli"])],
};

/// All metrics, in the order in which they are exported.
pub static METRICS: &[&Metric] = &[
    &SESSION_COUNT,
    &LINES_OF_CODE,
    &PULL_REQUEST,
    &COMMIT,
    &COST,
    &TOKENS,
    &CODE_EDIT_DECISION,
    &ACTIVE_TIME,
];
