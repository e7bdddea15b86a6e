//! Requests to an exporter from outside: its desired state, flushes and the shutdown.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep_until};

use super::BoxFuture;
use super::command::{Command, sleep_until_optional};
use super::exporter::ExporterSettings;
use crate::encode::SourceConfig;

/// The longest pause between two attempts while a caller waits, or while the exporter is to end by a deadline, unless
/// the receiver asks for a longer one.
const LONGEST_AWAITED_PAUSE: Duration = Duration::from_millis(200);

/// The longest pause that a receiver can ask for.
const LONGEST_RETRY_AFTER: Duration = Duration::from_secs(600);

/// The shortest pause that a receiver can ask for, unless the pipeline's own pause is shorter.
const SHORTEST_RETRY_AFTER: Duration = Duration::from_secs(1);

/// The margin before the deadline of a caller at which the rest of an accepted request's answer is no longer waited
/// for. The margin is at most a quarter of the time between the start of the attempt and the deadline.
const REST_OF_ANSWER: Duration = Duration::from_millis(100);

/// The configuration of one exporter.
#[derive(Clone)]
pub(crate) struct PipelineConfig {
    /// The settings that need a new exporter when they change.
    pub(crate) exporter: ExporterSettings,
    pub(crate) interval: Duration,
    pub(crate) source: Arc<SourceConfig>,
}

/// The state that the configuration asks for. Only the latest counts.
pub(crate) enum DesiredState {
    Off,
    On(PipelineConfig),
    /// Off, after the remaining data was delivered with the configuration from before. `reason` is `Some` if the
    /// configuration asks for the exporter, but it is unavailable.
    Draining {
        config: PipelineConfig,
        deadline: Instant,
        reason: Option<String>,
    },
}

impl DesiredState {
    /// Returns the configuration with which data is delivered.
    pub(crate) fn config(&self) -> Option<&PipelineConfig> {
        match self {
            Self::Off => None,
            Self::On(config) | Self::Draining { config, .. } => Some(config),
        }
    }
}

/// The reason why a delivery was interrupted.
#[derive(Debug)]
pub(crate) enum Interruption {
    /// The deadline passed.
    Deadline,
    /// The configuration asks for another exporter.
    Replaced,
}

/// The receiving end of the requests to one exporter.
pub(crate) struct Control {
    commands: mpsc::UnboundedReceiver<Command>,
    pub(super) desired: Arc<watch::Sender<DesiredState>>,
    /// Knows whether the desired state has changed since the exporter applied it.
    applied: watch::Receiver<DesiredState>,
    /// Wakes [`changed`](Self::changed) at a new desired state.
    news: watch::Receiver<DesiredState>,
    /// The settings of the current exporter; `None` while it is off, because they keep the headers helper running.
    pub(super) current: Option<ExporterSettings>,
    /// The commands whose senders wait, each with true if a pass began after it arrived. A pass delivers everything
    /// that the exporter's source held when the pass began.
    waiting: Vec<(Command, bool)>,
    /// True if a command arrived since the last pass began, even if its sender has stopped waiting.
    requested: bool,
    /// The deadline of the shutdown.
    closing: Option<Instant>,
}

impl Control {
    pub(crate) fn new() -> (
        mpsc::UnboundedSender<Command>,
        Arc<watch::Sender<DesiredState>>,
        Self,
    ) {
        let (sender, commands) = mpsc::unbounded_channel();
        let desired = Arc::new(watch::Sender::new(DesiredState::Off));
        let control = Self {
            commands,
            applied: desired.subscribe(),
            news: desired.subscribe(),
            current: None,
            desired: Arc::clone(&desired),
            waiting: Vec::new(),
            requested: false,
            closing: None,
        };
        (sender, desired, control)
    }

    /// Waits until a command or a new desired state arrives, or the deadline of a sender passes.
    pub(crate) async fn changed(&mut self) {
        let expiry = self.next_deadline();
        tokio::select! {
            biased;
            Some(command) = self.commands.recv() => {
                if command.shutdown {
                    // A second shutdown can bring the deadline forward, never postpone it.
                    self.closing = self.closing.into_iter().chain([command.deadline]).min();
                }
                self.waiting.push((command, false));
                self.requested = true;
            }
            // The channel stays open, because `self` owns a sender.
            _ = self.news.changed() => {}
            () = sleep_until_optional(expiry) => {
                let now = Instant::now();
                self.release_if(false, |command, _| command.deadline <= now);
            }
        }
    }

