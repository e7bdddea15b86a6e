//! The store of exported items.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::logs::v1::LogRecord;
use opentelemetry_proto::tonic::metrics::v1::{
    AggregationTemporality, Metric as OtlpMetric, metric, number_data_point,
};
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;
use opentelemetry_proto::tonic::trace::v1::{Span as OtlpSpan, span};

use super::attributes::Attributes;
use super::emitted::{Emitted, Event, Metric, Span, SpanEvent};
use crate::encode::decoded;
use crate::export::MemoryExporter;
use crate::hex::hex;
use crate::signal::Signal;

/// All items exported so far.
#[derive(Default)]
pub(crate) struct Store(Mutex<Kept>);

#[derive(Default)]
struct Kept {
    events: Vec<Event>,
    metrics: Vec<Metric>,
    spans: Vec<Span>,
}

impl Store {
    fn keep_metrics(&self, request: ExportMetricsServiceRequest) {
        let metrics = request
            .resource_metrics
            .into_iter()
            .flat_map(|resource| resource.scope_metrics)
            .flat_map(|scope| scope.metrics);
        let mut kept = self.lock();
        for metric in metrics {
            kept.count(metric);
        }
    }

    fn keep_events(&self, request: ExportLogsServiceRequest) {
        let records = request
            .resource_logs
            .into_iter()
            .flat_map(|resource| resource.scope_logs)
            .flat_map(|scope| scope.log_records);
        self.lock().events.extend(records.map(event));
    }

    fn keep_spans(&self, request: ExportTraceServiceRequest) {
        let spans = request
            .resource_spans
            .into_iter()
            .flat_map(|resource| resource.scope_spans)
            .flat_map(|scope| scope.spans);
        self.lock().spans.extend(spans.map(span));
    }

    pub(super) fn events(&self) -> Emitted<Event> {
        Emitted(self.lock().events.clone())
    }

    pub(super) fn metrics(&self) -> Emitted<Metric> {
        let mut metrics = self.lock().metrics.clone();
        metrics.sort_by_cached_key(|metric| {
            let attributes = metric.attributes.iter();
            let attributes: Vec<_> = attributes
                .map(|(key, value)| format!("{key}={value}"))
                .collect();
            (metric.name.clone(), attributes)
        });
        Emitted(metrics)
    }

    pub(super) fn spans(&self) -> Emitted<Span> {
        Emitted(self.lock().spans.clone())
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl MemoryExporter for Store {
    fn export(&self, signal: Signal, request: Bytes) {
        match signal {
            Signal::Metrics => self.keep_metrics(decoded(&request)),
            Signal::Logs => self.keep_events(decoded(&request)),
            Signal::Traces => self.keep_spans(decoded(&request)),
        }
    }
}

impl Kept {
    /// Adds the data points of one metric to their series.
    fn count(&mut self, metric: OtlpMetric) {
        let Some(metric::Data::Sum(sum)) = metric.data else {
            return;
        };
        let delta = sum.aggregation_temporality == AggregationTemporality::Delta as i32;
        for point in sum.data_points {
            let Some(number_data_point::Value::AsDouble(value)) = point.value else {
                continue;
            };
            let attributes = Attributes::new(point.attributes);
            let known = self
                .metrics
                .iter_mut()
                .find(|known| known.name == metric.name && known.attributes == attributes);
            match known {
                Some(known) if delta => known.total += value,
                Some(known) => known.total = value,
                None => self.metrics.push(Metric {
                    name: metric.name.clone(),
                    unit: metric.unit.clone(),
                    total: value,
                    attributes,
                }),
            }
        }
    }
}

fn time(nanos: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_nanos(nanos)
}

fn event(record: LogRecord) -> Event {
    let name = match record.body.and_then(|body| body.value) {
        Some(Value::StringValue(name)) => name,
        _ => String::new(),
    };
    Event {
        name,
        time: time(record.time_unix_nano),
        attributes: Attributes::new(record.attributes),
        span: (!record.span_id.is_empty()).then(|| (hex(&record.trace_id), hex(&record.span_id))),
    }
}

fn span(span: OtlpSpan) -> Span {
    let failed = |code: i32| code == StatusCode::Error as i32;
    Span {
        name: span.name,
        trace_id: hex(&span.trace_id),
        id: hex(&span.span_id),
        parent: (!span.parent_span_id.is_empty()).then(|| hex(&span.parent_span_id)),
        start: time(span.start_time_unix_nano),
        duration: Duration::from_nanos(
            span.end_time_unix_nano
                .saturating_sub(span.start_time_unix_nano),
        ),
        error: span
            .status
            .filter(|status| failed(status.code))
            .map(|status| status.message),
        attributes: Attributes::new(span.attributes),
        events: span.events.into_iter().map(span_event).collect(),
    }
}

fn span_event(event: span::Event) -> SpanEvent {
    SpanEvent {
        name: event.name,
        attributes: Attributes::new(event.attributes),
    }
}
