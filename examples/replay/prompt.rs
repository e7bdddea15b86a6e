//! The steps `prompt` and `prompt_end`.

use std::time::SystemTime;

use claude_code_telemetry::{PromptEnd, UserPrompt};
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
        scope.end_prompt(end_at(at));
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
        scope.begin_prompt(|session| session.prompt(prompt));
    }
}

#[derive(Deserialize)]
pub(crate) struct PromptEndStep {
    duration_ms: Option<Int>,
}

impl PromptEndStep {
    pub(crate) fn end(self, scope: &mut Scope, at: Option<SystemTime>) -> Result<(), String> {
        let mut end = end_at(at);
        if let Some(duration) = self.duration_ms {
            end = end.duration(duration.ms());
        }
        if scope.end_prompt(end) {
            Ok(())
        } else {
            Err("no prompt is open".to_owned())
        }
    }
}

/// A prompt that ends then, or now.
pub(crate) fn end_at(at: Option<SystemTime>) -> PromptEnd {
    let end = PromptEnd::new();
    match at {
        Some(at) => end.at(at),
        None => end,
    }
}
