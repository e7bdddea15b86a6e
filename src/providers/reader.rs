//! The readers of the SDK's meter provider, one for each exporter.
//!
//! A collection calls the host's callbacks, which may block, so it never runs on a thread that has other work.

use std::collections::VecDeque;
use std::fmt;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, Mutex, MutexGuard, Weak};
use std::time::Duration;

use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::metrics::v1::ScopeMetrics;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::metrics::data::ResourceMetrics as Collection;
use opentelemetry_sdk::metrics::reader::MetricReader;
use opentelemetry_sdk::metrics::{InstrumentKind, ManualReader, Pipeline, Temporality};

use super::points::count_points;
use crate::config;
use crate::export::AfterOpening;
use crate::export::suppression::SuppressedScope;
use crate::health::QueueDepth;
use crate::lock::lock;
use crate::thread;

/// The time limit for the host's callbacks when an exporter is turned on. A configuration can turn on two exporters,
/// and then waits up to a second.
const CALLBACK_TIMEOUT: Duration = Duration::from_millis(500);

/// A metric reader that collects when the exporter asks for it.
#[derive(Clone)]
pub(super) struct Reader(Arc<Shared>);

struct Shared {
    reader: ManualReader,
    /// The lock that serializes the collections of all readers of a provider. A collection of one reader also stores
    /// what the callbacks observe for the others. If two ran at once, one could store an older value of a counter after
    /// the other, and the SDK would compute a negative delta, which wraps around.
    collection: Arc<Mutex<()>>,
    state: Mutex<State>,
    /// The number of collected data points that are neither delivered nor dropped. Its flag `off` is set when the
    /// exporter ends.
    waiting: Arc<QueueDepth>,
}

pub(super) struct State {
    phase: Phase,
    /// The collected metrics that were not delivered yet, one list for each request. The first is the current batch.
    pub(super) collected: VecDeque<Vec<ScopeMetrics>>,
}

impl State {
    /// Replaces a phase with the next one. Returns false, without a change, in any other phase.
    fn replace(&mut self, phase: Phase, next: Phase) -> bool {
        let is_in_phase = self.phase == phase;
        if is_in_phase {
            self.phase = next;
        }
        is_in_phase
    }
}

#[derive(Clone, Copy, PartialEq)]
enum Phase {
    /// The exporter is off.
    Off,
    /// The exporter is on, and the SDK still holds data that was recorded while it was off.
    Stale,
    /// The exporter is on.
    On,
    /// The host shut the provider down.
    Ended,
}

impl Reader {
    /// Creates a reader. `on` is true if the exporter is on at first. All readers of a provider share the lock
    /// `collection`.
    pub(super) fn new(
        temporality: config::Temporality,
        on: bool,
        collection: Arc<Mutex<()>>,
    ) -> Self {
        let temporality = match temporality {
            config::Temporality::Delta => Temporality::Delta,
            config::Temporality::Cumulative => Temporality::Cumulative,
            config::Temporality::LowMemory => Temporality::LowMemory,
        };
        Self(Arc::new(Shared {
            reader: ManualReader::builder()
                .with_temporality(temporality)
                .build(),
            collection,
            state: Mutex::new(State {
                phase: if on { Phase::On } else { Phase::Off },
                collected: VecDeque::new(),
            }),
            waiting: Arc::default(),
        }))
    }

    /// Collects the data recorded so far, and keeps it for the exporter. Calls the host's callbacks, which may block.
    pub(super) fn collect(&self) {
        let _guard = self.drop_stale();
        if self.state().phase != Phase::On {
            return;
        }
        let mut collection = Collection::default();
        if self.0.reader.collect(&mut collection).is_err() {
            // The provider is not built yet, or a callback panicked: the SDK then collects nothing any more.
            return;
        }
        let resources = ExportMetricsServiceRequest::from(&collection).resource_metrics;
        let scopes = resources
            .into_iter()
            .flat_map(|resource| resource.scope_metrics);
        let metrics: Vec<_> = scopes.collect();
        let mut state = self.state();
        // The exporter may have been turned off during the collection, and then on again.
        if state.phase == Phase::On && !metrics.is_empty() {
            self.0.waiting.add(count_points(&metrics), 0);
            state.collected.push_back(metrics);
        }
    }

    /// Turns the exporter on. If it was off, returns work that drops the data recorded before this work runs, so that
    /// deltas begin when it ends. Dropping the data calls the host's callbacks; the work waits at most
    /// [`CALLBACK_TIMEOUT`] for them. A collection that begins before the work runs drops the data itself.
    pub(super) fn begin(&self) -> Option<AfterOpening> {
        let was_off = self.state().replace(Phase::Off, Phase::Stale);
        let reader = self.clone();
        let drop_stale = move || {
            // Without a thread, the next collection drops the stale data.
            ends_within(CALLBACK_TIMEOUT, move || drop(reader.drop_stale()));
        };
        was_off.then(|| Box::new(drop_stale) as AfterOpening)
    }

    /// Turns the exporter off, and drops the collected data. Returns the number of dropped data points.
    pub(super) fn discard(&self) -> u64 {
        let mut state = self.state();
        if state.phase != Phase::Ended {
            state.phase = Phase::Off;
        }
        state.collected.clear();
        self.0.waiting.clear()
    }

    /// Collects once more, and ends the reader.
    pub(super) fn collect_last(&self) {
        // After the end of the exporter, a last collection has no use.
        if !self.0.waiting.is_off() {
            self.collect();
        }
        self.end();
    }

    /// Ends the reader: nothing is collected any more.
    pub(super) fn end(&self) {
        self.state().phase = Phase::Ended;
    }

    pub(super) fn waiting(&self) -> &Arc<QueueDepth> {
        &self.0.waiting
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.0.state)
    }

    /// Drops stale data before a collection. The returned guard excludes other collections.
    fn drop_stale(&self) -> MutexGuard<'_, ()> {
        let guard = lock(&self.0.collection);
        let was_stale = self.state().replace(Phase::Stale, Phase::On);
        if was_stale {
            let _ = self.0.reader.collect(&mut Collection::default());
        }
        guard
    }
}

impl MetricReader for Reader {
    fn register_pipeline(&self, pipeline: Weak<Pipeline>) {
        self.0.reader.register_pipeline(pipeline);
    }

    fn collect(&self, metrics: &mut Collection) -> OTelSdkResult {
        self.0.reader.collect(metrics)
    }

    /// Does nothing: the [first reader](super::first_reader::FirstReader) flushes for all readers.
    fn force_flush(&self) -> OTelSdkResult {
        Ok(())
    }

    /// Does nothing: the [first reader](super::first_reader::FirstReader) shuts all readers down.
    fn shutdown_with_timeout(&self, _: Duration) -> OTelSdkResult {
        Ok(())
    }

    fn temporality(&self, kind: InstrumentKind) -> Temporality {
        self.0.reader.temporality(kind)
    }
}

impl fmt::Debug for Reader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reader").finish_non_exhaustive()
    }
}

/// Runs a function on a separate thread, if one can be started. Returns false if the timeout passes before it ends.
pub(super) fn ends_within(timeout: Duration, work: impl FnOnce() + Send + 'static) -> bool {
    let (running, ended) = mpsc::channel::<()>();
    let thread = thread::spawn("claude-code-telemetry-callbacks", move || {
        // Dropped at the end, also by a panic.
        let _running = running;
        let _suppressed = SuppressedScope::this_thread();
        work();
    });
    thread.is_err() || ended.recv_timeout(timeout) != Err(RecvTimeoutError::Timeout)
}
