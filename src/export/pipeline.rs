//! One exporter of one signal: when it sends, what it does with an answer, and who waits for it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::watch;
use tokio::task::{JoinError, JoinSet};
use tokio::time::{Instant, sleep_until};

use super::backoff::Backoff;
use super::blocking::{self, BlockingError};
use super::control::{Control, at};
use super::outcome::{ExportError, Outcome};
use super::sink::{Sink, Target};
use super::{Batch, Source};
use crate::clock::Clock;
use crate::config::variables;
use crate::diagnostics::Diagnostics;
use crate::health::ExporterCounters;
use crate::signal::Signal;

/// The interval of an exporter that is off.
const FOREVER: Duration = Duration::from_secs(365 * 24 * 3600);

/// The longest pause between two attempts to start the thread that an exporter is built on.
const LONGEST_BUILD_PAUSE: Duration = Duration::from_secs(5);

/// A request under way when its receiver is changed may take so long; then it is sent to the new one.
const SETTLE: Duration = Duration::from_secs(2);

/// The rest of an answer whose status said success is waited for until this long before a deadline, and for three
/// quarters of a shorter time.
const REST_OF_ANSWER: Duration = Duration::from_millis(100);

/// An answer takes a few turns of the runtime from the socket to the task that waits for it.
const LAST_TURNS: usize = 4;

/// Delivers what one source has to one sink: at an interval, when much waits, and when somebody asks. The sink comes,
/// changes and goes with the configuration; the source, and what waits in it, stays.
pub(crate) struct Pipeline<S: Source> {
    source: S,
    counters: Arc<ExporterCounters>,
    diagnostics: Arc<Diagnostics>,
    clock: Clock,
    control: Control<Change<S::Settings>>,
    /// The number of the last change.
    epoch: Arc<AtomicU64>,
    /// Nothing when the exporter is off.
    link: Option<Link>,
    /// Requests that were made and not settled; the next one last.
    unsent: Vec<S::Ticket>,
    /// What the receiver refused or warned of, as it was told last.
    told: Option<String>,
}

/// Where a pipeline sends.
struct Link {
    sink: Arc<Sink>,
    interval: Duration,
    /// The limit of one attempt.
    timeout: Duration,
    /// The exporter goes off when it has delivered what waits.
    ending: Option<Ending>,
    /// Whether it was reported that requests go to another path than that of the configured URL.
    path_reported: bool,
}

struct Ending {
    epoch: u64,
    why: Option<String>,
}

/// What a pipeline does from now on.
pub(crate) struct Change<T> {
    pub(crate) epoch: u64,
    pub(crate) to: To<T>,
}

/// Where it sends from now on.
pub(crate) enum To<T> {
    /// There, or to the same sink as before when there is no new one.
    Sink {
        target: Option<Target>,
        settings: T,
        interval: Duration,
    },
    /// Nowhere. What waits is still delivered to where it went, until then; `why` when that was not asked for.
    Nowhere { by: Instant, why: Option<String> },
}

impl<T> Change<T> {
    /// Whether what is sent after it goes elsewhere, or nowhere.
    fn moves(&self) -> bool {
        !matches!(self.to, To::Sink { target: None, .. })
    }
}

/// How a request ended.
enum End {
    /// The receiver has it, but for some items.
    Delivered { rejected: u64 },
    /// The receiver will never take it.
    Refused(ExportError),
    /// The receiver takes less at once.
    TooLarge(ExportError),
    /// Something else came first.
    Stopped(Stop),
}

/// Why not all was delivered.
enum Stop {
    /// The deadline came.
    OutOfTime,
    /// There is a change to make.
    Changed,
}

impl<S: Source> Pipeline<S> {
    /// An exporter that is off until a change says otherwise.
    pub(crate) fn new(
        source: S,
        control: Control<Change<S::Settings>>,
        counters: Arc<ExporterCounters>,
        epoch: Arc<AtomicU64>,
        diagnostics: Arc<Diagnostics>,
        clock: Clock,
    ) -> Self {
        Self {
            source,
            counters,
            diagnostics,
            clock,
            control,
            epoch,
            link: None,
            unsent: Vec::new(),
            told: None,
        }
    }

