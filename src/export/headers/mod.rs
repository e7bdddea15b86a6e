//! Dynamic headers: what the user's `otelHeadersHelper` prints.
//!
//! One [`Helper`] serves all exporters of a telemetry. A task of the private runtime runs the command at the start, at
//! every interval, and when a receiver refused the headers; exporters take what the last good run gave. A run that fails
//! changes nothing but what is told; as long as none was good, exporters wait and the command is run again with back-off.
//! An empty object is a good run like any other: then the static headers are all there is to send with.

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

/// What the fuzz targets call.
#[cfg(fuzzing)]
pub(crate) mod fuzzing {
    use super::output::parse;

    /// Whether it is headers, and what a host would be shown of it.
    pub(crate) fn helper_output(bytes: &[u8]) -> (Option<Vec<(String, String)>>, String) {
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

/// A run that takes longer is killed.
const LIMIT: Duration = Duration::from_secs(30);

/// The one helper of a telemetry.
pub(crate) struct Helper {
    command: Secret,
    /// From the end of a run to the next one.
    interval: Duration,
    grpc: bool,
    limit: Duration,
    state: watch::Sender<State>,
    /// The number of the run that exporters wait for.
    wanted: watch::Sender<u64>,
    refusals: Mutex<Refusals>,
    diagnostics: Arc<Diagnostics>,
}

/// What the runs gave so far.
#[derive(Default)]
struct State {
    /// Runs that ended.
    runs: u64,
    /// What the last good run gave, and its number.
    good: Option<(u64, Arc<Headers>)>,
    /// Why the last run was not good.
    failure: Option<Failure>,
}

/// How often the helper is run because its headers are refused.
struct Refusals {
    backoff: Backoff,
    /// Not again before.
    next: Option<Instant>,
}

/// Headers to send with.
pub(crate) struct Current {
    pub(crate) headers: Arc<Headers>,
    /// Runs that had ended when they were taken.
    runs: u64,
}

impl Helper {
    /// It runs when its [background](Self::background) does. There is one in every build that has OTLP.
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

    /// The task that runs it, and what tells that task of the shutdown.
    pub(crate) fn background(self: &Arc<Self>) -> (mpsc::UnboundedSender<Command>, Background) {
        let (sender, commands) = mpsc::unbounded_channel();
        let helper = Arc::clone(self);
        let background: Background =
            Box::new(move |done| Box::pin(task::run(helper, commands, done)));
        (sender, background)
    }

    /// What to send with. Waits for the first good run until the deadline, or until there is a failure that the caller
    /// does not know: `known` is the number of runs that it was told of. The error says why there are no headers.
    pub(crate) async fn headers(
        &self,
        known: &AtomicU64,
        deadline: Instant,
    ) -> Result<Current, String> {
        let mut state = self.state.subscribe();
        let seen = known.load(Ordering::Relaxed);
        let news = state.wait_for(|state| state.good.is_some() || state.runs > seen);
        // The sender lives as long as this.
        let _ = timeout_at(deadline, news).await;
        let state = state.borrow();
        known.store(state.runs, Ordering::Relaxed);
        state.current().ok_or_else(|| {
            format!(
                "otelHeadersHelper has given no headers yet: {}",
                state.why()
            )
        })
    }

    /// What to send with after a receiver refused `refused`: what a run gave that ended since. When there was none, the
    /// helper is run, once for all who ask. The error says why there is nothing new.
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
        match &state.good {
            Some((run, _)) if *run > refused.runs => state
                .current()
                .ok_or_else(|| "otelHeadersHelper has given no headers".to_owned()),
            _ => Err(format!(
                "otelHeadersHelper ran again and failed: {}",
                state.why()
            )),
        }
    }

    /// A receiver took its headers.
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
    fn current(&self) -> Option<Current> {
        self.good.as_ref().map(|(_, headers)| Current {
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
