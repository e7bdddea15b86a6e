//! Functions that may block, each on a separate thread.
//!
//! `tokio::task::spawn_blocking` panics if the system cannot start a thread, and silently drops a task that waits for a
//! thread. [`spawn`] returns an error instead, which the caller counts as a failed attempt.

use std::io;

use tokio::runtime::Handle;
use tokio::sync::{Semaphore, SemaphorePermit, oneshot};

use super::BoxFuture;
use super::suppression::SuppressedScope;
use crate::thread;

/// The most functions that block at the same time, over all telemetry instances of the process. Functions that never
/// return occupy no more threads than this.
const LIMIT: usize = 64;

/// The most name lookups at the same time. Lookups that never return must leave threads for everything else.
#[cfg(any(feature = "grpc", feature = "http"))]
const LOOKUP_LIMIT: usize = 32;

static THREADS: Semaphore = Semaphore::const_new(LIMIT);

#[cfg(any(feature = "grpc", feature = "http"))]
static LOOKUPS: Semaphore = Semaphore::const_new(LOOKUP_LIMIT);

/// The reason why a blocking function returned no result.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BlockingError {
    /// The system cannot start a thread.
    #[error("no thread can be started: {0}")]
    NoThread(#[source] io::Error),
    /// The limit of functions that block at the same time is reached. The number is the limit.
    #[error("{0} other functions block already")]
    TooMany(usize),
    /// The function panicked.
    #[error("a blocking function panicked")]
    Panicked,
}

/// The result of a blocking function. If it is dropped, the function still runs to its end.
pub(crate) type Blocking<T> = BoxFuture<'static, Result<T, BlockingError>>;

/// Runs a function on a separate thread, with the caller's tokio runtime entered if there is one. `work` is dropped
/// without being run if no thread is available.
pub(crate) fn spawn<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Blocking<T> {
    start(permit(&THREADS, LIMIT), work)
}

/// Runs a name lookup as [`spawn`] does.
#[cfg(any(feature = "grpc", feature = "http"))]
pub(crate) fn spawn_lookup<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Blocking<T> {
    let lookup = permit(&LOOKUPS, LOOKUP_LIMIT);
    let permits = lookup.and_then(|lookup| Ok((lookup, permit(&THREADS, LIMIT)?)));
    start(permits, work)
}

/// Returns one of the `limit` permits of a semaphore.
fn permit(
    semaphore: &'static Semaphore,
    limit: usize,
) -> Result<SemaphorePermit<'static>, BlockingError> {
    semaphore
        .try_acquire()
        .map_err(|_| BlockingError::TooMany(limit))
}

/// Starts the thread, and keeps `permits` until `work` returns or panics.
fn start<T: Send + 'static>(
    permits: Result<impl Send + 'static, BlockingError>,
    work: impl FnOnce() -> T + Send + 'static,
) -> Blocking<T> {
    let started = permits.and_then(|permits| {
        let (sender, receiver) = oneshot::channel();
        let runtime = Handle::try_current().ok();
        thread::spawn("claude-code-telemetry-blocking", move || {
            let _permits = permits;
            let _runtime = runtime.as_ref().map(Handle::enter);
            let _suppressed = SuppressedScope::this_thread();
            let _ = sender.send(work());
        })
        .map_err(BlockingError::NoThread)?;
        Ok(receiver)
    });
    Box::pin(async move { started?.await.map_err(|_| BlockingError::Panicked) })
}

/// Runs a function on a separate thread and ignores its result. The function does not run if no thread is available.
pub(crate) fn detach(work: impl FnOnce() + Send + 'static) {
    drop(spawn(work));
}
