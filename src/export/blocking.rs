//! Functions that may block, each on a separate thread.
//!
//! `tokio::task::spawn_blocking` panics if the system cannot start a thread, and silently drops a task that waits for a
//! thread. [`spawn`] returns an error instead, which the caller counts as a failed attempt.

use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::runtime::Handle;
use tokio::sync::oneshot;

use super::BoxFuture;
use super::suppression::SuppressedScope;
use crate::thread;

/// The most functions that block at the same time, over all telemetry instances of the process. Functions that never
/// return occupy no more threads than this.
const LIMIT: usize = 64;

/// The most name lookups at the same time. Lookups that never return must leave threads for everything else.
#[cfg(any(feature = "grpc", feature = "http"))]
const LOOKUP_LIMIT: usize = 32;

/// The number of functions that currently block, over all telemetry instances of the process. It is not a semaphore,
/// whose lock would stay locked in a child of a fork during a release.
static RUNNING: AtomicUsize = AtomicUsize::new(0);

/// The number of name lookups among the blocking functions.
#[cfg(any(feature = "grpc", feature = "http"))]
static LOOKUPS: AtomicUsize = AtomicUsize::new(0);

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
    start(Counted::new(&RUNNING, LIMIT), work)
}

/// Runs a name lookup as [`spawn`] does.
#[cfg(any(feature = "grpc", feature = "http"))]
pub(crate) fn spawn_lookup<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Blocking<T> {
    let lookup = Counted::new(&LOOKUPS, LOOKUP_LIMIT);
    let counted = lookup.and_then(|lookup| Ok((lookup, Counted::new(&RUNNING, LIMIT)?)));
    start(counted, work)
}

/// Starts the thread, and keeps `counted` until `work` returns.
fn start<T: Send + 'static>(
    counted: Result<impl Send + 'static, BlockingError>,
    work: impl FnOnce() -> T + Send + 'static,
) -> Blocking<T> {
    let started = counted.and_then(|counted| {
        let (sender, receiver) = oneshot::channel();
        let runtime = Handle::try_current().ok();
        thread::spawn("claude-code-telemetry-blocking", move || {
            let _counted = counted;
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

/// A guard that counts a thread until its function returns or panics.
struct Counted(&'static AtomicUsize);

impl Counted {
    /// Adds one to `count`, which must not exceed `limit`.
    fn new(count: &'static AtomicUsize, limit: usize) -> Result<Self, BlockingError> {
        let fits = |running| (running < limit).then_some(running + 1);
        match count.fetch_update(Ordering::Relaxed, Ordering::Relaxed, fits) {
            Ok(_) => Ok(Self(count)),
            Err(_) => Err(BlockingError::TooMany(limit)),
        }
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
