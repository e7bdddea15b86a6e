//! The one private thread that drives all exporters, apart from whatever runtime the host has.

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
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

/// Builds and runs one exporter. It is called on the private thread, inside its runtime.
pub(crate) type Job = Box<dyn FnOnce() -> Pin<Box<dyn Future<Output = ()> + Send>> + Send>;

/// Runs beside the exporters that need it: the receiver's other end is dropped when the last of them is gone.
pub(crate) type Background =
    Box<dyn FnOnce(watch::Receiver<()>) -> Pin<Box<dyn Future<Output = ()> + Send>> + Send>;

/// Threads that may block: name look-ups, certificates, console writes and the start of the headers helper. There are
/// more than consoles that can be stuck, and they end when idle.
const BLOCKING_THREADS: usize = 64;

/// The most threads that keep the time for tasks at once: a host may flush at every request of its own.
const TIMEKEEPERS: usize = 16;

/// How long the private thread stays for diagnostics that the host did not take yet.
const LAST_WORDS: Duration = Duration::from_millis(500);

/// The handle on the private thread, which is started with the first job.
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
    /// Where jobs go; nothing before the first one and after the shutdown.
    jobs: Option<UnboundedSender<Job>>,
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
            }),
            process: Process::current(),
            timekeepers: Arc::default(),
        }
    }

    /// Runs something on the thread, until it ends by itself; `commands` reach it. Nothing of it blocks the caller.
    /// False after the shutdown.
    pub(crate) fn spawn(&self, commands: UnboundedSender<Command>, job: Job) -> bool {
        let mut state = self.lock();
        if state.closed {
            return false;
        }
        let jobs = state.jobs.get_or_insert_with(|| {
            let (sender, jobs) = unbounded_channel();
            let host = Arc::clone(&self.host);
            let thread = std::thread::Builder::new()
                .name("claude-code-telemetry".to_owned())
                .spawn(move || drive(jobs, &host));
            if let Err(error) = thread {
                self.host
                    .tell_off(format!("its thread cannot be started: {error}"));
            }
            sender
        });
        // Without a thread the exporters are off already.
        let _ = jobs.send(job);
        state.pipelines.retain(|pipeline| !pipeline.is_closed());
        state.pipelines.push(commands);
        true
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks every pipeline to deliver what it has, and waits on the caller's own clock. True when all are done in time.
    pub(crate) fn request(&self, limit: Duration, shutdown: bool) -> bool {
        let (done, finished) = std::sync::mpsc::channel();
        self.send(limit, shutdown, Done::Thread(done));
        wait(&finished, std::time::Instant::now() + limit)
    }

    /// The same for a task of any runtime. A thread keeps the time for it: no runtime that is busy holds it up.
    pub(crate) fn request_async(
        &self,
        limit: Duration,
        shutdown: bool,
    ) -> impl Future<Output = bool> + Send + use<> {
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
        self.send(limit, shutdown, done);
        async move {
            let mut all = true;
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
        let thread = std::thread::Builder::new()
            .name("claude-code-telemetry-wait".to_owned())
            .spawn(move || {
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
            // The thread ends with the last pipeline.
            (state.closed, state.jobs) = (true, None);
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
}

impl Host {
    /// Nothing can be exported at all.
    fn tell_off(&self, why: String) {
        for counters in &self.counters {
            counters.cannot_be_built(why.clone());
            counters.shut_down(None);
        }
        self.diagnostics
            .report_later(format!("telemetry is off: {why}"));
    }
}

/// The life of the private thread: it ends with the last job, when no other can come.
fn drive(mut jobs: UnboundedReceiver<Job>, host: &Host) {
    let diagnostics = &host.diagnostics;
    let _quiet = Quiet::this_thread();
    let runtime = quiet::runtime()
        .max_blocking_threads(BLOCKING_THREADS)
        .build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => {
            host.tell_off(format!("its runtime cannot be started: {error}"));
            return;
        }
    };
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
