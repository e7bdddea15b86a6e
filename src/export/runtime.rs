//! The one private thread that drives all exporters, apart from whatever runtime the host has.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc::UnboundedSender;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::quiet::{self, Quiet};
use super::{Command, Done};
use crate::diagnostics::Diagnostics;
use crate::fork::Process;
use crate::health::ExporterCounters;

/// Builds and runs one exporter. It is called on the private thread, inside its runtime.
pub(crate) type Job = Box<dyn FnOnce() -> Pin<Box<dyn Future<Output = ()> + Send>> + Send>;

/// Runs beside the exporters as long as there are any: the receiver's other end is dropped when the last one is gone.
pub(crate) type Background =
    Box<dyn FnOnce(watch::Receiver<()>) -> Pin<Box<dyn Future<Output = ()> + Send>> + Send>;

/// Threads that may block: name look-ups, certificates, console writes and the start of the headers helper. There are
/// more than consoles that can be stuck, and they end when idle.
const BLOCKING_THREADS: usize = 16;

/// How long the private thread stays for diagnostics that the host did not take yet.
const LAST_WORDS: Duration = Duration::from_millis(500);

/// The handle on the private thread.
#[derive(Debug)]
pub(crate) struct Runtime {
    pipelines: Vec<UnboundedSender<Command>>,
    process: Process,
}

/// In a fork of its process the other ends are copies of a thread that is not there, and their locks may be held for ever.
impl Drop for Runtime {
    fn drop(&mut self) {
        if !self.process.is_current() {
            std::mem::forget(std::mem::take(&mut self.pipelines));
        }
    }
}

impl Runtime {
    /// Starts the thread. Nothing of it blocks the caller.
    pub(crate) fn start(
        pipelines: Vec<UnboundedSender<Command>>,
        jobs: Vec<Job>,
        background: Option<Background>,
        counters: &[Arc<ExporterCounters>],
        diagnostics: Arc<Diagnostics>,
    ) -> Self {
        if !jobs.is_empty() {
            let host = Arc::new(Host {
                counters: counters.to_vec(),
                diagnostics,
            });
            let inside = Arc::clone(&host);
            let thread = std::thread::Builder::new()
                .name("claude-code-telemetry".to_owned())
                .spawn(move || drive(jobs, background, &inside));
            if let Err(error) = thread {
                host.tell_off(format!("its thread cannot be started: {error}"));
            }
        }
        Self {
            pipelines,
            process: Process::current(),
        }
    }

    /// Asks every pipeline to deliver what it has, and waits on the caller's own clock. True when all are done in time.
    pub(crate) fn request(&self, limit: Duration, shutdown: bool) -> bool {
        let (done, finished) = std::sync::mpsc::channel::<()>();
        self.send(limit, shutdown, Done::Thread(done));
        finished.recv_timeout(limit) == Err(std::sync::mpsc::RecvTimeoutError::Disconnected)
    }

    /// The same for a task of any runtime: the pipelines let go by the deadline.
    pub(crate) fn request_async(
        &self,
        limit: Duration,
        shutdown: bool,
    ) -> impl Future<Output = ()> + Send + use<> {
        let (done, mut finished) = tokio::sync::mpsc::channel::<()>(1);
        self.send(limit, shutdown, Done::Task(done));
        async move { while finished.recv().await.is_some() {} }
    }

    fn send(&self, limit: Duration, shutdown: bool, done: Done) {
        let deadline = Instant::now() + limit;
        for pipeline in &self.pipelines {
            // A pipeline that is gone is done.
            let _ = pipeline.send(Command {
                deadline,
                shutdown,
                done: done.clone(),
            });
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

/// The life of the private thread: it ends with the last pipeline.
fn drive(jobs: Vec<Job>, background: Option<Background>, host: &Host) {
    let diagnostics = &host.diagnostics;
    let _quiet = Quiet::this_thread();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .on_thread_start(quiet::begin_helper)
        .on_thread_stop(quiet::end_helper)
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
        let (done, last) = watch::channel(());
        let background = background.map(|start| tokio::spawn(start(last)));
        let mut pipelines = JoinSet::new();
        for job in jobs {
            pipelines.spawn(async move { job().await });
        }
        while let Some(ended) = pipelines.join_next().await {
            if let Err(error) = ended {
                diagnostics
                    .report_later(format!("an exporter ended by an error of its own: {error}"));
            }
        }
        drop(done);
        if let Some(background) = background {
            let _ = background.await;
        }
        let _ = tokio::time::timeout(LAST_WORDS, diagnostics.handed_over()).await;
    });
    // A console that blocks must not keep the thread.
    runtime.shutdown_background();
}
