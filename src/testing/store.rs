//! The store of exported requests, and their conversion to readable items.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::logs::v1::LogRecord;
use opentelemetry_proto::tonic::metrics::v1::{
    AggregationTemporality, Metric as OtlpMetric, metric, number_data_point,
};
use opentelemetry_proto::tonic::trace::v1::Span as OtlpSpan;
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;
use prost::Message;
use tokio::time::Instant;

use super::attributes::Attributes;
use super::emitted::Emitted;
use super::items::{Event, Metric, Span, SpanEvent};
use crate::encode::decoded;
use crate::export::export_result::{Accepted, Delivery, ExportResult};
use crate::export::{BoxFuture, PushExporter};
use crate::hex::hex;
use crate::lock::lock;
use crate::signal::Signal;

/// The requests exported so far, in bytes of protobuf.
#[derive(Default)]
pub(crate) struct Store(Mutex<Vec<(Signal, Bytes)>>);

/// An exporter that keeps requests in a store instead of sending them.
pub(super) struct StoreExporter {
    pub(super) signal: Signal,
    pub(super) store: Arc<Store>,
}

impl PushExporter for StoreExporter {
    fn export<'a>(
        &'a self,
        body: Bytes,
        _: Instant,
        _: &'a Accepted,
    ) -> BoxFuture<'a, ExportResult> {
        self.store.lock().push((self.signal, body));
        Box::pin(std::future::ready(Ok(Delivery::default())))
    }
}

impl Store {
    pub(super) fn events(&self) -> Emitted<Event> {
        let requests = self.requests::<ExportLogsServiceRequest>(Signal::Logs);
        let resources = requests
            .into_iter()
            .flat_map(|request| request.resource_logs);
        let scopes = resources.flat_map(|resource| resource.scope_logs);
        Emitted::new(scopes.flat_map(|scope| scope.log_records).map(event))
    }

    pub(super) fn spans(&self) -> Emitted<Span> {
        let requests = self.requests::<ExportTraceServiceRequest>(Signal::Traces);
        let resources = requests
            .into_iter()
            .flat_map(|request| request.resource_spans);
        let scopes = resources.flat_map(|resource| resource.scope_spans);
        Emitted::new(scopes.flat_map(|scope| scope.spans).map(span))
    }

    pub(super) fn metrics(&self) -> Emitted<Metric> {
        let requests = self.requests::<ExportMetricsServiceRequest>(Signal::Metrics);
        let resources = requests
            .into_iter()
            .flat_map(|request| request.resource_metrics);
        let scopes = resources.flat_map(|resource| resource.scope_metrics);
        let mut series = BTreeMap::new();
        for metric in scopes.flat_map(|scope| scope.metrics) {
            add_points(metric, &mut series);
        }
        Emitted::new(series.into_values())
    }

    fn requests<M: Message + Default>(&self, signal: Signal) -> Vec<M> {
        let all = self.lock();
        let requests = all.iter().filter(|(of, _)| *of == signal);
        requests.map(|(_, request)| decoded(request)).collect()
    }

    fn lock(&self) -> MutexGuard<'_, Vec<(Signal, Bytes)>> {
        lock(&self.0)
    }
}

/// Adds the data points of one metric to their series, which are sorted by name and attributes.
fn add_points(metric: OtlpMetric, all: &mut BTreeMap<(String, Vec<String>), Metric>) {
    let Some(metric::Data::Sum(sum)) = metric.data else {
        return;
    };
    let is_delta = sum.aggregation_temporality() == AggregationTemporality::Delta;
    for point in sum.data_points {
        let Some(number_data_point::Value::AsDouble(value)) = point.value else {
            continue;
        };
        let attributes = Attributes::new(point.attributes);
        let texts = attributes
            .iter()
            .map(|(key, value)| format!("{key}={value}"));
        let series = all
            .entry((metric.name.clone(), texts.collect()))
            .or_insert_with(|| Metric {
                name: metric.name.clone(),
                unit: metric.unit.clone(),
                total: 0.0,
                attributes,
            });
        series.total = if is_delta {
            series.total + value
        } else {
            value
        };
    }
}

fn time(nanos: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_nanos(nanos)
}

fn event(record: LogRecord) -> Event {
    Event {
        name: record.event_name,
        time: time(record.time_unix_nano),
        attributes: Attributes::new(record.attributes),
        span: (!record.span_id.is_empty()).then(|| (hex(&record.trace_id), hex(&record.span_id))),
    }
}

fn span(span: OtlpSpan) -> Span {
    let (start, end) = (span.start_time_unix_nano, span.end_time_unix_nano);
    let failed = span
        .status
        .filter(|status| status.code() == StatusCode::Error);
    let events = span.events.into_iter().map(|event| SpanEvent {
        name: event.name,
        attributes: Attributes::new(event.attributes),
    });
    Span {
        name: span.name,
        trace_id: hex(&span.trace_id),
        id: hex(&span.span_id),
        parent: (!span.parent_span_id.is_empty()).then(|| hex(&span.parent_span_id)),
        start: time(start),
        duration: Duration::from_nanos(end.saturating_sub(start)),
        error: failed.map(|status| status.message),
        attributes: Attributes::new(span.attributes),
        events: events.collect(),
    }
}
