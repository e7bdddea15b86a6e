//! Dynamic headers: the output of the user's command `otelHeadersHelper`.
//!
//! A single [`Helper`] serves all exporters of a telemetry instance. A task of the library's runtime runs the command
//! at the start, at every interval, and when a receiver rejected the headers. Exporters use the headers of the last
//! successful run. A failed run is reported and changes nothing else. Until the first successful run, exporters wait
//! and the command is retried with back-off. An empty object is a successful run like any other: requests are then sent
//! with the static headers only.

mod command;
mod failure;
mod output;
mod task;
#[cfg(all(test, unix))]
mod tests;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, timeout_at};

use super::backoff::Backoff;
use super::runtime::Job;
use super::{BoxFuture, Command};
use crate::config::HeadersHelper;
use crate::diagnostics::Diagnostics;
use failure::Failure;
use task::Runner;

pub(crate) use output::Headers;

/// Entry points of the fuzz targets.
#[cfg(all(fuzzing, feature = "grpc"))]
pub(crate) mod fuzzing {
    use super::output::parse;

    /// Returns the headers, if the output is valid, and the text that a host would be shown about the output.
    pub fn helper_output(bytes: &[u8]) -> (Option<Vec<(String, String)>>, String) {
        match parse(bytes) {
            Ok(headers) => {
                let pairs = headers.iter();
                let pairs = pairs.map(|h| (h.name.as_str().to_owned(), h.text().to_owned()));
                (Some(pairs.collect()), format!("{headers:?}"))
            }
            Err(failure) => (None, failure.to_string()),
        }
    }
}

/// The longest time of a run, after which the run is killed.
const LIMIT: Duration = Duration::from_secs(30);

/// The headers helper of a telemetry instance. Its task ends when the helper is dropped.
pub(crate) struct Helper {
    config: HeadersHelper,
    state: Arc<watch::Sender<State>>,
    /// The number of the run that exporters wait for.
    wanted: watch::Sender<u64>,
}

/// The results of the runs so far.
struct State {
    /// The number of runs that have ended.
    runs: u64,
    /// The number and the headers of the last successful run.
    last_success: Option<(u64, Arc<Headers>)>,
    /// The reason why the last run failed; `None` if it succeeded.
    failure: Option<Failure>,
    /// The back-off of the runs that rejected headers cause.
    renewals: Backoff,
    /// The earliest time of the next such run.
    next_renewal: Option<Instant>,
}

/// The headers to send.
pub(crate) struct Current {
    pub(crate) headers: Arc<Headers>,
    /// The number of runs that had ended when these headers were taken.
    runs: u64,
}

impl Helper {
    /// Creates the helper and the job that runs it, with the sender that tells the job about the shutdown.
    pub(crate) fn new(
        config: &HeadersHelper,
        diagnostics: Arc<Diagnostics>,
    ) -> (Arc<Self>, mpsc::UnboundedSender<Command>, Job) {
        Self::with_limit(config, LIMIT, diagnostics)
    }

    fn with_limit(
        config: &HeadersHelper,
        limit: Duration,
        diagnostics: Arc<Diagnostics>,
    ) -> (Arc<Self>, mpsc::UnboundedSender<Command>, Job) {
        let state = Arc::new(watch::Sender::new(State {
            runs: 0,
            last_success: None,
            failure: None,
            renewals: Backoff::new(config.interval),
            next_renewal: None,
        }));
        let (wanted, wanted_receiver) = watch::channel(0);
        let (commands, command_receiver) = mpsc::unbounded_channel();
        let runner = Runner {
            config: config.clone(),
            limit,
            state: Arc::clone(&state),
            wanted: wanted_receiver,
            diagnostics,
        };
        let helper = Self {
            config: config.clone(),
            state,
            wanted,
        };
        let job =
            Box::new(move || -> BoxFuture<'static, ()> { Box::pin(runner.run(command_receiver)) });
        (Arc::new(helper), commands, job)
    }

    pub(crate) fn config(&self) -> &HeadersHelper {
        &self.config
    }

    /// Returns the headers to send. Waits until the deadline for the first successful run, or for a failure that is new
    /// to the caller: `seen` is the number of runs at the last call, and is updated. The error says why there are no
    /// headers.
    pub(crate) async fn headers(
        &self,
        seen: &AtomicU64,
        deadline: Instant,
    ) -> Result<Current, String> {
        let mut state = self.state.subscribe();
        let before = seen.load(Ordering::Relaxed);
        let news = state.wait_for(|state| state.last_success.is_some() || state.runs > before);
        // The sender lives as long as `self`.
        let _ = timeout_at(deadline, news).await;
        let state = state.borrow();
        seen.store(state.runs, Ordering::Relaxed);
        state.current(0).ok_or_else(|| {
            format!(
                "otelHeadersHelper has given no headers yet: {}",
                state.reason()
            )
        })
    }

    /// Returns the headers to send after a receiver rejected `refused`: those of a run that has ended since. If there
    /// was no such run, runs the helper, once for all callers. The error says why there are no new headers.
    pub(crate) async fn renewed(
        &self,
        refused: &Current,
        deadline: Instant,
    ) -> Result<Current, String> {
        let mut state = self.state.subscribe();
        let (runs, next) = {
            let state = state.borrow();
            (state.runs, state.next_renewal)
        };
        if runs == refused.runs {
            if next.is_some_and(|next| Instant::now() < next) {
                return Err(
                    "otelHeadersHelper ran a moment ago, and what it gave is refused: check what it prints"
                        .to_owned(),
                );
            }
            // The first caller causes the run, and the others wait for the same one.
            self.wanted.send_if_modified(|wanted| {
                let raised = *wanted <= refused.runs;
                *wanted = (*wanted).max(refused.runs + 1);
                raised
            });
        }
        let news = state.wait_for(|state| state.runs > refused.runs);
        if timeout_at(deadline, news).await.is_err() {
            return Err("otelHeadersHelper runs again and has not ended yet".to_owned());
        }
        let state = state.borrow();
        state
            .current(refused.runs)
            .ok_or_else(|| format!("otelHeadersHelper ran again and failed: {}", state.reason()))
    }

    /// Records that a receiver accepted the headers.
    pub(crate) fn accepted(&self) {
        self.state.send_if_modified(|state| {
            if state.next_renewal.take().is_some() {
                state.renewals = Backoff::new(self.config.interval);
            }
            // The waiting exporters need not be woken: no run has ended.
            false
        });
    }
}

impl State {
    /// Returns the headers if they are those of a run after the first `runs`.
    fn current(&self, runs: u64) -> Option<Current> {
        let (_, headers) = self.last_success.as_ref().filter(|(run, _)| *run > runs)?;
        Some(Current {
            headers: Arc::clone(headers),
            runs: self.runs,
        })
    }

    /// Returns the reason why there are no headers of the last run.
    fn reason(&self) -> String {
        match &self.failure {
            Some(failure) => failure.to_string(),
            None => "it still runs".to_owned(),
        }
    }
}
