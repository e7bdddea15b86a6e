//! The standard attributes of a session under a configuration.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use super::{ActiveConfig, TelemetryState};
use crate::record::Identity;
use crate::schema::{STANDARD_ATTRIBUTES, key};
use crate::session_attributes::SessionAttributes;

/// Returns the standard attributes that the configuration allows. Empty values are omitted as unknown.
pub(super) fn standard(
    telemetry: &TelemetryState,
    active: &ActiveConfig,
    session: &Arc<str>,
    identity: &Identity,
    terminal: &Option<Arc<str>>,
) -> SessionAttributes {
    let switches = &active.config.attributes;
    let given = identity.user_id.clone().filter(|id| !id.is_empty());
    let user = given.or_else(|| Some(telemetry.installation_id()));
    let (session, version) = (
        Some(Arc::clone(session)),
        Some(Arc::clone(&telemetry.app_version)),
    );
    let account = switches.account_uuid;
    let attributes = [
        (key::USER_ID, &user, true),
        (key::SESSION_ID, &session, switches.session_id),
        (key::APP_VERSION, &version, switches.version),
        (key::ORGANIZATION_ID, &identity.organization_id, true),
        (key::USER_EMAIL, &identity.email, switches.user_email),
        (key::USER_ACCOUNT_UUID, &identity.account_uuid, account),
        (key::USER_ACCOUNT_ID, &identity.account_id, account),
        (key::TERMINAL_TYPE, terminal, true),
    ];
    let keys = attributes.iter().map(|(key, ..)| *key);
    debug_assert!(keys.eq(STANDARD_ATTRIBUTES.iter().map(|attribute| attribute.name)));
    SessionAttributes {
        values: attributes.map(|(_, value, is_sent)| {
            let value = value.as_ref().filter(|text| is_sent && !text.is_empty());
            value.map(Arc::clone)
        }),
        custom: Arc::clone(&active.custom),
        outdated: AtomicBool::new(false),
    }
}
