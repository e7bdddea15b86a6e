//! The signals that end the input: SIGTERM, SIGINT and SIGHUP.

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::thread;
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{SigSet, Signal};

/// The number of bytes that are still read after a signal if they are available immediately: the default capacity of a
/// pipe. The limit ends a run whose input never pauses.
const REMAINDER: usize = 64 * 1024;

/// A notification that a signal ended the input.
pub(crate) struct Stop {
    /// Becomes readable when a signal arrives, because its other end is closed then.
    stopped: UnixStream,
}

impl Stop {
    /// Waits for the signals on a separate thread. Call this before any other thread is started: threads inherit the
    /// blocked signals, so that none of them is interrupted.
    pub(crate) fn on_signals() -> io::Result<Self> {
        let signals: SigSet = [Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP]
            .into_iter()
            .collect();
        signals.thread_block()?;
        let (stopped, running) = UnixStream::pair()?;
        thread::Builder::new()
            .name("signals".to_owned())
            .spawn(move || {
                let _ = signals.wait();
                drop(running);
            })?;
        Ok(Self { stopped })
    }

    /// Returns the input until it ends or a signal arrives. Data that is already in a pipe when the signal arrives is
    /// still read.
    pub(crate) fn input(&self, file: File) -> impl Read {
        Input {
            file,
            stop: self,
            remainder: REMAINDER,
        }
    }

    /// Writes a line. Waits until `output` takes it, but not after a signal. Ignores errors.
    pub(crate) fn write(&self, output: impl AsFd, line: &str) {
        let writable = || {
            let polled = [(output.as_fd(), PollFlags::POLLOUT), self.stopped()];
            matches!(ready(polled, PollTimeout::NONE), Ok([true, _]))
        };
        let mut rest = line.as_bytes();
        while !rest.is_empty() && writable() {
            // A pipe that is writable takes this much without blocking. A longer write could block, and no signal would end
            // it.
            let part = &rest[..rest.len().min(libc::PIPE_BUF)];
            match rustix::io::write(&output, part) {
                Ok(written) => rest = &rest[written..],
                // The stream may have been made non-blocking by a process that shares it.
                Err(rustix::io::Errno::AGAIN | rustix::io::Errno::INTR) => {}
                Err(_) => return,
            }
        }
    }

    /// Sleeps for `duration`, or until a signal arrives.
    pub(crate) fn sleep(&self, duration: Duration) {
        let start = Instant::now();
        while let Some(left) = duration.checked_sub(start.elapsed())
            && !left.is_zero()
        {
            // The time is rounded up, so that the last fraction of a millisecond does not cause a busy loop.
            let left = PollTimeout::try_from(left.as_millis().saturating_add(1));
            match ready([self.stopped()], left.unwrap_or(PollTimeout::MAX)) {
                Ok([false]) => {}
                Ok([true]) | Err(_) => return,
            }
        }
    }

    /// Runs `work` on another thread and returns its result. Returns `None` if a signal arrives first or has arrived
    /// before, and if `work` panics.
    ///
    /// # Errors
    ///
    /// Returns an error, and runs nothing, if the system has no thread or no descriptor for it.
    pub(crate) fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> io::Result<Option<T>> {
        if let Ok([true]) = ready([self.stopped()], PollTimeout::ZERO) {
            return Ok(None);
        }
        let (done, working) = UnixStream::pair()?;
        let thread = thread::Builder::new().spawn(move || {
            let result = work();
            drop(working);
            result
        })?;
        Ok(
            match ready([readable(&done), self.stopped()], PollTimeout::NONE) {
                Ok([true, _]) => thread.join().ok(),
                _ => None,
            },
        )
    }

    /// Returns the descriptor that is ready when a signal has arrived.
    fn stopped(&self) -> (BorrowedFd<'_>, PollFlags) {
        readable(&self.stopped)
    }
}

/// Returns a descriptor that is ready when it can be read without blocking.
fn readable(input: &impl AsFd) -> (BorrowedFd<'_>, PollFlags) {
    (input.as_fd(), PollFlags::POLLIN)
}

/// Returns standard input without buffering.
pub(crate) fn stdin() -> io::Result<File> {
    let descriptor = io::stdin().as_fd().try_clone_to_owned()?;
    Ok(File::from(descriptor))
}

/// A file that ends early when a signal arrives.
struct Input<'a> {
    file: File,
    stop: &'a Stop,
    /// The number of bytes that may still be read after a signal.
    remainder: usize,
}

impl Read for Input<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let polled = [readable(&self.file), self.stop.stopped()];
        let [readable, stopped] = ready(polled, PollTimeout::NONE)?;
        if !stopped {
            return self.file.read(buffer);
        }
        let most = if readable { self.remainder } else { 0 };
        let most = most.min(buffer.len());
        let read = self.file.read(&mut buffer[..most])?;
        // After the first end of input, later data is ignored.
        self.remainder = if read == 0 { 0 } else { self.remainder - read };
        Ok(read)
    }
}

/// Waits until at least one descriptor is ready, or until the timeout. Returns which ones are ready.
fn ready<const N: usize>(
    descriptors: [(BorrowedFd<'_>, PollFlags); N],
    timeout: PollTimeout,
) -> io::Result<[bool; N]> {
    let mut polled = descriptors.map(|(descriptor, wanted)| PollFd::new(descriptor, wanted));
    loop {
        match poll(&mut polled, timeout) {
            Err(nix::errno::Errno::EINTR) => {}
            Err(error) => return Err(error.into()),
            // An error or a closed other end counts as ready: the read or the write then returns it.
            Ok(_) => return Ok(polled.map(|polled| polled.any().unwrap_or(true))),
        }
    }
}
