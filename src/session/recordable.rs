//! The effect of each record: an event, or amounts of metrics.

use std::time::SystemTime;

use super::Recorder;
use crate::content::Payload;
use crate::language::UNKNOWN;
use crate::metrics::Series;
use crate::record::{
    ActiveTime, ApiError, ApiRequest, ApiRequestBody, ApiResponseBody, CodeEditDecision, Commit,
    Cost, LinesOfCode, PluginInstalled, PullRequest, Record, SkillActivated, Tokens, ToolDecision,
    ToolResult, UserPrompt,
};
use crate::state::SeriesKey;

/// A record that a [`Recorder`] takes.
pub(crate) trait Recordable: Send + Sized + 'static {
    /// `false` for a record that only adds to metrics.
    const EMITS_EVENT: bool = false;

    /// Records the record on a recorder.
    fn record(self, recorder: &Recorder);

    /// Returns the size of the texts, in bytes.
    fn text_size(&self) -> usize {
        0
    }

    /// Sets the time of the event to the current time, unless the host set one.
    fn at_or_now(self) -> Self {
        self
    }
}

/// Defines the members of [`Recordable`] that all records with an event share.
macro_rules! event_members {
    () => {
        const EMITS_EVENT: bool = true;

        fn text_size(&self) -> usize {
            self.size()
        }

        fn at_or_now(self) -> Self {
            match self.time() {
                Some(_) => self,
                None => self.at(SystemTime::now()),
            }
        }
    };
}

impl Recordable for ApiRequest {
    event_members!();

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
    ($($record:ident),* $(,)?) => {$(
        impl Recordable for $record {
            event_members!();

            fn record(self, recorder: &Recorder) {
                recorder.emit(self);
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
        recorder.add(SeriesKey::Other(&Series::Commits), self.count.0 as f64);
    }
}

impl Recordable for PullRequest {
    fn record(self, recorder: &Recorder) {
        recorder.add(SeriesKey::Other(&Series::PullRequests), self.count.0 as f64);
    }
}

impl Recordable for ActiveTime {
    fn record(self, recorder: &Recorder) {
        let series = Series::ActiveTime(self.kind);
        recorder.add(SeriesKey::Other(&series), self.duration.0.as_secs_f64());
    }
}

impl Recordable for Cost {
    fn record(self, recorder: &Recorder) {
        if let Some(session) = recorder.session() {
            session.add_cost(&self.model, self.usd);
        }
    }

    fn text_size(&self) -> usize {
        self.size()
    }
}

impl Recordable for Tokens {
    fn record(self, recorder: &Recorder) {
        let series = SeriesKey::Tokens(&self.model, self.kind);
        recorder.add(series, self.count as f64);
    }

    fn text_size(&self) -> usize {
        self.size()
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
                language: language.as_deref().unwrap_or(UNKNOWN).into(),
            };
            session.add(SeriesKey::Other(&series), 1.0);
        }
    }

    fn text_size(&self) -> usize {
        self.size()
    }
}
