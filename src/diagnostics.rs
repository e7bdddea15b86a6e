//! Diagnostics for the host: warnings about the configuration, failing exporters, dropped items.

use std::collections::VecDeque;
use std::fmt;
use std::io::Write;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use tokio::sync::Notify;

use crate::lock::lock;
use crate::thread;
use crate::visible::visible;

/// A message for the host or its user. It contains no secret, no content and no control character.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Diagnostic {
    /// The description of the event.
    pub message: String,
}

impl Diagnostic {
    fn new(message: &str) -> Self {
        Self {
            message: visible(message),
        }
    }
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

/// The diagnostics callback of the host.
pub(crate) type Callback = Arc<dyn Fn(&Diagnostic) + Send + Sync>;

/// The maximum number of diagnostics in the queue of a slow callback. The oldest diagnostic is dropped for a new one.
const MAX_PENDING: usize = 64;

/// The destinations of diagnostics: the host's callback, and standard error when `CLAUDE_CODE_OTEL_DIAG_STDERR` is on.
#[derive(Default)]
pub(crate) struct Diagnostics {
    callback: Option<Callback>,
    stderr: AtomicBool,
    pending: Mutex<Pending>,
    /// Notified when the thread that delivers the queue ends.
    idle: Notify,
}

/// The diagnostics of [`report_later`](Diagnostics::report_later) that were not delivered yet, in order.
#[derive(Default)]
struct Pending {
    queue: VecDeque<Diagnostic>,
    /// True while a thread delivers the queue.
    busy: bool,
}

impl Diagnostics {
    pub(crate) fn new(callback: Option<Callback>, stderr: bool) -> Self {
        Self {
            callback,
            stderr: AtomicBool::new(stderr),
            pending: Mutex::default(),
            idle: Notify::new(),
        }
    }

    /// Turns the output to standard error on or off.
    pub(crate) fn set_stderr(&self, on: bool) {
        self.stderr.store(on, Ordering::Relaxed);
    }

    /// Delivers a diagnostic on the current thread.
    pub(crate) fn report(&self, message: impl Into<String>) {
        self.deliver(&Diagnostic::new(&message.into()));
    }

    /// Delivers a diagnostic on a separate thread, in order, so that a slow callback delays neither an exporter nor a
    /// call that records. The thread ends when the queue is empty. Instrumentation is not suppressed on this thread, so
    /// that a callback may log.
    pub(crate) fn report_later(self: &Arc<Self>, message: String) {
        let mut pending = self.pending();
        if pending.queue.len() >= MAX_PENDING {
            pending.queue.pop_front();
        }
        pending.queue.push_back(Diagnostic::new(&message));
        drop(pending);
        self.resume();
    }

    /// Starts a thread that delivers the queue, unless one is running. If no thread can be started, the next diagnostic
    /// tries again.
    pub(crate) fn resume(self: &Arc<Self>) {
        let mut pending = self.pending();
        if !pending.queue.is_empty() && !pending.busy {
            let this = Arc::clone(self);
            let started = thread::spawn("claude-code-telemetry-diagnostics", move || {
                while let Some(diagnostic) = this.next_pending() {
                    this.deliver(&diagnostic);
                }
                this.idle.notify_one();
            });
            pending.busy = started.is_ok();
        }
    }

    /// Waits until the queue is delivered. Does not wait if no thread could be started for it.
    pub(crate) async fn wait_until_delivered(&self) {
        while self.pending().busy {
            self.idle.notified().await;
        }
    }

    fn next_pending(&self) -> Option<Diagnostic> {
        let mut pending = self.pending();
        let next = pending.queue.pop_front();
        pending.busy = next.is_some();
        next
    }

    fn pending(&self) -> MutexGuard<'_, Pending> {
        lock(&self.pending)
    }

    /// Delivers a diagnostic. A panic of the callback and a closed standard error are ignored.
    fn deliver(&self, diagnostic: &Diagnostic) {
        if self.stderr.load(Ordering::Relaxed) {
            let _ = writeln!(std::io::stderr(), "claude-code-telemetry: {diagnostic}");
        }
        if let Some(callback) = &self.callback {
            let _ = catch_unwind(AssertUnwindSafe(|| callback(diagnostic)));
        }
    }
}