    /// Runs until the shutdown.
    pub(crate) async fn run(mut self) {
        let mut next = Instant::now();
        let late = loop {
            self.wait(next).await;
            let was_on = self.link.is_some();
            if self.obey().await {
                // A change that comes again and again does not put off what is due.
                let due = Instant::now() + self.interval();
                next = if was_on { next.min(due) } else { due };
                let ending = self.link.as_ref().is_some_and(|link| link.ending.is_some());
                let late = next <= Instant::now();
                if self.unsent.is_empty() && !ending && !late && !self.control.is_asked() {
                    // Nothing was interrupted: it is sent at its time.
                    continue;
                }
            }
            let arrivals = self.control.begin();
            let late = match self.serve().await {
                // A new receiver gets what the old one did not take.
                Err(Stop::Changed) => continue,
                Err(Stop::OutOfTime) => true,
                Ok(()) => false,
            };
            self.finish_ending();
            if self.link.is_none() {
                if late {
                    self.control.give_up(arrivals);
                } else {
                    self.control.release(arrivals);
                }
            }
            self.report_losses(false);
            if self.control.closing().is_some() {
                break late;
            }
            if next <= Instant::now() {
                // No catching up after an outage: the next pass covers it.
                next = Instant::now() + self.interval();
            }
        };
        self.counters.shut_down();
        if late {
            self.control.give_all_up();
        } else {
            self.control.release_all();
        }
        self.report_losses(true);
    }

    fn interval(&self) -> Duration {
        self.link.as_ref().map_or(FOREVER, |link| link.interval)
    }

    /// Ends when there is something to do.
    async fn wait(&mut self, next: Instant) {
        // Somebody may have asked while the exporter was built.
        if self.control.is_asked()
            || self.control.has_waiters_since(0)
            || self.control.closing().is_some()
            || self.control.has_change()
        {
            return;
        }
        if self.link.is_none() {
            self.control.changed().await;
            return;
        }
        tokio::select! {
            () = self.control.changed() => {}
            () = self.source.filled() => {}
            () = sleep_until(next) => {}
        }
    }

    /// Makes the changes that were asked for. True when there were any.
    async fn obey(&mut self) -> bool {
        let mut any = false;
        while let Some(Change { epoch, to }) = self.control.next_change() {
            any = true;
            match to {
                To::Nowhere { by, why } => match &mut self.link {
                    Some(link) => {
                        link.ending = Some(Ending { epoch, why });
                        self.control.limit(Some(by));
                    }
                    None => {
                        if let Some(lost) = self.leave(epoch) {
                            self.counters.turned_off(lost, why);
                        }
                    }
                },
                To::Sink {
                    target,
                    settings,
                    interval,
                } => {
                    self.control.limit(None);
                    self.source.apply(settings);
                    match target {
                        Some(target) => self.build(target, epoch).await,
                        // What was to go on as before could not be built meanwhile.
                        None if self.link.is_none() => self.stay_off(epoch, None),
                        None => {}
                    }
                    if let Some(link) = &mut self.link {
                        (link.interval, link.ending) = (interval, None);
                    }
                }
            }
        }
        any
    }

    /// Builds the sink. It may read certificates: on a thread that may block, while this one keeps every deadline.
    async fn build(&mut self, target: Target, epoch: u64) {
        let (signal, timeout) = (self.counters.signal(), target.timeout());
        let Some(built) = self.build_sink(signal, target).await else {
            // A newer change, or the shutdown, came first.
            self.link = None;
            return;
        };
        match built {
            Ok(sink) => {
                self.link = Some(Link {
                    sink: Arc::new(sink),
                    interval: FOREVER,
                    timeout,
                    ending: None,
                    path_reported: false,
                });
                self.counters.turned_on();
                self.counters.starts();
            }
            Err(error) => {
                self.link = None;
                self.stay_off(epoch, Some(&error));
                let exporter = self.counters.exporter();
                self.diagnostics
                    .report_later(format!("{signal} ({exporter}) are off: {error}"));
            }
        }
    }

