//! The log records, data points and spans of requests, without their nesting in resources and scopes. All times are in
//! nanoseconds since the Unix epoch.

use std::collections::BTreeMap;

use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue, any_value};
use opentelemetry_proto::tonic::logs::v1::LogRecord;
use opentelemetry_proto::tonic::metrics::v1::{metric, number_data_point};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1 as trace;
use serde_json::{Value, json};

use super::received::{Message, Received};

/// Attributes by key. Values keep their type: `json!(1)` is not equal to `json!(1.0)`.
pub type Attributes = BTreeMap<String, Value>;

/// A log record.
#[derive(Clone, Debug, PartialEq)]
pub struct Log {
    pub name: String,
    pub body: Value,
    pub attributes: Attributes,
    pub time: u64,
    pub observed: u64,
    pub severity: i32,
    pub severity_text: String,
    pub trace_id: String,
    pub span_id: String,
    pub flags: u32,
    pub scope: String,
    pub scope_version: String,
    pub resource: Attributes,
    /// The log record as the exporter sent it.
    pub raw: LogRecord,
}

/// A data point of a sum or gauge.
#[derive(Clone, Debug, PartialEq)]
pub struct Point {
    pub name: String,
    pub unit: String,
    pub description: String,
    pub attributes: Attributes,
    pub value: f64,
    /// True if the value was sent as an integer.
    pub integer: bool,
    pub start: u64,
    pub end: u64,
    /// 1 is delta, 2 is cumulative.
    pub temporality: i32,
    pub monotonic: bool,
    pub scope: String,
    pub scope_version: String,
    pub resource: Attributes,
}

/// A span.
#[derive(Clone, Debug, PartialEq)]
pub struct Span {
    pub name: String,
    pub trace_id: String,
    pub span_id: String,
    pub parent_span_id: String,
    pub kind: i32,
    pub start: u64,
    pub end: u64,
    pub attributes: Attributes,
    pub events: Vec<SpanEvent>,
    /// 1 is OK, 2 is an error.
    pub status: i32,
    pub status_message: String,
    pub trace_state: String,
    pub flags: u32,
    pub scope: String,
    pub scope_version: String,
    pub resource: Attributes,
    /// The span as the exporter sent it.
    pub raw: trace::Span,
}

/// An event of a span.
#[derive(Clone, Debug, PartialEq)]
pub struct SpanEvent {
    pub name: String,
    pub time: u64,
    pub attributes: Attributes,
}

impl Received {
    /// Returns all log records in order of arrival.
    pub fn logs(&self) -> Vec<Log> {
        let mut logs = Vec::new();
        for request in &self.requests {
            let Message::Logs(message) = &request.message else {
                continue;
            };
            for group in &message.resource_logs {
                let resource = resource(&group.resource);
                for scope in &group.scope_logs {
                    let (name, version) = scope_of(&scope.scope);
                    logs.extend(scope.log_records.iter().map(|record| Log {
                        name: record.event_name.clone(),
                        body: record.body.as_ref().map_or(Value::Null, value),
                        attributes: attributes(&record.attributes),
                        time: record.time_unix_nano,
                        observed: record.observed_time_unix_nano,
                        severity: record.severity_number,
                        severity_text: record.severity_text.clone(),
                        trace_id: hex(&record.trace_id),
                        span_id: hex(&record.span_id),
                        flags: record.flags,
                        scope: name.clone(),
                        scope_version: version.clone(),
                        resource: resource.clone(),
                        raw: record.clone(),
                    }));
                }
            }
        }
        logs
    }

