//! Detection of forked child processes.
//!
//! A child of `fork` has none of its parent's threads, and a lock that another thread held at the fork stays locked
//! forever. Therefore telemetry that was started before the fork does nothing in the child: it records, sends and waits
//! for nothing. Telemetry that the child starts itself works.

#[cfg(unix)]
mod unix {
    use std::sync::Once;
    use std::sync::atomic::{AtomicU32, Ordering};

    /// The number of forks between the first process and this one.
    static GENERATION: AtomicU32 = AtomicU32::new(0);

    /// Increments the generation in the child. It does nothing else, because only async-signal-safe operations are
    /// allowed there.
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
            // SAFETY: the handler is a function of this program, lives as long as the program, and only touches an
            // atomic. If the registration fails (no memory), forks stay undetected, as they would be without it.
            let _ = unsafe { libc::pthread_atfork(None, None, Some(in_child)) };
        });
        GENERATION.load(Ordering::Relaxed)
    }

    pub(super) fn now() -> u32 {
        GENERATION.load(Ordering::Relaxed)
    }
}

/// The process in which a value was created.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Process(#[cfg(unix)] u32);

impl Process {
    /// Returns the current process.
    pub(crate) fn current() -> Self {
        Self(
            #[cfg(unix)]
            unix::generation(),
        )
    }

    /// Returns true if this is the current process, and not the parent of a fork. Costs one atomic load and no system
    /// call.
    pub(crate) fn is_current(self) -> bool {
        #[cfg(unix)]
        return self.0 == unix::now();
        #[cfg(not(unix))]
        true
    }
}
