//! Suppression of telemetry about the library's own threads.
//!
//! The transport crates (hyper, h2) emit `tracing` events. A host that exports those as telemetry would get
//! events about the export of events, without end. Therefore the library's threads have no subscriber. They are also
//! marked as suppressed: the OpenTelemetry SDK then drops what reaches it from these threads without a subscriber, such as
//! through a bridge from the crate `log`.

use std::io;
use std::panic::catch_unwind;

use opentelemetry::{Context, ContextGuard};
use tokio::runtime::{Builder, Runtime};
use tracing::dispatcher::{self, DefaultGuard, Dispatch};

/// A guard that suppresses telemetry on the current thread until it is dropped.
pub(crate) struct SuppressedScope {
    _no_subscriber: DefaultGuard,
    _suppressed: ContextGuard,
}

impl SuppressedScope {
    pub(crate) fn this_thread() -> Self {
        Self {
            _no_subscriber: dispatcher::set_default(&Dispatch::none()),
            _suppressed: Context::enter_telemetry_suppressed_scope(),
        }
    }
}

/// Builds a runtime on the current thread. It starts no other thread as long as nothing in it calls
/// `tokio::task::spawn_blocking`, which panics if the system cannot start a thread: see [`blocking`](super::blocking).
///
/// # Errors
///
/// Returns an error if the system has no file descriptors left.
pub(crate) fn runtime() -> io::Result<Runtime> {
    // If the host enables tokio's feature `signal`, the I/O driver opens a pair of sockets and panics if that fails.
    check_descriptors()?;
    let build = || {
        Builder::new_current_thread()
            .enable_io()
            .enable_time()
            .build()
    };
    catch_unwind(build).unwrap_or_else(|_| Err(io::Error::other("tokio panicked")))
}

/// The number of file descriptors that the drivers of a runtime open, plus some spare ones.
#[cfg(unix)]
const DESCRIPTORS: usize = 8;

/// Returns an error if there are not enough file descriptors for the drivers of a runtime.
#[cfg(unix)]
fn check_descriptors() -> io::Result<()> {
    use std::os::unix::net::UnixStream;

    let pairs = (0..DESCRIPTORS / 2).map(|_| UnixStream::pair());
    pairs.collect::<io::Result<Vec<_>>>().map(drop)
}

#[cfg(not(unix))]
fn check_descriptors() -> io::Result<()> {
    Ok(())
}
