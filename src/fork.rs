//! Detection of forked child processes.
//!
//! A child of `fork` has none of its parent's threads, and a lock that another thread held at the fork stays locked
//! forever. Therefore telemetry that was started before the fork does nothing in the child: it records, sends and waits
//! for nothing. Telemetry that the child starts itself works.

use std::sync::atomic::{AtomicU32, Ordering};

/// The number of forks between the first process and this one.
static GENERATION: AtomicU32 = AtomicU32::new(0);

/// Counts every fork from now on.
#[cfg(unix)]
#[allow(
    unsafe_code,
    reason = "the only way to learn of a fork without a system call for each record"
)]
fn watch() {
    /// Increments the generation in the child. It does nothing else, because only async-signal-safe operations are
    /// allowed there.
    extern "C" fn in_child() {
        GENERATION.fetch_add(1, Ordering::Relaxed);
    }
    static WATCH: std::sync::Once = std::sync::Once::new();
    WATCH.call_once(|| {
        // SAFETY: the handler is a function of this program, lives as long as the program, and only touches an atomic.
        // If the registration fails (no memory), forks stay undetected, as they would be without it.
        let _ = unsafe { libc::pthread_atfork(None, None, Some(in_child)) };
    });
}

#[cfg(not(unix))]
fn watch() {}

/// The process in which a value was created.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Process(u32);

impl Process {
    /// Returns the current process.
    pub(crate) fn current() -> Self {
        watch();
        Self(GENERATION.load(Ordering::Relaxed))
    }

    /// Returns true if this is the current process, and not the parent of a fork. Costs one atomic load and no system
    /// call.
    pub(crate) fn is_current(self) -> bool {
        self.0 == GENERATION.load(Ordering::Relaxed)
    }
}