    /// Returns all data points of sums and gauges in order of arrival.
    pub fn points(&self) -> Vec<Point> {
        let mut points = Vec::new();
        for request in &self.requests {
            let Message::Metrics(message) = &request.message else {
                continue;
            };
            for group in &message.resource_metrics {
                let resource = resource(&group.resource);
                for scope in &group.scope_metrics {
                    let (scope_name, scope_version) = scope_of(&scope.scope);
                    for metric in &scope.metrics {
                        let (data, temporality, monotonic) = match &metric.data {
                            Some(metric::Data::Sum(sum)) => (
                                &sum.data_points,
                                sum.aggregation_temporality,
                                sum.is_monotonic,
                            ),
                            Some(metric::Data::Gauge(gauge)) => (&gauge.data_points, 0, false),
                            other => panic!("a sum was expected: {other:?}"),
                        };
                        points.extend(data.iter().map(|point| {
                            let (value, integer) = match point.value {
                                Some(number_data_point::Value::AsDouble(value)) => (value, false),
                                Some(number_data_point::Value::AsInt(value)) => {
                                    (value as f64, true)
                                }
                                None => panic!("a point of {} has no value", metric.name),
                            };
                            Point {
                                name: metric.name.clone(),
                                unit: metric.unit.clone(),
                                description: metric.description.clone(),
                                attributes: attributes(&point.attributes),
                                value,
                                integer,
                                start: point.start_time_unix_nano,
                                end: point.time_unix_nano,
                                temporality,
                                monotonic,
                                scope: scope_name.clone(),
                                scope_version: scope_version.clone(),
                                resource: resource.clone(),
                            }
                        }));
                    }
                }
            }
        }
        points
    }

    /// Returns all spans in order of arrival.
    pub fn spans(&self) -> Vec<Span> {
        let mut spans = Vec::new();
        for request in &self.requests {
            let Message::Traces(message) = &request.message else {
                continue;
            };
            for group in &message.resource_spans {
                let resource = resource(&group.resource);
                for scope in &group.scope_spans {
                    let (name, version) = scope_of(&scope.scope);
                    spans.extend(scope.spans.iter().map(|span| {
                        let status = span.status.clone().unwrap_or_default();
                        Span {
                            name: span.name.clone(),
                            trace_id: hex(&span.trace_id),
                            span_id: hex(&span.span_id),
                            parent_span_id: hex(&span.parent_span_id),
                            kind: span.kind,
                            start: span.start_time_unix_nano,
                            end: span.end_time_unix_nano,
                            attributes: attributes(&span.attributes),
                            events: span.events.iter().map(event).collect(),
                            status: status.code,
                            status_message: status.message,
                            trace_state: span.trace_state.clone(),
                            flags: span.flags,
                            scope: name.clone(),
                            scope_version: version.clone(),
                            resource: resource.clone(),
                            raw: span.clone(),
                        }
                    }));
                }
            }
        }
        spans
    }
}

fn event(event: &trace::span::Event) -> SpanEvent {
    SpanEvent {
        name: event.name.clone(),
        time: event.time_unix_nano,
        attributes: attributes(&event.attributes),
    }
}

fn resource(resource: &Option<Resource>) -> Attributes {
    resource
        .as_ref()
        .map(|resource| attributes(&resource.attributes))
        .unwrap_or_default()
}

fn scope_of(
    scope: &Option<opentelemetry_proto::tonic::common::v1::InstrumentationScope>,
) -> (String, String) {
    let scope = scope.clone().unwrap_or_default();
    (scope.name, scope.version)
}

/// Collects attributes by key. A duplicate key is an error of the sender, so it fails the test.
fn attributes(pairs: &[KeyValue]) -> Attributes {
    let mut attributes = Attributes::new();
    for pair in pairs {
        let value = pair.value.as_ref().map_or(Value::Null, value);
        let before = attributes.insert(pair.key.clone(), value);
        assert_eq!(before, None, "the attribute {} was sent twice", pair.key);
    }
    attributes
}

fn value(value: &AnyValue) -> Value {
    match &value.value {
        None => Value::Null,
        Some(any_value::Value::StringValue(text)) => json!(text),
        Some(any_value::Value::BoolValue(flag)) => json!(flag),
        Some(any_value::Value::IntValue(number)) => json!(number),
        Some(any_value::Value::DoubleValue(number)) => json!(number),
        Some(any_value::Value::ArrayValue(array)) => array.values.iter().map(self::value).collect(),
        Some(any_value::Value::KvlistValue(list)) => json!(attributes(&list.values)),
        Some(any_value::Value::BytesValue(bytes)) => json!(hex(bytes)),
        other => panic!("{other:?} was not expected in an attribute"),
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
