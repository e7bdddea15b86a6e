//! The eight metrics: monotonic sums of doubles.

use crate::record::{
    ActivityType, Decision, DecisionSource, EditTool, LineChange, StartType, Text, TokenType,
    attribute_rows,
};
use crate::schema::Metric;

/// Defines the metrics, each with its name, unit, description and attributes, and the list of them.
macro_rules! metrics {
    ($($METRIC:ident = $name:literal, $unit:literal, $description:literal {$($rows:tt)*})*) => {
        $(
            #[doc = concat!("`", $name, "`")]
            pub(crate) static $METRIC: Metric = Metric {
                name: $name,
                unit: $unit,
                description: $description,
                attributes: attribute_rows! { $($rows)* },
            };
        )*

        /// All metrics, in the order in which they are exported.
        pub static METRICS: &[&Metric] = &[$(&$METRIC),*];
    };
}

metrics! {
    SESSION_COUNT = "claude_code.session.count", "{count}", "Count of CLI sessions started" {
        Option<StartType> = "start_type", "Start type of the session";
    }
    LINES_OF_CODE = "claude_code.lines_of_code.count", "{count}",
        "Count of lines of code modified" {
        LineChange = "type", "Kind of change";
    }
    PULL_REQUEST = "claude_code.pull_request.count", "{count}",
        "Number of pull requests created" {}
    COMMIT = "claude_code.commit.count", "{count}", "Number of git commits created" {}
    COST = "claude_code.cost.usage", "USD", "Cost of the Claude Code session" {
        Text = "model", "Requested model";
    }
    TOKENS = "claude_code.token.usage", "tokens", "Number of tokens used" {
        Text = "model", "Requested model";
        TokenType = "type", "Kind of tokens";
    }
    CODE_EDIT_DECISION = "claude_code.code_edit_tool.decision", "{count}",
        "Count of code editing tool permission decisions" {
        Decision = "decision", "Outcome";
        DecisionSource = "source", "Source of the decision";
        EditTool = "tool_name", "The editing tool";
        Text = "language", "Programming language of the file; `unknown` if the extension is not known";
    }
    ACTIVE_TIME = "claude_code.active_time.total", "s", "Total active time in seconds" {
        ActivityType = "type", "`user`: keyboard interaction; `cli`: tools and model responses";
    }
}
