//! What a user submits.

use std::sync::Arc;
use std::time::SystemTime;

use super::{Attributes, EventRecord, Record, optional};
use crate::catalog::{Event, event, key};
use crate::content::{self, Content, ContentPolicy};
use crate::propagation::TraceParent;

/// A prompt that a user submits.
///
/// [`Session::prompt`](crate::Session::prompt) begins an interaction with it and emits the event
/// `claude_code.user_prompt`. The length is always sent, the text with `OTEL_LOG_USER_PROMPTS` alone; it is never
/// truncated.
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
    /// A prompt with this text.
    pub fn new(text: impl Into<Content>) -> Self {
        Self {
            text: text.into(),
            id: None,
            event: true,
            parent: None,
            at: None,
        }
    }

    /// Its `prompt.id`, a UUID; a random one by default.
    pub fn id(mut self, id: impl Into<Arc<str>>) -> Self {
        self.id = optional(id);
        self
    }

    /// Begins the interaction without the event, as for a slash command that sends nothing to the model.
    pub fn without_event(mut self) -> Self {
        self.event = false;
        self
    }

    /// The span of another process that caused it: the interaction's parent, instead of the environment's
    /// `TRACEPARENT`.
    pub fn parent(mut self, parent: TraceParent) -> Self {
        self.parent = Some(parent);
        self
    }

    /// When it was submitted; now by default.
    pub fn at(mut self, time: SystemTime) -> Self {
        self.at = Some(time);
        self
    }
}

impl<T: Into<Content>> From<T> for UserPrompt {
    fn from(text: T) -> Self {
        Self::new(text)
    }
}

/// The event: what the policy let in of a prompt.
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
