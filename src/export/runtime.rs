//! The private thread that drives all exporters, independent of any runtime of the host.

use std::io;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::blocking::Counted;
use super::suppression::{self, SuppressedScope};
use super::{BoxFuture, Command, Incomplete, Waiter};
use crate::diagnostics::Diagnostics;
use crate::fork::Process;
use crate::health::ExporterCounters;
use crate::thread;

/// A function that builds and runs one exporter. It is called on the private thread, inside its runtime.
pub(crate) type Job = Box<dyn FnOnce() -> BoxFuture<'static, ()> + Send>;

/// A function that runs beside the exporters that need it. The sender of its channel is dropped with the last of these
/// exporters.
pub(crate) type Background = Box<dyn FnOnce(watch::Receiver<()>) -> BoxFuture<'static, ()> + Send>;

/// The most timekeeper threads at the same time. A host may flush at every request that it serves.
const TIMEKEEPERS: usize = 16;

/// The longest time that the private thread stays for diagnostics that the host has not taken yet.
const LAST_WORDS: Duration = Duration::from_millis(500);

/// The pause between two attempts to start the thread or its runtime while no caller requests a start.
const RESTART: Duration = Duration::from_secs(5);

/// The pause between two attempts of the private thread to build its runtime.
const REBUILD: Duration = Duration::from_millis(100);

/// The handle of the private thread. The thread runs once there is a job and the system can start a thread.
pub(crate) struct Runtime {
    state: Mutex<State>,
    host: Arc<Host>,
    process: Process,
    /// The number of timekeeper threads.
    timekeepers: Arc<AtomicUsize>,
}

#[derive(Default)]
struct State {
    pipelines: Vec<UnboundedSender<Command>>,
    jobs: Jobs,
    /// The time of the last failed attempt to start the thread.
    failed: Option<std::time::Instant>,
}

/// The jobs of the private thread.
enum Jobs {
    /// They wait for the thread.
    Waiting(Vec<Job>),
    /// The thread runs them.
    Running(UnboundedSender<Job>),
    /// No more jobs are accepted, because the shutdown was requested.
    Closed,
}

impl Default for Jobs {
    fn default() -> Self {
        Self::Waiting(Vec::new())
    }
}

