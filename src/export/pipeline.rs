//! One exporter of one signal: when it sends, what it does with an answer, and who waits for it.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::time::{Instant, sleep_until};

use super::backoff::Backoff;
use super::control::{Control, at};
use super::outcome::Outcome;
use super::sink::Sink;
use super::{Batch, Source};
use crate::clock::Clock;
use crate::diagnostics::Diagnostics;
use crate::health::ExporterCounters;

/// Delivers what one source has to one sink: at an interval, when much waits, and when somebody asks.
pub(crate) struct Pipeline<S> {
    pub(crate) source: S,
    pub(crate) sink: Sink,
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
        while let Some(Batch {
            message,
            items,
            ticket,
        }) = self.source.next(self.sink.max_bytes())
        {
            let body = self.sink.encode(&message);
            drop(message);
            if let End::OutOfTime = self.deliver(body, items).await {
                return End::OutOfTime;
            }
            self.source.settle(ticket);
        }
        End::Settled
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
                Outcome::Refused { error }
                | Outcome::Unauthorised { error }
                | Outcome::TooLarge { error } => {
                    self.counters.failed(error.to_string());
                    self.counters.refused(items);
                    self.report(format!("{items} items are lost: {error}"));
                    return End::Settled;
                }
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

    /// One attempt; nothing when the shutdown's deadline comes first.
    async fn attempt(&mut self, body: Bytes) -> Option<Outcome> {
        let limit = Instant::now() + self.timeout;
        let deadline = self
            .control
            .closing()
            .map_or(limit, |closing| closing.min(limit));
        let mut attempt = pin!(self.sink.send(body, deadline));
        loop {
            let closing = self.control.closing();
            tokio::select! {
                biased;
                outcome = &mut attempt => return Some(outcome),
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
        self.diagnostics.report(format!(
            "{} ({}): {what}",
            self.counters.signal(),
            self.counters.exporter()
        ));
    }
}
