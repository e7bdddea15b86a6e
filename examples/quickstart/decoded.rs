//! OTLP messages as plain rows.

use claude_code_telemetry::catalog::{METRICS, STANDARD_ATTRIBUTES};
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use opentelemetry_proto::tonic::logs::v1::LogRecord;
use opentelemetry_proto::tonic::metrics::v1::{Metric, NumberDataPoint, metric, number_data_point};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::Span as OtlpSpan;
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;

use crate::receiver::Received;

/// A key and its value, formatted.
pub(crate) type Attribute = (String, String);

/// The sum of the data points of one series.
pub(crate) struct SeriesTotal {
    pub(crate) metric: String,
    pub(crate) unit: String,
    pub(crate) attributes: Vec<Attribute>,
    pub(crate) value: f64,
}

pub(crate) struct Event {
    pub(crate) name: String,
    pub(crate) nanoseconds: u64,
    pub(crate) prompt: Option<String>,
    pub(crate) attributes: Vec<Attribute>,
}

pub(crate) struct Span {
    pub(crate) name: String,
    trace: Vec<u8>,
    id: Vec<u8>,
    parent: Vec<u8>,
    /// The start, in nanoseconds since the Unix epoch.
    pub(crate) start: u64,
    pub(crate) end: u64,
    pub(crate) failed: bool,
    pub(crate) attributes: Vec<Attribute>,
}

impl Span {
    pub(crate) fn is_child_of(&self, parent: &Self) -> bool {
        self.trace == parent.trace && self.parent == parent.id
    }
}

/// All data that the receiver received.
#[derive(Default)]
pub(crate) struct Decoded {
    /// The attributes of the resource.
    pub(crate) resource: Vec<Attribute>,
    /// The attributes of every data point and every event; the rows below do not repeat them.
    pub(crate) standard: Vec<Attribute>,
    pub(crate) points: Vec<SeriesTotal>,
    pub(crate) events: Vec<Event>,
    /// The spans, earliest first.
    pub(crate) spans: Vec<Span>,
    /// The number of export requests.
    pub(crate) requests: usize,
}

impl From<&Received> for Decoded {
    fn from(received: &Received) -> Self {
        let mut decoded = Self {
            requests: received.metrics.len() + received.logs.len() + received.traces.len(),
            ..Self::default()
        };
        for resource in received.metrics.iter().flat_map(|it| &it.resource_metrics) {
            decoded.resource(resource.resource.as_ref());
            for metric in resource.scope_metrics.iter().flat_map(|it| &it.metrics) {
                decoded.metric(metric);
            }
        }
        for resource in received.logs.iter().flat_map(|it| &it.resource_logs) {
            decoded.resource(resource.resource.as_ref());
            for record in resource.scope_logs.iter().flat_map(|it| &it.log_records) {
                decoded.event(record);
            }
        }
        for resource in received.traces.iter().flat_map(|it| &it.resource_spans) {
            decoded.resource(resource.resource.as_ref());
            for span in resource.scope_spans.iter().flat_map(|it| &it.spans) {
                decoded.span(span);
            }
        }
        decoded.spans.sort_by_key(|span| span.start);
        // Metrics in the order of the documentation.
        let metric_index =
            |point: &SeriesTotal| METRICS.iter().position(|it| it.name == point.metric);
        decoded.points.sort_by_key(metric_index);
        decoded
    }
}

impl Decoded {
    fn resource(&mut self, resource: Option<&Resource>) {
        if let Some(resource) = resource {
            self.resource = attributes(&resource.attributes);
        }
    }

    fn metric(&mut self, metric: &Metric) {
        let Some(metric::Data::Sum(sum)) = &metric.data else {
            return;
        };
        for point in &sum.data_points {
            let (_, own) = self.split(attributes(&point.attributes));
            let known = self
                .points
                .iter_mut()
                .find(|known| known.metric == metric.name && known.attributes == own);
            match known {
                // Delta points of one series are added up.
                Some(known) => known.value += value(point),
                None => self.points.push(SeriesTotal {
                    metric: metric.name.clone(),
                    unit: metric.unit.clone(),
                    attributes: own,
                    value: value(point),
                }),
            }
        }
    }

    fn event(&mut self, record: &LogRecord) {
        let (standard, mut own) = self.split(attributes(&record.attributes));
        self.standard = standard;
        let prompt = take(&mut own, "prompt.id");
        let name = take(&mut own, "event.name").unwrap_or_default();
        self.events.push(Event {
            name,
            nanoseconds: record.time_unix_nano,
            prompt,
            attributes: own,
        });
    }

    fn span(&mut self, span: &OtlpSpan) {
        let (_, own) = self.split(attributes(&span.attributes));
        self.spans.push(Span {
            name: span.name.clone(),
            trace: span.trace_id.clone(),
            id: span.span_id.clone(),
            parent: span.parent_span_id.clone(),
            start: span.start_time_unix_nano,
            end: span.end_time_unix_nano,
            failed: span
                .status
                .as_ref()
                .is_some_and(|status| status.code() == StatusCode::Error),
            attributes: own,
        });
    }

    /// Splits attributes into those that all records share and those of this record.
    fn split(&self, attributes: Vec<Attribute>) -> (Vec<Attribute>, Vec<Attribute>) {
        attributes.into_iter().partition(|(key, _)| {
            STANDARD_ATTRIBUTES.iter().any(|it| it.name == key)
                || self.resource.iter().any(|(it, _)| it == key)
        })
    }
}

fn take(attributes: &mut Vec<Attribute>, key: &str) -> Option<String> {
    let index = attributes.iter().position(|(it, _)| it == key)?;
    Some(attributes.remove(index).1)
}

fn value(point: &NumberDataPoint) -> f64 {
    match point.value {
        Some(number_data_point::Value::AsDouble(value)) => value,
        Some(number_data_point::Value::AsInt(value)) => value as f64,
        None => 0.0,
    }
}

fn attributes(list: &[KeyValue]) -> Vec<Attribute> {
    let pair = |it: &KeyValue| (it.key.clone(), text(it.value.as_ref()));
    list.iter().map(pair).collect()
}

fn text(value: Option<&AnyValue>) -> String {
    match value.and_then(|it| it.value.as_ref()) {
        Some(Value::StringValue(text)) => text.clone(),
        Some(Value::BoolValue(value)) => value.to_string(),
        Some(Value::IntValue(value)) => value.to_string(),
        Some(Value::DoubleValue(value)) => value.to_string(),
        Some(Value::ArrayValue(array)) => {
            let items: Vec<_> = array.values.iter().map(|it| text(Some(it))).collect();
            items.join(",")
        }
        Some(other) => format!("{other:?}"),
        None => String::new(),
    }
}
