//! One session and its open prompt.

use claude_code_telemetry::{Prompt, Recorder, Session};

/// Where steps belong: a session, and in it the interaction that is open.
pub(crate) struct Scope {
    pub(crate) session: Session,
    pub(crate) prompt: Option<Prompt>,
}

impl Scope {
    pub(crate) fn new(session: Session) -> Self {
        Self {
            session,
            prompt: None,
        }
    }

    /// The open prompt, else the session.
    pub(crate) fn recorder(&self) -> &Recorder {
        match &self.prompt {
            Some(prompt) => prompt,
            None => &self.session,
        }
    }

    /// Ends the open prompt. True when there was one.
    pub(crate) fn end_prompt(&mut self) -> bool {
        self.prompt.take().map(Prompt::end).is_some()
    }

    /// Ends the prompt and then the session.
    pub(crate) fn end(mut self) {
        self.end_prompt();
        self.session.end();
    }
}
