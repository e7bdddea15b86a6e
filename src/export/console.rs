//! The console exporter, which writes one JSON object per line.
//!
//! A line has the same content as the OTLP message from which it is written. Control characters are escaped, so that a
//! terminal that shows the line does not act on them.

use std::io;
use std::sync::{Arc, PoisonError};

use bytes::Bytes;
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::{KeyValue, any_value};
use opentelemetry_proto::tonic::metrics::v1::{AggregationTemporality, metric, number_data_point};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;
use serde::{Serialize, Serializer};
use serde_json::Value;
use serde_json::ser::Formatter;
use tokio::time::Instant;

use super::BoxFuture;
use super::blocking::{self, BlockingError};
use super::export_result::{
    Accepted, Delivery, ErrorKind, ExportError, ExportResult, FailureClass,
};
use super::push_exporter::{MAX_BYTES_OF_TEXT, PushExporter, Writer};
use crate::clock::iso8601;
use crate::encode::decoded;
use crate::hex::hex;
use crate::signal::Signal;
use crate::visible::is_control;

/// A writer of lines. It writes on a thread that may block, never on the thread that drives the other exporters.
pub(super) struct Console {
    signal: Signal,
    writer: Writer,
}

impl Console {
    pub(super) fn new(signal: Signal, writer: Writer) -> Self {
        Self { signal, writer }
    }

    /// Writes complete lines. Lines that cannot be written are lost, because a console is not a store.
    async fn write(&self, lines: Bytes) -> ExportResult {
        let writer = Arc::clone(&self.writer);
        let written = blocking::spawn(move || {
            let mut writer = writer.lock().unwrap_or_else(PoisonError::into_inner);
            writer.write_all(&lines).and_then(|()| writer.flush())
        });
        match written.await {
            Ok(Ok(())) => Ok(Delivery::default()),
            Ok(Err(error)) => Err(cannot_write(&error.to_string())),
            Err(BlockingError::Panicked) => Err(cannot_write("the writer panicked")),
            Err(error) => Err(ExportError::blocking(&error)),
        }
    }
}

impl PushExporter for Console {
    fn max_bytes(&self) -> usize {
        MAX_BYTES_OF_TEXT
    }

    fn encode(&self, request: Bytes) -> Bytes {
        lines(self.signal, &request).into()
    }

    fn export<'a>(
        &'a self,
        body: Bytes,
        _: Instant,
        _: &'a Accepted,
    ) -> BoxFuture<'a, ExportResult> {
        Box::pin(self.write(body))
    }
}

fn cannot_write(reason: &str) -> ExportError {
    let text = format!("the console cannot be written: {reason}");
    ExportError::new(ErrorKind::Broken, text).with_class(FailureClass::Rejected)
}

/// Returns a request in bytes of protobuf as lines of JSON.
fn lines(signal: Signal, request: &[u8]) -> Vec<u8> {
    match signal {
        Signal::Metrics => metric_lines(&decoded(request)),
        Signal::Logs => event_lines(&decoded(request)),
        Signal::Traces => span_lines(&decoded(request)),
    }
}

/// A JSON object whose members keep their order. The order of a `serde_json::Map` depends on features of the host.
struct Object<'a>(Vec<(&'a str, Member<'a>)>);

/// A member of an object.
#[derive(Serialize)]
#[serde(untagged)]
enum Member<'a> {
    Value(Value),
    Object(Object<'a>),
    Objects(Vec<Object<'a>>),
}

impl<T: Into<Value>> From<T> for Member<'_> {
    fn from(value: T) -> Self {
        Self::Value(value.into())
    }
}

impl Serialize for Object<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(key, member)| (key, member)))
    }
}

impl Object<'_> {
    fn write_line(&self, out: &mut Vec<u8>) {
        let mut serializer = serde_json::Serializer::with_formatter(&mut *out, Escaping);
        // Writing to memory cannot fail, and every key is text.
        if self.serialize(&mut serializer).is_ok() {
            out.push(b'\n');
        }
    }
}

/// A formatter of compact JSON that also escapes the control characters that JSON allows in a string.
struct Escaping;

impl Formatter for Escaping {
    fn write_string_fragment<W: ?Sized + io::Write>(
        &mut self,
        writer: &mut W,
        fragment: &str,
    ) -> io::Result<()> {
        let mut rest = fragment;
        while let Some(at) = rest.find(is_control) {
            let (plain, controls) = rest.split_at(at);
            writer.write_all(plain.as_bytes())?;
            let mut characters = controls.chars();
            // All control characters are in the Basic Multilingual Plane, so one escape suffices.
            if let Some(control) = characters.next() {
                write!(writer, "\\u{:04x}", u32::from(control))?;
            }
            rest = characters.as_str();
        }
        writer.write_all(rest.as_bytes())
    }
}

fn value_of(value: &any_value::Value) -> Value {
    match value {
        any_value::Value::StringValue(text) => text.as_str().into(),
        any_value::Value::IntValue(value) => (*value).into(),
        any_value::Value::DoubleValue(value) => (*value).into(),
        any_value::Value::BoolValue(value) => (*value).into(),
        any_value::Value::ArrayValue(array) => {
            let values = array.values.iter();
            values
                .filter_map(|value| value.value.as_ref())
                .map(value_of)
                .collect()
        }
        // The catalog has no other kind of value.
        _ => "".into(),
    }
}