    /// Tries until there is a thread to build the sink on; `None` when something else comes first.
    #[cfg_attr(
        not(any(
            feature = "grpc",
            feature = "http",
            feature = "console",
            feature = "testing"
        )),
        allow(
            unused_mut,
            unused_variables,
            unreachable_code,
            reason = "a build without these exporters has no target"
        )
    )]
    async fn build_sink(&mut self, signal: Signal, target: Target) -> Option<Result<Sink, String>> {
        if !target.may_block() {
            return Some(target.build(signal));
        }
        let mut backoff = Backoff::new(LONGEST_BUILD_PAUSE);
        loop {
            let target = target.clone();
            let build = blocking::spawn(move || target.build(signal));
            match self.control.meanwhile(build).await {
                None => return Some(Err("the shutdown came before it was ready".to_owned())),
                Some(Ok(built)) => return Some(built),
                Some(Err(error)) => {
                    if self.counters.failed(error.to_string()) {
                        self.report(format!("{error}; it is tried again, and data waits"));
                    }
                }
            }
            let paused = self
                .control
                .pause(backoff.next(), None, Change::moves)
                .await;
            if !paused {
                return Some(Err("the shutdown came before it was ready".to_owned()));
            }
            if self.control.has_change_that(Change::moves) {
                return None;
            }
        }
    }

    /// There is nothing to send with, for a reason that may be known already: what waits is lost, and nothing more is
    /// taken, unless there is a newer change.
    fn stay_off(&mut self, epoch: u64, why: Option<&str>) {
        let lost = self.leave(epoch);
        self.counters.stays_off(lost, why);
    }

    /// Gives up what waits, unless there is a newer change.
    fn leave(&mut self, epoch: u64) -> Option<u64> {
        let newest = Arc::clone(&self.epoch);
        let still = move || newest.load(Ordering::SeqCst) == epoch;
        self.source.leave(&mut self.unsent, still)
    }

    /// What was sent before the exporter went off is settled, or out of time.
    fn finish_ending(&mut self) {
        let ending = self.link.as_mut().and_then(|link| link.ending.take());
        let Some(Ending { epoch, why }) = ending else {
            return;
        };
        self.control.limit(None);
        if let Some(lost) = self.leave(epoch) {
            self.link = None;
            self.counters.turned_off(lost, why);
        }
    }

    /// Passes until nobody waits for one.
    async fn serve(&mut self) -> Result<(), Stop> {
        loop {
            let Some(link) = &self.link else {
                return Ok(());
            };
            let max_bytes = link.sink.max_bytes();
            let arrivals = self.control.begin();
            while let Some(ticket) = self.unsent.pop() {
                let batch = self.source.again(ticket);
                self.deliver_all(batch).await?;
            }
            self.source.begin();
            loop {
                self.prepare().await?;
                let Some(batch) = self.source.next(max_bytes) else {
                    break;
                };
                self.deliver_all(batch).await?;
                self.report_losses(false);
            }
            self.control.release(arrivals);
            if !self.control.has_waiters_since(arrivals) && !self.source.is_full() {
                return Ok(());
            }
        }
    }

    /// Lets the source gather what the next requests are made of, and tries again where there is no thread for it.
    /// Releases waiters at their deadlines meanwhile.
    async fn prepare(&mut self) -> Result<(), Stop> {
        let mut backoff = Backoff::new(self.interval());
        loop {
            let Err(error) = self.prepare_once().await? else {
                return Ok(());
            };
            if self.counters.failed(error.to_string()) {
                self.report(format!("{error}; it is tried again, and data waits"));
            }
            if !self
                .control
                .pause(backoff.next(), None, Change::moves)
                .await
            {
                return Err(Stop::OutOfTime);
            }
        }
    }

    async fn prepare_once(&mut self) -> Result<Result<(), BlockingError>, Stop> {
        let Self {
            source, control, ..
        } = self;
        let mut prepared = std::pin::pin!(source.prepare());
        loop {
            if control.has_change_that(Change::moves) {
                return Err(Stop::Changed);
            }
            let end = control.end();
            tokio::select! {
                biased;
                prepared = &mut prepared => return Ok(prepared),
                () = control.changed() => {}
                () = at(end) => return Err(Stop::OutOfTime),
            }
        }
    }

    /// Delivers a batch, in parts when the receiver takes less at once. What is not settled stays among the unsent.
    async fn deliver_all(&mut self, batch: Batch<S::Message, S::Ticket>) -> Result<(), Stop> {
        let mut parts = vec![batch];
        while let Some(Batch {
            message,
            items,
            ticket,
        }) = parts.pop()
        {
            let Some(link) = &self.link else {
                return Ok(());
            };
            let body = link.sink.encode(&message);
            drop(message);
            match self.deliver(body).await {
                End::Delivered { rejected } => {
                    self.source.settle(ticket);
                    self.counters.delivered(items, rejected, self.clock.now());
                }
                End::Refused(error) => self.lose(ticket, items, &error),
                End::TooLarge(error) => match self.source.split(ticket) {
                    Ok([first, second]) => parts.extend([second, first]),
                    Err(ticket) => self.lose(ticket, items, &error),
                },
                End::Stopped(stop) => {
                    let rest = parts.into_iter().map(|part| part.ticket);
                    self.unsent.extend(rest.chain([ticket]));
                    return Err(stop);
                }
            }
        }
        Ok(())
    }

    /// The receiver will never take these items.
    fn lose(&mut self, ticket: S::Ticket, items: u64, error: &ExportError) {
        self.counters.failed(error.to_string());
        self.counters.refused(items);
        self.source.settle(ticket);
        self.report_change(format!("{error}; what it refuses is lost"));
    }

    /// Sends the same bytes until they are delivered or refused for good.
    async fn deliver(&mut self, body: Bytes) -> End {
        let mut backoff = Backoff::new(self.interval());
        loop {
            if self.control.has_change_that(Change::moves) {
                return End::Stopped(Stop::Changed);
            }
            let outcome = match self.attempt(body.clone()).await {
                Ok(outcome) => outcome,
                Err(stop) => return End::Stopped(stop),
            };
            self.report_path();
            let (error, after) = match outcome {
                Outcome::Delivered {
                    rejected: 0,
                    message: None,
                } => {
                    self.told = None;
                    return End::Delivered { rejected: 0 };
                }
                Outcome::Delivered { rejected, message } => {
                    let said = message.unwrap_or_else(|| "it gives no reason".to_owned());
                    self.report_change(match rejected {
                        0 => format!("the receiver warns: {said}"),
                        _ => format!("the receiver rejects some items: {said}"),
                    });
                    return End::Delivered { rejected };
                }
                Outcome::Retry { after, error } => (error, after),
                Outcome::Refused { error } | Outcome::Unauthorised { error } => {
                    return End::Refused(error);
                }
                Outcome::TooLarge { error } => return End::TooLarge(error),
            };
            if self.counters.failed(error.to_string()) {
                self.report(format!("{error}; data waits and is sent again"));
            }
            self.report_losses(false);
            if !self
                .control
                .pause(backoff.next(), after, Change::moves)
                .await
            {
                return End::Stopped(Stop::OutOfTime);
            }
            if !self.control.has_change_that(Change::moves) {
                self.counters.retried();
            }
        }
    }

    /// One attempt, as far as the deadlines let it be. It is a task of its own, so that a panic in it ends the attempt and
    /// not the signal.
    async fn attempt(&mut self, body: Bytes) -> Result<Outcome, Stop> {
        let Some(link) = &self.link else {
            return Err(Stop::OutOfTime);
        };
        let start = Instant::now();
        let limit = start + link.timeout;
        let end = self.control.end();
        let deadline = end.map_or(limit, |end| end.min(limit));
        let sink = Arc::clone(&link.sink);
        // Dropped before it is done, the set aborts the task.
        let mut attempt = JoinSet::new();
        let (accepted, mut status) = watch::channel(false);
        attempt.spawn(async move { sink.send(body, deadline, &accepted).await });
        // A receiver that may have the data gets a moment to say so, before another one gets it too.
        let mut patience = None;
        loop {
            let end = self.control.end();
            let next = self.control.next_deadline();
            let hurry = next.map(|next| {
                let rest = REST_OF_ANSWER.min(next.saturating_duration_since(start) / 4);
                next.checked_sub(rest).unwrap_or(next)
            });
            tokio::select! {
                biased;
                outcome = attempt.join_next() => return Ok(settled(outcome)),
                () = accepted_by(&mut status, hurry) => {
                    return Ok(last_word(&mut attempt).await.unwrap_or(Outcome::DELIVERED));
                }
                () = self.control.changed() => {}
                () = at(end) => return cut(&mut attempt, &status, Stop::OutOfTime).await,
                () = at(patience) => return cut(&mut attempt, &status, Stop::Changed).await,
            }
            if patience.is_none() && self.control.has_change_that(Change::moves) {
                patience = Some(Instant::now() + SETTLE);
            }
        }
    }

    /// Tells once that requests go to another path than that of the configured URL.
    fn report_path(&mut self) {
        let Some(link) = &mut self.link else {
            return;
        };
        let Some(path) = link.sink.standard_path() else {
            return;
        };
        if std::mem::replace(&mut link.path_reported, true) {
            return;
        }
        let variable = variables::ENDPOINT.of(self.counters.signal()).name;
        let report = format!(
            "the receiver takes no requests at the URL of {variable}, which has no path, and takes them at {path}: add \
             {path} to {variable}"
        );
        self.report(report);
    }

    /// Tells how much was lost, when there is something new and not too often.
    fn report_losses(&self, at_the_end: bool) {
        if let Some(lost) = self.counters.unreported_losses(at_the_end) {
            self.report(lost);
        }
    }

    /// Tells something once, until it changes.
    fn report_change(&mut self, what: String) {
        if self.told.as_ref() != Some(&what) {
            self.told = Some(what.clone());
            self.report(what);
        }
    }

    fn report(&self, what: String) {
        self.diagnostics.report_later(format!(
            "{} ({}): {what}",
            self.counters.signal(),
            self.counters.exporter()
        ));
    }
}

