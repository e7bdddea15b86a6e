//! The options of a session.

use std::sync::Arc;

use crate::record::{Identity, StartType, setters};

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
    pub(crate) id: Option<Arc<str>>,
    pub(crate) identity: Identity,
    pub(crate) terminal_type: Option<Arc<str>>,
    pub(crate) start_type: Option<StartType>,
    pub(crate) non_interactive: bool,
    pub(crate) workspace_host_paths: Option<Arc<[Arc<str>]>>,
}

impl SessionOptions {
    /// Creates the options of a new interactive session with an empty identity.
    pub fn new() -> Self {
        Self::default()
    }

    setters! {
        /// Sets the `session.id`. The default, also for an empty id, is a random UUID.
        ///
        /// An id that was used before in the same telemetry continues that session: its event sequence and its metric
        /// totals.
        ///
        /// ```
        /// # use claude_code_telemetry::SessionOptions;
        /// let options = SessionOptions::new().id("3f6d1c52-8b0e-4c77-9a51-0d2e6b8f4a10");
        /// ```
        id: Option<SharedText>,
        /// Sets the user of the session. The default is an empty identity.
        ///
        /// ```
        /// # use claude_code_telemetry::{Identity, SessionOptions};
        /// let options = SessionOptions::new().identity(Identity::new().email("kim@example.com"));
        /// ```
        identity: Identity,
        /// Sets the terminal (`terminal.type`). The default is detected from the environment; an empty value omits the
        /// attribute.
        ///
        /// ```
        /// # use claude_code_telemetry::SessionOptions;
        /// let options = SessionOptions::new().terminal_type("vscode");
        /// ```
        terminal_type: Option<SharedText>,
        /// Sets how the session began: the attribute `start_type` of `claude_code.session.count`, omitted by default.
        ///
        /// ```
        /// # use claude_code_telemetry::{SessionOptions, StartType};
        /// let options = SessionOptions::new().start_type(StartType::Continue);
        /// ```
        start_type: Option<StartType>,
    }

    /// Sets whether a user operates the session; the default is `true`.
    ///
    /// A session that is not interactive uses `TRACEPARENT` and `TRACESTATE` of the environment as the parent of its
    /// traces. If that parent is not sampled, the session emits no spans, not even for work outside prompts.
    ///
    /// ```
    /// # use claude_code_telemetry::SessionOptions;
    /// let in_a_pipeline = SessionOptions::new().interactive(false);
    /// ```
    pub fn interactive(mut self, interactive: bool) -> Self {
        self.non_interactive = !interactive;
        self
    }

    /// Sets the folders of the user's machine that are selected as workspace (`workspace.host_paths`, only on events).
    ///
    /// ```
    /// # use claude_code_telemetry::SessionOptions;
    /// let options = SessionOptions::new().workspace_host_paths(["/home/kim/parser"]);
    /// ```
    pub fn workspace_host_paths<P: Into<Arc<str>>>(
        mut self,
        paths: impl IntoIterator<Item = P>,
    ) -> Self {
        let paths: Arc<[_]> = paths.into_iter().map(Into::into).collect();
        self.workspace_host_paths = Some(paths).filter(|paths| !paths.is_empty());
        self
    }
}

impl From<Identity> for SessionOptions {
    fn from(identity: Identity) -> Self {
        Self::new().identity(identity)
    }
}
