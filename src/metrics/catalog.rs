//! The eight metrics: monotonic sums of doubles.

use crate::record::{
    ActivityType, Decision, DecisionSource, EditTool, StartType, Text, TokenType, attribute_rows,
};
use crate::schema::{Attribute, Kind, Metric};

/// `claude_code.session.count`
pub(crate) static SESSION_COUNT: Metric = Metric {
    name: "claude_code.session.count",
    unit: "{count}",
    description: "Count of CLI sessions started",
    attributes: attribute_rows! {
        Option<StartType> = "start_type", "Start type of the session";
    },
};

/// `claude_code.lines_of_code.count`
pub(crate) static LINES_OF_CODE: Metric = Metric {
    name: "claude_code.lines_of_code.count",
    unit: "{count}",
    description: "Count of lines of code modified",
    attributes: &[Attribute::of(Kind::String)
        .one_of(&["added", "removed"])
        .named("type", "Kind of change")],
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
    attributes: attribute_rows! {
        Text = "model", "Requested model";
    },
};

/// `claude_code.token.usage`
pub(crate) static TOKENS: Metric = Metric {
    name: "claude_code.token.usage",
    unit: "tokens",
    description: "Number of tokens used",
    attributes: attribute_rows! {
        Text = "model", "Requested model";
        TokenType = "type", "Kind of tokens";
    },
};

/// `claude_code.code_edit_tool.decision`
pub(crate) static CODE_EDIT_DECISION: Metric = Metric {
    name: "claude_code.code_edit_tool.decision",
    unit: "{count}",
    description: "Count of code editing tool permission decisions",
    attributes: attribute_rows! {
        Decision = "decision", "Outcome";
        DecisionSource = "source", "Source of the decision";
        EditTool = "tool_name", "The editing tool";
        Text = "language", "Programming language of the file; `unknown` for other extensions";
    },
};

/// `claude_code.active_time.total`
pub(crate) static ACTIVE_TIME: Metric = Metric {
    name: "claude_code.active_time.total",
    unit: "s",
    description: "Total active time in seconds",
    attributes: attribute_rows! {
        ActivityType = "type", "`user`: keyboard interaction; `cli`: tools and model responses";
    },
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
