//! The placeholder of the headers helper in builds without OTLP, where there are no headers.

use std::sync::Arc;

use tokio::sync::mpsc::UnboundedSender;

use super::Command;
use super::runtime::Background;
use crate::config::HeadersHelper;
use crate::diagnostics::Diagnostics;

/// A helper that cannot exist.
pub(crate) enum Helper {}

impl Helper {
    pub(crate) fn new(_: &HeadersHelper, _: Arc<Diagnostics>) -> Option<Arc<Self>> {
        None
    }

    pub(crate) fn background(self: &Arc<Self>) -> (UnboundedSender<Command>, Background) {
        match **self {}
    }
}
