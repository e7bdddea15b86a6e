//! The one private thread that drives all exporters, apart from whatever runtime the host has.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::quiet::{self, Quiet};
use super::{Command, Done, NotDone};
use crate::diagnostics::Diagnostics;
use crate::fork::Process;
use crate::health::ExporterCounters;
use crate::thread;

/// Builds and runs one exporter. It is called on the private thread, inside its runtime.
pub(crate) type Job = Box<dyn FnOnce() -> Pin<Box<dyn Future<Output = ()> + Send>> + Send>;

/// Runs beside the exporters that need it: the receiver's other end is dropped when the last of them is gone.
pub(crate) type Background =
    Box<dyn FnOnce(watch::Receiver<()>) -> Pin<Box<dyn Future<Output = ()> + Send>> + Send>;

/// The most threads that keep the time for tasks at once: a host may flush at every request of its own.
const TIMEKEEPERS: usize = 16;

/// How long the private thread stays for diagnostics that the host did not take yet.
const LAST_WORDS: Duration = Duration::from_millis(500);

/// The pause between two attempts to start a thread or its runtime while nobody asks for one.
const RESTART: Duration = Duration::from_secs(5);

/// The pause between two attempts of the private thread to build its runtime.
const REBUILD: Duration = Duration::from_millis(100);

/// The handle on the private thread, which runs once there is a job and the system has a thread for it.
pub(crate) struct Runtime {
    state: Mutex<State>,
    host: Arc<Host>,
    process: Process,
    /// Threads that keep the time for tasks.
    timekeepers: Arc<AtomicUsize>,
}

#[derive(Default)]
struct State {
    pipelines: Vec<UnboundedSender<Command>>,
    /// Where jobs go; `None` before the first one and after the shutdown.
    jobs: Option<UnboundedSender<Job>>,
    /// The jobs, until the thread that runs them has been started.
    unstarted: Option<UnboundedReceiver<Job>>,
    /// The last failed attempt to start the thread.
    failed: Option<std::time::Instant>,
    /// The shutdown was asked for: nothing begins any more.
    closed: bool,
}

