//! The standard attributes of one session as they are sent: identity after the switches.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

/// The final standard attributes, in order, with the custom ones of the configuration behind them.
///
/// Sessions whose attributes are equal have equal values; the registry keeps one copy of those.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Standard {
    pub(crate) attributes: Box<[(&'static str, Arc<str>)]>,
    /// From `OTEL_RESOURCE_ATTRIBUTES`; the same for all sessions of a telemetry.
    pub(crate) custom: Arc<[(Arc<str>, Arc<str>)]>,
    /// Whether `session.id` is among the attributes: such series end with their session.
    pub(crate) of_one_session: bool,
}

impl Hash for Standard {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.attributes.hash(state);
    }
}
