//! The pipeline of one exporter of one signal: its schedule, its reaction to answers, and the callers that wait for it.

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
use super::export_result::{ExportError, ExportResult};
use super::sink::{Sink, Target};
use super::{Batch, Source};
use crate::clock::Clock;
use crate::config::variables;
use crate::diagnostics::Diagnostics;
use crate::health::ExporterCounters;
use crate::signal::Signal;

/// The interval of an exporter that is off.
const FOREVER: Duration = Duration::from_secs(365 * 24 * 3600);

/// The longest pause between two attempts to start the thread on which an exporter is built.
const LONGEST_BUILD_PAUSE: Duration = Duration::from_secs(5);

/// The longest time that a request in flight may take after its receiver was replaced. The request is then sent to the
/// new receiver.
const SETTLE: Duration = Duration::from_secs(2);

/// The margin before a deadline at which the pipeline stops waiting for the rest of an answer whose status was success.
/// The margin is at most a quarter of the time between the start of the attempt and the deadline.
const REST_OF_ANSWER: Duration = Duration::from_millis(100);

/// The number of runtime turns that an answer may take from the socket to the task that waits for it.
const LAST_TURNS: usize = 4;

/// A pipeline that delivers the data of one source to one sink: at an interval, when the source is full, and on
/// request. The configuration creates, replaces and removes the sink. The source and its undelivered data remain.
pub(crate) struct Pipeline<S: Source> {
    source: S,
    counters: Arc<ExporterCounters>,
    diagnostics: Arc<Diagnostics>,
    clock: Clock,
    control: Control<Change<S::Settings>>,
    /// The number of the latest change.
    epoch: Arc<AtomicU64>,
    /// `None` while the exporter is off.
    link: Option<Link>,
    /// The tickets of requests that were built and not settled. The last one is sent next.
    unsent: Vec<S::Ticket>,
    /// The last report of a rejection or a warning of the receiver.
    told: Option<String>,
}

/// The destination of a pipeline.
struct Link {
    sink: Arc<Sink>,
    interval: Duration,
    /// The timeout of one attempt.
    timeout: Duration,
    /// Set while the exporter delivers its remaining data before it turns off.
    ending: Option<Ending>,
    /// True after the pipeline reported that requests go to a path other than that of the configured URL.
    path_reported: bool,
}

struct Ending {
    epoch: u64,
    why: Option<String>,
}

/// A change of what a pipeline does.
pub(crate) struct Change<T> {
    pub(crate) epoch: u64,
    pub(crate) to: To<T>,
}

/// The destination of a pipeline after a change.
pub(crate) enum To<T> {
    /// A new sink, or the previous sink if `target` is `None`.
    Sink {
        target: Option<Target>,
        settings: T,
        interval: Duration,
    },
    /// No destination. The remaining data is still delivered to the previous sink until `by`. `why` is the reason if
    /// the exporter was not turned off on request.
    Nowhere { by: Instant, why: Option<String> },
}

impl<T> Change<T> {
    /// Returns true if the change redirects or stops the data that is sent after it.
    fn moves(&self) -> bool {
        !matches!(self.to, To::Sink { target: None, .. })
    }
}

/// The end of a request.
enum End {
    /// The receiver accepted the request, except for the rejected items.
    Delivered { rejected: u64 },
    /// The receiver rejected the request permanently.
    Refused(ExportError),
    /// The request is larger than the receiver accepts.
    TooLarge(ExportError),
    /// The delivery was interrupted.
    Stopped(Stop),
}

/// The reason why a delivery was interrupted.
enum Stop {
    /// The deadline passed.
    OutOfTime,
    /// A change is pending.
    Changed,
}

impl<S: Source> Pipeline<S> {
    /// Creates the pipeline of an exporter that is off until a change turns it on.
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