fn settled(outcome: Option<Result<Outcome, JoinError>>) -> Outcome {
    match outcome {
        Some(Ok(outcome)) => outcome,
        _ => Outcome::retry(ExportError::panicked()),
    }
}

/// Ends at a time when the status of the answer said success before, or as soon as it does.
async fn accepted_by(status: &mut watch::Receiver<bool>, time: Option<Instant>) {
    if status.wait_for(|accepted| *accepted).await.is_err() {
        // The attempt is over: its own outcome counts.
        std::future::pending::<()>().await;
    }
    at(time).await;
}

/// The outcome of an attempt whose time is over. The status decides, also when the rest of the answer is missing.
async fn cut(
    attempt: &mut JoinSet<Outcome>,
    status: &watch::Receiver<bool>,
    stop: Stop,
) -> Result<Outcome, Stop> {
    match last_word(attempt).await {
        Some(outcome) => Ok(outcome),
        None if *status.borrow() => Ok(Outcome::DELIVERED),
        None => Err(stop),
    }
}

/// The outcome of an attempt whose answer came when its time was over: on a busy machine both are heard of at once.
async fn last_word(attempt: &mut JoinSet<Outcome>) -> Option<Outcome> {
    for _ in 0..LAST_TURNS {
        tokio::task::yield_now().await;
        if let Some(outcome) = attempt.try_join_next() {
            return Some(settled(Some(outcome)));
        }
    }
    None
}

/// The end, also by a panic: what waits is lost, and what comes is not kept.
impl<S: Source> Drop for Pipeline<S> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let why = "it ended by an error of its own".to_owned();
            self.counters.cannot_be_built(why);
        }
        self.counters.shut_down();
        self.control.give_all_up();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn attempt_that_panicked_is_retried() {
        let mut attempt = JoinSet::new();
        attempt.spawn(async { panic!("an error of a library") });
        let outcome = settled(attempt.join_next().await);
        assert!(matches!(outcome, Outcome::Retry { after: None, .. }));
    }
}
