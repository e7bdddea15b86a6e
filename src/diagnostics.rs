//! What the host should know: warnings of the configuration, failing exporters, losses.

use std::collections::VecDeque;
use std::fmt;
use std::io::Write;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use crate::thread;
use crate::visible::visible;

/// Something that the host or its user should know. It holds no secret, no content and no control
/// character.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Diagnostic {
    /// What happened, in words.
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

/// The host's callback.
pub(crate) type Callback = Arc<dyn Fn(&Diagnostic) + Send + Sync>;

/// The most diagnostics that wait for a slow callback; older ones make room.
const MAX_PENDING: usize = 64;

/// Where diagnostics go: the host's callback, and standard error when `CLAUDE_CODE_OTEL_DIAG_STDERR` is on.
#[derive(Default)]
pub(crate) struct Diagnostics {
    callback: Option<Callback>,
    stderr: AtomicBool,
    pending: Mutex<Pending>,
    /// Told when nothing is left to hand over.
    idle: Notify,
}

/// What the exporters told, in order, and was not handed over yet.
#[derive(Default)]
struct Pending {
    queue: VecDeque<Diagnostic>,
    /// A thread hands them over.
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

    /// Whether they go to standard error from now on.
    pub(crate) fn to_stderr(&self, on: bool) {
        self.stderr.store(on, Ordering::Relaxed);
    }

    /// Tells, on this thread.
    pub(crate) fn report(&self, message: impl Into<String>) {
        self.tell(&Diagnostic::new(&message.into()));
    }

    /// Tells on a thread of its own, in order: a slow callback holds back neither an exporter nor a call that records. The
    /// thread ends when nothing is left, and is none of those that say nothing about themselves, so that a callback may
    /// log.
    pub(crate) fn report_later(self: &Arc<Self>, message: String) {
        let mut pending = self.pending();
        if pending.queue.len() >= MAX_PENDING {
            pending.queue.pop_front();
        }
        pending.queue.push_back(Diagnostic::new(&message));
        self.hand_over(&mut pending);
    }

    /// Tries again to hand over what waits because there was no thread for it.
    pub(crate) fn resume(self: &Arc<Self>) {
        self.hand_over(&mut self.pending());
    }

    fn hand_over(self: &Arc<Self>, pending: &mut Pending) {
        if !pending.queue.is_empty() && !std::mem::replace(&mut pending.busy, true) {
            let this = Arc::clone(self);
            let started = thread::spawn("claude-code-telemetry-diagnostics", move || {
                while let Some(diagnostic) = this.next_pending() {
                    this.tell(&diagnostic);
                }
                this.idle.notify_one();
            });
            // The next one tries again.
            pending.busy = started.is_ok();
        }
    }

    /// Ends when everything is handed over.
    pub(crate) async fn handed_over(&self) {
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
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A callback that panics is ignored, and so is a closed standard error.
    fn tell(&self, diagnostic: &Diagnostic) {
        if self.stderr.load(Ordering::Relaxed) {
            let _ = writeln!(std::io::stderr(), "claude-code-telemetry: {diagnostic}");
        }
        if let Some(callback) = &self.callback {
            let _ = catch_unwind(AssertUnwindSafe(|| callback(diagnostic)));
        }
    }
}
