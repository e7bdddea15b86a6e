//! What each record becomes: events, and amounts of metrics.

use super::Recorder;
use crate::metrics::Series;
use crate::record::{
    ActiveTime, ApiError, ApiRequest, ApiRequestBody, ApiResponseBody, CodeEditDecision, Commit,
    Cost, LinesOfCode, PluginInstalled, PullRequest, SkillActivated, Tokens, ToolDecision,
    ToolResult, UserPrompt,
};
use crate::state::SeriesKey;

/// A record that a [`Recorder`] takes.
pub(crate) trait Recordable {
    /// Records the record on a recorder.
    fn record(self, recorder: &Recorder);
}

impl Recordable for ApiRequest {
    #[inline]
    fn record(self, recorder: &Recorder) {
        // Checked in an inlined function, so that a host builds no record that no exporter takes.
        if let Some(session) = &recorder.session
            && session.telemetry.is_on()
        {
            session.record_request(self, recorder.prompt.as_ref(), recorder.parent.as_ref());
        }
    }
}

/// Implements [`Recordable`] for records that only emit an event.
macro_rules! events {
    ($($record:ty),* $(,)?) => {$(
        impl Recordable for $record {
            fn record(self, recorder: &Recorder) {
                recorder.emit(self);
            }
        }
    )*};
}

events! {
    ApiError, ApiRequestBody, ApiResponseBody, PluginInstalled, SkillActivated, ToolDecision, ToolResult, UserPrompt,
}

impl Recordable for LinesOfCode {
    fn record(self, recorder: &Recorder) {
        let counts = [
            (Series::LinesAdded, self.added),
            (Series::LinesRemoved, self.removed),
        ];
        for (series, count) in counts {
            if let Some(count) = count {
                recorder.add(SeriesKey::Other(&series), count as f64);
            }
        }
    }
}

impl Recordable for Commit {
    fn record(self, recorder: &Recorder) {
        recorder.add(SeriesKey::Other(&Series::Commits), self.count as f64);
    }
}

impl Recordable for PullRequest {
    fn record(self, recorder: &Recorder) {
        recorder.add(SeriesKey::Other(&Series::PullRequests), self.count as f64);
    }
}

impl Recordable for ActiveTime {
    fn record(self, recorder: &Recorder) {
        let series = Series::ActiveTime(self.kind);
        recorder.add(SeriesKey::Other(&series), self.duration.as_secs_f64());
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
        let series = SeriesKey::Tokens(&self.model, self.kind);
        recorder.add(series, self.count as f64);
    }
}

impl Recordable for CodeEditDecision {
    fn record(self, recorder: &Recorder) {
        if let Some(session) = recorder.session() {
            let Self {
                tool,
                decision,
                source,
                language,
            } = self;
            let series = Series::CodeEditDecision {
                decision,
                source,
                tool,
                language: (&*language).into(),
            };
            session.add(SeriesKey::Other(&series), 1.0);
        }
    }
}
