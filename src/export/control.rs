//! Requests to a task of the private thread from outside: its configuration, flushes and the shutdown.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep_until, timeout};

use super::BoxFuture;
use super::exporter::ExporterSettings;
use super::source::SourceConfig;

/// The longest pause between two attempts while a caller waits for a flush.
const PATIENCE: Duration = Duration::from_millis(200);

/// The longest pause that a receiver can ask for.
const LONGEST_RETRY_AFTER: Duration = Duration::from_secs(600);

/// The shortest pause that a receiver can ask for, unless the pipeline's own pause is shorter.
const SHORTEST_RETRY_AFTER: Duration = Duration::from_secs(1);

/// The time for an answer that arrives together with the deadline: on a busy machine the runtime notices both at once.
const LAST_MOMENT: Duration = Duration::from_millis(1);

/// The message that some data is undelivered or lost.
#[derive(Debug)]
pub(crate) struct Incomplete;

/// A caller that waits until every clone is dropped, and watches its own deadline. An [`Incomplete`] message tells the
/// caller that not everything was delivered.
pub(crate) type Waiter = mpsc::Sender<Incomplete>;

/// The configuration of one exporter.
#[derive(Clone)]
pub(crate) struct PipelineConfig {
    /// The settings that need a new client when they change.
    pub(crate) exporter: ExporterSettings,
    pub(crate) interval: Duration,
    pub(crate) source: Arc<SourceConfig>,
}

/// The end of an exporter that the configuration turned off.
pub(crate) struct Drain {
    /// The deadline of the remaining data, which is delivered with the configuration from before.
    pub(crate) deadline: Instant,
    /// `Some` if the configuration asks for the exporter, but it is unavailable.
    pub(crate) reason: Option<String>,
}

/// The requests to one task. Only the latest configuration counts.
#[derive(Default)]
pub(crate) struct Requests {
    /// The configuration with which data is delivered; `None` while the exporter is off.
    pub(crate) config: Option<PipelineConfig>,
    pub(crate) drain: Option<Drain>,
    /// The number of changes of the two fields above.
    pub(crate) revision: u64,
    /// The deadline of the shutdown.
    pub(crate) shutdown: Option<Instant>,
    /// The callers of flushes for which no pass has begun. A caller may have stopped waiting.
    pub(crate) flushes: Vec<Waiter>,
    /// The callers of the shutdown. They wait until the task ends, because only then the losses are known.
    shutdowns: Vec<Waiter>,
    has_ended: bool,
}

impl Requests {
    /// Adds a request to deliver all data that was recorded before. The shutdown also ends the task by the deadline.
    pub(crate) fn add(&mut self, waiter: Waiter, shutdown: Option<Instant>) {
        if self.has_ended {
            return;
        }
        match shutdown {
            None => {
                self.flushes.retain(|waiter| !waiter.is_closed());
                self.flushes.push(waiter);
            }
            Some(deadline) => {
                // A second shutdown can bring the deadline forward, never postpone it.
                self.shutdown = self.shutdown.into_iter().chain([deadline]).min();
                self.shutdowns.push(waiter);
            }
        }
    }

    /// Releases all callers. No more requests are taken.
    pub(crate) fn end(&mut self, complete: bool) {
        self.has_ended = true;
        let flushes = self.flushes.drain(..);
        release(flushes.chain(self.shutdowns.drain(..)), complete);
        // Releases the headers helper.
        (self.config, self.drain) = (None, None);
    }
}

/// Releases callers. `complete` is true if their request was fulfilled.
fn release(waiters: impl Iterator<Item = Waiter>, complete: bool) {
    for waiter in waiters {
        if !complete {
            // A full channel already holds this message.
            let _ = waiter.try_send(Incomplete);
        }
    }
}

/// Waits until `time`; never returns if it is `None`.
pub(crate) async fn at(time: Option<Instant>) {
    match time {
        Some(time) => sleep_until(time).await,
        None => std::future::pending().await,
    }
}

/// The reason why a delivery was interrupted.
#[derive(Debug)]
pub(crate) enum Interruption {
    /// The deadline passed.
    Deadline,
    /// The configuration asks for another client.
    Replaced,
}

/// The pipeline's end of the requests to it.
pub(crate) struct Control {
    pub(super) requests: Arc<watch::Sender<Requests>>,
    changes: watch::Receiver<Requests>,
    /// The revision of the configuration that was applied last.
    pub(super) applied: u64,
    /// The settings of the current exporter.
    pub(super) current: Option<ExporterSettings>,
    /// The callers for which the current pass began.
    served: Vec<Waiter>,
}

impl Control {
    pub(crate) fn new() -> Self {
        let requests = Arc::new(watch::Sender::default());
        Self {
            changes: requests.subscribe(),
            requests,
            applied: 0,
            current: None,
            served: Vec::new(),
        }
    }

    /// Waits until the requests change.
    pub(crate) async fn changed(&mut self) {
        // The channel stays open, because `self` owns a sender.
        let _ = self.changes.changed().await;
    }

    /// Returns the configuration, which counts as applied from now on.
    pub(crate) fn apply(&mut self) -> Option<PipelineConfig> {
        let requests = self.requests.borrow();
        self.applied = requests.revision;
        requests.config.clone()
    }

