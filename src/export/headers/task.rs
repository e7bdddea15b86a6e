//! The task that runs the helper, and the end of that task.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep, timeout_at};

use super::command::{self, Stop, stopped};
use super::failure::Failure;
use super::output::{self, Headers};
use super::{Helper, State};
use crate::export::backoff::Backoff;
use crate::export::control::{Command, at};

/// The margin before a shutdown's deadline at which a run is killed, because the process may end at the deadline. The
/// margin is at most a quarter of the remaining time.
const MARGIN: Duration = Duration::from_millis(250);

/// The longest time that a shutdown waits for the end of a killed process.
const DYING: Duration = Duration::from_millis(50);

/// Runs the helper until the last pipeline has ended or a shutdown runs out of time. The other end of `done` is dropped
/// with the last pipeline.
pub(super) async fn run(
    helper: Arc<Helper>,
    commands: mpsc::UnboundedReceiver<Command>,
    done: Stop,
) {
    let mut end = End {
        commands: Some(commands),
        done,
        waiters: Vec::new(),
        time: None,
    };
    let (stop, stopping) = watch::channel(());
    let mut work = std::pin::pin!(helper.work(stopping));
    tokio::select! {
        () = end.comes() => {}
        () = &mut work => return,
    }
    drop(stop);
    let soon = Instant::now() + DYING;
    let deadlines = end.waiters.iter().map(|waiter| waiter.deadline);
    // The caller of the shutdown does not wait for a killed process that ends slowly.
    let limit = deadlines.min().map_or(soon, |deadline| deadline.min(soon));
    if timeout_at(limit, &mut work).await.is_err() {
        drop(end);
        work.await;
    }
}

/// The last reports about the runs.
#[derive(Default)]
struct Told {
    failure: Option<Failure>,
    left_out: String,
}

/// The conditions that end the task.
struct End {
    commands: Option<mpsc::UnboundedReceiver<Command>>,
    done: Stop,
    /// The shutdown commands, whose senders wait for the end of the task.
    waiters: Vec<Command>,
    time: Option<Instant>,
}

impl End {
    async fn comes(&mut self) {
        loop {
            tokio::select! {
                biased;
                () = stopped(&mut self.done) => return,
                () = at(self.time) => return,
                command = next(&mut self.commands) => match command {
                    Some(command) if command.shutdown => {
                        let left = command.deadline.saturating_duration_since(Instant::now());
                        let time = command.deadline - MARGIN.min(left / 4);
                        self.time = Some(self.time.map_or(time, |known| known.min(time)));
                        self.waiters.push(command);
                    }
                    // A flush waits for pipelines only, not for the helper.
                    Some(_) => {}
                    None => self.commands = None,
                }
            }
        }
    }
}

/// Returns the next command; never returns if no more commands can come.
async fn next(commands: &mut Option<mpsc::UnboundedReceiver<Command>>) -> Option<Command> {
    match commands {
        Some(commands) => commands.recv().await,
        None => std::future::pending().await,
    }
}

impl Helper {
    /// Runs the helper repeatedly until `stop`, which also kills the run in progress.
    async fn work(&self, mut stop: Stop) {
        let mut told = Told::default();
        let mut backoff = Backoff::new(self.interval);
        let mut asked = false;
        loop {
            let ended = self.run_once(stop.clone()).await;
            if asked {
                let mut refusals = self.refusals();
                refusals.next = Some(Instant::now() + refusals.backoff.next());
            }
            let has_headers = self.note(ended, &mut told);
            let pause = if has_headers {
                self.interval
            } else {
                backoff.next()
            };
            asked = tokio::select! {
                biased;
                () = stopped(&mut stop) => return,
                () = self.is_wanted() => true,
                () = sleep(pause) => false,
            };
        }
    }

    /// Runs the helper once, as a separate task, so that a panic in it is a failure like any other.
    async fn run_once(&self, stop: Stop) -> Result<Headers, Failure> {
        let (command, limit) = (self.command.clone(), self.limit);
        let run = tokio::spawn(async move {
            let output = command::run(&command, limit, stop).await?;
            output::parse(&output)
        });
        run.await.unwrap_or(Err(Failure::Panicked))
    }

    /// Publishes the result of a run, and reports a change. Returns true if there are headers, from this run or an
    /// earlier one.
    fn note(&self, ended: Result<Headers, Failure>, told: &mut Told) -> bool {
        let failure = ended.as_ref().err().cloned();
        if let Ok(headers) = &ended {
            let left_out = headers.left_out(self.grpc);
            if left_out != told.left_out && !left_out.is_empty() {
                let message =
                    format!("otelHeadersHelper: {left_out}; remove it from what the helper prints");
                self.diagnostics.report_later(message);
            }
            told.left_out = left_out;
        }
        let mut has_headers = false;
        self.state.send_modify(|state: &mut State| {
            state.runs += 1;
            state.failure.clone_from(&failure);
            if let Ok(headers) = ended {
                state.good = Some((state.runs, Arc::new(headers)));
            }
            has_headers = state.good.is_some();
        });
        // A run that the shutdown ended is not reported: it does not matter to exporters without data, and the others
        // report it themselves.
        if failure != told.failure && failure != Some(Failure::Stopped) {
            let so = if has_headers {
                "its last good headers stay in use"
            } else {
                "nothing is sent until it succeeds"
            };
            self.diagnostics.report_later(match &failure {
                Some(failure) => format!("otelHeadersHelper failed: {failure} ({so})"),
                None => "otelHeadersHelper works again".to_owned(),
            });
            told.failure = failure;
        }
        has_headers
    }

    /// Waits until an exporter waits for a run that has not begun.
    async fn is_wanted(&self) {
        let runs = self.state.borrow().runs;
        let mut wanted = self.wanted.subscribe();
        // The sender lives as long as `self`.
        let _ = wanted.wait_for(|wanted| *wanted > runs).await;
    }
}
