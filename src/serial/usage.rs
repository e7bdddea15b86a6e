//! Measurements: records that only add to metrics.

use super::deserialize;
use super::fields::{Amount, Count, Seconds};
use crate::record::{
    ActiveTime, ActivityType, CodeEditDecision, Commit, Cost, Decision, DecisionSource, EditTool,
    LinesOfCode, PullRequest, TokenType, Tokens,
};

deserialize! {
    LinesOfCode::new() {
        added: Count => Self::added,
        removed: Count => Self::removed,
    }

    Commit::new() {
        count: Count => Self::count,
    }

    PullRequest::new() {
        count: Count => Self::count,
    }

    ActiveTime::new(r#type: ActivityType, seconds: Seconds) {}

    CodeEditDecision::new(tool_name: EditTool, decision: Decision, source: DecisionSource) {
        language: String => Self::language,
    }

    Cost::new(model: String, usd: Amount) {}

    Tokens::new(model: String, r#type: TokenType, count: Count) {}
}
