//! The threads of this crate.
//!
//! A signal that is sent to the process runs its handler, or its default action, on any thread that does not block it.
//! Threads of this crate block all such signals, so that the host's signals reach the host's own threads, and so that a
//! write to a closed connection fails with `EPIPE` even if the host leaves `SIGPIPE` at its default action, which ends
//! the process. Signals that a thread causes by its own fault (`SIGSEGV` and so on) stay unblocked: blocking them is
//! undefined, and the handler for stack overflows needs them.

use std::io;
use std::thread::{Builder, JoinHandle};

/// Starts a thread that handles no signal of the process.
///
/// # Errors
///
/// Returns an error if the system has no thread or no memory left. The caller retries later.
pub(crate) fn spawn<T: Send + 'static>(
    name: &str,
    work: impl FnOnce() -> T + Send + 'static,
) -> io::Result<JoinHandle<T>> {
    // A thread inherits the signal mask of the thread that starts it, so the new thread never runs with unblocked
    // signals.
    let _blocked = signals::block();
    Builder::new().name(name.to_owned()).spawn(work)
}

pub(crate) use signals::unblock_signals_in;

#[cfg(unix)]
mod signals {
    use nix::sys::signal::Signal::{SIGABRT, SIGBUS, SIGFPE, SIGILL, SIGSEGV, SIGSYS, SIGTRAP};
    use nix::sys::signal::{SigSet, SigmaskHow, Signal};

    /// A guard that restores the thread's signal mask when it is dropped.
    pub(super) struct Blocked(Option<SigSet>);

    /// The signals that a fault of the thread itself raises.
    const SYNCHRONOUS: [Signal; 7] = [SIGABRT, SIGBUS, SIGFPE, SIGILL, SIGSEGV, SIGSYS, SIGTRAP];

    /// Blocks all asynchronous signals on this thread.
    pub(super) fn block() -> Blocked {
        let mut signals = SigSet::all();
        for signal in SYNCHRONOUS {
            signals.remove(signal);
        }
        // The call fails only for an invalid operation.
        Blocked(signals.thread_swap_mask(SigmaskHow::SIG_BLOCK).ok())
    }

    /// Makes a child process begin without blocked signals. Otherwise it would inherit the signal mask of the thread of
    /// this crate that starts it.
    #[allow(
        unsafe_code,
        reason = "std has no other way to set the signal mask of a child"
    )]
    pub(crate) fn unblock_signals_in(command: &mut std::process::Command) {
        let unblock = || Ok(SigSet::empty().thread_set_mask()?);
        // SAFETY: between fork and exec the closure calls only `pthread_sigmask`, which is async-signal-safe.
        unsafe { std::os::unix::process::CommandExt::pre_exec(command, unblock) };
    }

    impl Drop for Blocked {
        fn drop(&mut self) {
            if let Some(before) = &self.0 {
                let _ = before.thread_set_mask();
            }
        }
    }
}

#[cfg(not(unix))]
mod signals {
    /// Does nothing: on this platform no signal ends a process because of a closed connection.
    pub(super) fn block() {}

    pub(crate) fn unblock_signals_in(_: &mut std::process::Command) {}
}
