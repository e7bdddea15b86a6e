//! Threads that say nothing about themselves.
//!
//! The crates that send (tonic, h2, hyper) emit `tracing` events. A host that turns those into telemetry would get events
//! about the export of events, for ever. So the library's threads have no subscriber, and are marked as suppressed for
//! bridges to the OpenTelemetry SDK that have their own.

use std::io;
use std::panic::catch_unwind;

use opentelemetry::{Context, ContextGuard};
use tokio::runtime::{Builder, Runtime};
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

/// A runtime on the current thread. It starts no other thread as long as nothing in it calls
/// `tokio::task::spawn_blocking`, which panics where the system has no thread to give: see
/// [`blocking`](super::blocking).
///
/// # Errors
///
/// The system has no descriptors to give.
pub(crate) fn runtime() -> io::Result<Runtime> {
    // Where the host enables tokio's feature `signal`, the I/O driver opens a pair of sockets and panics without them.
    reserve_descriptors()?;
    let build = || {
        Builder::new_current_thread()
            .enable_io()
            .enable_time()
            .build()
    };
    catch_unwind(build).unwrap_or_else(|_| Err(io::Error::other("tokio panicked")))
}

/// The number of descriptors that the drivers of a runtime open, with some to spare.
#[cfg(unix)]
const DESCRIPTORS: usize = 8;

/// Fails where the drivers of a runtime would find no descriptors.
#[cfg(unix)]
fn reserve_descriptors() -> io::Result<()> {
    use std::os::unix::net::UnixStream;

    let pairs = (0..DESCRIPTORS / 2).map(|_| UnixStream::pair());
    pairs.collect::<io::Result<Vec<_>>>().map(drop)
}

#[cfg(not(unix))]
fn reserve_descriptors() -> io::Result<()> {
    Ok(())
}
