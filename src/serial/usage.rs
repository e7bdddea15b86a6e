//! Records that only add to metrics.

use serde::Deserialize;

use super::fields::{Amount, Count, Seconds};
use super::{With, reads};
use crate::record::{
    ActiveTime, ActivityType, CodeEditDecision, Commit, Cost, Decision, DecisionSource, EditTool,
    LinesOfCode, PullRequest, TokenType, Tokens,
};

reads! {
    LinesOfCode as LinesOfCodeFields,
    Commit as CommitFields,
    PullRequest as PullRequestFields,
    ActiveTime as ActiveTimeFields,
    CodeEditDecision as CodeEditDecisionFields,
    Cost as CostFields,
    Tokens as TokensFields,
}

#[derive(Deserialize)]
struct LinesOfCodeFields {
    added: Option<Count>,
    removed: Option<Count>,
}

impl LinesOfCodeFields {
    fn record(self) -> Result<LinesOfCode, String> {
        Ok(LinesOfCode::new()
            .with(self.added, |lines, Count(added)| lines.added(added))
            .with(self.removed, |lines, Count(removed)| lines.removed(removed)))
    }
}

#[derive(Deserialize)]
struct CommitFields {
    count: Option<Count>,
}

impl CommitFields {
    fn record(self) -> Result<Commit, String> {
        Ok(Commit::new().with(self.count, |commit, Count(count)| commit.count(count)))
    }
}

#[derive(Deserialize)]
struct PullRequestFields {
    count: Option<Count>,
}

impl PullRequestFields {
    fn record(self) -> Result<PullRequest, String> {
        Ok(PullRequest::new().with(self.count, |request, Count(count)| request.count(count)))
    }
}

#[derive(Deserialize)]
struct ActiveTimeFields {
    r#type: ActivityType,
    seconds: Seconds,
}

impl ActiveTimeFields {
    fn record(self) -> Result<ActiveTime, String> {
        Ok(ActiveTime::new(self.r#type, self.seconds.0))
    }
}

#[derive(Deserialize)]
struct CodeEditDecisionFields {
    tool_name: EditTool,
    decision: Decision,
    source: DecisionSource,
    language: Option<String>,
}

impl CodeEditDecisionFields {
    fn record(self) -> Result<CodeEditDecision, String> {
        Ok(
            CodeEditDecision::new(self.tool_name, self.decision, self.source)
                .with(self.language, CodeEditDecision::language),
        )
    }
}

#[derive(Deserialize)]
struct CostFields {
    model: String,
    usd: Amount,
}

impl CostFields {
    fn record(self) -> Result<Cost, String> {
        Ok(Cost::new(self.model, self.usd.0))
    }
}

#[derive(Deserialize)]
struct TokensFields {
    model: String,
    r#type: TokenType,
    count: Count,
}

impl TokensFields {
    fn record(self) -> Result<Tokens, String> {
        Ok(Tokens::new(self.model, self.r#type, self.count.0))
    }
}
