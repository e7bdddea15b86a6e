//! The queues of the host's log records or spans, which the SDK's processors fill.

use std::fmt;
use std::sync::{Arc, Weak};

use opentelemetry_sdk::error::{OTelSdkError, OTelSdkResult};

use super::encoder::Scoped;
use crate::config::Config;
use crate::config::variables::FLUSH_TIMEOUT;
use crate::encode::shorten::Shorten;
use crate::health::Exporter;
use crate::signal::Signal;
use crate::state::{ExporterQueue, TelemetryState};

/// The sending side of the queues of one signal, one for each exporter. An SDK processor pushes the host's records into
/// it. Never blocks.
pub(super) struct HostQueue<R> {
    queues: Vec<ExporterQueue<Arc<Scoped<R>>>>,
    /// A weak reference, so that providers do not keep the telemetry alive.
    pub(super) telemetry: Weak<TelemetryState>,
}

impl<R: Shorten> HostQueue<R> {
    pub(super) fn new(
        queues: Vec<ExporterQueue<Arc<Scoped<R>>>>,
        telemetry: &Arc<TelemetryState>,
    ) -> Self {
        let telemetry = Arc::downgrade(telemetry);
        Self { queues, telemetry }
    }

    /// Enqueues a record for each exporter that is configured for the signal, or counts it as dropped. Without such an
    /// exporter, the record is not even created.
    pub(super) fn push(&self, record: impl FnOnce() -> Scoped<R>) {
        let Some(telemetry) = upgrade_in_original_process(&self.telemetry) else {
            return;
        };
        let active = telemetry.active.load();
        let queues = self.queues.iter().filter(|(_, counters)| {
            is_configured(&active.config, counters.signal(), counters.exporter())
        });
        let mut queues = queues.peekable();
        if queues.peek().is_none() {
            return;
        }
        let record = Arc::new(record());
        let size = record.size();
        for queue in queues {
            telemetry.enqueue_for(queue, Arc::clone(&record), size);
        }
    }
}

/// Delivers all items recorded before the call, for all signals, within the configured flush timeout.
pub(super) fn flush(telemetry: &Weak<TelemetryState>) -> OTelSdkResult {
    let telemetry = upgrade_in_original_process(telemetry).ok_or(OTelSdkError::AlreadyShutdown)?;
    let limit = telemetry.active.load().config.get(&FLUSH_TIMEOUT);
    match telemetry.request(limit, false) {
        true => Ok(()),
        false => Err(OTelSdkError::Timeout(limit)),
    }
}

/// Returns the telemetry; `None` when it is gone, and in a forked child.
pub(super) fn upgrade_in_original_process(
    telemetry: &Weak<TelemetryState>,
) -> Option<Arc<TelemetryState>> {
    let telemetry = telemetry.upgrade()?;
    telemetry.in_original_process().then_some(telemetry)
}

impl<R> fmt::Debug for HostQueue<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HostQueue").finish_non_exhaustive()
    }
}

/// Returns true if the configuration asks for this exporter of the host's own data of a signal.
pub(super) fn is_configured(config: &Config, signal: Signal, exporter: Exporter) -> bool {
    let signal = config.of(signal);
    match exporter {
        Exporter::HostConsole => signal.console,
        _ => signal.otlp.is_some(),
    }
}
