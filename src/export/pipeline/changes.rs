//! Changes of the configuration, which turn an exporter on or off, or redirect it.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::time::Instant;

use super::{FOREVER, Link, Pipeline};
use crate::export::Source;
use crate::export::backoff::Backoff;
use crate::export::blocking;
use crate::export::sink::{Sink, Target};
use crate::signal::Signal;

/// The longest pause between two attempts to start the thread on which an exporter is built.
const LONGEST_BUILD_PAUSE: Duration = Duration::from_secs(5);

pub(super) struct Ending {
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
    pub(super) fn moves(&self) -> bool {
        !matches!(self.to, To::Sink { target: None, .. })
    }
}

impl<S: Source> Pipeline<S> {
    /// Applies the pending changes. Returns true if there were any.
    pub(super) async fn apply_changes(&mut self) -> bool {
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
    pub(super) fn finish_ending(&mut self) {
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
}
