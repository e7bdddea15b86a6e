//! The identity of the user: the standard attributes that the host provides.

use std::sync::Arc;

use super::definition::record;

/// A text that many records share. The macro `setter!` recognizes the type by this name.
pub(crate) type SharedText = Arc<str>;

record! {
    /// The user of a session. Attributes that are not set, or set to an empty text, are left out of the telemetry, except
    /// `user.id`, which has a default.
    ///
    /// An identity is set when the session starts, and can be [changed](crate::Session::set_identity) when the user signs
    /// in or out.
    ///
    /// ```
    /// use claude_code_telemetry::Identity;
    /// let identity = Identity::new().organization_id("org-1").email("kim@example.com");
    /// ```
    record Identity: Clone, Debug, PartialEq, Eq;

    /// Creates an empty identity: `user.id` is that of the installation.
    new();

    // After the attribute of a field: its other names in a transcript.
    fields {
        /// Sets the anonymous identifier of the installation (`user.id`); by default 64 random hex digits, stored for the
        /// installation.
        ///
        /// ```
        /// # use claude_code_telemetry::Identity;
        /// let identity = Identity::new().user_id("a3f1c9");
        /// ```
        optional user_id: Option<SharedText> = "user.id" | "user_id";
        /// Sets the UUID of the organization (`organization.id`), for an authenticated user.
        ///
        /// ```
        /// # use claude_code_telemetry::Identity;
        /// let identity = Identity::new().organization_id("b1f6c2f4-3d1e-4c57-9a0b-2f4c6f0e8d11");
        /// ```
        optional organization_id: Option<SharedText> = "organization.id" | "organization_id";
        /// Sets the email address (`user.email`), for an authenticated user.
        ///
        /// ```
        /// # use claude_code_telemetry::Identity;
        /// let identity = Identity::new().email("kim@example.com");
        /// ```
        optional email: Option<SharedText> = "user.email" | "user_email" | "email";
        /// Sets the UUID of the account (`user.account_uuid`), for an authenticated user. It is sent unless
        /// `OTEL_METRICS_INCLUDE_ACCOUNT_UUID` is off.
        ///
        /// ```
        /// # use claude_code_telemetry::Identity;
        /// let identity = Identity::new().account_uuid("5a0a2a4e-7f0b-4d8f-8d7c-0c2f3c1b9e77");
        /// ```
        optional account_uuid: Option<SharedText> =
            "user.account_uuid" | "user_account_uuid" | "account_uuid";
        /// Sets the account in the tagged format of the admin APIs (`user.account_id`), such as `user_01BWBeN28...`. It is
        /// sent unless `OTEL_METRICS_INCLUDE_ACCOUNT_UUID` is off.
        ///
        /// ```
        /// # use claude_code_telemetry::Identity;
        /// let identity = Identity::new().account_id("user_01BWBeN28");
        /// ```
        optional account_id: Option<SharedText> =
            "user.account_id" | "user_account_id" | "account_id";
    }
}
