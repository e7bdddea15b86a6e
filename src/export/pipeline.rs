//! The pipeline of one exporter of one signal: its schedule, its reaction to answers, and the callers that wait for it.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::task::{JoinError, JoinSet};
use tokio::time::Instant;

use super::backoff::Backoff;
use super::blocking::{self, BlockingError};
use super::control::{Control, Interruption, at};
use super::export_result::{Delivery, ExportError, ExportResult, FailureClass};
use super::exporter::ExporterSettings;
use super::push_exporter::PushExporter;
use super::source::{Batch, Source};
use crate::clock::Clock;
use crate::config::variables;
use crate::diagnostics::Diagnostics;
use crate::health::ExporterCounters;

/// The longest pause between two attempts to start the thread on which an exporter is built.
const LONGEST_BUILD_PAUSE: Duration = Duration::from_secs(5);

/// The longest time that a request in flight may take after its receiver was replaced: the receiver may have the data,
/// and gets a moment to acknowledge it. The request is then sent to the new receiver.
const SETTLE: Duration = Duration::from_secs(2);

/// The supervisor of one exporter. It delivers the data of a source at an interval, when the source is full, and on
/// request. The configuration replaces the active exporter as a whole; the source, its undelivered data, the schedule
/// and the callers that wait stay.
pub(crate) struct Pipeline {
    source: Box<dyn Source>,
    counters: Arc<ExporterCounters>,
    diagnostics: Arc<Diagnostics>,
    clock: Clock,
    control: Control,
    interval: Duration,
    /// The time of the next pass; `None` while the exporter is off.
    due: Option<Instant>,
    /// The last report of a rejection or a warning of the receiver.
    last_report: Option<String>,
}

