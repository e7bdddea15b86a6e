//! Functions that may block, each on a separate thread.
//!
//! `tokio::task::spawn_blocking` panics if the system cannot start a thread, and silently drops a task that waits for a
//! thread. [`spawn`] returns an error instead, which the caller counts as a failed attempt.

use std::fmt;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};

use tokio::runtime::Handle;
use tokio::sync::oneshot;

use super::suppression::SuppressedScope;
use crate::thread;

/// The most functions that block at the same time. The limit is higher than the number of consoles and name lookups
/// that can hang.
const LIMIT: usize = 64;

/// The most name lookups at the same time. Lookups that never return must leave threads for everything else.
#[cfg(any(feature = "grpc", feature = "http"))]
const LOOKUP_LIMIT: usize = 32;

/// The number of functions that currently block, over all telemetry instances of the process.
static RUNNING: Count = Count::new(LIMIT);

/// The number of name lookups among the blocking functions.
#[cfg(any(feature = "grpc", feature = "http"))]
static LOOKUPS: Count = Count::new(LOOKUP_LIMIT);

/// The reason why a blocking function returned no result.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BlockingError {
    /// The system cannot start a thread.
    #[error("no thread can be started: {0}")]
    NoThread(#[source] io::Error),
    /// This many functions have not returned, which is the limit.
    #[error("{0} other functions block already")]
    TooMany(usize),
    /// The function panicked.
    #[error("a blocking function panicked")]
    Panicked,
}

/// The result of a blocking function. If it is dropped, the function still runs to its end.
#[must_use = "the function runs, but its errors are lost"]
pub(crate) struct Blocking<T>(Result<oneshot::Receiver<T>, Option<BlockingError>>);

/// Runs a function on a separate thread, inside the caller's runtime if there is one.
///
/// `work` is dropped at once if no thread is available: it must not hold a lock that another thread waits for.
pub(crate) fn spawn<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Blocking<T> {
    match RUNNING.add() {
        Ok(counted) => start(counted, work),
        Err(error) => Blocking(Err(Some(error))),
    }
}

/// Runs a name lookup as [`spawn`] does.
#[cfg(any(feature = "grpc", feature = "http"))]
pub(crate) fn spawn_lookup<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Blocking<T> {
    match LOOKUPS
        .add()
        .and_then(|lookup| Ok((lookup, RUNNING.add()?)))
    {
        Ok(counted) => start(counted, work),
        Err(error) => Blocking(Err(Some(error))),
    }
}

fn start<T: Send + 'static>(
    counted: impl Send + 'static,
    work: impl FnOnce() -> T + Send + 'static,
) -> Blocking<T> {
    let (sender, receiver) = oneshot::channel();
    let runtime = Handle::try_current().ok();
    let started = thread::spawn("claude-code-telemetry-blocking", move || {
        let _counted = counted;
        let _runtime = runtime.as_ref().map(Handle::enter);
        let _suppressed = SuppressedScope::this_thread();
        let _ = sender.send(work());
    });
    Blocking(match started {
        Ok(_) => Ok(receiver),
        Err(error) => Err(Some(BlockingError::NoThread(error))),
    })
}

/// Runs a function on a separate thread and ignores its result. The function does not run if no thread is available.
#[cfg(any(feature = "grpc", feature = "http", feature = "prometheus"))]
pub(crate) fn detach(work: impl FnOnce() + Send + 'static) {
    drop(spawn(work));
}

impl<T> Future for Blocking<T> {
    type Output = Result<T, BlockingError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        match &mut self.0 {
            Ok(receiver) => Pin::new(receiver)
                .poll(context)
                .map_err(|_| BlockingError::Panicked),
            Err(error) => Poll::Ready(Err(error.take().unwrap_or(BlockingError::Panicked))),
        }
    }
}

impl<T> fmt::Debug for Blocking<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Blocking").finish_non_exhaustive()
    }
}

/// The number of functions that have not returned, with a limit.
struct Count {
    now: AtomicUsize,
    limit: usize,
}

/// A guard that counts one function until it returns or panics.
struct Counted(&'static Count);

impl Count {
    const fn new(limit: usize) -> Self {
        Self {
            now: AtomicUsize::new(0),
            limit,
        }
    }

    fn add(&'static self) -> Result<Counted, BlockingError> {
        let fits = |count| (count < self.limit).then_some(count + 1);
        match self
            .now
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, fits)
        {
            Ok(_) => Ok(Counted(self)),
            Err(_) => Err(BlockingError::TooMany(self.limit)),
        }
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.now.fetch_sub(1, Ordering::Relaxed);
    }
}
