//! The host's metrics: collected from the SDK when an export is due, and encoded as OTLP.

use std::collections::VecDeque;
use std::fmt;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::common::v1::InstrumentationScope;
use opentelemetry_proto::tonic::metrics::v1::{Metric, ResourceMetrics, ScopeMetrics, metric};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_sdk::error::{OTelSdkError, OTelSdkResult};
use opentelemetry_sdk::metrics::data::ResourceMetrics as Collection;
use opentelemetry_sdk::metrics::reader::MetricReader;
use opentelemetry_sdk::metrics::{InstrumentKind, ManualReader, Pipeline, Temporality};
use prost::Message;

use super::exit::flush;
use crate::config;
use crate::export::blocking::{self, Blocking, BlockingError};
use crate::export::suppression::SuppressedScope;
use crate::export::{Batch, Source, Split};
use crate::health::QueueDepth;
use crate::state::TelemetryState;
use crate::thread;

/// The time limit for the host's callbacks when the exporter is turned on.
const CALLBACK_TIMEOUT: Duration = Duration::from_secs(1);

/// The metric reader of the SDK's meter provider.
#[derive(Clone)]
pub(crate) struct Reader(Arc<Shared>);

struct Shared {
    reader: ManualReader,
    /// The lock that serializes collections.
    collection: Mutex<()>,
    state: Mutex<State>,
    /// The number of data points in the exporter's queue. It is turned off when the exporter ends.
    waiting: Arc<QueueDepth>,
    telemetry: Weak<TelemetryState>,
}

#[derive(Default)]
struct State {
    /// The last collection, made when the host shut its provider down.
    last_collection: Option<ExportMetricsServiceRequest>,
    /// True when the exporter is off and has discarded its queue.
    is_off: bool,
    /// True if the SDK still holds data that was recorded while the exporter was off.
    is_stale: bool,
}

impl Reader {
    /// Creates a reader. `off` is true if the exporter is off at first.
    pub(crate) fn new(
        temporality: config::Temporality,
        off: bool,
        telemetry: Weak<TelemetryState>,
    ) -> Self {
        let temporality = match temporality {
            config::Temporality::Delta => Temporality::Delta,
            config::Temporality::Cumulative => Temporality::Cumulative,
        };
        Self(Arc::new(Shared {
            reader: ManualReader::builder()
                .with_temporality(temporality)
                .build(),
            collection: Mutex::default(),
            state: Mutex::new(State {
                is_off: off,
                ..State::default()
            }),
            waiting: Arc::default(),
            telemetry,
        }))
    }

    /// Collects the data to send. The collection calls the host's callbacks, which may block. After the shutdown of the
    /// provider, returns its last collection, once.
    fn take(&self) -> Option<ExportMetricsServiceRequest> {
        let _guard = self.drop_stale();
        let mut collection = Collection::default();
        match self.0.reader.collect(&mut collection) {
            Ok(()) => Some((&collection).into()),
            // The provider was shut down, or is not built yet.
            Err(_) => self.state().last_collection.take(),
        }
    }

    /// Turns the exporter on, and drops the data recorded while it was off, so that deltas begin now. Dropping the data
    /// calls the host's callbacks; the caller waits at most [`CALLBACK_TIMEOUT`] for them.
    pub(crate) fn begin(&self) {
        {
            let mut state = self.state();
            if !std::mem::take(&mut state.is_off) {
                return;
            }
            (state.last_collection, state.is_stale) = (None, true);
        }
        let reader = self.clone();
        let (done, ended) = mpsc::channel::<()>();
        let thread = thread::spawn("claude-code-telemetry-begin", move || {
            let _suppressed = SuppressedScope::this_thread();
            drop(reader.drop_stale());
            drop(done);
        });
        // Without a thread, the next collection drops the stale data.
        if thread.is_ok() {
            let _ = ended.recv_timeout(CALLBACK_TIMEOUT);
        }
    }

    /// Turns the exporter off if `still` returns true under the lock.
    fn leave(&self, still: impl Fn() -> bool) -> bool {
        // The lock prevents a race with `begin`: a caller that turns the exporter on again first makes `still` return
        // false and then takes this lock.
        let mut state = self.state();
        let turns_off = still();
        state.is_off |= turns_off;
        turns_off
    }

