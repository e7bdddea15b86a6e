//! The standard attributes of one session as they are sent: identity after the switches.

use std::hash::{Hash, Hasher};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// The final standard attributes, in order, with the custom ones of the configuration behind them.
///
/// Sessions whose attributes are equal have equal values; the registry keeps one copy of those.
#[derive(Debug, Default)]
pub(crate) struct Standard {
    pub(crate) attributes: Box<[(&'static str, Arc<str>)]>,
    /// From `OTEL_RESOURCE_ATTRIBUTES`; the same for all sessions of a telemetry.
    pub(crate) custom: Arc<[(Arc<str>, Arc<str>)]>,
    /// Whether `session.id` is among the attributes: such series end with their session.
    pub(crate) of_one_session: bool,
    /// No session that begins now has these attributes: the configuration changed. It is no part of their value.
    pub(crate) outdated: AtomicBool,
}

impl Standard {
    /// Whether its series end when nobody holds them.
    pub(crate) fn ends(&self) -> bool {
        self.of_one_session || self.outdated.load(Ordering::Relaxed)
    }
}

impl PartialEq for Standard {
    fn eq(&self, other: &Self) -> bool {
        self.attributes == other.attributes
            && self.custom == other.custom
            && self.of_one_session == other.of_one_session
    }
}

impl Eq for Standard {}

impl Hash for Standard {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.attributes.hash(state);
    }
}
