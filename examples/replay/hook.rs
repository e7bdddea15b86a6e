//! The step `hook`.

use std::time::SystemTime;

use claude_code_telemetry::{HookOutcome, Recorder};
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::field::{Int, before};

#[derive(Deserialize)]
pub(crate) struct HookStep {
    hook_event: String,
    hook_name: String,
    num_hooks: Option<Int>,
    num_success: Option<Int>,
    num_blocking: Option<Int>,
    num_non_blocking_error: Option<Int>,
    num_cancelled: Option<Int>,
    duration_ms: Option<Int>,
    hook_definitions: Option<Box<RawValue>>,
}

impl HookStep {
    /// Records the hooks of one hook event, which ended at `end`.
    pub(crate) fn record(self, recorder: &Recorder, end: SystemTime) {
        let count = |hooks: Option<Int>| hooks.map_or(0, |Int(count)| count);
        let mut outcome = HookOutcome::new()
            .succeeded(count(self.num_success))
            .blocking(count(self.num_blocking))
            .failed(count(self.num_non_blocking_error))
            .cancelled(count(self.num_cancelled))
            .at(end);
        if let Some(Int(hooks)) = self.num_hooks {
            outcome = outcome.count(hooks);
        }
        if let Some(definitions) = self.hook_definitions {
            outcome = outcome.definitions(definitions);
        }
        let start = before(end, self.duration_ms.map(Int::ms).unwrap_or_default());
        recorder
            .hook_at(self.hook_event, self.hook_name, start)
            .finish(outcome);
    }
}
