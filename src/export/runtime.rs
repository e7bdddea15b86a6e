//! The private thread that drives all exporters, independent of any runtime of the host.

use std::io;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::suppression::{self, SuppressedScope};
use super::{BoxFuture, Command, Incomplete, Waiter};
use crate::diagnostics::Diagnostics;
use crate::fork::Process;
use crate::health::ExporterCounters;
use crate::lock::lock;
use crate::thread;

/// A function that builds and runs one exporter, or runs the headers helper. It is called on the private thread, inside
/// its runtime.
pub(crate) type Job = Box<dyn FnOnce() -> BoxFuture<'static, ()> + Send>;

/// The longest time that the private thread stays for diagnostics that the host has not taken yet.
const LAST_DIAGNOSTICS: Duration = Duration::from_millis(500);

/// The pause between two attempts to start the thread or its runtime while no caller requests a start.
const RESTART: Duration = Duration::from_secs(5);

/// The message about a job that panicked.
const ENDED: &str = "an exporter or the headers helper ended because of an internal error; \
                     if it was an exporter, its health says so";

/// The handle of the private thread. The thread runs once there is a job and the system can start a thread.
pub(crate) struct Runtime {
    state: Mutex<State>,
    counters: Vec<Arc<ExporterCounters>>,
    diagnostics: Arc<Diagnostics>,
    process: Process,
}

#[derive(Default)]
struct State {
    /// The senders of the commands of all jobs: the pipelines and the headers helper.
    commands: Vec<UnboundedSender<Command>>,
    /// The sender of jobs; `None` after the shutdown was requested.
    jobs: Option<UnboundedSender<Job>>,
    /// The jobs that wait for the thread; `None` when the thread receives them.
    waiting: Option<UnboundedReceiver<Job>>,
    /// The time of the last failed attempt to start the thread.
    failed: Option<std::time::Instant>,
}

impl State {
    fn is_waiting(&self) -> bool {
        self.waiting.as_ref().is_some_and(|jobs| !jobs.is_empty())
    }
}

/// Leaks the state in a forked child, where the last session of the parent may be dropped. The thread at the other end of
/// the channels does not exist there, and the locks of the channels may stay locked.
impl Drop for Runtime {
    fn drop(&mut self) {
        if !self.process.is_current() {
            let state = self.state.get_mut();
            std::mem::forget(std::mem::take(
                state.unwrap_or_else(PoisonError::into_inner),
            ));
        }
    }
}

impl Runtime {
    /// Creates a handle without a running thread. `counters` are those of all exporters that may exist.
    pub(crate) fn new(counters: Vec<Arc<ExporterCounters>>, diagnostics: Arc<Diagnostics>) -> Self {
        let (jobs, waiting) = unbounded_channel();
        Self {
            state: Mutex::new(State {
                jobs: Some(jobs),
                waiting: Some(waiting),
                ..State::default()
            }),
            counters,
            diagnostics,
            process: Process::current(),
        }
    }

    /// Runs a job on the private thread until the job ends; `commands` is the sender of the job's commands. If there is
    /// no thread yet, the job waits for [`start`](Self::start). Returns false after the shutdown.
    pub(crate) fn spawn(&self, commands: UnboundedSender<Command>, job: Job) -> bool {
        let mut state = self.lock();
        let Some(jobs) = &state.jobs else {
            return false;
        };
        // The channel is closed if the thread has ended by a panic. The job is then dropped.
        let _ = jobs.send(job);
        state.commands.retain(|sender| !sender.is_closed());
        state.commands.push(commands);
        true
    }

    /// Starts the private thread if a job waits for it. Returns `false` after the shutdown, which drops such jobs.
    /// After an error, the jobs and the data that is recorded for them wait until a later call succeeds.
    ///
    /// # Errors
    ///
    /// Returns an error if the system has no thread, or no file descriptor for the runtime.
    pub(crate) fn start(&self) -> io::Result<bool> {
        let started = self.start_in(&mut self.lock());
        if started.is_ok() {
            self.diagnostics.resume();
        }
        started
    }

    /// Starts the private thread as [`start`](Self::start) does, without waiting. Does nothing while another thread
    /// uses the runtime, or soon after a failed attempt. Returns `None` while a job still waits for the thread.
    pub(crate) fn restart(&self) -> Option<bool> {
        let mut state = self.state.try_lock().ok()?;
        if state
            .failed
            .is_some_and(|failed| failed.elapsed() < RESTART)
        {
            return None;
        }
        let started = self.start_in(&mut state).ok()?;
        drop(state);
        self.diagnostics.resume();
        Some(started)
    }

    fn start_in(&self, state: &mut State) -> io::Result<bool> {
        let Some(jobs) = state.waiting.take_if(|jobs| !jobs.is_empty()) else {
            return Ok(state.jobs.is_some());
        };
        match self.start_thread() {
            Ok(hand_over) => {
                hand_over(jobs);
                state.failed = None;
                self.counters.iter().for_each(|counters| counters.starts());
                Ok(true)
            }
            Err(error) => {
                state.waiting = Some(jobs);
                state.failed = Some(std::time::Instant::now());
                let why = no_thread(&error);
                for counters in &self.counters {
                    counters.cannot_start_yet(&why);
                }
                Err(error)
            }
        }
    }

