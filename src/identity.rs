//! The identity of the user: the standard attributes that the host provides.

use std::sync::Arc;

/// The user of a session. Attributes that are not set, or set to an empty text, are left out of the telemetry.
///
/// An identity is set when the session starts, and can be [changed](crate::Session::set_identity) when the user signs
/// in or out.
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
    /// Creates an empty identity: `user.id` is that of the installation.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the anonymous identifier of the installation (`user.id`); by default 64 random hex digits, stored for the
    /// installation.
    ///
    /// ```
    /// # use claude_code_telemetry::Identity;
    /// let identity = Identity::new().user_id("a3f1c9");
    /// ```
    pub fn user_id(mut self, id: impl Into<Arc<str>>) -> Self {
        self.user_id = Some(id.into());
        self
    }

    /// Sets the UUID of the organization (`organization.id`), for an authenticated user.
    ///
    /// ```
    /// # use claude_code_telemetry::Identity;
    /// let identity = Identity::new().organization_id("b1f6c2f4-3d1e-4c57-9a0b-2f4c6f0e8d11");
    /// ```
    pub fn organization_id(mut self, id: impl Into<Arc<str>>) -> Self {
        self.organization_id = Some(id.into());
        self
    }

    /// Sets the email address (`user.email`), for an authenticated user.
    ///
    /// ```
    /// # use claude_code_telemetry::Identity;
    /// let identity = Identity::new().email("kim@example.com");
    /// ```
    pub fn email(mut self, email: impl Into<Arc<str>>) -> Self {
        self.email = Some(email.into());
        self
    }

    /// Sets the UUID of the account (`user.account_uuid`), for an authenticated user. It is sent unless
    /// `OTEL_METRICS_INCLUDE_ACCOUNT_UUID` is off.
    ///
    /// ```
    /// # use claude_code_telemetry::Identity;
    /// let identity = Identity::new().account_uuid("5a0a2a4e-7f0b-4d8f-8d7c-0c2f3c1b9e77");
    /// ```
    pub fn account_uuid(mut self, uuid: impl Into<Arc<str>>) -> Self {
        self.account_uuid = Some(uuid.into());
        self
    }

    /// Sets the account in the tagged format of the admin APIs (`user.account_id`), such as `user_01BWBeN28...`. It is
    /// sent unless `OTEL_METRICS_INCLUDE_ACCOUNT_UUID` is off.
    ///
    /// ```
    /// # use claude_code_telemetry::Identity;
    /// let identity = Identity::new().account_id("user_01BWBeN28");
    /// ```
    pub fn account_id(mut self, id: impl Into<Arc<str>>) -> Self {
        self.account_id = Some(id.into());
        self
    }
}
