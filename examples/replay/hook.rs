//! The step `hook`.

use std::time::SystemTime;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::field::Int;
use crate::scope::Scope;

#[derive(Deserialize)]
#[allow(dead_code, reason = "checked now, used once hooks are spans")]
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
    /// Does nothing yet: a hook is a span and nothing else, and the crate has no spans so far.
    pub(crate) fn record(self, _scope: &mut Scope, _at: Option<SystemTime>) {}
}
