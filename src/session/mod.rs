//! The handles on which a host records: sessions, their prompts and recorders, and the operations that those begin.

mod prompt;
mod recordable;
pub(crate) mod recorder;
#[cfg(feature = "serde")]
mod serial;

pub use prompt::*;
pub(crate) use prompt::{BlockedSpan, ExecutionSpan, HookSpan, InteractionSpan, LlmSpan, ToolSpan};
pub use recorder::Recorder;
use recorder::{operation_methods, recorder_methods};

use std::sync::Arc;

use crate::propagation::IdGenerator;
use crate::record::{Identity, UserPrompt};
pub use crate::state::SessionOptions;
use crate::state::{SessionCore, TelemetryState};

/// A session: one run of the agent with one user.
///
/// Clones refer to the same session. The session ends when all its handles are dropped: its clones, its prompts, their
/// requests, tool calls and hooks, and every [`Recorder`]. Its metric series are exported at every interval while it is
/// open, and once more after it ends.
///
/// ```
/// use claude_code_telemetry::{Commit, Identity, Telemetry};
/// # let telemetry = Telemetry::disabled();
///
/// let session = telemetry.session(Identity::new().email("kim@example.com"));
/// let prompt = session.prompt("Fix the failing test");
/// session.record_commit(Commit::new());
/// prompt.end();
/// ```
#[derive(Clone, Debug)]
pub struct Session {
    id: Arc<str>,
    recorder: Recorder,
}

impl Session {
    /// Begins an interaction with a new `prompt.id` when a user submits a prompt, and emits the event
    /// `claude_code.user_prompt`.
    ///
    /// Events of the session carry this `prompt.id` until the next prompt begins, even after this prompt ends. Several
    /// prompts may be open at the same time.
    ///
    /// ```
    /// # use claude_code_telemetry::{Identity, Telemetry};
    /// # let session = Telemetry::disabled().session(Identity::new());
    /// let prompt = session.prompt("Fix the failing test");
    /// // ... requests and tool calls
    /// prompt.end();
    /// ```
    pub fn prompt(&self, prompt: impl Into<UserPrompt>) -> Prompt {
        Prompt::begin(&self.recorder, prompt.into())
    }

    // Adds `llm_request`, `tool`, `reserve_tool`, `hook` and `hook_at`.
    operation_methods!(|self| &self.recorder);

    /// Returns the `session.id`.
    ///
    /// ```
    /// # use claude_code_telemetry::{SessionOptions, Telemetry};
    /// let options = SessionOptions::new().id("3f6d1c52-8b0e-4c77-9a51-0d2e6b8f4a10");
    /// let session = Telemetry::disabled().session(options);
    /// assert_eq!(session.id(), "3f6d1c52-8b0e-4c77-9a51-0d2e6b8f4a10");
    /// ```
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Returns the recorder for work outside prompts. It records as the session's own methods do; a clone of it suits
    /// code that takes a [`Recorder`], whether that of a session, a prompt or a tool call.
    ///
    /// ```
    /// # use claude_code_telemetry::{ApiRequest, Identity, LlmRequestOptions, Telemetry};
    /// # let session = Telemetry::disabled().session(Identity::new());
    /// let recorder = session.recorder().clone();
    /// let title = LlmRequestOptions::new("claude-haiku-4-5").query_source("generate_session_title");
    /// recorder.llm_request(title).finish(ApiRequest::new("claude-haiku-4-5"));
    /// ```
    pub fn recorder(&self) -> &Recorder {
        &self.recorder
    }

    /// Replaces the identity, for example after the user signs in or out. Everything recorded after this call carries
    /// the new identity.
    ///
    /// ```
    /// # use claude_code_telemetry::{Identity, Telemetry};
    /// # let session = Telemetry::disabled().session(Identity::new());
    /// session.set_identity(Identity::new().email("kim@example.com"));
    /// ```
    pub fn set_identity(&self, identity: Identity) {
        // The identity is stored also while telemetry is off, because a later configuration may turn it on.
        if let Some(session) = self.recorder.session_in_original_process() {
            session.set_identity(identity);
        }
    }

    // Adds a method `record_*` for each kind of record.
    recorder_methods!(|self| &self.recorder);

    /// Starts a session and counts it in `claude_code.session.count`.
    pub(crate) fn start(telemetry: Option<&Arc<TelemetryState>>, options: SessionOptions) -> Self {
        let ids = telemetry.map_or_else(IdGenerator::default, |telemetry| telemetry.ids);
        let given = options.id.clone().filter(|id| !id.is_empty());
        let id = given.unwrap_or_else(|| ids.session());
        let session = telemetry.map(|telemetry| SessionCore::new(telemetry, &id, options));
        Self {
            id,
            recorder: Recorder {
                // No operation is open around this recorder.
                began: None,
                session,
                prompt: None,
                parent: None,
                context: RequestContext::Standalone,
            },
        }
    }
}