    /// Returns true if the configuration has changed since it was last applied.
    pub(crate) fn has_news(&self) -> bool {
        self.requests.borrow().revision != self.applied
    }

    /// Returns true if the configuration asks for another exporter than the current one.
    pub(crate) fn is_replaced(&self) -> bool {
        let requests = self.requests.borrow();
        let config = requests.config.as_ref();
        config.is_some_and(|config| Some(&config.exporter) != self.current.as_ref())
    }

    pub(crate) fn is_shutdown(&self) -> bool {
        self.requests.borrow().shutdown.is_some()
    }

    /// Returns the time after which nothing more is sent: the deadline of the shutdown, or of an exporter that is
    /// turned off, whichever is earlier.
    pub(crate) fn end(&self) -> Option<Instant> {
        let requests = self.requests.borrow();
        let drain = requests.drain.as_ref().map(|drain| drain.deadline);
        requests.shutdown.into_iter().chain(drain).min()
    }

    /// Returns true if a caller, or the end of the exporter, asks for a pass that has not begun.
    pub(crate) fn is_requested(&self) -> bool {
        self.end().is_some() || !self.requests.borrow().flushes.is_empty()
    }

    /// Begins a pass for all callers that wait.
    pub(crate) fn begin(&mut self) {
        self.requests.send_if_modified(|requests| {
            self.served.append(&mut requests.flushes);
            false
        });
    }

    /// Releases the callers for which the current pass began.
    pub(crate) fn release(&mut self, complete: bool) {
        release(self.served.drain(..), complete);
    }

    /// Releases all callers. No more requests are taken.
    pub(crate) fn release_all(&mut self, complete: bool) {
        self.release(complete);
        self.requests.send_modify(|requests| requests.end(complete));
    }

    /// Returns the result of work for the current exporter. Work for an exporter that was replaced may take `grace`
    /// longer.
    pub(crate) async fn meanwhile<T>(
        &mut self,
        mut work: BoxFuture<'_, T>,
        grace: Duration,
    ) -> Result<T, Interruption> {
        let mut replaced = None;
        let interruption = loop {
            if replaced.is_none() && self.is_replaced() {
                replaced = Some(Instant::now() + grace);
            }
            let end = self.end();
            tokio::select! {
                biased;
                result = &mut work => return Ok(result),
                () = self.changed() => {}
                () = at(end) => break Interruption::Deadline,
                () = at(replaced) => break Interruption::Replaced,
            }
        };
        let last = timeout(LAST_MOMENT, work).await;
        last.map_err(|_| interruption)
    }

    /// Waits between two attempts of the current exporter: for the time that the receiver asked for, otherwise for
    /// `own`, which is shortened while a caller waits. Returns an error if there is no next attempt.
    pub(crate) async fn pause(
        &mut self,
        own: Duration,
        retry_after: Option<Duration>,
    ) -> Result<(), Interruption> {
        let start = Instant::now();
        loop {
            if self.is_replaced() {
                return Err(Interruption::Replaced);
            }
            let last = self.end();
            let hurry = last.is_some() || self.has_callers();
            let own = if hurry { own.min(PATIENCE) } else { own };
            // `Retry-After: 0` must not cause retries without a pause.
            let shortest = own.min(SHORTEST_RETRY_AFTER);
            let wait = retry_after.map_or(own, |wait| wait.clamp(shortest, LONGEST_RETRY_AFTER));
            let end = start + wait;
            if last.is_some_and(|last| last <= end) {
                return Err(Interruption::Deadline);
            }
            tokio::select! {
                biased;
                () = self.changed() => {}
                () = sleep_until(end) => return Ok(()),
            }
        }
    }

    fn has_callers(&self) -> bool {
        let requests = self.requests.borrow();
        let mut callers = self.served.iter().chain(&requests.flushes);
        callers.any(|waiter| !waiter.is_closed())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    fn config() -> PipelineConfig {
        PipelineConfig {
            exporter: ExporterSettings::Console(Arc::new(Mutex::new(std::io::sink()))),
            interval: Duration::ZERO,
            source: Arc::default(),
        }
    }

    /// Returns the length in milliseconds of a pause, given the pipeline's `own` pause and the pause that the receiver
    /// `retry_after` for.
    async fn pause(own: u64, retry_after: Option<u64>, waiting: bool) -> u64 {
        let mut control = Control::new();
        let (waiter, _caller) = mpsc::channel(1);
        control.requests.send_modify(|requests| {
            // A change that does not end the pause.
            requests.config = Some(config());
            if waiting {
                requests.add(waiter, None);
            }
        });
        let start = Instant::now();
        let [own, retry_after] =
            [Some(own), retry_after].map(|wait| wait.map(Duration::from_millis));
        control.current = Some(config().exporter);
        let ended = control.pause(own.unwrap(), retry_after).await;
        assert!(ended.is_ok());
        u64::try_from(start.elapsed().as_millis()).unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn requested_pause_is_never_zero() {
        for (own, retry_after, waiting, expected) in [
            (40, None, false, 40),
            (40, Some(0), false, 40),
            (40, Some(80), false, 80),
            (5_000, Some(0), true, 200),
            (5_000, Some(210), true, 210),
        ] {
            let took = pause(own, retry_after, waiting).await;
            assert_eq!(took, expected);
        }
        let took = pause(5_000, Some(10), false).await;
        assert_eq!(took, 1_000);
    }
}
