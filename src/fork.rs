//! Forked children.
//!
//! A child of `fork` has none of its parent's threads, and locks that they held stay locked for ever. So telemetry that
//! was started before the fork does nothing in the child: nothing is recorded, sent or waited for. Telemetry that the
//! child starts itself works.

#[cfg(unix)]
mod unix {
    use std::sync::Once;
    use std::sync::atomic::{AtomicU32, Ordering};

    /// How many forks lie between the first process and this one.
    static GENERATION: AtomicU32 = AtomicU32::new(0);

    /// Counts up in the child; does nothing else, because little is allowed there.
    extern "C" fn in_child() {
        GENERATION.fetch_add(1, Ordering::Relaxed);
    }

    #[allow(
        unsafe_code,
        reason = "the only way to learn of a fork without a system call for each record"
    )]
    pub(super) fn generation() -> u32 {
        static WATCH: Once = Once::new();
        WATCH.call_once(|| {
            // SAFETY: the handler is a function of this program, lives as long as it, and only touches an atomic.
            // A failure (no memory) leaves forks unnoticed, as they would be without it.
            let _ = unsafe { libc::pthread_atfork(None, None, Some(in_child)) };
        });
        GENERATION.load(Ordering::Relaxed)
    }

    pub(super) fn now() -> u32 {
        GENERATION.load(Ordering::Relaxed)
    }
}

/// The process in which something was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Process(#[cfg(unix)] u32);

impl Process {
    /// This process.
    pub(crate) fn current() -> Self {
        Self(
            #[cfg(unix)]
            unix::generation(),
        )
    }

    /// Whether this is still that process, and not a fork of it. Costs a load, no system call.
    pub(crate) fn is_current(self) -> bool {
        #[cfg(unix)]
        return self.0 == unix::now();
        #[cfg(not(unix))]
        true
    }
}
