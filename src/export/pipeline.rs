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
}

/// How a batch ended.
enum End {
    /// Delivered, or given up for good.
    Settled,
    /// The shutdown's deadline came first.
    OutOfTime,
    /// The receiver takes less at once.
    TooLarge(ExportError),
}

impl<S: Source> Pipeline<S> {
    /// Runs until the shutdown.
    pub(crate) async fn run(mut self) {
        let mut next = Instant::now() + self.interval;
        while self.control.closing().is_none() {
            tokio::select! {
                () = self.control.changed() => {}
                () = self.source.filled() => {}
                () = sleep_until(next) => {}
            }
            self.serve().await;
            self.report_losses();
            if next <= Instant::now() {
                // No catching up after an outage: the next pass covers it.
                next = Instant::now() + self.interval;
            }
        }
        self.counters.shut_down();
        self.report_losses();
    }

    /// Passes until nobody waits for one.
    async fn serve(&mut self) {
        loop {
            let arrivals = self.control.arrivals();
            self.source.begin();
            if let End::OutOfTime = self.pass().await {
                return;
            }
            self.control.release(arrivals);
            if !self.control.has_waiters_since(arrivals) && !self.source.is_full() {
                return;
            }
        }
    }

    /// Delivers what was there when the pass began.
    async fn pass(&mut self) -> End {
        while let Some(batch) = self.source.next(self.sink.max_bytes()) {
            if let End::OutOfTime = self.deliver_all(batch).await {
                return End::OutOfTime;
            }
        }
        End::Settled
    }

    /// Delivers a batch, in parts when the receiver takes less at once.
    async fn deliver_all(&mut self, batch: Batch<S::Message, S::Ticket>) -> End {
        let mut parts = vec![batch];
        while let Some(Batch {
            message,
            items,
            ticket,
        }) = parts.pop()
        {
            let body = self.sink.encode(&message);
            drop(message);
            match self.deliver(body, items).await {
                End::Settled => self.source.settle(ticket),
                End::OutOfTime => return End::OutOfTime,
                End::TooLarge(error) => match self.source.split(ticket) {
                    Ok([first, second]) => parts.extend([second, first]),
                    Err(ticket) => {
                        self.lose(items, &error);
                        self.source.settle(ticket);
                    }
                },
            }
        }
        End::Settled
    }

    /// The receiver will never take these items.
    fn lose(&self, items: u64, error: &ExportError) {
        self.counters.failed(error.to_string());
        self.counters.refused(items);
        self.report(format!("{items} items are lost: {error}"));
    }

    /// Sends the same bytes until they are delivered or refused for good.
    async fn deliver(&mut self, body: Bytes, items: u64) -> End {
        let mut backoff = Backoff::new(self.interval);
        loop {
            let Some(outcome) = self.attempt(body.clone()).await else {
                return End::OutOfTime;
            };
            let (error, after) = match outcome {
                Outcome::Delivered { rejected, message } => {
                    self.counters.delivered(items, rejected, self.clock.now());
                    if rejected > 0 || message.is_some() {
                        let said = message.as_deref().unwrap_or("without a reason");
                        self.report(format!(
                            "the receiver rejected {rejected} of {items} items: {said}"
                        ));
                    }
                    return End::Settled;
                }
                Outcome::Retry { after, error } => (error, after),
                Outcome::Refused { error } | Outcome::Unauthorised { error } => {
                    self.lose(items, &error);
                    return End::Settled;
                }
                Outcome::TooLarge { error } => return End::TooLarge(error),
            };
            if self.counters.failed(error.to_string()) {
                self.report(format!("{error}; data waits and is sent again"));
            }
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

    fn report_losses(&self) {
        if let Some(lost) = self.counters.unreported_losses() {
            self.report(lost);
        }
    }

    fn report(&self, what: String) {
        self.diagnostics.report_from_exporter(format!(
            "{} ({}): {what}",
            self.counters.signal(),
            self.counters.exporter()
        ));
    }
}

/// The end, also by a panic: what waits is lost, and what comes is not kept.
impl<S> Drop for Pipeline<S> {
    fn drop(&mut self) {
        self.counters.shut_down();
    }
}
