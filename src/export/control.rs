//! Requests to a pipeline from outside: flushes, changes and the shutdown.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};

use super::blocking::{Blocking, BlockingError};

/// The longest pause between two attempts while a caller waits for a flush.
const PATIENCE: Duration = Duration::from_millis(200);

/// The longest pause that a receiver can ask for.
const LONGEST_ASKED: Duration = Duration::from_secs(600);

/// The shortest pause that a receiver can ask for, unless the pipeline's own pause is shorter.
const SHORTEST_ASKED: Duration = Duration::from_secs(1);

/// A caller that waits until every clone is dropped. A [`NotDone`] message tells the caller that not everything was
/// delivered.
#[derive(Clone, Debug)]
pub(crate) enum Done {
    /// A thread, which watches its own deadline.
    Thread(std::sync::mpsc::Sender<NotDone>),
    /// A task of any runtime.
    Task(mpsc::Sender<NotDone>),
}

/// The message that some data is undelivered or lost.
#[derive(Debug)]
pub(crate) struct NotDone;

impl Done {
    /// Releases a caller whose request was not fulfilled.
    fn give_up(self) {
        match self {
            Self::Thread(sender) => drop(sender.send(NotDone)),
            // A full channel already holds this message.
            Self::Task(sender) => drop(sender.try_send(NotDone)),
        }
    }
}

/// A request to deliver all data that was recorded before it.
#[derive(Debug)]
pub(crate) struct Command {
    /// The time at which the sender stops waiting.
    pub(crate) deadline: Instant,
    /// True for the shutdown: no more data will be recorded, and the pipeline ends by the deadline.
    pub(crate) shutdown: bool,
    pub(crate) done: Done,
}

/// The receiving end of a pipeline's commands and of its changes `C`.
#[derive(Debug)]
pub(crate) struct Control<C> {
    commands: mpsc::UnboundedReceiver<Command>,
    changes: mpsc::UnboundedReceiver<C>,
    /// Changes that were received and not applied yet, in order.
    pending: VecDeque<C>,
    /// True when no more changes can come.
    settled: bool,
    /// The callers that wait, with the number of their arrival.
    waiters: Vec<(u64, Command)>,
    arrivals: u64,
    /// True if a command arrived since the last pass began, even if its caller has stopped waiting.
    asked: bool,
    closing: Option<Instant>,
    /// The time after which nothing is sent, although the pipeline lives on.
    limit: Option<Instant>,
    /// True when no more commands can come.
    deserted: bool,
}

impl<C> Control<C> {
    pub(crate) fn new() -> (
        mpsc::UnboundedSender<Command>,
        mpsc::UnboundedSender<C>,
        Self,
    ) {
        let (sender, commands) = mpsc::unbounded_channel();
        let (changer, changes) = mpsc::unbounded_channel();
        (
            sender,
            changer,
            Self {
                commands,
                changes,
                pending: VecDeque::new(),
                settled: false,
                waiters: Vec::new(),
                arrivals: 0,
                asked: false,
                closing: None,
                limit: None,
                deserted: false,
            },
        )
    }

    /// Waits until a command or a change arrives, or a caller's deadline passes.
    pub(crate) async fn changed(&mut self) {
        let expiry = self.waiters.iter().map(|(_, waiter)| waiter.deadline).min();
        tokio::select! {
            biased;
            command = self.commands.recv(), if !self.deserted => match command {
                Some(command) => {
                    if command.shutdown {
                        self.close(command.deadline);
                    }
                    self.waiters.push((self.arrivals, command));
                    self.arrivals += 1;
                    self.asked = true;
                }
                None => {
                    self.deserted = true;
                    self.close(Instant::now());
                }
            },
            change = self.changes.recv(), if !self.settled => match change {
                Some(change) => self.pending.push_back(change),
                None => self.settled = true,
            },
            () = at(expiry) => {
                let now = Instant::now();
                let late = self.waiters.extract_if(.., |(_, waiter)| waiter.deadline <= now);
                late.for_each(|(_, waiter)| waiter.done.give_up());
            }
        }
    }

    /// Returns the result of a blocking function, or `None` when the shutdown comes first. Releases waiters at their
    /// deadlines meanwhile.
    pub(crate) async fn meanwhile<T>(
        &mut self,
        mut work: Blocking<T>,
    ) -> Option<Result<T, BlockingError>> {
        loop {
            let closing = self.closing;
            tokio::select! {
                biased;
                done = &mut work => return Some(done),
                () = self.changed() => {}
                () = at(closing) => return None,
            }
        }
    }

    /// Sets the deadline of the shutdown. A second shutdown can bring the deadline forward, never postpone it.
    fn close(&mut self, deadline: Instant) {
        self.closing = Some(
            self.closing
                .map_or(deadline, |closing| closing.min(deadline)),
        );
    }

    /// Returns the deadline of the shutdown; `None` before the shutdown was requested.
    pub(crate) fn closing(&self) -> Option<Instant> {
        self.closing
    }

    /// Returns the time after which nothing more is sent: the deadline of the shutdown or the limit of the data from
    /// before a change, whichever is earlier.
    pub(crate) fn end(&self) -> Option<Instant> {
        self.closing.into_iter().chain(self.limit).min()
    }