    /// Drops stale data before a collection. The returned guard excludes other collections.
    fn drop_stale(&self) -> MutexGuard<'_, ()> {
        let guard = self.0.collection.lock();
        let guard = guard.unwrap_or_else(PoisonError::into_inner);
        if std::mem::take(&mut self.state().is_stale) {
            let _ = self.0.reader.collect(&mut Collection::default());
        }
        guard
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl MetricReader for Reader {
    fn register_pipeline(&self, pipeline: Weak<Pipeline>) {
        self.0.reader.register_pipeline(pipeline);
    }

    fn collect(&self, metrics: &mut Collection) -> OTelSdkResult {
        self.0.reader.collect(metrics)
    }

    fn force_flush(&self) -> OTelSdkResult {
        flush(&self.0.telemetry)
    }

    /// Shuts the reader down. Data recorded before is sent with the next flush, interval or shutdown of the telemetry.
    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        let is_original = |state: Arc<TelemetryState>| state.in_original_process();
        if !self.0.telemetry.upgrade().is_some_and(is_original) {
            return Err(OTelSdkError::AlreadyShutdown);
        }
        // After the end of the exporter, a last collection has no use, and the caller need not wait.
        let ended = self.0.waiting.is_off();
        // The collection runs on a separate thread, because the host's callbacks may block, and one of them may be the
        // caller of this function.
        let reader = self.clone();
        let (done, result) = mpsc::channel();
        let thread = thread::spawn("claude-code-telemetry-end", move || {
            let _suppressed = SuppressedScope::this_thread();
            if !ended {
                let last = reader.take();
                reader.state().last_collection = last;
            }
            // From then on, `take` returns only the last collection, even if that ended after the caller's timeout.
            let _ = done.send(reader.0.reader.shutdown_with_timeout(timeout));
        });
        if ended {
            return Ok(());
        }
        match thread.map(|_| result.recv_timeout(timeout)) {
            Ok(Ok(result)) => result,
            Ok(Err(RecvTimeoutError::Timeout)) => Err(OTelSdkError::Timeout(timeout)),
            // A callback panicked, or no thread could be started.
            Ok(Err(RecvTimeoutError::Disconnected)) | Err(_) => {
                self.0.reader.shutdown_with_timeout(timeout)
            }
        }
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

/// A metric and the instrumentation scope of its meter.
#[derive(Clone)]
pub(crate) struct Piece {
    scope: Arc<Scope>,
    metric: Box<Metric>,
}

struct Scope {
    scope: Option<InstrumentationScope>,
    schema_url: String,
}

/// The source of the host's metrics. A collection is sent in as many requests as needed. The next collection begins
/// only after all of them were delivered or dropped, and covers the data recorded in the meantime.
pub(crate) struct Metrics {
    reader: Reader,
    resource: Resource,
    /// The collection in progress, on a thread that may block, because it runs the host's callbacks.
    collecting: Option<Blocking<Option<ExportMetricsServiceRequest>>>,
    /// True if the current pass still needs a collection.
    is_requested: bool,
    /// The metrics of the last collection that are not in a request yet.
    pieces: VecDeque<Piece>,
    waiting: Arc<QueueDepth>,
}

impl Metrics {
    pub(crate) fn new(reader: Reader) -> Self {
        Self {
            waiting: Arc::clone(&reader.0.waiting),
            reader,
            resource: Resource::default(),
            collecting: None,
            is_requested: false,
            pieces: VecDeque::new(),
        }
    }

    fn enqueue(&mut self, request: ExportMetricsServiceRequest) {
        for metrics in request.resource_metrics {
            for metrics in metrics.scope_metrics {
                let scope = Arc::new(Scope {
                    scope: metrics.scope,
                    schema_url: metrics.schema_url,
                });
                self.pieces
                    .extend(metrics.metrics.into_iter().map(|metric| Piece {
                        scope: Arc::clone(&scope),
                        metric: Box::new(metric),
                    }));
            }
        }
        let points: u64 = self.pieces.iter().map(|piece| points(&piece.metric)).sum();
        self.waiting.set(points as usize);
    }

    fn batch(&self, pieces: Vec<Piece>) -> Batch<Vec<Piece>> {
        let mut scopes: Vec<(&Arc<Scope>, ScopeMetrics)> = Vec::new();
        for Piece { scope, metric } in &pieces {
            match scopes
                .last_mut()
                .filter(|(last, _)| Arc::ptr_eq(last, scope))
            {
                Some((_, metrics)) => metrics.metrics.push(Metric::clone(metric)),
                None => {
                    let metrics = ScopeMetrics {
                        scope: scope.scope.clone(),
                        schema_url: scope.schema_url.clone(),
                        metrics: vec![Metric::clone(metric)],
                    };
                    scopes.push((scope, metrics));
                }
            }
        }
        let message = ExportMetricsServiceRequest {
            resource_metrics: vec![ResourceMetrics {
                resource: Some(self.resource.clone()),
                scope_metrics: scopes.into_iter().map(|(_, metrics)| metrics).collect(),
                ..ResourceMetrics::default()
            }],
        };
        Batch {
            message: message.encode_to_vec().into(),
            items: pieces.iter().map(|piece| points(&piece.metric)).sum(),
            ticket: pieces,
        }
    }
}

impl Source for Metrics {
    type Ticket = Vec<Piece>;
    type Settings = Resource;

    fn apply(&mut self, resource: Resource) {
        self.resource = resource;
    }

    fn begin(&mut self) {
        self.is_requested = true;
    }

    async fn prepare(&mut self) -> Result<(), BlockingError> {
        while self.pieces.is_empty() && self.is_requested {
            // A collection of an earlier pass may still be in progress. It lacks the data recorded since it began.
            let is_earlier = self.collecting.is_some();
            let collecting = self.collecting.get_or_insert_with(|| {
                let reader = self.reader.clone();
                blocking::spawn(move || reader.take())
            });
            let collected = collecting.await;
            self.collecting = None;
            match collected {
                Ok(request) => {
                    self.is_requested = is_earlier;
                    if let Some(request) = request {
                        self.enqueue(request);
                    }
                }
                // A callback of the host panicked. The next collection calls it again.
                Err(BlockingError::Panicked) => self.is_requested = is_earlier,
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn next(&mut self, max_bytes: usize) -> Option<Batch<Self::Ticket>> {
        let mut pieces = Vec::new();
        let mut bytes = 0;
        while let Some(piece) = self.pieces.pop_front() {
            // 8 bytes are enough for the tag and the length of the metric's field.
            let size = piece.metric.encoded_len() + 8;
            if size > max_bytes {
                match split_in_half(piece) {
                    Ok([first, second]) => {
                        self.pieces.push_front(second);
                        self.pieces.push_front(first);
                        continue;
                    }
                    Err(piece) => pieces.push(piece),
                }
                break;
            }
            if bytes + size > max_bytes {
                self.pieces.push_front(piece);
                break;
            }
            bytes += size;
            pieces.push(piece);
        }
        (!pieces.is_empty()).then(|| self.batch(pieces))
    }

    fn settle(&mut self, pieces: Vec<Piece>) {
        let points: u64 = pieces.iter().map(|piece| points(&piece.metric)).sum();
        self.waiting.release(points as usize, 0);
    }

    fn split(&mut self, mut pieces: Vec<Piece>) -> Split<Self::Ticket> {
        if pieces.len() > 1 {
            let rest = pieces.split_off(pieces.len() / 2);
            return Ok([self.batch(pieces), self.batch(rest)]);
        }
        match pieces.pop().map(split_in_half) {
            Some(Ok(pieces)) => Ok(pieces.map(|piece| self.batch(vec![piece]))),
            Some(Err(piece)) => Err(vec![piece]),
            None => Err(pieces),
        }
    }

    fn again(&mut self, pieces: Vec<Piece>) -> Batch<Self::Ticket> {
        self.batch(pieces)
    }

    fn leave(&mut self, unsent: &mut Vec<Vec<Piece>>, still: impl Fn() -> bool) -> Option<u64> {
        if !self.reader.leave(still) {
            return None;
        }
        unsent.clear();
        self.pieces.clear();
        self.collecting = None;
        self.is_requested = false;
        Some(self.waiting.clear())
    }

    fn waiting(&self) -> Arc<QueueDepth> {
        Arc::clone(&self.waiting)
    }
}

/// Returns the number of a metric's data points.
fn points(metric: &Metric) -> u64 {
    let points = match &metric.data {
        Some(metric::Data::Gauge(data)) => data.data_points.len(),
        Some(metric::Data::Sum(data)) => data.data_points.len(),
        Some(metric::Data::Histogram(data)) => data.data_points.len(),
        Some(metric::Data::ExponentialHistogram(data)) => data.data_points.len(),
        Some(metric::Data::Summary(data)) => data.data_points.len(),
        None => 0,
    };
    points as u64
}

/// Splits a metric into two, each with half of the data points. Returns the metric unchanged if it has fewer than two
/// points.
fn split_in_half(mut piece: Piece) -> Result<[Piece; 2], Piece> {
    if points(&piece.metric) < 2 {
        return Err(piece);
    }
    let mut rest = Piece {
        scope: Arc::clone(&piece.scope),
        metric: piece.metric.clone(),
    };
    macro_rules! halve {
        ($($kind:ident),*) => {
            match (&mut piece.metric.data, &mut rest.metric.data) {
                $((Some(metric::Data::$kind(first)), Some(metric::Data::$kind(second))) => {
                    let middle = first.data_points.len() / 2;
                    first.data_points.truncate(middle);
                    second.data_points.drain(..middle);
                })*
                _ => {}
            }
        };
    }
    halve!(Gauge, Sum, Histogram, ExponentialHistogram, Summary);
    Ok([piece, rest])
}
