//! The console exporter, which writes one JSON object per line.
//!
//! A line has the same content as the OTLP message from which it is written. Control characters are escaped, so that a
//! terminal that shows the line does not act on them.

use std::borrow::Cow;
use std::io;
use std::sync::{Arc, PoisonError};

use bytes::Bytes;
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::metrics::v1::{AggregationTemporality, metric, number_data_point};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;
use serde::{Serialize, Serializer};
use serde_json::ser::Formatter;
use tokio::time::Instant;

use super::BoxFuture;
use super::blocking::{self, BlockingError};
use super::export_result::{Delivery, ErrorKind, ExportError, ExportResult, FailureClass};
use super::push_exporter::{MAX_BYTES_OF_TEXT, PushExporter, Writer};
use crate::clock::iso8601;
use crate::encode::decoded;
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

    fn export(&self, body: Bytes, _: Instant) -> BoxFuture<'_, ExportResult> {
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

/// A JSON object whose members keep their order.
struct Object<'a>(Vec<(&'a str, Member<'a>)>);

/// A member of an object.
#[derive(Serialize)]
#[serde(untagged)]
enum Member<'a> {
    Text(Cow<'a, str>),
    Int(i64),
    Double(f64),
    Bool(bool),
    List(Vec<Member<'a>>),
    Object(Object<'a>),
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

fn member(value: &Value) -> Member<'_> {
    match value {
        Value::StringValue(text) => Member::Text(text.into()),
        Value::IntValue(value) => Member::Int(*value),
        Value::DoubleValue(value) => Member::Double(*value),
        Value::BoolValue(value) => Member::Bool(*value),
        Value::ArrayValue(array) => Member::List(
            array
                .values
                .iter()
                .filter_map(|value| value.value.as_ref())
                .map(member)
                .collect(),
        ),
        // The catalog has no other kind of value.
        _ => Member::Text("".into()),
    }
}

fn object(attributes: &[KeyValue]) -> Member<'_> {
    let members = attributes.iter().filter_map(|attribute| {
        Some((
            attribute.key.as_str(),
            member(attribute.value.as_ref()?.value.as_ref()?),
        ))
    });
    Member::Object(Object(members.collect()))
}

fn resource(resource: Option<&Resource>) -> Member<'_> {
    object(resource.map_or(&[], |resource| &resource.attributes))
}

fn text(text: &str) -> Member<'_> {
    Member::Text(text.into())
}

fn time(nanos: u64) -> Member<'static> {
    Member::Text(iso8601(nanos).into())
}

fn hex(bytes: &[u8]) -> Member<'static> {
    Member::Text(crate::hex::hex(bytes).into())
}

fn event_lines(request: &ExportLogsServiceRequest) -> Vec<u8> {
    let mut out = Vec::new();
    for group in &request.resource_logs {
        for record in group.scope_logs.iter().flat_map(|scope| &scope.log_records) {
            let mut line = vec![
                ("signal", text("events")),
                ("time", time(record.time_unix_nano)),
            ];
            if let Some(body) = record.body.as_ref().and_then(|body| body.value.as_ref()) {
                line.push(("body", member(body)));
            }
            if !record.event_name.is_empty() {
                line.push(("event_name", text(&record.event_name)));
            }
            if !record.trace_id.is_empty() {
                line.push(("trace_id", hex(&record.trace_id)));
                line.push(("span_id", hex(&record.span_id)));
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
                    ("signal", text("metrics")),
                    ("time", time(point.time_unix_nano)),
                    ("name", text(&metric.name)),
                    ("value", Member::Double(value)),
                    ("unit", text(&metric.unit)),
                    ("temporality", text(temporality)),
                    ("start", time(point.start_time_unix_nano)),
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
                ("signal", text("spans")),
                ("time", time(span.end_time_unix_nano)),
                ("name", text(&span.name)),
                ("trace_id", hex(&span.trace_id)),
                ("span_id", hex(&span.span_id)),
            ];
            if !span.parent_span_id.is_empty() {
                line.push(("parent_span_id", hex(&span.parent_span_id)));
            }
            if !span.trace_state.is_empty() {
                line.push(("trace_state", text(&span.trace_state)));
            }
            line.push(("start", time(span.start_time_unix_nano)));
            if let Some(status) = span
                .status
                .as_ref()
                .filter(|status| status.code() == StatusCode::Error)
            {
                line.push(("error", text(&status.message)));
            }
            line.push(("attributes", object(&span.attributes)));
            let events = span.events.iter().map(|event| {
                Member::Object(Object(vec![
                    ("name", text(&event.name)),
                    ("time", time(event.time_unix_nano)),
                    ("attributes", object(&event.attributes)),
                ]))
            });
            line.push(("events", Member::List(events.collect())));
            line.push(("resource", resource(group.resource.as_ref())));
            Object(line).write_line(&mut out);
        }
    }
    out
}
