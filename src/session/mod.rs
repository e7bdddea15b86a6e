//! Sessions: identity, standard attributes, event sequence and metric series.

mod prompt;
mod recordable;
pub(crate) mod recorder;

pub use prompt::*;
pub(crate) use recordable::Recordable;
pub use recorder::Recorder;
use recorder::recorder_methods;

use std::sync::Arc;

use crate::environment::Environment;
use crate::identity::Identity;
use crate::propagation::Ids;
use crate::record::{StartType, UserPrompt, setters};
use crate::state::{SessionCore, TelemetryState};

/// Options for starting a session. An [`Identity`] alone is enough; every option has a default.
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
    pub(crate) identity: Identity,
    terminal_type: Option<Arc<str>>,
    start_type: Option<StartType>,
    non_interactive: bool,
    workspace_host_paths: Option<Arc<[Arc<str>]>>,
}

impl SessionOptions {
    /// Creates the options of a new interactive session with an empty identity.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the `session.id`. The default, also for an empty id, is a random UUID.
    ///
    /// An id that was used before continues that session: its event sequence and its metric totals.
    pub fn id(mut self, id: impl Into<Arc<str>>) -> Self {
        self.id = Some(id.into());
        self
    }

    setters! {
        /// Sets the user of the session. The default is an empty identity.
        identity: Identity,
    }

    /// Sets the terminal (`terminal.type`). The default is detected from the environment; an empty value omits the
    /// attribute.
    pub fn terminal_type(mut self, terminal: impl Into<Arc<str>>) -> Self {
        self.terminal_type = Some(terminal.into());
        self
    }

    setters! {
        /// Sets how the session began: the attribute `start_type` of `claude_code.session.count`, omitted by default.
        start_type: Option<StartType>,
    }

    /// Sets whether a user operates the session; the default is `true`.
    ///
    /// A session that is not interactive uses `TRACEPARENT` and `TRACESTATE` of the environment as the parent of its
    /// traces. If that parent is not sampled, the session emits no spans, not even for work outside prompts.
    pub fn interactive(mut self, interactive: bool) -> Self {
        self.non_interactive = !interactive;
        self
    }

    /// Sets the workspace folders that are selected on the host (`workspace.host_paths`, only on events).
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

/// A session: one run of the agent with one user.
///
/// Clones refer to the same session. The session ends when its last clone and its last [`Prompt`] are dropped. Its metric series are exported at every
/// interval while it is open, and once more after it ends.
#[derive(Clone, Debug)]
pub struct Session {
    id: Arc<str>,
    recorder: Recorder,
}

impl Session {
    recorder_methods!(|self| &self.recorder);

    /// Starts a session and counts it in `claude_code.session.count`.
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
                let active = telemetry.active.load();
                active.config.terminal_type.as_deref().map(Arc::from)
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

    /// Returns the `session.id`.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Returns the recorder for work outside prompts.
    pub fn recorder(&self) -> &Recorder {
        &self.recorder
    }

    /// Replaces the identity, for example after the user signs in or out. Everything recorded after this call carries
    /// the new identity.
    pub fn set_identity(&self, identity: Identity) {
        // The identity is stored also while telemetry is off, because a later configuration may turn it on.
        if let Some(session) = self.recorder.session_here() {
            session.set_identity(identity);
        }
    }

    /// Begins an interaction with a new `prompt.id` when a user submits a prompt, and emits the event
    /// `claude_code.user_prompt`.
    ///
    /// Events of the session carry this `prompt.id` until the next prompt begins, even after this prompt ends. Several
    /// prompts may be open at the same time.
    pub fn prompt(&self, prompt: impl Into<UserPrompt>) -> Prompt {
        Prompt::begin(&self.recorder, prompt.into())
    }
}
