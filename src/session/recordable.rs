//! The effect of each record: an event, or measurements of metrics.

use std::time::SystemTime;

use super::Recorder;
use super::recorder::Recordable;
use crate::language::UNKNOWN;
use crate::metrics::SeriesKind;
use crate::record::{
    ActiveTime, ApiError, ApiRequest, ApiRequestBody, ApiResponseBody, CodeEditDecision, Commit,
    Cost, LineChange, LinesOfCode, PluginInstalled, PullRequest, SkillActivated, Tokens,
    ToolDecision, ToolResult, UserPrompt,
};

impl Recordable for ApiRequest {
    #[inline]
    fn record(self, recorder: &Recorder) {
        // The check is inlined into the host, so that the compiler can skip building a record that no exporter takes.
        if let Some(session) = &recorder.session
            && session.telemetry.is_on()
        {
            session.record_request(self, recorder.prompt.as_ref(), recorder.parent.as_ref());
        }
    }

    fn event_time(&mut self) -> Option<&mut Option<SystemTime>> {
        Some(&mut self.at)
    }
}

/// Implements [`Recordable`] for records that only emit an event.
macro_rules! events {
    ($($record:ident),* $(,)?) => {$(
        impl Recordable for $record {
            fn record(self, recorder: &Recorder) {
                recorder.emit(self);
            }

            fn event_time(&mut self) -> Option<&mut Option<SystemTime>> {
                Some(&mut self.at)
            }
        }
    )*};
}

events! {
    ApiError, ApiRequestBody, ApiResponseBody, UserPrompt, ToolDecision, ToolResult, PluginInstalled,
    SkillActivated,
}

impl Recordable for LinesOfCode {
    fn record(self, recorder: &Recorder) {
        let counts = [
            (LineChange::Added, self.added),
            (LineChange::Removed, self.removed),
        ];
        for (change, count) in counts {
            if let Some(count) = count {
                recorder.add(SeriesKind::Lines(change), count as f64);
            }
        }
    }
}

impl Recordable for Commit {
    fn record(self, recorder: &Recorder) {
        recorder.add(SeriesKind::Commits, self.count as f64);
    }
}

impl Recordable for PullRequest {
    fn record(self, recorder: &Recorder) {
        recorder.add(SeriesKind::PullRequests, self.count as f64);
    }
}

impl Recordable for ActiveTime {
    fn record(self, recorder: &Recorder) {
        let seconds = self.duration.0.as_secs_f64();
        recorder.add(SeriesKind::ActiveTime(self.kind), seconds);
    }
}

impl Recordable for Cost {
    fn record(self, recorder: &Recorder) {
        if let Some(session) = recorder.session() {
            session.add_cost(&self.model, self.usd);
        }
    }
}

impl Recordable for Tokens {
    fn record(self, recorder: &Recorder) {
        let series = SeriesKind::Tokens(self.kind).of(&*self.model);
        recorder.add(series, self.count as f64);
    }
}

impl Recordable for CodeEditDecision {
    fn record(self, recorder: &Recorder) {
        let kind = SeriesKind::CodeEditDecision(self.decision, self.source, self.tool);
        let language = self.language.as_deref().unwrap_or(UNKNOWN);
        recorder.add(kind.of(language), 1.0);
    }
}