    /// Returns the result of work for the current exporter. Releases senders at their deadlines meanwhile.
    pub(crate) async fn meanwhile<T>(&mut self, work: BoxFuture<'_, T>) -> Result<T, Interruption> {
        self.attempt(work, Duration::ZERO, || false).await
    }

    /// Does the same as [`meanwhile`](Self::meanwhile), but work for an exporter that was replaced may take `grace`
    /// longer, and work that `is_accepted` without its result is interrupted a little before the next deadline of a
    /// sender.
    pub(crate) async fn attempt<T>(
        &mut self,
        mut work: BoxFuture<'_, T>,
        grace: Duration,
        is_accepted: impl Fn() -> bool,
    ) -> Result<T, Interruption> {
        let start = Instant::now();
        let mut replaced = None;
        loop {
            // The configuration may return to the current exporter.
            let is_replaced = self.is_replaced();
            replaced = is_replaced.then(|| replaced.unwrap_or_else(|| Instant::now() + grace));
            let end = self.end();
            let accepted_suffices_at = self
                .next_deadline()
                .map(|next| next - REST_OF_ANSWER.min(next.saturating_duration_since(start) / 4));
            let accepted = async {
                sleep_until_optional(accepted_suffices_at).await;
                if !is_accepted() {
                    std::future::pending().await
                }
            };
            tokio::select! {
                biased;
                result = &mut work => return Ok(result),
                () = accepted => return Err(Interruption::Deadline),
                () = self.changed() => {}
                () = sleep_until_optional(end) => return Err(Interruption::Deadline),
                () = sleep_until_optional(replaced) => return Err(Interruption::Replaced),
            }
        }
    }

    /// Returns the earliest deadline of a sender.
    fn next_deadline(&self) -> Option<Instant> {
        let deadlines = self.waiting.iter().map(|(command, _)| command.deadline);
        deadlines.min()
    }

    /// Returns the deadline of the shutdown; `None` before the shutdown was requested.
    pub(crate) fn closing(&self) -> Option<Instant> {
        self.closing
    }

    /// Returns true if the desired state has changed since it was last applied.
    pub(crate) fn has_news(&self) -> bool {
        self.applied.has_changed().unwrap_or_default()
    }

    /// Returns the configuration of the desired state, which counts as applied from now on.
    pub(crate) fn apply(&mut self) -> Option<PipelineConfig> {
        self.applied.borrow_and_update().config().cloned()
    }

    /// Changes the settings of the current exporter. Returns false if they are equal.
    pub(crate) fn replace(&mut self, settings: &ExporterSettings) -> bool {
        let is_other = self.current.as_ref() != Some(settings);
        self.current = Some(settings.clone());
        is_other
    }

    /// Returns true if the configuration asks for another exporter than the current one.
    pub(crate) fn is_replaced(&self) -> bool {
        let desired = self.desired.borrow();
        let config = desired.config();
        config.is_some_and(|config| Some(&config.exporter) != self.current.as_ref())
    }

    /// Returns true if the exporter is to be turned off.
    pub(crate) fn is_draining(&self) -> bool {
        self.drain_deadline().is_some()
    }

    fn drain_deadline(&self) -> Option<Instant> {
        match *self.desired.borrow() {
            DesiredState::Draining { deadline, .. } => Some(deadline),
            DesiredState::Off | DesiredState::On(_) => None,
        }
    }

    /// Returns the time after which nothing more is sent: the deadline of the shutdown, or of an exporter that is
    /// turned off, whichever is earlier.
    pub(crate) fn end(&self) -> Option<Instant> {
        let deadlines = [self.closing, self.drain_deadline()];
        deadlines.into_iter().flatten().min()
    }

    /// Begins a pass for all senders that wait.
    pub(crate) fn begin(&mut self) {
        self.requested = false;
        for (_, begun) in &mut self.waiting {
            *begun = true;
        }
    }

    /// Returns true if a sender waits, the last command was not followed by a pass, or the shutdown was requested.
    pub(crate) fn is_requested(&self) -> bool {
        self.requested || self.closing.is_some() || !self.waiting.is_empty()
    }

    /// Returns true if a sender waits whose command arrived after the last pass began.
    pub(crate) fn is_requested_again(&self) -> bool {
        self.waiting.iter().any(|(_, begun)| !begun)
    }

    /// Releases the senders that waited when the last pass began. Senders of the shutdown wait until the exporter ends,
    /// because only then the losses are known.
    pub(crate) fn release(&mut self, complete: bool) {
        self.release_if(complete, |command, begun| begun && !command.shutdown);
    }

