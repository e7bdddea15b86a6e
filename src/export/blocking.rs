//! Functions that may block, each on a thread of its own.
//!
//! `tokio::task::spawn_blocking` panics where the system has no thread to give, and a task of it that waits for a thread
//! is dropped without a word. [`spawn`] returns an error instead, which the caller counts as a failed attempt.

use std::fmt;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};

use tokio::runtime::Handle;
use tokio::sync::oneshot;

use super::quiet::Quiet;
use crate::thread;

/// The most functions that block at once. There are more than consoles and name look-ups that can hang.
const LIMIT: usize = 64;

/// The number of functions that block now, of all telemetries of the process.
static RUNNING: AtomicUsize = AtomicUsize::new(0);

/// Why a blocking function returned nothing.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BlockingError {
    /// The system has no thread to give.
    #[error("no thread can be started: {0}")]
    NoThread(#[source] io::Error),
    /// [`LIMIT`] functions have not returned.
    #[error("{LIMIT} other functions block already")]
    TooMany,
    /// The function panicked.
    #[error("a blocking function panicked")]
    Panicked,
}

/// The result of a blocking function. When it is dropped the function still runs to its end.
#[must_use = "the function runs, but its errors are lost"]
pub(crate) struct Blocking<T>(Result<oneshot::Receiver<T>, Option<BlockingError>>);

/// Runs a function on a thread of its own, inside the caller's runtime if there is one.
///
/// `work` is dropped at once when there is no thread for it: it must hold no lock that anyone waits for.
pub(crate) fn spawn<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Blocking<T> {
    let Some(running) = Running::begin() else {
        return Blocking(Err(Some(BlockingError::TooMany)));
    };
    let (sender, receiver) = oneshot::channel();
    let runtime = Handle::try_current().ok();
    let started = thread::spawn("claude-code-telemetry-blocking", move || {
        let _running = running;
        let _runtime = runtime.as_ref().map(Handle::enter);
        let _quiet = Quiet::this_thread();
        let _ = sender.send(work());
    });
    Blocking(match started {
        Ok(_) => Ok(receiver),
        Err(error) => Err(Some(BlockingError::NoThread(error))),
    })
}

/// Runs a function on a thread of its own whose result nobody waits for. Without a thread it does not run.
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

/// Counts one function until it has returned or panicked.
struct Running;

impl Running {
    fn begin() -> Option<Self> {
        let fits = |count| (count < LIMIT).then_some(count + 1);
        RUNNING
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, fits)
            .ok()
            .map(|_| Self)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        RUNNING.fetch_sub(1, Ordering::Relaxed);
    }
}
