//! The placeholder of the headers helper in builds without OTLP, where there are no headers.

use std::sync::Arc;

use tokio::sync::watch;

use super::Requests;
use super::runtime::Job;
use crate::config::HeadersHelper;
use crate::diagnostics::Diagnostics;

/// A helper that cannot exist.
#[derive(PartialEq)]
pub(crate) enum Helper {}

impl Helper {
    pub(crate) fn new(
        _: &HeadersHelper,
        _: Arc<Diagnostics>,
    ) -> Option<(Arc<Self>, Arc<watch::Sender<Requests>>, Job)> {
        None
    }

    pub(crate) fn config(&self) -> &HeadersHelper {
        match *self {}
    }
}