    /// Releases all senders, including those of the shutdown. No more commands are received.
    pub(crate) fn release_all(&mut self, complete: bool) {
        self.commands.close();
        while let Ok(command) = self.commands.try_recv() {
            command.waiter.release(complete);
        }
        self.release_if(complete, |_, _| true);
    }

    fn release_if(&mut self, complete: bool, released: impl Fn(&Command, bool) -> bool) {
        let released = |(command, begun): &mut (Command, bool)| released(command, *begun);
        for (command, _) in self.waiting.extract_if(.., released) {
            command.waiter.release(complete);
        }
    }

    /// Waits between two attempts of the current exporter: for the time that the receiver asked for, otherwise for
    /// `own`, which is shortened while a sender waits. Returns an error if there is no next attempt.
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
            let end_of_all = self.end();
            let is_awaited = !self.waiting.is_empty() || end_of_all.is_some();
            let own = if is_awaited {
                own.min(LONGEST_AWAITED_PAUSE)
            } else {
                own
            };
            // `Retry-After: 0` must not cause retries without a pause.
            let shortest = own.min(SHORTEST_RETRY_AFTER);
            let wait = retry_after.map_or(own, |wait| wait.clamp(shortest, LONGEST_RETRY_AFTER));
            let end = start + wait;
            if end_of_all.is_some_and(|last| last <= end) {
                return Err(Interruption::Deadline);
            }
            tokio::select! {
                biased;
                () = self.changed() => {}
                () = sleep_until(end) => return Ok(()),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;
    use crate::export::command::Waiter;

    fn config() -> PipelineConfig {
        PipelineConfig {
            exporter: ExporterSettings::Console(Arc::new(Mutex::new(std::io::sink()))),
            interval: Duration::ZERO,
            source: Arc::default(),
        }
    }

    /// Returns the length in milliseconds of a pause, given the pipeline's `own` pause and the pause that the receiver
    /// asks for. `waiting` is true if a caller waits for a delivery.
    async fn pause(own: u64, retry_after: Option<u64>, waiting: bool) -> u64 {
        let (commands, desired, mut control) = Control::new();
        // A new desired state with the same exporter, which does not end the pause.
        desired.send_replace(DesiredState::On(config()));
        if waiting {
            let command = Command {
                deadline: Instant::now() + Duration::from_secs(3600),
                shutdown: false,
                waiter: Waiter::Task(mpsc::channel(1).0),
            };
            commands.send(command).unwrap();
        }
        let start = Instant::now();
        let [own, retry_after] =
            [Some(own), retry_after].map(|wait| wait.map(Duration::from_millis));
        control.replace(&config().exporter);
        let ended = control.pause(own.unwrap(), retry_after).await;
        assert!(ended.is_ok());
        u64::try_from(start.elapsed().as_millis()).unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn pause_that_the_receiver_asks_for_is_never_zero() {
        // The pause lasts at least one second, or as long as the pipeline's own pause if that is shorter. The own pause
        // is at most 200 ms while a caller waits.
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

    #[tokio::test(start_paused = true)]
    async fn attempt_is_not_interrupted_if_its_exporter_is_replaced_and_returns_within_the_grace() {
        let (_commands, desired, mut control) = Control::new();
        let second = Duration::from_secs(1);
        control.replace(&config().exporter);
        desired.send_replace(DesiredState::On(PipelineConfig {
            exporter: ExporterSettings::Custom(Arc::new(|_| unreachable!())),
            ..config()
        }));
        let returns = async {
            tokio::time::sleep(second).await;
            desired.send_replace(DesiredState::On(config()));
        };
        let work = Box::pin(tokio::time::sleep(3 * second));
        let (result, ()) = tokio::join!(control.attempt(work, 2 * second, || false), returns);
        assert!(result.is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn waiter_released_at_its_deadline_learns_that_delivery_is_incomplete() {
        let (commands, _desired, mut control) = Control::new();
        let ask = |seconds| {
            let (sender, answer) = std::sync::mpsc::channel();
            let command = Command {
                deadline: Instant::now() + Duration::from_secs(seconds),
                shutdown: false,
                waiter: Waiter::Thread(sender),
            };
            commands.send(command).unwrap();
            answer
        };
        let (hasty, patient) = (ask(1), ask(60));
        // The two commands arrive, and the first deadline passes.
        for _ in 0..3 {
            control.changed().await;
        }
        assert!(hasty.recv().is_ok() && hasty.recv().is_err());
        assert!(control.is_requested_again());
        control.begin();
        control.release(true);
        assert!(patient.recv().is_err());
    }
}
