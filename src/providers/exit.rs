//! The output of the SDK's processors, which never blocks.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};

use opentelemetry::Value;
use opentelemetry_sdk::error::{OTelSdkError, OTelSdkResult};

use crate::export::queue::Queue;
use crate::health::ExporterCounters;
use crate::state::TelemetryState;

/// The connection from a processor to the exporter of one signal.
pub(super) struct Exit<T> {
    pub(super) queue: Queue<T>,
    pub(super) counters: Arc<ExporterCounters>,
    /// True if the configuration requests the exporter.
    pub(super) on: Arc<AtomicBool>,
    /// A weak reference, so that providers do not keep the telemetry alive.
    pub(super) telemetry: Weak<TelemetryState>,
}

impl<T> Exit<T> {
    /// Enqueues an item whose texts have `size` bytes, or counts it as dropped.
    pub(super) fn push(&self, item: T, size: usize) {
        if !self.on.load(Ordering::Relaxed) {
            return;
        }
        let telemetry = self.telemetry.upgrade();
        if telemetry
            .as_ref()
            .is_some_and(|inner| !inner.in_original_process())
        {
            return;
        }
        let ended = telemetry.is_none_or(|inner| inner.is_stopped());
        if ended || self.counters.is_off() {
            self.counters.recorded_when_off();
        } else if !self.queue.push(item, size) {
            self.counters.queue_full();
        }
    }

    /// Delivers all items recorded before the call, for all signals.
    pub(super) fn flush(&self) -> OTelSdkResult {
        flush(&self.telemetry)
    }
}

/// Delivers all items recorded before the call, for all signals, within the configured flush timeout.
pub(super) fn flush(telemetry: &Weak<TelemetryState>) -> OTelSdkResult {
    let Some(inner) = telemetry
        .upgrade()
        .filter(|inner| inner.in_original_process())
    else {
        return Err(OTelSdkError::AlreadyShutdown);
    };
    let limit = inner.active.load().config.flush_timeout;
    if inner.flush(limit) {
        Ok(())
    } else {
        Err(OTelSdkError::Timeout(limit))
    }
}

impl<T> fmt::Debug for Exit<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Exit").finish_non_exhaustive()
    }
}

/// Returns the bytes of an attribute's texts.
pub(super) fn bytes_of(value: &Value) -> usize {
    match value {
        Value::String(text) => text.as_str().len(),
        Value::Array(opentelemetry::Array::String(texts)) => {
            texts.iter().map(|text| text.as_str().len()).sum()
        }
        _ => size_of::<f64>(),
    }
}
