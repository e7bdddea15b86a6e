//! Who uses the agent: the part of the standard attributes that the host knows.

use std::sync::Arc;

/// Who uses a session. What is unknown, or given as an empty text, is left out of the telemetry.
///
/// It can be given when the session starts and [changed](crate::Session::set_identity) when the user signs in or out.
///
/// ```
/// use claude_code_telemetry::Identity;
/// let identity = Identity::new().organization_id("org-1").email("kim@example.com");
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Identity {
    pub(crate) user_id: Option<Arc<str>>,
    pub(crate) organization_id: Option<Arc<str>>,
    pub(crate) email: Option<Arc<str>>,
    pub(crate) account_uuid: Option<Arc<str>>,
    pub(crate) account_id: Option<Arc<str>>,
}

impl Identity {
    /// Nobody in particular: `user.id` is that of the installation.
    pub fn new() -> Self {
        Self::default()
    }

    /// The anonymous identifier of the installation (`user.id`); by default 64 random hex digits, kept for the
    /// installation.
    pub fn user_id(mut self, id: impl Into<Arc<str>>) -> Self {
        self.user_id = Some(id.into());
        self
    }

    /// The organization's UUID (`organization.id`), when authenticated.
    pub fn organization_id(mut self, id: impl Into<Arc<str>>) -> Self {
        self.organization_id = Some(id.into());
        self
    }

    /// The email address (`user.email`), when authenticated.
    pub fn email(mut self, email: impl Into<Arc<str>>) -> Self {
        self.email = Some(email.into());
        self
    }

    /// The account's UUID (`user.account_uuid`), when authenticated. Sent unless `OTEL_METRICS_INCLUDE_ACCOUNT_UUID` is
    /// off.
    pub fn account_uuid(mut self, uuid: impl Into<Arc<str>>) -> Self {
        self.account_uuid = Some(uuid.into());
        self
    }

    /// The account in the tagged format of the admin APIs (`user.account_id`), such as `user_01BWBeN28...`. Sent unless
    /// `OTEL_METRICS_INCLUDE_ACCOUNT_UUID` is off.
    pub fn account_id(mut self, id: impl Into<Arc<str>>) -> Self {
        self.account_id = Some(id.into());
        self
    }
}
