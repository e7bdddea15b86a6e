//! Dynamic headers: the output of the user's `otelHeadersHelper`.
//!
//! A single [`Helper`] serves all exporters of a telemetry instance. A task of the private runtime runs the command at
//! the start, at every interval, and when a receiver rejected the headers. Exporters use the headers of the last
//! successful run. A failed run is reported and changes nothing else. Until the first successful run, exporters wait
//! and the command is retried with back-off. An empty object is a successful run like any other: requests are then sent
//! with the static headers only.

mod command;
mod failure;
mod output;
mod task;
#[cfg(all(test, unix))]
mod tests;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, timeout_at};

use super::Command;
use super::backoff::Backoff;
use super::runtime::Background;
use crate::config::HeadersHelper;
use crate::config::secret::Secret;
use crate::diagnostics::Diagnostics;
use failure::Failure;

pub(crate) use output::Headers;

/// Entry points of the fuzz targets.
#[cfg(fuzzing)]
pub(crate) mod fuzzing {
    use super::output::parse;

    /// Returns the headers, if the output is valid, and the text that a host would be shown about the output.
    pub fn helper_output(bytes: &[u8]) -> (Option<Vec<(String, String)>>, String) {
        match parse(bytes) {
            Ok(headers) => {
                let pairs = headers.iter();
                let pairs =
                    pairs.map(|h| (h.name.as_str().to_owned(), h.secret.expose().to_owned()));
                (Some(pairs.collect()), format!("{headers:?}"))
            }
            Err(failure) => (None, failure.to_string()),
        }
    }
}

/// The longest time of a run, after which the run is killed.
const LIMIT: Duration = Duration::from_secs(30);

/// The headers helper of a telemetry instance.
pub(crate) struct Helper {
    command: Secret,
    /// The time from the end of a run to the next run.
    interval: Duration,
    grpc: bool,
    limit: Duration,
    state: watch::Sender<State>,
    /// The number of the run that exporters wait for.
    wanted: watch::Sender<u64>,
    refusals: Mutex<Refusals>,
    diagnostics: Arc<Diagnostics>,
}

/// The results of the runs so far.
#[derive(Default)]
struct State {
    /// The number of runs that have ended.
    runs: u64,
    /// The number and the headers of the last successful run.
    good: Option<(u64, Arc<Headers>)>,
    /// The reason why the last run failed; `None` if it succeeded.
    failure: Option<Failure>,
}

/// The rate limit of the runs that rejected headers cause.
struct Refusals {
    backoff: Backoff,
    /// The earliest time of the next such run.
    next: Option<Instant>,
}

/// The headers to send.
pub(crate) struct Current {
    pub(crate) headers: Arc<Headers>,
    /// The number of runs that had ended when these headers were taken.
    runs: u64,
}

impl Helper {
    /// Creates the helper, which runs when its [background](Self::background) task does. Returns `Some` in every build
    /// with OTLP.
    pub(crate) fn new(config: &HeadersHelper, diagnostics: Arc<Diagnostics>) -> Option<Arc<Self>> {
        Some(Self::with_limit(config, LIMIT, diagnostics))
    }

    fn with_limit(
        config: &HeadersHelper,
        limit: Duration,
        diagnostics: Arc<Diagnostics>,
    ) -> Arc<Self> {
        Arc::new(Self {
            command: config.command.clone(),
            interval: config.interval,
            grpc: config.grpc,
            limit,
            state: watch::Sender::default(),
            wanted: watch::Sender::default(),
            refusals: Mutex::new(Refusals::new(config.interval)),
            diagnostics,
        })
    }

    /// Returns the task that runs the helper, and the sender that tells the task about the shutdown.
    pub(crate) fn background(self: &Arc<Self>) -> (mpsc::UnboundedSender<Command>, Background) {
        let (sender, commands) = mpsc::unbounded_channel();
        let helper = Arc::clone(self);
        let background: Background =
            Box::new(move |done| Box::pin(task::run(helper, commands, done)));
        (sender, background)
    }

    /// Returns the headers to send. Waits until the deadline for the first successful run, or for a failure that is new
    /// to the caller: `known` is the number of runs that the caller knows about. The error says why there are no
    /// headers.
    pub(crate) async fn headers(
        &self,
        known: &AtomicU64,
        deadline: Instant,
    ) -> Result<Current, String> {
        let mut state = self.state.subscribe();
        let seen = known.load(Ordering::Relaxed);
        let news = state.wait_for(|state| state.good.is_some() || state.runs > seen);
        // The sender lives as long as `self`.
        let _ = timeout_at(deadline, news).await;
        let state = state.borrow();
        known.store(state.runs, Ordering::Relaxed);
        state.current(0).ok_or_else(|| {
            format!(
                "otelHeadersHelper has given no headers yet: {}",
                state.why()
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
        if state.borrow().runs == refused.runs {
            if self.refusals().is_too_early() {
                return Err(
                    "otelHeadersHelper ran a moment ago, and what it gave is refused: check what it prints"
                        .to_owned(),
                );
            }
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
            .ok_or_else(|| format!("otelHeadersHelper ran again and failed: {}", state.why()))
    }

    /// Records that a receiver accepted the headers.
    pub(crate) fn accepted(&self) {
        let mut refusals = self.refusals();
        if refusals.next.is_some() {
            *refusals = Refusals::new(self.interval);
        }
    }

    fn refusals(&self) -> MutexGuard<'_, Refusals> {
        self.refusals.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Returns the headers if they are those of a run after the first `runs`.
    fn current(&self, runs: u64) -> Option<Current> {
        let (_, headers) = self.good.as_ref().filter(|(run, _)| *run > runs)?;
        Some(Current {
            headers: Arc::clone(headers),
            runs: self.runs,
        })
    }

    fn why(&self) -> String {
        match &self.failure {
            Some(failure) => failure.to_string(),
            None => "it still runs".to_owned(),
        }
    }
}

impl Refusals {
    fn new(interval: Duration) -> Self {
        Self {
            backoff: Backoff::new(interval),
            next: None,
        }
    }

    fn is_too_early(&self) -> bool {
        self.next.is_some_and(|next| Instant::now() < next)
    }
}
