//! The task that runs the helper, and the end of that task.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use super::failure::Failure;
use super::output::{self, Headers};
use super::{State, command};
use crate::config::HeadersHelper;
use crate::diagnostics::Diagnostics;
use crate::export::backoff::Backoff;
use crate::export::command::{Command, sleep_until_optional};

/// The margin before a shutdown's deadline at which a run is killed, so that the caller need not wait for it. The
/// margin is at most a quarter of the remaining time.
const MARGIN: Duration = Duration::from_millis(250);

/// The task that runs the helper until the last pipeline has ended or a shutdown runs out of time.
pub(super) struct Runner {
    pub(super) config: HeadersHelper,
    /// The longest time of a run.
    pub(super) limit: Duration,
    pub(super) state: Arc<watch::Sender<State>>,
    /// The number of the run that exporters wait for. Its sender is dropped with the last pipeline.
    pub(super) wanted: watch::Receiver<u64>,
    pub(super) diagnostics: Arc<Diagnostics>,
}

/// Waits until the task must end. Returns the shutdown commands, whose senders wait until they are dropped.
async fn end(
    mut commands: mpsc::UnboundedReceiver<Command>,
    mut wanted: watch::Receiver<u64>,
) -> Vec<Command> {
    let mut shutdowns = Vec::new();
    let mut time: Option<Instant> = None;
    loop {
        tokio::select! {
            biased;
            () = ended(&mut wanted) => return shutdowns,
            () = sleep_until_optional(time) => return shutdowns,
            Some(command) = commands.recv() => {
                // A flush waits for pipelines only, not for the helper.
                if command.shutdown {
                    let left = command.deadline.saturating_duration_since(Instant::now());
                    let kill_at = command.deadline - MARGIN.min(left / 4);
                    time = Some(time.map_or(kill_at, |known| known.min(kill_at)));
                    shutdowns.push(command);
                }
            }
        }
    }
}

/// Waits until the last pipeline has ended.
async fn ended(wanted: &mut watch::Receiver<u64>) {
    while wanted.changed().await.is_ok() {}
}

impl Runner {
    pub(super) async fn run(mut self, commands: mpsc::UnboundedReceiver<Command>) {
        // A run is a separate task, so that a panic in it is a failure like any other.
        let mut runs = JoinSet::new();
        let end = end(commands, self.wanted.clone());
        let shutdowns = tokio::select! {
            biased;
            shutdowns = end => shutdowns,
            () = self.run_repeatedly(&mut runs) => Vec::new(),
        };
        if !runs.is_empty() {
            // The run is killed before the callers of the shutdown learn that the task has ended.
            runs.shutdown().await;
            self.publish(Err(Failure::Stopped), false);
        }
        drop(shutdowns);
    }

    /// Runs the helper repeatedly. Never returns.
    async fn run_repeatedly(&mut self, runs: &mut JoinSet<Result<Headers, Failure>>) {
        let mut backoff = Backoff::new(self.config.interval);
        let mut is_renewal = false;
        loop {
            let (command, limit) = (self.config.command.clone(), self.limit);
            runs.spawn(async move { output::parse(&command::run(command, limit).await?) });
            let result = match runs.join_next().await {
                Some(Ok(result)) => result,
                Some(Err(_)) | None => Err(Failure::Panicked),
            };
            self.report(&result);
            let pause = match self.publish(result, is_renewal) {
                true => self.config.interval,
                false => backoff.next(),
            };
            is_renewal = tokio::select! {
                biased;
                () = self.wait_until_wanted() => true,
                () = sleep(pause) => false,
            };
        }
    }

    /// Publishes the result of a run. `is_renewal` is true if rejected headers caused the run. Returns true if there
    /// are headers, from this run or an earlier one.
    fn publish(&self, result: Result<Headers, Failure>, is_renewal: bool) -> bool {
        self.state.send_modify(|state| {
            state.runs += 1;
            if is_renewal {
                state.next_renewal = Some(Instant::now() + state.renewals.next());
            }
            state.failure = None;
            match result {
                Ok(headers) => state.last_success = Some((state.runs, Arc::new(headers))),
                Err(failure) => state.failure = Some(failure),
            }
        });
        self.state.borrow().last_success.is_some()
    }

    /// Reports a result that differs from that of the last run.
    fn report(&self, result: &Result<Headers, Failure>) {
        let last = self.state.borrow();
        let left_out = |headers: &Headers| headers.left_out(self.config.grpc);
        if let Ok(headers) = result {
            let before = last
                .last_success
                .as_ref()
                .map(|(_, headers)| left_out(headers));
            let left_out = left_out(headers);
            if !left_out.is_empty() && before.as_ref() != Some(&left_out) {
                let message =
                    format!("otelHeadersHelper: {left_out}; remove it from what the helper prints");
                self.diagnostics.report_later(message);
            }
        }
        let failure = result.as_ref().err();
        if failure != last.failure.as_ref() {
            let effect = match last.last_success {
                Some(_) => "its last good headers stay in use",
                None => "nothing is sent until it succeeds",
            };
            self.diagnostics.report_later(match failure {
                Some(failure) => format!("otelHeadersHelper failed: {failure} ({effect})"),
                None => "otelHeadersHelper works again".to_owned(),
            });
        }
    }

    /// Waits until an exporter waits for a run that has not begun.
    async fn wait_until_wanted(&mut self) {
        let runs = self.state.borrow().runs;
        // Without a sender `end` returns, and the task ends.
        let _ = self.wanted.wait_for(|wanted| *wanted > runs).await;
    }
}