    /// Returns the next time at which a caller stops waiting or sending ends.
    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        let waiters = self.waiters.iter().map(|(_, waiter)| waiter.deadline);
        waiters.chain(self.end()).min()
    }

    /// Sets the time after which nothing is sent; `None` removes the limit.
    pub(crate) fn limit(&mut self, limit: Option<Instant>) {
        self.limit = limit;
    }

    /// Returns true if a change is pending.
    pub(crate) fn has_change(&mut self) -> bool {
        while let Ok(change) = self.changes.try_recv() {
            self.pending.push_back(change);
        }
        !self.pending.is_empty()
    }

    /// Returns true if a pending change satisfies `wanted`.
    pub(crate) fn has_change_that(&mut self, wanted: impl Fn(&C) -> bool) -> bool {
        self.has_change() && self.pending.iter().any(wanted)
    }

    /// Returns the next pending change.
    pub(crate) fn next_change(&mut self) -> Option<C> {
        self.has_change();
        self.pending.pop_front()
    }

    /// Begins a pass for all callers that wait. Returns the number that the next arrival will get.
    pub(crate) fn begin(&mut self) -> u64 {
        self.asked = false;
        self.arrivals
    }

    /// Returns true if a command arrived since the last pass began, even if its caller has stopped waiting.
    pub(crate) fn is_asked(&self) -> bool {
        self.asked
    }

    /// Releases the callers that arrived before `arrivals`, because their requests are fulfilled. Callers of the
    /// shutdown wait until the pipeline ends, because only then the losses are known.
    pub(crate) fn release(&mut self, arrivals: u64) {
        self.waiters
            .retain(|(arrival, waiter)| *arrival >= arrivals || waiter.shutdown);
    }

    /// Releases all callers, including those of the shutdown, because their requests are fulfilled.
    pub(crate) fn release_all(&mut self) {
        self.commands.close();
        while self.commands.try_recv().is_ok() {}
        self.waiters.clear();
    }

    /// Releases the callers that arrived before `arrivals` and tells them that not everything was delivered. Callers of
    /// the shutdown keep waiting.
    pub(crate) fn give_up(&mut self, arrivals: u64) {
        let there =
            |(arrival, waiter): &mut (u64, Command)| *arrival < arrivals && !waiter.shutdown;
        let waiters = self.waiters.extract_if(.., there);
        waiters.for_each(|(_, waiter)| waiter.done.give_up());
    }

    /// Releases all callers and tells them that not everything was delivered.
    pub(crate) fn give_all_up(&mut self) {
        self.commands.close();
        while let Ok(command) = self.commands.try_recv() {
            command.done.give_up();
        }
        let waiters = self.waiters.drain(..);
        waiters.for_each(|(_, waiter)| waiter.done.give_up());
    }

    /// Returns true if a caller waits that arrived at or after `arrivals`.
    pub(crate) fn has_waiters_since(&self, arrivals: u64) -> bool {
        self.waiters.iter().any(|(arrival, _)| *arrival >= arrivals)
    }

    /// Waits between two attempts: for the time that the receiver asked for, otherwise for `own`, which is shortened
    /// while a caller waits. A change that satisfies `ends` ends the pause. Returns false if sending ends before the
    /// next attempt.
    pub(crate) async fn pause(
        &mut self,
        own: Duration,
        asked: Option<Duration>,
        ends: impl Fn(&C) -> bool,
    ) -> bool {
        let start = Instant::now();
        let asked = asked.map(|asked| asked.min(LONGEST_ASKED));
        loop {
            if self.has_change_that(&ends) {
                return true;
            }
            let end_of_all = self.end();
            let hurry = !self.waiters.is_empty() || end_of_all.is_some();
            let own = if hurry { own.min(PATIENCE) } else { own };
            // `Retry-After: 0` must not cause retries without a pause.
            let wait = asked.map_or(own, |asked| asked.max(own.min(SHORTEST_ASKED)));
            let end = start + wait;
            if end_of_all.is_some_and(|last| last <= end) {
                return false;
            }
            tokio::select! {
                biased;
                () = self.changed() => {}
                () = sleep_until(end) => return true,
            }
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

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the length in milliseconds of a pause, given the pipeline's `own` pause and the pause that the receiver
    /// `asked` for.
    async fn pause(own: u64, asked: Option<u64>, waiting: bool) -> u64 {
        let (commands, changes, mut control) = Control::<()>::new();
        // A change that does not end the pause.
        changes.send(()).unwrap();
        if waiting {
            let command = Command {
                deadline: Instant::now() + Duration::from_secs(3600),
                shutdown: false,
                done: Done::Task(mpsc::channel(1).0),
            };
            commands.send(command).unwrap();
        }
        let start = Instant::now();
        let [own, asked] = [Some(own), asked].map(|wait| wait.map(Duration::from_millis));
        assert!(control.pause(own.unwrap(), asked, |()| false).await);
        u64::try_from(start.elapsed().as_millis()).unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn requested_pause_is_never_zero() {
        for (own, asked, waiting, expected) in [
            (40, None, false, 40),
            (40, Some(0), false, 40),
            (40, Some(80), false, 80),
            (5_000, Some(0), true, 200),
            (5_000, Some(210), true, 210),
        ] {
            let took = pause(own, asked, waiting).await;
            assert_eq!(took, expected);
        }
        let took = pause(5_000, Some(10), false).await;
        assert_eq!(took, 1_000);
    }

    #[tokio::test(start_paused = true)]
    async fn waiter_released_at_its_deadline_learns_that_delivery_is_incomplete() {
        let (commands, _changes, mut control) = Control::<()>::new();
        let ask = |seconds| {
            let (sender, answer) = std::sync::mpsc::channel();
            let command = Command {
                deadline: Instant::now() + Duration::from_secs(seconds),
                shutdown: false,
                done: Done::Thread(sender),
            };
            commands.send(command).unwrap();
            answer
        };
        let (hasty, patient) = (ask(1), ask(60));
        for _ in 0..3 {
            control.changed().await;
        }
        assert!(hasty.recv().is_ok() && hasty.recv().is_err());
        assert!(control.has_waiters_since(0));
        let arrivals = control.begin();
        control.release(arrivals);
        assert!(patient.recv().is_err());
    }
}
