//! The one private thread that drives all exporters, apart from whatever runtime the host has.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc::UnboundedSender;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::{Command, Done, quiet};
use crate::diagnostics::Diagnostics;

/// Builds and runs one exporter. It is called on the private thread, inside its runtime.
pub(crate) type Job = Box<dyn FnOnce() -> Pin<Box<dyn Future<Output = ()> + Send>> + Send>;

/// Runs beside the exporters as long as there are any: the receiver's other end is dropped when the last one is gone.
pub(crate) type Background =
    Box<dyn FnOnce(watch::Receiver<()>) -> Pin<Box<dyn Future<Output = ()> + Send>> + Send>;

/// Threads that may block: name look-ups, console writes and the start of the headers helper. They end when idle.
const BLOCKING_THREADS: usize = 5;

/// How long the private thread stays for diagnostics that the host did not take yet.
const LAST_WORDS: Duration = Duration::from_millis(500);

/// The handle on the private thread.
#[derive(Debug)]
pub(crate) struct Runtime {
    pipelines: Vec<UnboundedSender<Command>>,
}

impl Runtime {
    /// Starts the thread. Nothing of it blocks the caller.
    pub(crate) fn start(
        pipelines: Vec<UnboundedSender<Command>>,
        jobs: Vec<Job>,
        background: Option<Background>,
        diagnostics: Arc<Diagnostics>,
    ) -> Self {
        if !jobs.is_empty() {
            let reporter = Arc::clone(&diagnostics);
            let thread = std::thread::Builder::new()
                .name("claude-code-telemetry".to_owned())
                .spawn(move || drive(jobs, background, &diagnostics));
            if let Err(error) = thread {
                reporter.report(format!(
                    "telemetry is off: its thread cannot be started: {error}"
                ));
            }
        }
        Self { pipelines }
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

/// The life of the private thread: it ends with the last pipeline.
fn drive(jobs: Vec<Job>, background: Option<Background>, diagnostics: &Arc<Diagnostics>) {
    quiet::this_thread();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .on_thread_start(quiet::this_thread)
        .max_blocking_threads(BLOCKING_THREADS)
        .build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => {
            diagnostics.report(format!(
                "telemetry is off: its runtime cannot be started: {error}"
            ));
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
                diagnostics.report_from_exporter(format!(
                    "an exporter ended by an error of its own: {error}"
                ));
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
