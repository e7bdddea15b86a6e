//! One exporter of one signal: when it sends, what it does with an answer, and who waits for it.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

use super::backoff::Backoff;
use super::control::{Control, at};
use super::outcome::{ExportError, Outcome};
use super::sink::Sink;
use super::{Batch, Source};
use crate::clock::Clock;
use crate::diagnostics::Diagnostics;
use crate::health::ExporterCounters;

/// Delivers what one source has to one sink: at an interval, when much waits, and when somebody asks.
pub(crate) struct Pipeline<S> {
    pub(crate) source: S,
    pub(crate) sink: Arc<Sink>,
    pub(crate) interval: Duration,
    /// The limit of one attempt.
    pub(crate) timeout: Duration,
    pub(crate) counters: Arc<ExporterCounters>,
    pub(crate) diagnostics: Arc<Diagnostics>,
    pub(crate) clock: Clock,
    pub(crate) control: Control,
    /// What the receiver refused or warned of, as it was told last.
    pub(crate) told: Option<String>,
}

/// How a request ended.
enum End {
    /// The receiver has it, but for some items.
    Delivered { rejected: u64 },
    /// The receiver will never take it.
    Refused(ExportError),
    /// The receiver takes less at once.
    TooLarge(ExportError),
    /// The shutdown's deadline came first.
    OutOfTime,
}

/// The shutdown's deadline came before all was delivered.
struct OutOfTime;

impl<S: Source> Pipeline<S> {
    /// Runs until the shutdown.
    pub(crate) async fn run(mut self) {
        let mut next = Instant::now() + self.interval;
        loop {
            // Somebody may have asked while the exporter was built.
            if !self.control.is_asked() && self.control.closing().is_none() {
                tokio::select! {
                    () = self.control.changed() => {}
                    () = self.source.filled() => {}
                    () = sleep_until(next) => {}
                }
            }
            // Out of time is the end, which the loop sees itself.
            let _ = self.serve().await;
            self.report_losses(false);
            if self.control.closing().is_some() {
                break;
            }
            if next <= Instant::now() {
                // No catching up after an outage: the next pass covers it.
                next = Instant::now() + self.interval;
            }
        }
        self.counters.shut_down(self.source.lost());
        self.report_losses(true);
    }

    /// Passes until nobody waits for one.
    async fn serve(&mut self) -> Result<(), OutOfTime> {
        loop {
            let arrivals = self.control.begin();
            self.source.begin();
            self.prepare().await?;
            while let Some(batch) = self.source.next(self.sink.max_bytes()) {
                self.deliver_all(batch).await?;
                self.report_losses(false);
            }
            self.control.release(arrivals);
            if !self.control.has_waiters_since(arrivals) && !self.source.is_full() {
                return Ok(());
            }
        }
    }

    /// What the source gathers, while those who wait are let go at their deadlines.
    async fn prepare(&mut self) -> Result<(), OutOfTime> {
        let Self {
            source, control, ..
        } = self;
        let mut prepared = std::pin::pin!(source.prepare());
        loop {
            let closing = control.closing();
            tokio::select! {
                biased;
                () = &mut prepared => return Ok(()),
                () = control.changed() => {}
                () = at(closing) => return Err(OutOfTime),
            }
        }
    }

    /// Delivers a batch, in parts when the receiver takes less at once.
    async fn deliver_all(&mut self, batch: Batch<S::Message, S::Ticket>) -> Result<(), OutOfTime> {
        let mut parts = vec![batch];
        while let Some(Batch {
            message,
            items,
            ticket,
        }) = parts.pop()
        {
            let body = self.sink.encode(&message);
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
                End::OutOfTime => return Err(OutOfTime),
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
        let mut backoff = Backoff::new(self.interval);
        loop {
            let Some(outcome) = self.attempt(body.clone()).await else {
                return End::OutOfTime;
            };
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
            if !self.control.pause(backoff.next(), after).await {
                return End::OutOfTime;
            }
            self.counters.retried();
        }
    }

    /// One attempt; nothing when the shutdown's deadline comes first. It is a task of its own, so that a panic in it ends
    /// the attempt and not the signal.
    async fn attempt(&mut self, body: Bytes) -> Option<Outcome> {
        let limit = Instant::now() + self.timeout;
        let deadline = self
            .control
            .closing()
            .map_or(limit, |closing| closing.min(limit));
        let sink = Arc::clone(&self.sink);
        // Dropped before it is done, the set aborts the task.
        let mut attempt = JoinSet::new();
        attempt.spawn(async move { sink.send(body, deadline).await });
        loop {
            let closing = self.control.closing();
            tokio::select! {
                biased;
                outcome = attempt.join_next() => return Some(match outcome {
                    Some(Ok(outcome)) => outcome,
                    _ => Outcome::Refused { error: ExportError::panicked() },
                }),
                () = self.control.changed() => {}
                () = at(closing) => return None,
            }
        }
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

/// The end, also by a panic: what waits is lost, and what comes is not kept.
impl<S> Drop for Pipeline<S> {
    fn drop(&mut self) {
        self.counters.shut_down(None);
    }
}
