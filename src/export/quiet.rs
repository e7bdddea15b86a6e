//! Threads that say nothing about themselves.
//!
//! The crates that send (tonic, h2, hyper, reqwest) emit `tracing` events. A host that turns those into telemetry would
//! get events about the export of events, for ever. So the library's threads have no subscriber, and are marked as
//! suppressed for bridges to the OpenTelemetry SDK that have their own.

use opentelemetry::Context;
use tracing::dispatcher::{self, Dispatch};

/// Quiets the current thread for its whole life.
pub(crate) fn this_thread() {
    // The guards would undo it when they are dropped.
    std::mem::forget(dispatcher::set_default(&Dispatch::none()));
    std::mem::forget(Context::enter_telemetry_suppressed_scope());
}
