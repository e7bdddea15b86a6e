//! The queue of the host's log records or spans, which the SDK's processors fill.

use std::fmt;
use std::sync::{Arc, Weak};

use opentelemetry_sdk::error::{OTelSdkError, OTelSdkResult};

use super::encoder::{HostEncoder, Scoped};
use crate::config::variables::FLUSH_TIMEOUT;
use crate::encode::Encode;
use crate::encode::shorten::Shorten;
use crate::state::{Slot, TelemetryState, enqueue_for};

/// The connection from a processor to the exporter of one signal. It never blocks.
pub(super) struct HostQueue<R> {
    slot: Slot<Scoped<R>>,
    /// A weak reference, so that providers do not keep the telemetry alive.
    pub(super) telemetry: Weak<TelemetryState>,
}

impl<R: Shorten> HostQueue<R> {
    pub(super) fn new(slot: Slot<Scoped<R>>, telemetry: &Arc<TelemetryState>) -> Self {
        let telemetry = Arc::downgrade(telemetry);
        Self { slot, telemetry }
    }

    /// Enqueues a record, or counts it as dropped. Does nothing if the configuration does not request the exporter.
    pub(super) fn push(&self, record: impl FnOnce() -> Scoped<R>) {
        let Some(telemetry) = in_original_process(&self.telemetry) else {
            return;
        };
        let signal = self.slot.1.signal();
        if telemetry.active.load().config.of(signal).otlp.is_some() {
            let record = record();
            let size = HostEncoder::size(&record);
            enqueue_for(&self.slot, record, size, &telemetry.stopped);
        }
    }
}

/// Delivers all items recorded before the call, for all signals, within the configured flush timeout.
pub(super) fn flush(telemetry: &Weak<TelemetryState>) -> OTelSdkResult {
    let telemetry = in_original_process(telemetry).ok_or(OTelSdkError::AlreadyShutdown)?;
    let limit = telemetry.active.load().config.get(&FLUSH_TIMEOUT);
    match telemetry.request(limit, false) {
        true => Ok(()),
        false => Err(OTelSdkError::Timeout(limit)),
    }
}

/// Returns the telemetry; `None` when it is gone, and in a forked child.
pub(super) fn in_original_process(telemetry: &Weak<TelemetryState>) -> Option<Arc<TelemetryState>> {
    let telemetry = telemetry.upgrade()?;
    telemetry.in_original_process().then_some(telemetry)
}

impl<R> fmt::Debug for HostQueue<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HostQueue").finish_non_exhaustive()
    }
}