    /// Starts the private thread. Returns the function that hands it its jobs.
    fn start_thread(&self) -> io::Result<impl FnOnce(UnboundedReceiver<Job>) + use<>> {
        let (sender, receiver) = std::sync::mpsc::channel();
        let diagnostics = Arc::clone(&self.diagnostics);
        thread::spawn("claude-code-telemetry", move || {
            if let Ok((runtime, jobs)) = receiver.recv() {
                drive(runtime, jobs, &diagnostics);
            }
        })?;
        // Built only now: without a thread, it would be dropped here, where another runtime may be current.
        let runtime = suppression::runtime()?;
        Ok(move |jobs| drop(sender.send((runtime, jobs))))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    /// Asks every pipeline to deliver its data, and waits up to `limit`, which this thread measures itself. Returns
    /// true if everything was delivered in time.
    pub(crate) fn request(&self, limit: Duration, shutdown: bool) -> bool {
        let (waiter, finished) = std::sync::mpsc::channel();
        let end = std::time::Instant::now() + limit;
        let started = self.send(limit, shutdown, Waiter::Thread(waiter));
        wait(&finished, end) && started
    }

    /// Does the same as [`request`](Self::request) for a task of any runtime. The pipelines release the task at the
    /// deadline.
    pub(crate) fn request_async(
        &self,
        limit: Duration,
        shutdown: bool,
    ) -> impl Future<Output = bool> + Send + use<> {
        let (waiter, mut finished) = tokio::sync::mpsc::channel(1);
        let started = self.send(limit, shutdown, Waiter::Task(waiter));
        async move {
            let mut is_complete = started;
            while let Some(Incomplete) = finished.recv().await {
                is_complete = false;
            }
            is_complete
        }
    }

    /// Sends a request to every pipeline. Returns false if a job waits for the private thread: a flush is then not
    /// sent, and a shutdown drops such jobs, which counts the data that waits for them as lost.
    fn send(&self, limit: Duration, shutdown: bool, waiter: Waiter) -> bool {
        let deadline = Instant::now() + limit;
        let mut state = self.lock();
        let started = !state.is_waiting();
        if shutdown {
            // The thread ends with the last pipeline.
            (state.jobs, state.waiting) = (None, None);
        }
        if started || shutdown {
            for commands in &state.commands {
                // A pipeline that has ended needs no command.
                let _ = commands.send(Command {
                    deadline,
                    shutdown,
                    waiter: waiter.clone(),
                });
            }
        }
        started
    }
}

/// Waits until every pipeline is done, at most until `end`. Returns true if everything was delivered.
fn wait(finished: &Receiver<Incomplete>, end: std::time::Instant) -> bool {
    let mut is_complete = true;
    loop {
        let left = end.saturating_duration_since(std::time::Instant::now());
        match finished.recv_timeout(left) {
            Ok(Incomplete) => is_complete = false,
            Err(RecvTimeoutError::Disconnected) => return is_complete,
            Err(RecvTimeoutError::Timeout) => return false,
        }
    }
}

/// Returns the message about a private thread that cannot be started.
pub(crate) fn no_thread(error: &io::Error) -> String {
    format!(
        "telemetry waits: its thread cannot be started ({error}), and it is tried again; raise the limit of threads \
         (RLIMIT_NPROC, pids.max) or of open files (RLIMIT_NOFILE) when this lasts"
    )
}

/// Runs jobs until the last one has ended and no more can come.
fn drive(
    runtime: tokio::runtime::Runtime,
    mut jobs: UnboundedReceiver<Job>,
    diagnostics: &Arc<Diagnostics>,
) {
    let _suppressed = SuppressedScope::this_thread();
    runtime.block_on(async {
        let mut running = JoinSet::new();
        loop {
            tokio::select! {
                Some(job) = jobs.recv() => drop(running.spawn(async move { job().await })),
                Some(ended) = running.join_next() => if ended.is_err() {
                    // The text of a panic can quote content.
                    diagnostics.report_later(ENDED.to_owned());
                },
                else => break,
            }
        }
        let _ = tokio::time::timeout(LAST_DIAGNOSTICS, diagnostics.wait_until_delivered()).await;
    });
    // A blocked console must not keep the thread alive.
    runtime.shutdown_background();
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnostics::Diagnostic;

    #[test]
    fn panic_of_a_job_is_reported_without_its_text() {
        let (sender, messages) = std::sync::mpsc::channel();
        let callback = move |diagnostic: &Diagnostic| {
            let _ = sender.send(diagnostic.message.clone());
        };
        let diagnostics = Diagnostics::new(Some(Arc::new(callback)), false);
        let runtime = Runtime::new(Vec::new(), Arc::new(diagnostics));
        let job = || -> BoxFuture<'static, ()> { Box::pin(async { panic!("CANARY") }) };
        assert!(runtime.spawn(unbounded_channel().0, Box::new(job)));
        assert!(runtime.start().unwrap());
        let message = messages.recv_timeout(Duration::from_secs(20)).unwrap();
        assert_eq!(message, ENDED);
    }
}
