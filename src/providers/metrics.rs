//! The host's metrics: collected from the SDK when an export is due, and encoded as OTLP.

use std::sync::Arc;

use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::{
    ExponentialHistogram, Gauge, Histogram, ResourceMetrics, ScopeMetrics, Sum,
};
use opentelemetry_proto::tonic::resource::v1::Resource;
use prost::Message;

use super::exporters::resource;
use super::reader::Reader;
use crate::config::Temporality;
use crate::config::variables::TEMPORALITY;
use crate::diagnostics::Diagnostics;
use crate::export::blocking::{self, Blocking, BlockingError};
use crate::export::{Batch, BoxFuture, Source, SourceConfig};

/// The source of the host's metrics. A collection is sent in as many requests as needed. The next collection begins
/// only after all of them were delivered or dropped, and covers the data recorded in the meantime.
pub(super) struct HostMetrics {
    reader: Reader,
    resource: Resource,
    /// The collection in progress, on a thread that may block, because it runs the host's callbacks.
    collecting: Option<Blocking<()>>,
    /// True if the current pass still needs a collection.
    is_requested: bool,
    /// The batches that are not acknowledged. The last one is the current one.
    batches: Vec<Vec<ScopeMetrics>>,
    /// The temporality with which the instruments were created.
    temporality: Temporality,
    /// The temporality of the last configuration.
    requested: Temporality,
    diagnostics: Arc<Diagnostics>,
}

impl HostMetrics {
    /// Creates the source of instruments with a temporality, which the SDK accepts only once.
    pub(super) fn new(
        reader: Reader,
        temporality: Temporality,
        diagnostics: Arc<Diagnostics>,
    ) -> Self {
        Self {
            reader,
            resource: Resource::default(),
            collecting: None,
            is_requested: false,
            batches: Vec::new(),
            temporality,
            requested: temporality,
            diagnostics,
        }
    }

    /// Reports a temporality that does not apply.
    fn check_temporality(&mut self, requested: Temporality) {
        let before = std::mem::replace(&mut self.requested, requested);
        if requested == before || requested == self.temporality {
            return;
        }
        let name = |temporality| match temporality {
            Temporality::Delta => "delta",
            Temporality::Cumulative => "cumulative",
        };
        self.diagnostics.report_later(format!(
            "{}: the host's own metrics stay {} although the configuration asks for {} now: they keep the temporality of \
             the first call of Telemetry::providers; set it before that, or start again",
            TEMPORALITY.name,
            name(self.temporality),
            name(requested),
        ));
    }

    async fn collect(&mut self) -> Result<(), BlockingError> {
        while self.is_requested
            && self.batches.is_empty()
            && self.reader.state().collected.is_empty()
        {
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
}

impl Source for HostMetrics {
    fn configure(&mut self, config: &SourceConfig) {
        self.resource = resource(config);
        self.check_temporality(config.temporality);
    }

    fn begin(&mut self) {
        self.is_requested = true;
    }

    fn prepare(&mut self) -> BoxFuture<'_, Result<(), BlockingError>> {
        Box::pin(self.collect())
    }

    fn batch(&mut self, max_bytes: usize) -> Option<Batch> {
        if self.batches.is_empty() {
            self.batches
                .extend(self.reader.state().collected.pop_front());
            let size = |metrics: &Vec<ScopeMetrics>| -> usize {
                metrics.iter().map(Message::encoded_len).sum()
            };
            while self
                .batches
                .last()
                .is_some_and(|last| size(last) > max_bytes)
                && self.split()
            {}
        }
        let metrics = self.batches.last()?;
        let message = ExportMetricsServiceRequest {
            resource_metrics: vec![ResourceMetrics {
                resource: Some(self.resource.clone()),
                scope_metrics: metrics.clone(),
                ..ResourceMetrics::default()
            }],
        };
        Some(Batch {
            message: message.encode_to_vec().into(),
            items: count_points(metrics) as u64,
        })
    }

    fn acknowledge(&mut self) {
        let metrics = self.batches.pop().unwrap_or_default();
        self.reader.waiting().release(count_points(&metrics), 0);
    }

    fn split(&mut self) -> bool {
        let halves = self.batches.pop().map(split_in_half);
        match halves {
            Some(Ok([first, rest])) => {
                self.batches.extend([rest, first]);
                return true;
            }
            Some(Err(single)) => self.batches.push(single),
            None => {}
        }
        false
    }

    fn discard(&mut self) -> u64 {
        self.batches.clear();
        self.reader.leave()
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
