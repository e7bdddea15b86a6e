//! The pipeline of one exporter of one signal: its schedule, its reaction to answers, and the callers that wait for it.

mod attempt;
mod changes;

pub(crate) use changes::{Change, To};

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use bytes::Bytes;
use tokio::time::{Instant, sleep_until};

use self::changes::Ending;
use super::backoff::Backoff;
use super::blocking::BlockingError;
use super::control::{Control, at};
use super::export_result::{ExportError, ExportResult};
use super::sink::Sink;
use super::{Batch, Source};
use crate::clock::Clock;
use crate::config::variables;
use crate::diagnostics::Diagnostics;
use crate::health::ExporterCounters;

/// The interval of an exporter that is off.
const FOREVER: Duration = Duration::from_secs(365 * 24 * 3600);

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
    last_report: Option<String>,
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
            last_report: None,
        }
    }

    /// Runs the pipeline until shutdown.
    pub(crate) async fn run(mut self) {
        let mut next = Instant::now();
        let late = loop {
            self.wait(next).await;
            let was_on = self.link.is_some();
            if self.apply_changes().await {
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
    async fn deliver_all(&mut self, batch: Batch<S::Ticket>) -> Result<(), Stop> {
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
            let body = link.sink.encode(self.counters.signal(), message);
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
                    self.last_report = None;
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
        if self.last_report.as_ref() != Some(&what) {
            self.last_report = Some(what.clone());
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
