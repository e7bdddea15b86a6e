//! The standard attributes of a session under a configuration.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use super::{ActiveConfig, TelemetryState};
use crate::identity::Identity;
use crate::schema::key;
use crate::session_attributes::SessionAttributes;

/// Returns the standard attributes that the switches allow, in the order of the catalog. Empty values are omitted as
/// unknown.
pub(super) fn standard(
    telemetry: &TelemetryState,
    active: &ActiveConfig,
    session: &Arc<str>,
    identity: &Identity,
    terminal: Option<&Arc<str>>,
) -> SessionAttributes {
    let switches = &active.config.attributes;
    let user = identity
        .user_id
        .clone()
        .filter(|id| !id.is_empty())
        .unwrap_or_else(|| telemetry.installation_id());
    let account = switches.account_uuid;
    let attributes = [
        (key::USER_ID, Some(user)),
        (
            key::SESSION_ID,
            Some(Arc::clone(session)).filter(|_| switches.session_id),
        ),
        (
            key::APP_VERSION,
            Some(Arc::clone(&telemetry.app_version)).filter(|_| switches.version),
        ),
        (key::ORGANIZATION_ID, identity.organization_id.clone()),
        (
            key::USER_EMAIL,
            identity.email.clone().filter(|_| switches.user_email),
        ),
        (
            key::USER_ACCOUNT_UUID,
            identity.account_uuid.clone().filter(|_| account),
        ),
        (
            key::USER_ACCOUNT_ID,
            identity.account_id.clone().filter(|_| account),
        ),
        (key::TERMINAL_TYPE, terminal.cloned()),
    ];
    SessionAttributes {
        attributes: attributes
            .into_iter()
            .filter_map(|(key, value)| Some((key, value?)))
            .filter(|(_, value)| !value.is_empty())
            .collect(),
        custom: Arc::clone(&active.custom),
        of_one_session: switches.session_id,
        outdated: AtomicBool::new(false),
    }
}