/// Leaks the state in a forked child. The thread at the other end of the channels does not exist there, and the locks
/// of the channels may stay locked.
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
        Self {
            state: Mutex::default(),
            host: Arc::new(Host {
                counters,
                diagnostics,
                stands: AtomicBool::new(false),
            }),
            process: Process::current(),
            timekeepers: Arc::default(),
        }
    }

    /// Runs a job on the private thread until the job ends; `commands` is the sender of the job's commands. If there is
    /// no thread yet, the job waits for [`start`](Self::start). Returns false after the shutdown.
    pub(crate) fn spawn(&self, commands: UnboundedSender<Command>, job: Job) -> bool {
        let mut state = self.lock();
        match &mut state.jobs {
            Jobs::Waiting(jobs) => jobs.push(job),
            Jobs::Running(jobs) => drop(jobs.send(job)),
            Jobs::Closed => return false,
        }
        state.pipelines.retain(|pipeline| !pipeline.is_closed());
        state.pipelines.push(commands);
        true
    }

    /// Starts the private thread if a job waits for it. Returns `false` after the shutdown, which drops such jobs. Jobs,
    /// and the data that is recorded for them, wait until a later call succeeds.
    ///
    /// # Errors
    ///
    /// Returns an error if the system cannot start a thread.
    pub(crate) fn start(&self) -> io::Result<bool> {
        let started = self.start_in(&mut self.lock());
        if started.is_ok() {
            self.host.diagnostics.resume();
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
        self.host.diagnostics.resume();
        Some(started)
    }

    fn start_in(&self, state: &mut State) -> io::Result<bool> {
        let waiting = match &mut state.jobs {
            Jobs::Waiting(jobs) if !jobs.is_empty() => jobs,
            Jobs::Waiting(_) | Jobs::Running(_) => return Ok(true),
            Jobs::Closed => return Ok(false),
        };
        let (sender, jobs) = unbounded_channel();
        let host = Arc::clone(&self.host);
        match thread::spawn("claude-code-telemetry", move || drive(jobs, &host)) {
            Ok(_) => {
                for job in waiting.drain(..) {
                    let _ = sender.send(job);
                }
                state.jobs = Jobs::Running(sender);
                state.failed = None;
                Ok(true)
            }
            Err(error) => {
                state.failed = Some(std::time::Instant::now());
                self.host.fail(&no_thread(&error));
                Err(error)
            }
        }
    }

    /// Returns true if no job waits for the private thread.
    pub(crate) fn is_started(&self) -> bool {
        !matches!(&self.lock().jobs, Jobs::Waiting(jobs) if !jobs.is_empty())
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks every pipeline to deliver its data, and waits up to `limit` by the caller's own clock. Returns true if
    /// everything was delivered in time.
    pub(crate) fn request(&self, limit: Duration, shutdown: bool) -> bool {
        let started = self.is_started();
        if !started && !shutdown {
            return false;
        }
        let (done, finished) = std::sync::mpsc::channel();
        self.send(limit, shutdown, Waiter::Thread(done));
        // Pipelines that never had a thread are gone at once and have delivered nothing.
        wait(&finished, std::time::Instant::now() + limit) && started
    }

    /// Does the same as [`request`](Self::request) for a task of any runtime. A timekeeper thread watches the deadline,
    /// so that a busy runtime cannot delay it.
    pub(crate) fn request_async(
        &self,
        limit: Duration,
        shutdown: bool,
    ) -> impl Future<Output = bool> + Send + use<> {
        let started = self.is_started();
        let (done, finished) = std::sync::mpsc::channel();
        let (tell, mut told) = tokio::sync::mpsc::channel(1);
        let end = std::time::Instant::now() + limit;
        let teller = tell.clone();
        let kept = self.keep_time(move || {
            if !wait(&finished, end) {
                let _ = teller.try_send(Incomplete);
            }
        });
        let done = match kept {
            true => Waiter::Thread(done),
            // The pipelines release the waiter at the deadline, unless other work keeps their thread busy.
            false => Waiter::Task(tell),
        };
        // Without a runtime, no pipeline watches the deadline.
        let kept = kept || self.host.stands.load(Ordering::Acquire);
        let started = started && (kept || shutdown);
        if started || shutdown {
            self.send(limit, shutdown, done);
        } else {
            drop(done);
        }
        async move {
            let mut all = started;
            while let Some(Incomplete) = told.recv().await {
                all = false;
            }
            all
        }
    }

    /// Runs `waiting` on a timekeeper thread. Returns false if there are too many of them, or if the system cannot
    /// start a thread.
    fn keep_time(&self, waiting: impl FnOnce() + Send + 'static) -> bool {
        let Ok(counted) = Counted::new(Arc::clone(&self.timekeepers), TIMEKEEPERS) else {
            return false;
        };
        let waiting = move || {
            let _counted = counted;
            waiting();
        };
        thread::spawn("claude-code-telemetry-wait", waiting).is_ok()
    }

    fn send(&self, limit: Duration, shutdown: bool, waiter: Waiter) {
        let deadline = Instant::now() + limit;
        let mut state = self.lock();
        if shutdown {
            // The thread ends with the last pipeline. Jobs that never had a thread are dropped, which counts the data
            // that waits for them as lost.
            state.jobs = Jobs::Closed;
        }
        for pipeline in &state.pipelines {
            // A pipeline that has ended needs no command.
            let _ = pipeline.send(Command {
                deadline,
                shutdown,
                waiter: waiter.clone(),
            });
        }
    }
}

/// Waits until every pipeline is done, at most until `end`. Returns true if everything was delivered.
fn wait(finished: &Receiver<Incomplete>, end: std::time::Instant) -> bool {
    let mut all = true;
    loop {
        let left = end.saturating_duration_since(std::time::Instant::now());
        match finished.recv_timeout(left) {
            Ok(Incomplete) => all = false,
            Err(RecvTimeoutError::Disconnected) => return all,
            Err(RecvTimeoutError::Timeout) => return false,
        }
    }
}

/// The recipients of reports about the private thread.
struct Host {
    counters: Vec<Arc<ExporterCounters>>,
    diagnostics: Arc<Diagnostics>,
    /// True after the runtime of the private thread was built.
    stands: AtomicBool,
}

impl Host {
    /// Records that no exporter can start before a later attempt succeeds.
    fn fail(&self, why: &str) {
        for counters in &self.counters {
            counters.cannot_start_yet(why);
        }
    }

    /// Records that exporters can be built.
    fn start(&self) {
        self.stands.store(true, Ordering::Release);
        for counters in &self.counters {
            counters.starts();
        }
    }
}

/// Returns the message about a private thread that cannot be started.
pub(crate) fn no_thread(error: &io::Error) -> String {
    format!(
        "telemetry waits: its thread cannot be started ({error}), and it is tried again; raise the limit of threads \
         (RLIMIT_NPROC, pids.max) when this lasts"
    )
}

/// Runs jobs until the last one has ended and no more can come.
fn drive(mut jobs: UnboundedReceiver<Job>, host: &Host) {
    let diagnostics = &host.diagnostics;
    let _suppressed = SuppressedScope::this_thread();
    let mut reported = false;
    let runtime = loop {
        match suppression::runtime() {
            Ok(runtime) => break runtime,
            Err(error) => {
                let why = format!(
                    "telemetry waits: its runtime cannot be started ({error}), and it is tried again; raise the limit of \
                     open files (RLIMIT_NOFILE) when this lasts"
                );
                host.fail(&why);
                if !std::mem::replace(&mut reported, true) {
                    diagnostics.report_later(why);
                }
            }
        }
        if jobs.is_closed() {
            return;
        }
        std::thread::sleep(REBUILD);
    };
    host.start();
    if reported {
        diagnostics.report_later("telemetry works: its runtime is started now".to_owned());
    }
    runtime.block_on(async {
        let mut running = JoinSet::new();
        let mut deserted = false;
        while !deserted || !running.is_empty() {
            tokio::select! {
                job = jobs.recv(), if !deserted => match job {
                    Some(job) => {
                        running.spawn(async move { job().await });
                    }
                    None => deserted = true,
                },
                Some(ended) = running.join_next() => if let Err(error) = ended {
                    diagnostics
                        .report_later(format!("an exporter ended by an error of its own: {error}"));
                },
            }
        }
        let _ = tokio::time::timeout(LAST_WORDS, diagnostics.handed_over()).await;
    });
    // A blocked console must not keep the thread alive.
    runtime.shutdown_background();
}
