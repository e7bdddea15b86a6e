//! Threads that say nothing about themselves.
//!
//! The crates that send (tonic, h2, hyper) emit `tracing` events. A host that turns those into telemetry would get events
//! about the export of events, for ever. So the library's threads have no subscriber, and are marked as suppressed for
//! bridges to the OpenTelemetry SDK that have their own.

use std::cell::RefCell;

use opentelemetry::{Context, ContextGuard};
use tracing::dispatcher::{self, DefaultGuard, Dispatch};

/// Keeps the current thread quiet until it is dropped.
pub(crate) struct Quiet {
    _no_subscriber: DefaultGuard,
    _suppressed: ContextGuard,
}

impl Quiet {
    pub(crate) fn this_thread() -> Self {
        Self {
            _no_subscriber: dispatcher::set_default(&Dispatch::none()),
            _suppressed: Context::enter_telemetry_suppressed_scope(),
        }
    }
}

thread_local! {
    static HELPER: RefCell<Option<Quiet>> = const { RefCell::new(None) };
}

/// A runtime on the current thread, whose helper threads are quiet too.
pub(crate) fn runtime() -> tokio::runtime::Builder {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    runtime
        .enable_all()
        .on_thread_start(begin_helper)
        .on_thread_stop(end_helper);
    runtime
}

/// A helper thread of the runtime begins.
fn begin_helper() {
    HELPER.set(Some(Quiet::this_thread()));
}

/// A helper thread of the runtime ends: `tracing` counts the threads that have a subscriber of their own.
fn end_helper() {
    HELPER.set(None);
}
