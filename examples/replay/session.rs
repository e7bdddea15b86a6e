//! The step `session`.

use claude_code_telemetry::{Identity, SessionOptions, StartType};
use serde::Deserialize;

use crate::field::{Id, Word};

#[derive(Deserialize)]
pub(crate) struct SessionStep {
    session_id: Option<Id>,
    user_id: Option<String>,
    pub(crate) app_version: Option<String>,
    terminal_type: Option<String>,
    organization_id: Option<String>,
    account_uuid: Option<String>,
    account_id: Option<String>,
    email: Option<String>,
    workspace_host_paths: Option<Vec<String>>,
    interactive: Option<bool>,
    start_type: Option<Word<StartType>>,
}

impl SessionStep {
    /// What the session is started with. The library generates or detects what is absent.
    pub(crate) fn options(self) -> SessionOptions {
        let mut identity = Identity::new();
        if let Some(id) = self.user_id {
            identity = identity.user_id(id);
        }
        if let Some(id) = self.organization_id {
            identity = identity.organization_id(id);
        }
        if let Some(uuid) = self.account_uuid {
            identity = identity.account_uuid(uuid);
        }
        if let Some(id) = self.account_id {
            identity = identity.account_id(id);
        }
        if let Some(email) = self.email {
            identity = identity.email(email);
        }
        let mut options = SessionOptions::new()
            .identity(identity)
            .interactive(self.interactive.unwrap_or(true))
            .workspace_host_paths(self.workspace_host_paths.unwrap_or_default());
        if let Some(Id(id)) = self.session_id {
            options = options.id(id);
        }
        if let Some(terminal) = self.terminal_type {
            options = options.terminal_type(terminal);
        }
        if let Some(Word(start)) = self.start_type {
            options = options.start_type(start);
        }
        options
    }
}
