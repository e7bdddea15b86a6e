//! Prompts that users submit.

use std::sync::Arc;
use std::time::SystemTime;

use super::setters::setters;
use super::{Attributes, EventRecord, Record, optional};
use crate::catalog::{Event, event, key};
use crate::content::{self, Content, ContentPolicy};
use crate::propagation::TraceParent;

/// A prompt that a user submits.
///
/// [`Session::prompt`](crate::Session::prompt) begins an interaction with the prompt and emits the event
/// `claude_code.user_prompt`. The length is always sent; the text is sent only with `OTEL_LOG_USER_PROMPTS`, and is
/// never truncated.
///
/// ```
/// use claude_code_telemetry::UserPrompt;
/// let prompt = UserPrompt::new(String::from("Fix the bug")).id("9f1c2f7e-6a51-4c5c-9d3f-0d6e1b3a2c4d");
/// ```
#[derive(Clone, Debug)]
pub struct UserPrompt {
    pub(crate) text: Content,
    pub(crate) id: Option<Arc<str>>,
    pub(crate) event: bool,
    pub(crate) parent: Option<TraceParent>,
    pub(crate) at: Option<SystemTime>,
}

impl UserPrompt {
    /// Creates a prompt with this text (`prompt`, `prompt_length`).
    pub fn new(text: impl Into<Content>) -> Self {
        Self {
            text: text.into(),
            id: None,
            event: true,
            parent: None,
            at: None,
        }
    }

    /// Sets the id of the prompt, a UUID (`prompt.id`). The default is a random UUID.
    pub fn id(mut self, id: impl Into<Arc<str>>) -> Self {
        self.id = optional(id);
        self
    }

    /// Suppresses the event of the interaction, for example for a slash command that sends no prompt to the model.
    pub fn without_event(mut self) -> Self {
        self.event = false;
        self
    }

    setters! {
        /// Sets the parent of the interaction's span: the span of another process that caused the prompt. This parent
        /// replaces that of the environment variable `TRACEPARENT`.
        parent: Option<TraceParent>,
        /// Sets the time at which the prompt was submitted. The default is the current time.
        at: Option<SystemTime>,
    }
}

impl<T: Into<Content>> From<T> for UserPrompt {
    fn from(text: T) -> Self {
        Self::new(text)
    }
}

/// The event of a prompt, with the content that the policy admitted.
pub(crate) struct AdmittedPrompt(pub(crate) Arc<content::Prompt>);

impl Record for UserPrompt {
    type Admitted = AdmittedPrompt;

    fn time(&self) -> Option<SystemTime> {
        self.at
    }

    fn admit(self, policy: &ContentPolicy) -> Option<AdmittedPrompt> {
        Some(AdmittedPrompt(Arc::new(policy.prompt(self.text))))
    }
}

impl EventRecord for AdmittedPrompt {
    fn event(&self) -> &'static Event {
        &event::USER_PROMPT
    }

    fn attributes<'a>(&'a self, out: &mut Attributes<'a>) {
        out.count(key::PROMPT_LENGTH, self.0.length());
        out.text(key::PROMPT, self.0.text());
    }

    fn size(&self) -> usize {
        self.0.size()
    }
}
