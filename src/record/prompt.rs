//! Prompts that users submit.

use std::sync::Arc;
use std::time::SystemTime;

use super::event::event;
use super::{Measured, optional};
use crate::content::{Content, ContentPolicy, Gated, Payload, PromptText};
use crate::propagation::TraceParent;

event! {
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
    record UserPrompt: Clone, Debug;
    emits "user_prompt", "A user submits a prompt";

    /// Creates a prompt with this text (`prompt`, `prompt_length`).
    new(text: impl Into<Content>);

    sent {
        unread length: Measured<u64> = "prompt_length", "Length of the prompt in UTF-16 code units";
        required text: Gated<PromptText> = "prompt" | "text", "The prompt, never truncated";
    }
    other {
        custom id: Option<UuidString> = "prompt.id" | "prompt_id";
        custom has_event: bool = "event", default true;
        unread parent: Option<TraceParent> = "parent";
        /// Sets the time at which the prompt was submitted. The default is the current time.
        optional at: Option<SystemTime> = "event.timestamp" | "at";
    }
    derive fields with measure;
}

/// The id of a prompt or a session, a UUID unless the host sets another string.
#[derive(Clone, Debug)]
pub(crate) struct UuidString(pub(crate) Arc<str>);

impl UserPrompt {
    /// Sets the id of the prompt, a UUID (`prompt.id`). The default is a random UUID. Only
    /// [`Session::prompt`](crate::Session::prompt) uses it: an event that is recorded alone has the `prompt.id` of its
    /// recorder.
    pub fn id(mut self, id: impl Into<Arc<str>>) -> Self {
        self.id = optional(id).map(UuidString);
        self
    }

    /// Sets the parent of the interaction's span: the span of another process that caused the prompt. This parent
    /// replaces that of the environment variable `TRACEPARENT`. It has no effect on an event that is recorded alone.
    pub fn parent(mut self, parent: TraceParent) -> Self {
        self.parent = Some(parent);
        self
    }

    /// Suppresses the event of the interaction, for example for a slash command that sends no prompt to the model. It has
    /// no effect on an event that is recorded alone.
    pub fn without_event(mut self) -> Self {
        self.has_event = false;
        self
    }

    /// Measures the text, before the policy can withhold it: when the event is queued, or earlier for the span of the
    /// interaction.
    pub(crate) fn measure(&mut self, _: &ContentPolicy) {
        self.length.0.get_or_insert_with(|| self.text.length());
    }
}

impl<T: Into<Content>> From<T> for UserPrompt {
    fn from(text: T) -> Self {
        Self::new(text)
    }
}

impl Payload for UuidString {
    fn size(&self) -> usize {
        self.0.len()
    }
}

impl Payload for TraceParent {
    fn size(&self) -> usize {
        self.text_size()
    }
}
