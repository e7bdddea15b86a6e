//! The host's metrics: collected from the SDK when an export is due, and encoded as OTLP.

use std::sync::Arc;

use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::{
    ExponentialHistogram, Gauge, Histogram, ResourceMetrics, ScopeMetrics, Sum,
};
use opentelemetry_proto::tonic::resource::v1::Resource;
use prost::Message;

use super::reader::Reader;
use crate::export::blocking::{self, Blocking, BlockingError};
use crate::export::{Batch, Source, Split};
use crate::health::QueueDepth;

/// The source of the host's metrics. A collection is sent in as many requests as needed. The next collection begins
/// only after all of them were delivered or dropped, and covers the data recorded in the meantime.
pub(super) struct HostMetrics {
    reader: Reader,
    resource: Resource,
    /// The collection in progress, on a thread that may block, because it runs the host's callbacks.
    collecting: Option<Blocking<()>>,
    /// True if the current pass still needs a collection.
    is_requested: bool,
}

impl HostMetrics {
    pub(super) fn new(reader: Reader) -> Self {
        Self {
            reader,
            resource: Resource::default(),
            collecting: None,
            is_requested: false,
        }
    }

    fn batch(&self, metrics: Vec<ScopeMetrics>) -> Batch<Vec<ScopeMetrics>> {
        let message = ExportMetricsServiceRequest {
            resource_metrics: vec![ResourceMetrics {
                resource: Some(self.resource.clone()),
                scope_metrics: metrics.clone(),
                ..ResourceMetrics::default()
            }],
        };
        Batch {
            message: message.encode_to_vec().into(),
            items: count_points(&metrics) as u64,
            ticket: metrics,
        }
    }
}

impl Source for HostMetrics {
    type Ticket = Vec<ScopeMetrics>;
    type Settings = Resource;

    fn apply(&mut self, resource: Resource) {
        self.resource = resource;
    }

    fn begin(&mut self) {
        self.is_requested = true;
    }

    async fn prepare(&mut self) -> Result<(), BlockingError> {
        while self.is_requested && self.reader.state().collected.is_empty() {
            // A collection of an earlier pass may still be in progress. It lacks the data recorded since it began.
            let is_earlier = self.collecting.is_some();
            let collecting = self.collecting.get_or_insert_with(|| {
                let reader = self.reader.clone();
                blocking::spawn(move || reader.collect())
            });
            let collected = collecting.await;
            self.collecting = None;
            collected?;
            self.is_requested = is_earlier;
        }
        Ok(())
    }

    fn next(&mut self, max_bytes: usize) -> Option<Batch<Self::Ticket>> {
        let mut state = self.reader.state();
        let mut metrics = state.collected.pop_front()?;
        while metrics.iter().map(Message::encoded_len).sum::<usize>() > max_bytes {
            match split_in_half(metrics) {
                Ok([first, second]) => {
                    state.collected.push_front(second);
                    metrics = first;
                }
                Err(single) => {
                    metrics = single;
                    break;
                }
            }
        }
        drop(state);
        Some(self.batch(metrics))
    }

    fn settle(&mut self, metrics: Self::Ticket) {
        self.reader.waiting().release(count_points(&metrics), 0);
    }

    fn split(&mut self, metrics: Self::Ticket) -> Split<Self::Ticket> {
        split_in_half(metrics).map(|halves| halves.map(|half| self.batch(half)))
    }

    fn again(&mut self, metrics: Self::Ticket) -> Batch<Self::Ticket> {
        self.batch(metrics)
    }

    fn leave(&mut self, unsent: &mut Vec<Self::Ticket>, still: impl Fn() -> bool) -> Option<u64> {
        let lost = self.reader.leave(still)?;
        unsent.clear();
        Some(lost)
    }

    fn waiting(&self) -> Arc<QueueDepth> {
        Arc::clone(self.reader.waiting())
    }
}

/// Evaluates an expression with the data points of a metric, whatever their type.
macro_rules! with_points {
    ($data:expr, |$points:ident| $value:expr) => {
        match $data {
            Some(Data::Gauge(Gauge {
                data_points: $points,
            })) => $value,
            Some(Data::Sum(Sum {
                data_points: $points,
                ..
            })) => $value,
            Some(Data::Histogram(Histogram {
                data_points: $points,
                ..
            })) => $value,
            Some(Data::ExponentialHistogram(ExponentialHistogram {
                data_points: $points,
                ..
            })) => $value,
            // The SDK has no other type of metric.
            _ => Default::default(),
        }
    };
}

/// Returns the number of data points.
pub(super) fn count_points(metrics: &[ScopeMetrics]) -> usize {
    let metrics = metrics.iter().flat_map(|scope| &scope.metrics);
    metrics
        .map(|metric| with_points!(&metric.data, |points| points.len()))
        .sum()
}

/// Splits metrics in half: by scope, by metric, or by data point. Returns them unchanged if there is only one data
/// point.
fn split_in_half(
    mut scopes: Vec<ScopeMetrics>,
) -> Result<[Vec<ScopeMetrics>; 2], Vec<ScopeMetrics>> {
    if count_points(&scopes) < 2 {
        return Err(scopes);
    }
    let mut rest = scopes.split_off(scopes.len() / 2);
    if let ([], [scope]) = (&scopes[..], &mut rest[..]) {
        let mut metrics = std::mem::take(&mut scope.metrics);
        scope.metrics = metrics.split_off(metrics.len() / 2);
        if let ([], [metric]) = (&metrics[..], &mut scope.metrics[..]) {
            let mut first = metric.clone();
            let middle = with_points!(&first.data, |points| points.len() / 2);
            with_points!(&mut first.data, |points| points.truncate(middle));
            with_points!(&mut metric.data, |points| drop(points.drain(..middle)));
            metrics.push(first);
        }
        scopes.push(ScopeMetrics {
            scope: scope.scope.clone(),
            schema_url: scope.schema_url.clone(),
            metrics,
        });
    }
    Ok([scopes, rest])
}
