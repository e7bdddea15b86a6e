//! The steps `prompt` and `prompt_end`.

use std::time::SystemTime;

use claude_code_telemetry::UserPrompt;
use serde::Deserialize;

use crate::field::{Id, Int};
use crate::scope::Scope;

#[derive(Deserialize)]
pub(crate) struct PromptStep {
    prompt_id: Option<Id>,
    text: String,
    event: Option<bool>,
}

impl PromptStep {
    /// Begins an interaction. One that is still open ends first.
    pub(crate) fn begin(self, scope: &mut Scope, at: Option<SystemTime>) {
        scope.end_prompt();
        let mut prompt = UserPrompt::new(self.text);
        if let Some(Id(id)) = self.prompt_id {
            prompt = prompt.id(id);
        }
        if self.event == Some(false) {
            prompt = prompt.without_event();
        }
        if let Some(at) = at {
            prompt = prompt.at(at);
        }
        scope.prompt = Some(scope.session.prompt(prompt));
    }
}

#[derive(Deserialize)]
#[allow(dead_code, reason = "checked now, used once interactions are spans")]
pub(crate) struct PromptEndStep {
    duration_ms: Option<Int>,
}

impl PromptEndStep {
    pub(crate) fn end(self, scope: &mut Scope, _at: Option<SystemTime>) -> Result<(), String> {
        if scope.end_prompt() {
            Ok(())
        } else {
            Err("no prompt is open".to_owned())
        }
    }
}
