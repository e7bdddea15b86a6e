//! The pipeline of one exporter of one signal: its schedule, its reaction to answers, and the callers that wait for it.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use tokio::task::{JoinError, JoinSet};
use tokio::time::Instant;

use super::BoxFuture;
use super::backoff::Backoff;
use super::blocking::{self, BlockingError};
use super::command::sleep_until_optional;
use super::control::{Control, DesiredState, Interruption};
use super::export_result::{Accepted, Delivery, ExportError, ExportResult, FailureClass};
use super::exporter::ExporterSettings;
use super::push_exporter::PushExporter;
use super::source::{Batch, Source};
use crate::clock::Clock;
use crate::config::variables;
use crate::diagnostics::Diagnostics;
use crate::health::ExporterCounters;

/// The longest time that a request in flight may take after its receiver was replaced: the receiver may have the data,
/// and gets a moment to acknowledge it. Data that is not acknowledged by then is sent to the new receiver.
const SETTLE: Duration = Duration::from_secs(2);

/// The number of turns of the runtime that are enough for an answer to pass from the socket through the tasks of its
/// connection to the task that waits for it.
const LAST_TURNS: usize = 4;

/// The supervisor of one exporter. It delivers the data of a source at an interval, when the source is full, and on
/// request, each time in a pass, which covers everything that the source held when the pass began. The configuration
/// replaces the active exporter as a whole; the source, its undelivered data, the schedule and the callers that wait
/// stay.
pub(crate) struct Pipeline {
    source: Box<dyn Source>,
    counters: Arc<ExporterCounters>,
    diagnostics: Arc<Diagnostics>,
    clock: Clock,
    control: Control,
    /// `None` while the exporter is off or cannot be built.
    active: Option<Arc<dyn PushExporter>>,
    interval: Duration,
    /// The time of the next pass; `None` while the exporter is off or cannot be built.
    due: Option<Instant>,
    /// The last report of a rejection or a warning of the receiver.
    last_report: Option<String>,
}

impl Pipeline {
    /// Creates the pipeline of an exporter that is off until its desired state is another.
    pub(crate) fn new(
        source: Box<dyn Source>,
        control: Control,
        counters: Arc<ExporterCounters>,
        diagnostics: Arc<Diagnostics>,
        clock: Clock,
    ) -> Self {
        Self {
            source,
            counters,
            diagnostics,
            clock,
            control,
            active: None,
            interval: Duration::ZERO,
            due: None,
            last_report: None,
        }
    }

    /// Runs the pipeline until shutdown.
    pub(crate) async fn run(mut self) {
        let in_time = loop {
            self.wait().await;
            // A pass that began before the exporter was to be turned off may not have covered everything.
            let is_draining = self.control.is_draining();
            let in_time = match self.pass().await {
                Ok(()) => true,
                Err(Interruption::Deadline) => false,
                // The next exporter gets at once what this one did not deliver.
                Err(Interruption::Replaced) => {
                    self.due = Some(Instant::now());
                    continue;
                }
            };
            // The exporter may have been turned on again meanwhile.
            if self.control.is_draining() && (is_draining || !in_time) {
                self.close().await;
                if self.turn_off(None) {
                    self.control.release(in_time);
                }
            }
            self.report_losses(false);
            // A shutdown that arrived after the pass needs another one.
            let is_covered = !in_time || !self.control.is_requested_again();
            if self.control.closing().is_some() && is_covered {
                break in_time;
            }
            // Missed intervals are not made up for after an outage: the next pass covers them.
            let now = Instant::now();
            if self.due.is_some_and(|due| due <= now) {
                self.due = Some(now + self.interval);
            }
        };
        self.close().await;
        self.counters.shut_down();
        self.control.release_all(in_time);
        self.report_losses(true);
    }

    /// Ends the active exporter. Waits for that at most until nothing may be sent any more ([`Control::end`]), or for
    /// [`SETTLE`] if it was replaced. Releases callers at their deadlines meanwhile.
    async fn close(&mut self) {
        if let Some(active) = self.active.take() {
            let _ = self.control.attempt(active.close(), SETTLE, || false).await;
        }
    }

    /// Waits until a pass is due, and applies new configurations meanwhile.
    async fn wait(&mut self) {
        loop {
            while self.control.has_news() {
                self.apply().await;
            }
            if self.control.is_requested() || self.control.is_draining() {
                return;
            }
            tokio::select! {
                () = self.control.changed() => {}
                () = self.source.filled(), if self.active.is_some() => return,
                () = sleep_until_optional(self.due) => return,
            }
        }
    }

