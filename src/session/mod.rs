//! A session: identity, standard attributes, event sequence, series.

mod prompt;
mod recorder;

pub use prompt::*;
pub use recorder::Recorder;

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use crate::environment::Environment;
use crate::identity::Identity;
use crate::propagation::Ids;
use crate::record::{StartType, UserPrompt};
use crate::state::{SessionCore, TelemetryState};

/// How a session starts. An [`Identity`] alone is enough; everything has a default.
///
/// ```
/// use claude_code_telemetry::{Identity, SessionOptions, StartType};
/// let options = SessionOptions::new()
///     .id("3f6d1c52-8b0e-4c77-9a51-0d2e6b8f4a10")
///     .identity(Identity::new().email("kim@example.com"))
///     .start_type(StartType::Resume);
/// ```
#[derive(Clone, Debug, Default)]
pub struct SessionOptions {
    id: Option<Arc<str>>,
    identity: Identity,
    terminal_type: Option<Arc<str>>,
    start_type: Option<StartType>,
    non_interactive: bool,
    workspace_host_paths: Option<Arc<[Arc<str>]>>,
}

impl SessionOptions {
    /// A new interactive session of nobody in particular.
    pub fn new() -> Self {
        Self::default()
    }

    /// Its `session.id`; a random UUID by default. One that was used before goes on: its event sequence, its totals.
    pub fn id(mut self, id: impl Into<Arc<str>>) -> Self {
        self.id = Some(id.into());
        self
    }

    /// Who uses it.
    pub fn identity(mut self, identity: Identity) -> Self {
        self.identity = identity;
        self
    }

    /// The terminal (`terminal.type`); detected from the environment by default. Empty: none.
    pub fn terminal_type(mut self, terminal: impl Into<Arc<str>>) -> Self {
        self.terminal_type = Some(terminal.into());
        self
    }

    /// How it began: the attribute `start_type` of `claude_code.session.count`.
    pub fn start_type(mut self, start: StartType) -> Self {
        self.start_type = Some(start);
        self
    }

    /// Whether a user sits before it; true by default. A session that is not interactive takes `TRACEPARENT` and
    /// `TRACESTATE` of the environment for the parent of its traces. Below one that is not sampled there are no spans, also
    /// outside of prompts.
    pub fn interactive(mut self, interactive: bool) -> Self {
        self.non_interactive = !interactive;
        self
    }

    /// Workspace folders selected on the host (`workspace.host_paths`, on events alone).
    pub fn workspace_host_paths<P: Into<Arc<str>>>(
        mut self,
        paths: impl IntoIterator<Item = P>,
    ) -> Self {
        self.workspace_host_paths = Some(paths.into_iter().map(Into::into).collect());
        self
    }
}

impl From<Identity> for SessionOptions {
    fn from(identity: Identity) -> Self {
        Self::new().identity(identity)
    }
}

/// One session of the agent.
///
/// It is a [`Recorder`]: all `record_*` calls are its own. Clones are the same session; it ends with the last of them
/// and with the last [`Prompt`] of it. Its series are reported at every interval while it is open and once more after
/// its end.
#[derive(Clone)]
pub struct Session {
    id: Arc<str>,
    recorder: Recorder,
}

impl Session {
    /// Starts a session; counts `claude_code.session.count`.
    pub(crate) fn start(
        telemetry: Option<&Arc<TelemetryState>>,
        environment: Environment,
        options: SessionOptions,
    ) -> Self {
        let id = options.id.filter(|id| !id.is_empty()).unwrap_or_else(|| {
            telemetry
                .map_or_else(Ids::default, |inner| inner.ids)
                .session()
        });
        let core = telemetry.map(|telemetry| {
            let detected = || {
                let setup = telemetry.setup.load();
                setup.config.terminal_type.as_deref().map(Arc::from)
            };
            let terminal = options
                .terminal_type
                .or_else(detected)
                .filter(|terminal| !terminal.is_empty());
            SessionCore::new(
                Arc::clone(telemetry),
                Arc::clone(&id),
                options.identity,
                terminal,
                options.start_type,
                !options.non_interactive,
                options
                    .workspace_host_paths
                    .filter(|paths| !paths.is_empty()),
            )
        });
        Self {
            id,
            recorder: Recorder {
                began: None,
                environment,
                session: core,
                prompt: None,
                parent: None,
                context: RequestContext::Standalone,
            },
        }
    }

    /// Its `session.id`.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The recorder of what happens outside any prompt.
    pub fn recorder(&self) -> &Recorder {
        &self.recorder
    }

    /// The user signed in or out: what is recorded from now on belongs to this identity.
    pub fn set_identity(&self, identity: Identity) {
        // Also while telemetry is off: it may be turned on later.
        if let Some(session) = self.recorder.session_here() {
            session.set_identity(identity);
        }
    }

    /// A user submits a prompt: begins an interaction with a new `prompt.id` and emits the event
    /// `claude_code.user_prompt`.
    ///
    /// Events of the session carry the `prompt.id` until the next prompt, also after this one ended. Several prompts may
    /// be open at once.
    pub fn prompt(&self, prompt: impl Into<UserPrompt>) -> Prompt {
        Prompt::begin(&self.recorder, prompt.into())
    }

    /// Ends the session, unless clones or prompts of it are left.
    pub fn end(self) {}
}

impl Deref for Session {
    type Target = Recorder;

    fn deref(&self) -> &Recorder {
        &self.recorder
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}
