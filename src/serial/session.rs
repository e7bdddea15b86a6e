//! Sessions, identities and prompts.

use serde::Deserialize;

use super::fields::Id;
use super::time::{At, Millis};
use super::{With, reads};
use crate::identity::Identity;
use crate::record::{StartType, UserPrompt};
use crate::session::PromptEnd;
use crate::session::SessionOptions;

reads! {
    Identity as IdentityFields,
    SessionOptions as SessionOptionsFields,
    UserPrompt as UserPromptFields,
    PromptEnd as PromptEndFields,
}

#[derive(Deserialize)]
struct IdentityFields {
    #[serde(alias = "user.id")]
    user_id: Option<String>,
    #[serde(alias = "organization.id")]
    organization_id: Option<String>,
    #[serde(alias = "user_account_uuid", alias = "user.account_uuid")]
    account_uuid: Option<String>,
    #[serde(alias = "user_account_id", alias = "user.account_id")]
    account_id: Option<String>,
    #[serde(alias = "user_email", alias = "user.email")]
    email: Option<String>,
}

impl IdentityFields {
    fn record(self) -> Result<Identity, String> {
        Ok(Identity::new()
            .with(self.user_id, Identity::user_id)
            .with(self.organization_id, Identity::organization_id)
            .with(self.account_uuid, Identity::account_uuid)
            .with(self.account_id, Identity::account_id)
            .with(self.email, Identity::email))
    }
}

#[derive(Deserialize)]
struct SessionOptionsFields {
    #[serde(alias = "session.id")]
    session_id: Option<Id>,
    #[serde(alias = "terminal.type")]
    terminal_type: Option<String>,
    #[serde(alias = "workspace.host_paths")]
    workspace_host_paths: Option<Vec<String>>,
    interactive: Option<bool>,
    start_type: Option<StartType>,
    #[serde(alias = "user.id")]
    user_id: Option<String>,
    #[serde(alias = "organization.id")]
    organization_id: Option<String>,
    #[serde(alias = "user_account_uuid", alias = "user.account_uuid")]
    account_uuid: Option<String>,
    #[serde(alias = "user_account_id", alias = "user.account_id")]
    account_id: Option<String>,
    #[serde(alias = "user_email", alias = "user.email")]
    email: Option<String>,
}

impl SessionOptionsFields {
    fn record(self) -> Result<SessionOptions, String> {
        let identity = IdentityFields {
            user_id: self.user_id,
            organization_id: self.organization_id,
            account_uuid: self.account_uuid,
            account_id: self.account_id,
            email: self.email,
        };
        Ok(SessionOptions::new()
            .identity(identity.record()?)
            .with(self.session_id, |options, Id(id)| options.id(id))
            .with(self.terminal_type, SessionOptions::terminal_type)
            .with(
                self.workspace_host_paths,
                SessionOptions::workspace_host_paths,
            )
            .with(self.interactive, SessionOptions::interactive)
            .with(self.start_type, SessionOptions::start_type))
    }
}

#[derive(Deserialize)]
struct UserPromptFields {
    #[serde(alias = "prompt")]
    text: String,
    #[serde(alias = "prompt.id")]
    prompt_id: Option<Id>,
    event: Option<bool>,
    #[serde(alias = "event.timestamp")]
    at: Option<At>,
}

impl UserPromptFields {
    fn record(self) -> Result<UserPrompt, String> {
        let prompt = UserPrompt::new(self.text)
            .with(self.prompt_id, |prompt, Id(id)| prompt.id(id))
            .with(self.at, |prompt, At(time)| prompt.at(time));
        Ok(match self.event {
            Some(false) => prompt.without_event(),
            _ => prompt,
        })
    }
}

#[derive(Deserialize)]
struct PromptEndFields {
    #[serde(alias = "interaction.duration_ms")]
    duration_ms: Option<Millis>,
    at: Option<At>,
}

impl PromptEndFields {
    fn record(self) -> Result<PromptEnd, String> {
        Ok(PromptEnd::new()
            .with(self.duration_ms, |end, Millis(time)| end.duration(time))
            .with(self.at, |end, At(time)| end.at(time)))
    }
}