    /// Applies the desired state: builds another exporter if the current one does not fit.
    async fn apply(&mut self) {
        let Some(config) = self.control.apply() else {
            return;
        };
        self.source.configure(&config.source);
        self.interval = config.interval;
        // Repeated changes must not postpone an export that is due.
        let due = Instant::now() + self.interval;
        self.due = self.due.into_iter().chain([due]).min();
        if self.control.replace(&config.exporter) || self.active.is_none() {
            self.build(config.exporter).await;
        }
    }

    /// Replaces the exporter. If the other one cannot be built, the exporter is off until the next configuration.
    async fn build(&mut self, settings: ExporterSettings) {
        self.close().await;
        let error = match self.build_exporter(settings).await {
            Ok(Ok(exporter)) => {
                self.active = Some(exporter);
                self.counters.starts();
                return;
            }
            Ok(Err(error)) => error,
            Err(Interruption::Deadline) => "the shutdown came before it was ready".to_owned(),
            Err(Interruption::Replaced) => return,
        };
        let is_draining = self.control.is_draining();
        if self.turn_off(Some(&error)) && !is_draining {
            let report = format!("{} are off: {error}", self.counters.name());
            self.diagnostics.report_later(report);
        }
    }

    /// Builds an exporter. One that may read certificates is built on a thread that may block, so that this thread
    /// keeps every deadline.
    async fn build_exporter(
        &mut self,
        settings: ExporterSettings,
    ) -> Result<Result<Arc<dyn PushExporter>, String>, Interruption> {
        let signal = self.counters.signal();
        if !settings.may_block() {
            return Ok(settings.build(signal));
        }
        self.retry(|_| {
            let settings = settings.clone();
            blocking::spawn(move || settings.build(signal))
        })
        .await
    }

    /// Does work on another thread, and tries again if no thread is available. Releases callers at their deadlines
    /// meanwhile.
    async fn retry<T>(
        &mut self,
        mut work: impl FnMut(&mut dyn Source) -> BoxFuture<'_, Result<T, BlockingError>>,
    ) -> Result<T, Interruption> {
        let mut backoff = Backoff::new(self.interval);
        loop {
            match self.control.meanwhile(work(&mut *self.source)).await? {
                Ok(done) => return Ok(done),
                Err(error) => {
                    self.failed(error.to_string());
                    self.control.pause(backoff.next(), None).await?;
                }
            }
        }
    }

    /// Ends an exporter that is to be turned off, or that cannot be built because of an error: drops all undelivered
    /// items. Returns false without an effect if there is a newer configuration.
    fn turn_off(&mut self, error: Option<&str>) -> bool {
        let mut is_off = false;
        let desired = Arc::clone(&self.control.desired);
        // The lock of the desired state excludes a change meanwhile: items that are recorded after a change must not be
        // dropped.
        desired.send_if_modified(|desired| {
            let reason = match desired {
                // A newer draining state has a later deadline, and items that the last pass did not cover.
                _ if self.control.has_news() => return false,
                DesiredState::Draining { reason, .. } => reason.take(),
                DesiredState::On(_) if error.is_some() => error.map(str::to_owned),
                DesiredState::On(_) | DesiredState::Off => return false,
            };
            self.counters.turned_off(self.source.discard(), reason);
            // Both assignments drop the exporter's configuration, and so release the headers helper.
            *desired = DesiredState::Off;
            self.control.current = None;
            self.due = None;
            is_off = true;
            false
        });
        is_off
    }

    /// Delivers everything that the source holds now, and releases the callers that waited when the pass began.
    async fn pass(&mut self) -> Result<(), Interruption> {
        self.control.begin();
        if let Some(active) = self.active.clone() {
            self.source.begin();
            loop {
                self.retry(|source| source.prepare()).await?;
                let Some(batch) = self.source.batch(active.max_bytes()) else {
                    break;
                };
                self.deliver(&active, batch).await?;
                self.report_losses(false);
            }
        }
        self.control.release(true);
        Ok(())
    }

