//! Sessions, identities and prompts.

use super::deserialize;
use super::fields::Id;
use super::time::{At, Millis};
use crate::identity::Identity;
use crate::record::{StartType, UserPrompt};
use crate::session::{PromptEnd, SessionOptions};

/// Sets one of the fields of the identity of a session.
fn identity(
    set: impl Fn(Identity, String) -> Identity,
) -> impl FnOnce(SessionOptions, String) -> SessionOptions {
    move |mut options, text| {
        options.identity = set(options.identity, text);
        options
    }
}

deserialize! {
    Identity::new() {
        #[serde(alias = "user.id")]
        user_id: String => Self::user_id,
        #[serde(alias = "organization.id")]
        organization_id: String => Self::organization_id,
        #[serde(alias = "user_account_uuid", alias = "user.account_uuid")]
        account_uuid: String => Self::account_uuid,
        #[serde(alias = "user_account_id", alias = "user.account_id")]
        account_id: String => Self::account_id,
        #[serde(alias = "user_email", alias = "user.email")]
        email: String => Self::email,
    }

    SessionOptions::new() {
        #[serde(alias = "session.id")]
        session_id: Id => Self::id,
        #[serde(alias = "terminal.type")]
        terminal_type: String => Self::terminal_type,
        #[serde(alias = "workspace.host_paths")]
        workspace_host_paths: Vec<String> => Self::workspace_host_paths,
        interactive: bool => Self::interactive,
        start_type: StartType => Self::start_type,
        #[serde(alias = "user.id")]
        user_id: String => identity(Identity::user_id),
        #[serde(alias = "organization.id")]
        organization_id: String => identity(Identity::organization_id),
        #[serde(alias = "user_account_uuid", alias = "user.account_uuid")]
        account_uuid: String => identity(Identity::account_uuid),
        #[serde(alias = "user_account_id", alias = "user.account_id")]
        account_id: String => identity(Identity::account_id),
        #[serde(alias = "user_email", alias = "user.email")]
        email: String => identity(Identity::email),
    }

    UserPrompt::new(#[serde(alias = "prompt")] text: String) {
        #[serde(alias = "prompt.id")]
        prompt_id: Id => Self::id,
        event: bool => |prompt, event| if event { prompt } else { prompt.without_event() },
        #[serde(alias = "event.timestamp")]
        at: At => Self::at,
    }

    PromptEnd::new() {
        #[serde(alias = "interaction.duration_ms")]
        duration_ms: Millis => Self::duration,
        at: At => Self::at,
    }
}
