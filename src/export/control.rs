//! What is asked of a pipeline from outside: flushes, changes and the shutdown.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};

use super::blocking::{Blocking, BlockingError};

/// While somebody waits for a flush, attempts are at most this far apart.
const PATIENCE: Duration = Duration::from_millis(200);

/// A receiver that asks for a longer wait is asked again after this one.
const LONGEST_ASKED: Duration = Duration::from_secs(600);

/// A receiver that asks for a shorter wait, or for none, gets our own wait up to this one.
const SHORTEST_ASKED: Duration = Duration::from_secs(1);

/// Somebody who waits until every clone was dropped. What is sent says that not all was done.
#[derive(Clone, Debug)]
pub(crate) enum Done {
    /// A thread, on its own clock.
    Thread(std::sync::mpsc::Sender<NotDone>),
    /// A task of any runtime.
    Task(mpsc::Sender<NotDone>),
}

/// Something still waits, or is lost.
#[derive(Debug)]
pub(crate) struct NotDone;

impl Done {
    /// Lets go of somebody who did not get what they asked for.
    fn give_up(self) {
        match self {
            Self::Thread(sender) => drop(sender.send(NotDone)),
            // It has been told already when there is no room.
            Self::Task(sender) => drop(sender.try_send(NotDone)),
        }
    }
}

/// A request to deliver all that was recorded before it.
#[derive(Debug)]
pub(crate) struct Command {
    /// When its sender stops waiting.
    pub(crate) deadline: Instant,
    /// Nothing will be recorded any more: the pipeline ends by the deadline.
    pub(crate) shutdown: bool,
    pub(crate) done: Done,
}

/// The pipeline's end of its commands, and of the changes `C` of what it does.
#[derive(Debug)]
pub(crate) struct Control<C> {
    commands: mpsc::UnboundedReceiver<Command>,
    changes: mpsc::UnboundedReceiver<C>,
    /// Changes that were not made yet, in order.
    pending: VecDeque<C>,
    /// No change can come any more.
    settled: bool,
    /// Those who wait, with the number of their arrival.
    waiters: Vec<(u64, Command)>,
    arrivals: u64,
    /// Somebody asked since the last pass began; they may have stopped waiting.
    asked: bool,
    closing: Option<Instant>,
    /// Nothing is sent after this time, although the pipeline lives on.
    limit: Option<Instant>,
    /// No command can come any more.
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

    /// Ends when somebody asks for something, or stops waiting for it.
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

    /// A second shutdown can bring the end nearer, never put it off.
    fn close(&mut self, deadline: Instant) {
        self.closing = Some(
            self.closing
                .map_or(deadline, |closing| closing.min(deadline)),
        );
    }

    /// The deadline of the shutdown, once it was asked for.
    pub(crate) fn closing(&self) -> Option<Instant> {
        self.closing
    }

    /// When nothing more is sent: the shutdown's deadline, or that of what was sent before a change.
    pub(crate) fn end(&self) -> Option<Instant> {
        self.closing.into_iter().chain(self.limit).min()
    }

    /// The next time at which somebody stops waiting, or nothing more is sent.
    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        let waiters = self.waiters.iter().map(|(_, waiter)| waiter.deadline);
        waiters.chain(self.end()).min()
    }

    /// Nothing is sent after this time; with `None` that is over.
    pub(crate) fn limit(&mut self, limit: Option<Instant>) {
        self.limit = limit;
    }

    /// Whether there is a change to make.
    pub(crate) fn has_change(&mut self) -> bool {
        while let Ok(change) = self.changes.try_recv() {
            self.pending.push_back(change);
        }
        !self.pending.is_empty()
    }

    /// Whether there is such a change to make.
    pub(crate) fn has_change_that(&mut self, wanted: impl Fn(&C) -> bool) -> bool {
        self.has_change() && self.pending.iter().any(wanted)
    }

    /// The next change to make.
    pub(crate) fn next_change(&mut self) -> Option<C> {
        self.has_change();
        self.pending.pop_front()
    }

    /// A pass begins, for all who asked. The number that the next one to ask will get.
    pub(crate) fn begin(&mut self) -> u64 {
        self.asked = false;
        self.arrivals
    }

    /// Whether somebody asked since the last pass began, also when nobody waits any more.
    pub(crate) fn is_asked(&self) -> bool {
        self.asked
    }

    /// Those who asked before `arrivals` have what they asked for. Who asked for the shutdown waits for the end: only
    /// then is it known what was lost.
    pub(crate) fn release(&mut self, arrivals: u64) {
        self.waiters
            .retain(|(arrival, waiter)| *arrival >= arrivals || waiter.shutdown);
    }

    /// Everybody has what they asked for, the shutdown too.
    pub(crate) fn release_all(&mut self) {
        self.commands.close();
        while self.commands.try_recv().is_ok() {}
        self.waiters.clear();
    }

    /// Those who asked before `arrivals` do not get any more what they asked for.
    pub(crate) fn give_up(&mut self, arrivals: u64) {
        let there =
            |(arrival, waiter): &mut (u64, Command)| *arrival < arrivals && !waiter.shutdown;
        let waiters = self.waiters.extract_if(.., there);
        waiters.for_each(|(_, waiter)| waiter.done.give_up());
    }

    /// Nobody gets any more what they asked for.
    pub(crate) fn give_all_up(&mut self) {
        self.commands.close();
        while let Ok(command) = self.commands.try_recv() {
            command.done.give_up();
        }
        let waiters = self.waiters.drain(..);
        waiters.for_each(|(_, waiter)| waiter.done.give_up());
    }

    /// Whether somebody waits who asked since `arrivals`.
    pub(crate) fn has_waiters_since(&self, arrivals: u64) -> bool {
        self.waiters.iter().any(|(arrival, _)| *arrival >= arrivals)
    }

    /// Waits between two attempts: as long as the receiver asked, else our own time, which shrinks while somebody
    /// waits, and which such a change ends. False when the end comes before the next attempt.
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
            // `Retry-After: 0` must not become a loop without a pause.
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

/// Ends at a time; never, when there is none.
pub(crate) async fn at(time: Option<Instant>) {
    match time {
        Some(time) => sleep_until(time).await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How long a pause takes that should take `own` or as long as was `asked`.
    async fn pause(own: u64, asked: Option<u64>, waiting: bool) -> u64 {
        let (commands, changes, mut control) = Control::<()>::new();
        // A change that does not concern it.
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
    async fn a_wait_that_is_asked_for_is_never_none() {
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
    async fn who_is_let_go_at_the_deadline_learns_that_not_all_is_done() {
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