    /// Runs the pipeline until shutdown.
    pub(crate) async fn run(mut self) {
        let mut next = Instant::now();
        let late = loop {
            self.wait(next).await;
            let was_on = self.link.is_some();
            if self.obey().await {
                // Repeated changes must not postpone an export that is due.
                let due = Instant::now() + self.interval();
                next = if was_on { next.min(due) } else { due };
                let ending = self.link.as_ref().is_some_and(|link| link.ending.is_some());
                let late = next <= Instant::now();
                if self.unsent.is_empty() && !ending && !late && !self.control.is_asked() {
                    // No delivery was interrupted: the data is sent at the regular time.
                    continue;
                }
            }
            let arrivals = self.control.begin();
            let late = match self.serve().await {
                // A new receiver gets everything that the previous one did not accept.
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
                // Missed intervals are not made up for after an outage: the next pass covers them.
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

    /// Waits until there is work.
    async fn wait(&mut self, next: Instant) {
        // A command may have arrived while the exporter was built.
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

    /// Applies the pending changes. Returns true if there were any.
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
                        // The change keeps the previous sink, but that sink could not be built.
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

    /// Builds the sink. A sink that may read certificates is built on a thread that may block, so that this thread
    /// keeps every deadline.
    async fn build(&mut self, target: Target, epoch: u64) {
        let (signal, timeout) = (self.counters.signal(), target.timeout());
        let Some(built) = self.build_sink(signal, target).await else {
            // A newer change came first.
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

    /// Retries until a thread is available to build the sink on. Returns `None` if a newer change comes first, and an
    /// error if the shutdown does.
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

    /// Keeps the exporter off because it has no sink, unless there is a newer change. Undelivered items are lost, and
    /// no more items are accepted. `why` is `None` if the reason is already known.
    fn stay_off(&mut self, epoch: u64, why: Option<&str>) {
        let lost = self.leave(epoch);
        self.counters.stays_off(lost, why);
    }

    /// Drops all undelivered items, unless there is a newer change. Returns the number of lost items.
    fn leave(&mut self, epoch: u64) -> Option<u64> {
        let newest = Arc::clone(&self.epoch);
        let still = move || newest.load(Ordering::SeqCst) == epoch;
        self.source.leave(&mut self.unsent, still)
    }

    /// Turns the exporter off, after its remaining data was settled or its time has run out.
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

    /// Runs passes until no caller waits for another one.
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

    /// Lets the source prepare the data of the next requests, and retries if no thread is available for that. Releases
    /// waiters at their deadlines meanwhile.
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

    /// Delivers a batch, in parts if it is too large for the receiver. Keeps the tickets of unsettled parts in
    /// `unsent`.
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

    /// Drops items that the receiver rejected permanently.
    fn lose(&mut self, ticket: S::Ticket, items: u64, error: &ExportError) {
        self.counters.failed(error.to_string());
        self.counters.refused(items);
        self.source.settle(ticket);
        self.report_change(format!("{error}; what it refuses is lost"));
    }

    /// Sends the same bytes until they are delivered or permanently rejected.
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
                ExportResult::Delivered {
                    rejected: 0,
                    message: None,
                } => {
                    self.told = None;
                    return End::Delivered { rejected: 0 };
                }
                ExportResult::Delivered { rejected, message } => {
                    let said = message.unwrap_or_else(|| "it gives no reason".to_owned());
                    self.report_change(match rejected {
                        0 => format!("the receiver warns: {said}"),
                        _ => format!("the receiver rejects some items: {said}"),
                    });
                    return End::Delivered { rejected };
                }
                ExportResult::Retryable { after, error } => (error, after),
                ExportResult::Rejected { error } | ExportResult::Unauthenticated { error } => {
                    return End::Refused(error);
                }
                ExportResult::TooLarge { error } => return End::TooLarge(error),
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

    /// Makes one attempt within the deadlines. The attempt is a separate task, so that a panic in it ends the attempt
    /// and not the export of the signal.
    async fn attempt(&mut self, body: Bytes) -> Result<ExportResult, Stop> {
        let Some(link) = &self.link else {
            return Err(Stop::OutOfTime);
        };
        let start = Instant::now();
        let limit = start + link.timeout;
        let end = self.control.end();
        let deadline = end.map_or(limit, |end| end.min(limit));
        let sink = Arc::clone(&link.sink);
        // If the set is dropped before the task ends, it aborts the task.
        let mut attempt = JoinSet::new();
        let (accepted, mut status) = watch::channel(false);
        attempt.spawn(async move { sink.send(body, deadline, &accepted).await });
        // After a change, the receiver that may have the data gets a moment to acknowledge it. Otherwise two receivers
        // could get the same data.
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
                    return Ok(last_word(&mut attempt).await.unwrap_or(ExportResult::DELIVERED));
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

    /// Reports once that requests go to a path other than that of the configured URL.
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

    /// Reports the losses, if there are new ones and not too often.
    fn report_losses(&self, at_the_end: bool) {
        if let Some(lost) = self.counters.unreported_losses(at_the_end) {
            self.report(lost);
        }
    }

    /// Reports a message, unless it was the last one that was reported.
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

fn settled(outcome: Option<Result<ExportResult, JoinError>>) -> ExportResult {
    match outcome {
        Some(Ok(outcome)) => outcome,
        _ => ExportResult::retry(ExportError::panicked()),
    }
}

/// Waits until the status of the answer is success and `time` has passed.
async fn accepted_by(status: &mut watch::Receiver<bool>, time: Option<Instant>) {
    if status.wait_for(|accepted| *accepted).await.is_err() {
        // The attempt is over: its own outcome counts.
        std::future::pending::<()>().await;
    }
    at(time).await;
}

/// Returns the outcome of an attempt whose time is over. The status decides, even if the rest of the answer is missing.
async fn cut(
    attempt: &mut JoinSet<ExportResult>,
    status: &watch::Receiver<bool>,
    stop: Stop,
) -> Result<ExportResult, Stop> {
    match last_word(attempt).await {
        Some(outcome) => Ok(outcome),
        None if *status.borrow() => Ok(ExportResult::DELIVERED),
        None => Err(stop),
    }
}

/// Returns the outcome of an attempt whose answer arrived when its time was over. On a busy machine the runtime notices
/// both at once.
async fn last_word(attempt: &mut JoinSet<ExportResult>) -> Option<ExportResult> {
    for _ in 0..LAST_TURNS {
        tokio::task::yield_now().await;
        if let Some(outcome) = attempt.try_join_next() {
            return Some(settled(Some(outcome)));
        }
    }
    None
}

/// Ends the pipeline, also after a panic: undelivered items are lost, and new items are not kept.
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
        assert!(matches!(
            outcome,
            ExportResult::Retryable { after: None, .. }
        ));
    }
}