    /// Sends the same bytes until they are delivered or permanently rejected, or splits a batch that is too large.
    async fn deliver(
        &mut self,
        active: &Arc<dyn PushExporter>,
        batch: Batch,
    ) -> Result<(), Interruption> {
        let body = active.encode(batch.message);
        let mut backoff = Backoff::new(self.interval);
        let error = loop {
            let result = self.attempt(active, body.clone()).await?;
            let error = match result {
                Ok(delivery) => {
                    let rejected = delivery.rejected;
                    let variable = variables::ENDPOINT.of(self.counters.signal()).name;
                    if let Some(correction) = delivery.path_correction(variable) {
                        self.report(correction);
                    }
                    self.report_message(rejected, delivery.message);
                    self.source.acknowledge();
                    let now = self.clock.now();
                    self.counters.delivered(batch.items, rejected, now);
                    return Ok(());
                }
                Err(error) => error,
            };
            match error.class() {
                FailureClass::Retryable { after } => {
                    self.failed(error.to_string());
                    self.control.pause(backoff.next(), after).await?;
                    self.counters.retried();
                }
                FailureClass::TooLarge if self.source.split() => return Ok(()),
                _ => break error,
            }
        };
        self.counters.failed(error.to_string());
        self.counters.refused(batch.losses);
        self.source.acknowledge();
        self.report_change(format!("{error}; what it refuses is lost"));
        Ok(())
    }

    /// Makes one attempt within the deadlines. The attempt is a separate task, so that a panic in it ends the attempt
    /// and not the export of the signal.
    async fn attempt(
        &mut self,
        active: &Arc<dyn PushExporter>,
        body: Bytes,
    ) -> Result<ExportResult, Interruption> {
        let limit = Instant::now() + active.timeout();
        let deadline = self.control.end().map_or(limit, |end| end.min(limit));
        let exporter = Arc::clone(active);
        let accepted = Arc::new(Accepted::default());
        let is_accepted = || accepted.load(Ordering::Relaxed);
        // If the set is dropped before the task ends, it aborts the task.
        let mut attempt = JoinSet::new();
        let flag = Arc::clone(&accepted);
        attempt.spawn(async move { exporter.export(body, deadline, &flag).await });
        let outcome = Box::pin(attempt.join_next());
        match self.control.attempt(outcome, SETTLE, is_accepted).await {
            Ok(outcome) => Ok(flatten(outcome)),
            Err(interruption) => match last_outcome(&mut attempt).await {
                Some(outcome) => Ok(outcome),
                // The status decides, even if the rest of the response is missing.
                None if is_accepted() => Ok(Ok(Delivery::default())),
                None => Err(interruption),
            },
        }
    }

    /// Counts a failed attempt, and reports it if it is the first one.
    fn failed(&self, error: String) {
        let report = format!("{error}; it is tried again, and data waits");
        if self.counters.failed(error) {
            self.report(report);
        }
        self.report_losses(false);
    }

    /// Reports what the receiver said about a request that it accepted.
    fn report_message(&mut self, rejected: u64, message: Option<String>) {
        if rejected == 0 && message.is_none() {
            self.last_report = None;
            return;
        }
        let message = message.unwrap_or_else(|| "it gives no reason".to_owned());
        self.report_change(match rejected {
            0 => format!("the receiver warns: {message}"),
            _ => format!("the receiver rejects some items: {message}"),
        });
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
        self.diagnostics
            .report_later(format!("{}: {what}", self.counters.name()));
    }
}

/// Ends the pipeline, also after a panic: undelivered items are lost, and new items are not kept.
impl Drop for Pipeline {
    fn drop(&mut self) {
        self.counters.shut_down();
        if std::thread::panicking() {
            self.counters.ended_by_panic();
        }
        self.control.release_all(false);
        // Releases the headers helper.
        self.control.desired.send_replace(DesiredState::Off);
    }
}

fn flatten(outcome: Option<Result<ExportResult, JoinError>>) -> ExportResult {
    match outcome {
        Some(Ok(outcome)) => outcome,
        _ => Err(ExportError::panicked()),
    }
}

/// Returns the outcome of an attempt whose response arrived when its deadline passed. On a busy machine the runtime
/// notices both at once.
async fn last_outcome(attempt: &mut JoinSet<ExportResult>) -> Option<ExportResult> {
    for _ in 0..LAST_TURNS {
        tokio::task::yield_now().await;
        if let Some(outcome) = attempt.try_join_next() {
            return Some(flatten(Some(outcome)));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn attempt_that_panicked_is_retried() {
        let mut attempt = JoinSet::new();
        attempt.spawn(async { panic!("an error of a library") });
        let outcome = flatten(attempt.join_next().await);
        let class = outcome.map_err(|error| error.class());
        assert_eq!(class, Err(FailureClass::RETRYABLE));
    }
}
