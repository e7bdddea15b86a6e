//! The reader that a meter provider flushes and shuts down first.

use std::sync::Weak;
use std::time::Duration;

use opentelemetry_sdk::error::{OTelSdkError, OTelSdkResult};
use opentelemetry_sdk::metrics::data::ResourceMetrics;
use opentelemetry_sdk::metrics::reader::MetricReader;
use opentelemetry_sdk::metrics::{InstrumentKind, Pipeline, Temporality};

use super::queue::{flush, upgrade_in_original_process};
use super::reader::{Reader, ends_within};
use crate::state::TelemetryState;

/// The first reader of a provider, which flushes and shuts down for all of them. The SDK calls its readers one after
/// another, so the timeouts of several readers would add up.
#[derive(Debug)]
pub(super) struct FirstReader {
    pub(super) reader: Reader,
    /// All readers of the provider, with this one.
    pub(super) all: Vec<Reader>,
    pub(super) telemetry: Weak<TelemetryState>,
}

impl MetricReader for FirstReader {
    fn register_pipeline(&self, pipeline: Weak<Pipeline>) {
        self.reader.register_pipeline(pipeline);
    }

    fn collect(&self, metrics: &mut ResourceMetrics) -> OTelSdkResult {
        MetricReader::collect(&self.reader, metrics)
    }

    fn force_flush(&self) -> OTelSdkResult {
        flush(&self.telemetry)
    }

    /// Shuts the readers down. Data recorded before is sent with the next flush, interval or shutdown of the telemetry.
    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        if upgrade_in_original_process(&self.telemetry).is_none() {
            return Err(OTelSdkError::AlreadyShutdown);
        }
        let all = self.all.clone();
        let collect_last = move || all.iter().for_each(Reader::collect_last);
        // On another thread and with a timeout: if the caller is one of the host's callbacks, the collection that calls
        // it excludes this one, which would wait forever.
        if !ends_within(timeout, collect_last) {
            return Err(OTelSdkError::Timeout(timeout));
        }
        // The readers end even if a callback panicked, or no thread could be started.
        self.all.iter().for_each(Reader::end);
        Ok(())
    }

    fn temporality(&self, kind: InstrumentKind) -> Temporality {
        self.reader.temporality(kind)
    }
}