impl Pipeline {
    /// Creates the pipeline of an exporter that is off until a configuration asks for it.
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
            interval: Duration::ZERO,
            due: None,
            last_report: None,
        }
    }

    /// Runs one exporter after another until shutdown.
    pub(crate) async fn run(mut self) {
        let complete = loop {
            let complete = match self.run_exporter().await {
                Ok(()) => true,
                Err(Interruption::Deadline) => false,
                Err(Interruption::Replaced) => continue,
            };
            // A configuration that arrived during the last pass may have let more data in.
            if complete && self.control.has_news() {
                continue;
            }
            if self.turn_off(None) {
                self.control.release(complete);
            }
            if self.control.is_shutdown() {
                break complete;
            }
        };
        self.counters.shut_down();
        self.control.release_all(complete);
        self.report_losses(true);
    }

    /// Builds the exporter that the configuration asks for, and runs it until another one is needed.
    async fn run_exporter(&mut self) -> Result<(), Interruption> {
        let settings = self.apply();
        self.control.current.clone_from(&settings);
        let exporter = match settings {
            // An exporter that cannot be built is not built again to be turned off.
            Some(settings) if !self.counters.is_off() => self.build(settings).await,
            _ => None,
        };
        let Some(exporter) = exporter else {
            return self.stay_off().await;
        };
        let result = self.export(&exporter).await;
        tokio::select! {
            () = exporter.close() => {}
            () = at(self.control.end()) => {}
        }
        result
    }

    /// Applies the configuration, and returns the settings of its exporter.
    fn apply(&mut self) -> Option<ExporterSettings> {
        let config = self.control.apply()?;
        self.source.configure(&config.source);
        self.interval = config.interval;
        // Repeated changes must not postpone an export that is due.
        let due = Instant::now() + self.interval;
        self.due = self.due.into_iter().chain([due]).min();
        Some(config.exporter)
    }

    /// Builds an exporter. Returns `None` if it cannot be built, or is no longer wanted.
    async fn build(&mut self, settings: ExporterSettings) -> Option<Arc<dyn PushExporter>> {
        let error = match self.try_build(settings).await {
            Ok(Ok(exporter)) => {
                self.counters.starts();
                return Some(exporter);
            }
            Ok(Err(error)) => error,
            Err(Interruption::Deadline) => "the shutdown came before it was ready".to_owned(),
            Err(Interruption::Replaced) => return None,
        };
        if self.turn_off(Some(&error)) {
            let report = format!("{} are off: {error}", self.counters.name());
            self.diagnostics.report_later(report);
        }
        None
    }

    /// Builds an exporter. One that may read certificates is built on a thread that may block, so that this thread keeps
    /// every deadline.
    async fn try_build(
        &mut self,
        settings: ExporterSettings,
    ) -> Result<Result<Arc<dyn PushExporter>, String>, Interruption> {
        let signal = self.counters.signal();
        let mut backoff = Backoff::new(LONGEST_BUILD_PAUSE);
        while settings.may_block() {
            let own = settings.clone();
            let build = blocking::spawn(move || own.build(signal));
            match self.control.meanwhile(build, Duration::ZERO).await? {
                Ok(built) => return Ok(built),
                Err(error) => self.retry(&error, &mut backoff).await?,
            }
        }
        Ok(settings.build(signal))
    }

    /// Waits until the configuration or the shutdown ends the pause of an exporter that is off or cannot be built.
    async fn stay_off(&mut self) -> Result<(), Interruption> {
        self.turn_off(None);
        while !self.control.has_news() {
            self.control.begin();
            self.control.release(true);
            if self.control.is_shutdown() {
                return Ok(());
            }
            self.control.changed().await;
        }
        Err(Interruption::Replaced)
    }

    /// Exports with one exporter until all data is delivered before the shutdown, or before the exporter is turned off.
    async fn export(&mut self, exporter: &Arc<dyn PushExporter>) -> Result<(), Interruption> {
        let mut path_reported = false;
        loop {
            self.wait().await?;
            // A pass that began before may not have covered everything.
            let is_last = self.control.end().is_some();
            if let Err(interruption) = self.pass(exporter).await {
                // The next exporter gets at once what this one did not deliver.
                self.due = Some(Instant::now());
                return Err(interruption);
            }
            self.control.release(true);
            self.report_losses(false);
            if let Some(path) = exporter.standard_path()
                && !std::mem::replace(&mut path_reported, true)
            {
                self.report_path(path);
            }
            if is_last {
                return Ok(());
            }
            // Missed intervals are not made up for after an outage: the next pass covers them.
            let now = Instant::now();
            if self.due.is_some_and(|due| due <= now) {
                self.due = Some(now + self.interval);
            }
        }
    }

    /// Waits until a pass is due. Applies new configurations that keep the exporter meanwhile.
    async fn wait(&mut self) -> Result<(), Interruption> {
        loop {
            if self.control.is_replaced() {
                return Err(Interruption::Replaced);
            }
            if self.control.has_news() {
                self.apply();
            }
            if self.control.is_requested() || self.source.is_full() {
                return Ok(());
            }
            tokio::select! {
                () = self.control.changed() => {}
                () = self.source.filled() => return Ok(()),
                () = at(self.due) => return Ok(()),
            }
        }
    }

    /// Delivers everything that the source holds now.
    async fn pass(&mut self, exporter: &Arc<dyn PushExporter>) -> Result<(), Interruption> {
        self.control.begin();
        self.source.begin();
        loop {
            let mut backoff = Backoff::new(self.interval);
            while let Err(error) = self
                .control
                .meanwhile(self.source.prepare(), Duration::ZERO)
                .await?
            {
                self.retry(&error, &mut backoff).await?;
            }
            let Some(batch) = self.source.batch(exporter.max_bytes()) else {
                return Ok(());
            };
            self.deliver(exporter, batch).await?;
            self.report_losses(false);
        }
    }

    /// Drops the undelivered items of an exporter that was turned off, or that cannot be built because of an error.
    /// Returns false without an effect if there is a newer configuration.
    fn turn_off(&mut self, error: Option<&str>) -> bool {
        let mut is_off = false;
        // The lock of the requests excludes a change meanwhile: items that are recorded after a change must not be
        // dropped. A newer request to turn the exporter off has a later deadline, and items that the last pass did not
        // cover.
        self.control.requests.send_if_modified(|requests| {
            if requests.revision != self.control.applied {
                return false;
            }
            match (&mut requests.drain, error) {
                (Some(drain), None) => {
                    let reason = drain.reason.take();
                    self.counters.turned_off(self.source.discard(), reason);
                    // Releases the headers helper.
                    (requests.config, requests.drain) = (None, None);
                }
                (None, Some(error)) => self.counters.stays_off(self.source.discard(), error),
                _ => return false,
            }
            is_off = true;
            self.due = None;
            false
        });
        is_off
    }

    /// Waits before the next attempt to start a thread.
    async fn retry(
        &mut self,
        error: &BlockingError,
        backoff: &mut Backoff,
    ) -> Result<(), Interruption> {
        self.failed(error.to_string(), "it is tried again, and data waits");
        self.control.pause(backoff.next(), None).await
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
                Ok(Delivery { rejected, message }) => {
                    self.report_message(rejected, message);
                    self.source.acknowledge();
                    let now = self.clock.now();
                    self.counters.delivered(batch.items, rejected, now);
                    return Ok(());
                }
                Err(error) => error,
            };
            match error.class() {
                FailureClass::Retryable { after } => {
                    self.failed(error.to_string(), "data waits and is sent again");
                    self.control.pause(backoff.next(), after).await?;
                    self.counters.retried();
                }
                FailureClass::TooLarge if self.source.split() => return Ok(()),
                _ => break error,
            }
        };
        self.counters.failed(error.to_string());
        self.counters.refused(batch.items);
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
        // If the set is dropped before the task ends, it aborts the task.
        let mut attempt = JoinSet::new();
        attempt.spawn(async move { exporter.export(body, deadline).await });
        let outcome = Box::pin(attempt.join_next());
        self.control.meanwhile(outcome, SETTLE).await.map(settled)
    }

    /// Counts a failed attempt, and reports it if it is the first one.
    fn failed(&self, error: String, consequence: &str) {
        let report = format!("{error}; {consequence}");
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

    /// Reports that requests go to a path other than that of the configured URL.
    fn report_path(&self, path: &str) {
        let variable = variables::ENDPOINT.of(self.counters.signal()).name;
        self.report(format!(
            "the receiver takes no requests at the URL of {variable}, which has no path, and takes them at {path}: add \
             {path} to {variable}"
        ));
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
        self.counters.ended_by_panic();
        self.counters.shut_down();
        self.control.release_all(false);
    }
}

fn settled(outcome: Option<Result<ExportResult, JoinError>>) -> ExportResult {
    match outcome {
        Some(Ok(outcome)) => outcome,
        _ => Err(ExportError::panicked()),
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
        let class = outcome.map_err(|error| error.class());
        assert_eq!(class, Err(FailureClass::RETRYABLE));
    }
}
