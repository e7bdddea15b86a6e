//! The steps that only count: they have no time of their own, metrics are collected when they are collected.

use claude_code_telemetry::{
    ActiveTime, ActivityType, CodeEditDecision, Commit, Cost, Decision, DecisionSource, EditTool,
    LinesOfCode, PullRequest, Recorder, TokenType, Tokens,
};
use serde::Deserialize;

use crate::field::{Amount, Int, Seconds, Word};

#[derive(Deserialize)]
pub(crate) struct LinesOfCodeStep {
    added: Option<Int>,
    removed: Option<Int>,
}

impl LinesOfCodeStep {
    pub(crate) fn record(self, recorder: &Recorder) {
        let mut lines = LinesOfCode::new();
        if let Some(Int(added)) = self.added {
            lines = lines.added(added);
        }
        if let Some(Int(removed)) = self.removed {
            lines = lines.removed(removed);
        }
        recorder.record_lines_of_code(lines);
    }
}

/// The steps `commit` and `pull_request`.
#[derive(Deserialize)]
pub(crate) struct CountStep {
    count: Option<Int>,
}

impl CountStep {
    pub(crate) fn record_commits(self, recorder: &Recorder) {
        recorder.record_commit(Commit::new().count(self.count()));
    }

    pub(crate) fn record_pull_requests(self, recorder: &Recorder) {
        recorder.record_pull_request(PullRequest::new().count(self.count()));
    }

    fn count(self) -> u64 {
        self.count.map_or(1, |Int(count)| count)
    }
}

#[derive(Deserialize)]
pub(crate) struct ActiveTimeStep {
    r#type: Word<ActivityType>,
    seconds: Seconds,
}

impl ActiveTimeStep {
    pub(crate) fn record(self, recorder: &Recorder) {
        recorder.record_active_time(ActiveTime::new(self.r#type.0, self.seconds.0));
    }
}

#[derive(Deserialize)]
pub(crate) struct CodeEditDecisionStep {
    tool_name: Word<EditTool>,
    decision: Word<Decision>,
    source: Word<DecisionSource>,
    language: Option<String>,
}

impl CodeEditDecisionStep {
    pub(crate) fn record(self, recorder: &Recorder) {
        let mut edit = CodeEditDecision::new(self.tool_name.0, self.decision.0, self.source.0);
        if let Some(language) = self.language {
            edit = edit.language(language);
        }
        recorder.record_code_edit_decision(edit);
    }
}

#[derive(Deserialize)]
pub(crate) struct CostStep {
    model: String,
    usd: Amount,
}

impl CostStep {
    pub(crate) fn record(self, recorder: &Recorder) {
        recorder.record_cost(Cost::new(self.model, self.usd.0));
    }
}

#[derive(Deserialize)]
pub(crate) struct TokensStep {
    model: String,
    r#type: Word<TokenType>,
    count: Int,
}

impl TokensStep {
    pub(crate) fn record(self, recorder: &Recorder) {
        recorder.record_tokens(Tokens::new(self.model, self.r#type.0, self.count.0));
    }
}
