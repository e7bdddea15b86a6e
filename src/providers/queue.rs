//! The queue of the host's log records or spans, which the SDK's processors fill.

use std::fmt;
use std::sync::{Arc, Weak};

use opentelemetry_sdk::error::{OTelSdkError, OTelSdkResult};

use super::encoder::{HostEncoder, Scoped};
use crate::config::variables::FLUSH_TIMEOUT;
use crate::encode::Encode;
use crate::encode::shorten::Shorten;
use crate::state::{ExporterQueue, TelemetryState, enqueue_for};

/// The sending side of the queue of one signal. An SDK processor pushes the host's records into it. Never blocks.
pub(super) struct HostQueue<R> {
    queue: ExporterQueue<Scoped<R>>,
    /// A weak reference, so that providers do not keep the telemetry alive.
    pub(super) telemetry: Weak<TelemetryState>,
}

impl<R: Shorten> HostQueue<R> {
    pub(super) fn new(queue: ExporterQueue<Scoped<R>>, telemetry: &Arc<TelemetryState>) -> Self {
        let telemetry = Arc::downgrade(telemetry);
        Self { queue, telemetry }
    }

    /// Enqueues a record, or counts it as dropped. Does nothing if no OTLP exporter is
    /// configured for the signal.
    pub(super) fn push(&self, record: impl FnOnce() -> Scoped<R>) {
        let Some(telemetry) = upgrade_in_original_process(&self.telemetry) else {
            return;
        };
        let (_, counters) = &self.queue;
        let signal = counters.signal();
        if telemetry.active.load().config.of(signal).otlp.is_some() {
            let record = record();
            let size = HostEncoder::size(&record);
            enqueue_for(&self.queue, record, size, &telemetry.stopped);
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
