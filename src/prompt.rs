//! One prompt and the work that it causes.

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use uuid::Uuid;

use crate::record::UserPrompt;
use crate::recorder::Recorder;

/// What all handles of one prompt share.
pub(crate) struct PromptCore {
    pub(crate) id: Arc<str>,
}

/// An interaction: one prompt and the work that it causes.
///
/// It is a [`Recorder`] whose events carry its own `prompt.id`, whichever prompt of the session is the newest. It ends
/// when its last clone is dropped, or with [`end`](Self::end).
#[derive(Clone)]
pub struct Prompt {
    recorder: Recorder,
}

impl Prompt {
    pub(crate) fn begin(session: &Recorder, prompt: UserPrompt) -> Self {
        let Some(core) = &session.session else {
            return Self {
                recorder: session.clone(),
            };
        };
        let id = prompt
            .id
            .clone()
            .unwrap_or_else(|| Uuid::new_v4().to_string().into());
        let this = Arc::new(PromptCore { id });
        core.prompt.store(Some(Arc::clone(&this)));
        if prompt.event {
            core.emit(prompt, Some(&this), None);
        }
        Self {
            recorder: Recorder {
                session: Some(Arc::clone(core)),
                prompt: Some(this),
            },
        }
    }

    /// Its `prompt.id`; empty when telemetry is off.
    pub fn id(&self) -> &str {
        self.recorder
            .prompt
            .as_ref()
            .map_or("", |prompt| &prompt.id)
    }

    /// Ends the interaction.
    pub fn end(self) {}
}

impl Deref for Prompt {
    type Target = Recorder;

    fn deref(&self) -> &Recorder {
        &self.recorder
    }
}

impl fmt::Debug for Prompt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Prompt")
            .field("id", &self.id())
            .finish_non_exhaustive()
    }
}