/// In a fork of its process the other ends are copies of a thread that is not there, and their locks may be held for ever.
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
    /// Nothing runs yet. The counters are those of all exporters that there may be.
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

    /// Runs a job on the private thread until it ends by itself; `commands` reach it. The job waits for
    /// [`start`](Self::start) when there is no thread yet. Returns false after the shutdown.
    pub(crate) fn spawn(&self, commands: UnboundedSender<Command>, job: Job) -> bool {
        let mut guard = self.lock();
        let state = &mut *guard;
        if state.closed {
            return false;
        }
        let jobs = state.jobs.get_or_insert_with(|| {
            let (sender, jobs) = unbounded_channel();
            state.unstarted = Some(jobs);
            sender
        });
        let _ = jobs.send(job);
        state.pipelines.retain(|pipeline| !pipeline.is_closed());
        state.pipelines.push(commands);
        true
    }

    /// Starts the private thread if a job waits for it. Jobs, and what is recorded for them, wait until a later call
    /// succeeds.
    ///
    /// # Errors
    ///
    /// The system has no thread to give.
    pub(crate) fn start(&self) -> io::Result<()> {
        let started = self.start_in(&mut self.lock());
        if started.is_ok() {
            self.host.diagnostics.resume();
        }
        started
    }

    /// [`start`](Self::start) for calls that must not wait: does nothing while another thread uses the runtime, or soon
    /// after an attempt that failed. Returns true when no job waits for the thread any more.
    pub(crate) fn restart(&self) -> bool {
        let Ok(mut state) = self.state.try_lock() else {
            return false;
        };
        let is_early = |failed: std::time::Instant| failed.elapsed() < RESTART;
        let started = !state.failed.is_some_and(is_early) && self.start_in(&mut state).is_ok();
        drop(state);
        if started {
            self.host.diagnostics.resume();
        }
        started
    }

    fn start_in(&self, state: &mut State) -> io::Result<()> {
        let Some(jobs) = state.unstarted.take() else {
            return Ok(());
        };
        // A thread that cannot be started drops its closure: the jobs must outlive that.
        let jobs = Arc::new(Mutex::new(Some(jobs)));
        let (host, taken) = (Arc::clone(&self.host), Arc::clone(&jobs));
        let started = thread::spawn("claude-code-telemetry", move || {
            let jobs = taken.lock().unwrap_or_else(PoisonError::into_inner).take();
            if let Some(jobs) = jobs {
                drive(jobs, &host);
            }
        });
        match started {
            Ok(_) => {
                state.failed = None;
                Ok(())
            }
            Err(error) => {
                state.unstarted = jobs.lock().unwrap_or_else(PoisonError::into_inner).take();
                state.failed = Some(std::time::Instant::now());
                self.host.fail(&no_thread(&error));
                Err(error)
            }
        }
    }

    /// Whether no job waits for the private thread.
    pub(crate) fn is_started(&self) -> bool {
        self.lock().unstarted.is_none()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks every pipeline to deliver what it has, and waits on the caller's own clock. True when all are done in time.
    pub(crate) fn request(&self, limit: Duration, shutdown: bool) -> bool {
        let started = self.is_started();
        if !started && !shutdown {
            return false;
        }
        let (done, finished) = std::sync::mpsc::channel();
        self.send(limit, shutdown, Done::Thread(done));
        // Pipelines that never had a thread are gone at once, and have delivered nothing.
        wait(&finished, std::time::Instant::now() + limit) && started
    }

    /// The same for a task of any runtime. A thread keeps the time for it: no runtime that is busy holds it up.
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
                let _ = teller.try_send(NotDone);
            }
        });
        let done = match kept {
            true => Done::Thread(done),
            // The pipelines let go at the deadline, when nothing else keeps their thread.
            false => Done::Task(tell),
        };
        // Without a runtime no pipeline keeps the deadline.
        let kept = kept || self.host.stands.load(Ordering::Acquire);
        let started = started && (kept || shutdown);
        if started || shutdown {
            self.send(limit, shutdown, done);
        } else {
            drop(done);
        }
        async move {
            let mut all = started;
            while let Some(NotDone) = told.recv().await {
                all = false;
            }
            all
        }
    }

    /// Waits for something on a thread of its own; false when there are too many.
    fn keep_time(&self, waiting: impl FnOnce() + Send + 'static) -> bool {
        let fits = |count| (count < TIMEKEEPERS).then_some(count + 1);
        let counted = self
            .timekeepers
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, fits);
        if counted.is_err() {
            return false;
        }
        let timekeepers = Arc::clone(&self.timekeepers);
        let thread = thread::spawn("claude-code-telemetry-wait", move || {
            waiting();
            timekeepers.fetch_sub(1, Ordering::Relaxed);
        });
        if thread.is_err() {
            self.timekeepers.fetch_sub(1, Ordering::Relaxed);
        }
        thread.is_ok()
    }

    fn send(&self, limit: Duration, shutdown: bool, done: Done) {
        let deadline = Instant::now() + limit;
        let mut state = self.lock();
        if shutdown {
            // The thread ends with the last pipeline. Jobs that never had a thread are dropped, which counts what waits for
            // them as lost.
            (state.closed, state.jobs, state.unstarted) = (true, None, None);
        }
        for pipeline in &state.pipelines {
            // A pipeline that is gone is done.
            let _ = pipeline.send(Command {
                deadline,
                shutdown,
                done: done.clone(),
            });
        }
    }
}

/// Ends when every pipeline is done, or at the end. True when all is delivered.
fn wait(finished: &Receiver<NotDone>, end: std::time::Instant) -> bool {
    let mut all = true;
    loop {
        let left = end.saturating_duration_since(std::time::Instant::now());
        match finished.recv_timeout(left) {
            Ok(NotDone) => all = false,
            Err(RecvTimeoutError::Disconnected) => return all,
            Err(RecvTimeoutError::Timeout) => return false,
        }
    }
}

/// Whom to tell of what happens here.
struct Host {
    counters: Vec<Arc<ExporterCounters>>,
    diagnostics: Arc<Diagnostics>,
    /// Whether the runtime of the private thread was built.
    stands: AtomicBool,
}

impl Host {
    /// Nothing can be exported before a later attempt succeeds.
    fn fail(&self, why: &str) {
        for counters in &self.counters {
            counters.cannot_start_yet(why);
        }
    }

    /// Exporters can be built from now on.
    fn start(&self) {
        self.stands.store(true, Ordering::Release);
        for counters in &self.counters {
            counters.starts();
        }
    }
}

/// The sentence about a private thread that cannot be started.
pub(crate) fn no_thread(error: &io::Error) -> String {
    format!(
        "telemetry waits: its thread cannot be started ({error}), and it is tried again; raise the limit of threads \
         (RLIMIT_NPROC, pids.max) when this lasts"
    )
}

/// Runs jobs until the last of them has ended and no other can come.
fn drive(mut jobs: UnboundedReceiver<Job>, host: &Host) {
    let diagnostics = &host.diagnostics;
    let _quiet = Quiet::this_thread();
    let mut reported = false;
    let runtime = loop {
        match quiet::runtime() {
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
    // A console that blocks must not keep the thread.
    runtime.shutdown_background();
}
