//! Requests for delivery, and the callers that wait for them.

use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};

/// A handle to a caller that waits until every clone of the handle is dropped. An [`Incomplete`] message tells the
/// caller that not everything was delivered.
#[derive(Clone, Debug)]
pub(crate) enum Waiter {
    /// A thread, which watches its own deadline.
    Thread(std::sync::mpsc::Sender<Incomplete>),
    /// A task of any runtime.
    Task(mpsc::Sender<Incomplete>),
}

/// The message that some data is undelivered or lost.
#[derive(Debug)]
pub(crate) struct Incomplete;

impl Waiter {
    /// Drops the handle. `complete` is true if the caller's request was fulfilled.
    pub(super) fn release(self, complete: bool) {
        match self {
            _ if complete => {}
            Self::Thread(sender) => drop(sender.send(Incomplete)),
            // A full channel already holds this message.
            Self::Task(sender) => drop(sender.try_send(Incomplete)),
        }
    }
}

/// A request to deliver all data that was recorded before it.
#[derive(Debug)]
pub(crate) struct Command {
    /// The time at which the caller stops waiting.
    pub(crate) deadline: Instant,
    /// True for the shutdown: no more data will be recorded, and the exporter ends by the deadline.
    pub(crate) shutdown: bool,
    pub(crate) waiter: Waiter,
}

/// Waits until `time`; never returns if it is `None`.
pub(crate) async fn sleep_until_optional(time: Option<Instant>) {
    match time {
        Some(time) => sleep_until(time).await,
        None => std::future::pending().await,
    }
}