fn object(attributes: &[KeyValue]) -> Member<'_> {
    let members = attributes.iter().filter_map(|attribute| {
        let value = attribute.value.as_ref()?.value.as_ref()?;
        Some((attribute.key.as_str(), value_of(value).into()))
    });
    Member::Object(Object(members.collect()))
}

fn resource(resource: Option<&Resource>) -> Member<'_> {
    object(resource.map_or(&[], |resource| &resource.attributes))
}

fn event_lines(request: &ExportLogsServiceRequest) -> Vec<u8> {
    let mut out = Vec::new();
    for group in &request.resource_logs {
        for record in group.scope_logs.iter().flat_map(|scope| &scope.log_records) {
            let mut line = vec![
                ("signal", "events".into()),
                ("time", iso8601(record.time_unix_nano).into()),
            ];
            if let Some(body) = record.body.as_ref().and_then(|body| body.value.as_ref()) {
                line.push(("body", value_of(body).into()));
            }
            if !record.event_name.is_empty() {
                line.push(("event_name", record.event_name.as_str().into()));
            }
            if !record.trace_id.is_empty() {
                line.push(("trace_id", hex(&record.trace_id).into()));
                line.push(("span_id", hex(&record.span_id).into()));
            }
            line.push(("attributes", object(&record.attributes)));
            line.push(("resource", resource(group.resource.as_ref())));
            Object(line).write_line(&mut out);
        }
    }
    out
}

fn metric_lines(request: &ExportMetricsServiceRequest) -> Vec<u8> {
    let mut out = Vec::new();
    for group in &request.resource_metrics {
        for metric in group.scope_metrics.iter().flat_map(|scope| &scope.metrics) {
            let Some(metric::Data::Sum(sum)) = &metric.data else {
                continue;
            };
            let temporality = match sum.aggregation_temporality() {
                AggregationTemporality::Cumulative => "cumulative",
                _ => "delta",
            };
            for point in &sum.data_points {
                let value = match point.value {
                    Some(number_data_point::Value::AsDouble(value)) => value,
                    _ => continue,
                };
                Object(vec![
                    ("signal", "metrics".into()),
                    ("time", iso8601(point.time_unix_nano).into()),
                    ("name", metric.name.as_str().into()),
                    ("value", value.into()),
                    ("unit", metric.unit.as_str().into()),
                    ("temporality", temporality.into()),
                    ("start", iso8601(point.start_time_unix_nano).into()),
                    ("attributes", object(&point.attributes)),
                    ("resource", resource(group.resource.as_ref())),
                ])
                .write_line(&mut out);
            }
        }
    }
    out
}

fn span_lines(request: &ExportTraceServiceRequest) -> Vec<u8> {
    let mut out = Vec::new();
    for group in &request.resource_spans {
        for span in group.scope_spans.iter().flat_map(|scope| &scope.spans) {
            let mut line = vec![
                ("signal", "spans".into()),
                ("time", iso8601(span.end_time_unix_nano).into()),
                ("name", span.name.as_str().into()),
                ("trace_id", hex(&span.trace_id).into()),
                ("span_id", hex(&span.span_id).into()),
            ];
            if !span.parent_span_id.is_empty() {
                line.push(("parent_span_id", hex(&span.parent_span_id).into()));
            }
            if !span.trace_state.is_empty() {
                line.push(("trace_state", span.trace_state.as_str().into()));
            }
            line.push(("start", iso8601(span.start_time_unix_nano).into()));
            if let Some(status) = span
                .status
                .as_ref()
                .filter(|status| status.code() == StatusCode::Error)
            {
                line.push(("error", status.message.as_str().into()));
            }
            line.push(("attributes", object(&span.attributes)));
            let events = span.events.iter().map(|event| {
                Object(vec![
                    ("name", event.name.as_str().into()),
                    ("time", iso8601(event.time_unix_nano).into()),
                    ("attributes", object(&event.attributes)),
                ])
            });
            line.push(("events", Member::Objects(events.collect())));
            line.push(("resource", resource(group.resource.as_ref())));
            Object(line).write_line(&mut out);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use opentelemetry_proto::tonic::common::v1::AnyValue;
    use opentelemetry_proto::tonic::logs::v1::{LogRecord, ResourceLogs, ScopeLogs};

    use super::*;

    #[test]
    fn attributes_keep_their_order() {
        let attribute = |key: &str| KeyValue {
            key: key.to_owned(),
            value: Some(AnyValue {
                value: Some(any_value::Value::IntValue(1)),
            }),
            ..KeyValue::default()
        };
        let record = LogRecord {
            attributes: ["session.id", "b", "a"].map(attribute).to_vec(),
            ..LogRecord::default()
        };
        let request = ExportLogsServiceRequest {
            resource_logs: vec![ResourceLogs {
                scope_logs: vec![ScopeLogs {
                    log_records: vec![record],
                    ..ScopeLogs::default()
                }],
                ..ResourceLogs::default()
            }],
        };
        let line = String::from_utf8(event_lines(&request)).unwrap();
        let attributes = r#""attributes":{"session.id":1,"b":1,"a":1},"resource":{}}"#;
        assert!(line.ends_with(&format!("{attributes}\n")), "{line}");
    }
}
