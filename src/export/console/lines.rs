//! The lines of events and spans.

use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::logs::v1::LogRecord;
use opentelemetry_proto::tonic::trace::v1::Span;
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;

use super::object::{Member, Members, Object, any, host_scope, object, write_line};
use crate::clock::iso8601;
use crate::hex::hex;
use crate::schema::scope;

pub(super) fn event_lines(request: &ExportLogsServiceRequest) -> Vec<u8> {
    let mut out = Vec::new();
    for group in &request.resource_logs {
        for logs in &group.scope_logs {
            for record in &logs.log_records {
                let scope = host_scope(logs.scope.as_ref(), scope::EVENTS);
                write_line(&mut out, event(record), scope, group.resource.as_ref());
            }
        }
    }
    out
}

fn event(record: &LogRecord) -> Members<'_> {
    let time = match record.time_unix_nano {
        // The host did not give the record a time.
        0 => record.observed_time_unix_nano,
        time => time,
    };
    let mut line = vec![("signal", "events".into()), ("time", iso8601(time).into())];
    if record.severity_number != 0 {
        line.push(("severity_number", record.severity_number.into()));
    }
    if !record.severity_text.is_empty() {
        line.push(("severity_text", record.severity_text.as_str().into()));
    }
    if let Some(body) = &record.body {
        line.push(("body", any(body)));
    }
    if !record.event_name.is_empty() {
        line.push(("event_name", record.event_name.as_str().into()));
    }
    if !record.trace_id.is_empty() {
        line.push(("trace_id", hex(&record.trace_id).into()));
        line.push(("span_id", hex(&record.span_id).into()));
    }
    line.push(("attributes", object(&record.attributes)));
    line
}

pub(super) fn span_lines(request: &ExportTraceServiceRequest) -> Vec<u8> {
    let mut out = Vec::new();
    for group in &request.resource_spans {
        for spans in &group.scope_spans {
            for span in &spans.spans {
                let scope = host_scope(spans.scope.as_ref(), scope::SPANS);
                let line = self::span(span, scope.is_some());
                write_line(&mut out, line, scope, group.resource.as_ref());
            }
        }
    }
    out
}

/// Returns the members of a span. The kind is a member only if the span is the host's, because the library's own spans
/// are all internal.
fn span(span: &Span, is_host: bool) -> Members<'_> {
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
    if is_host {
        let kind = span.kind().as_str_name();
        let kind = kind.trim_start_matches("SPAN_KIND_").to_ascii_lowercase();
        line.push(("kind", kind.into()));
    }
    if let Some(status) = &span.status {
        match status.code() {
            StatusCode::Error => line.push(("error", status.message.as_str().into())),
            StatusCode::Ok => line.push(("status", "ok".into())),
            StatusCode::Unset => {}
        }
    }
    line.push(("attributes", object(&span.attributes)));
    let events = span.events.iter().map(|event| {
        Member::Object(Object(vec![
            ("name", event.name.as_str().into()),
            ("time", iso8601(event.time_unix_nano).into()),
            ("attributes", object(&event.attributes)),
        ]))
    });
    line.push(("events", events.collect()));
    if !span.links.is_empty() {
        let links = span.links.iter().map(|link| {
            Member::Object(Object(vec![
                ("trace_id", hex(&link.trace_id).into()),
                ("span_id", hex(&link.span_id).into()),
                ("attributes", object(&link.attributes)),
            ]))
        });
        line.push(("links", links.collect()));
    }
    line
}

#[cfg(test)]
mod tests {
    use opentelemetry_proto::tonic::common::v1::any_value::Value;
    use opentelemetry_proto::tonic::common::v1::{
        AnyValue, ArrayValue, InstrumentationScope, KeyValue, KeyValueList,
    };
    use opentelemetry_proto::tonic::logs::v1::{ResourceLogs, ScopeLogs};

    use super::*;

    fn attribute(key: &str, value: Value) -> KeyValue {
        KeyValue {
            key: key.to_owned(),
            value: Some(AnyValue { value: Some(value) }),
            ..KeyValue::default()
        }
    }

    /// Returns the line of a record with these attributes.
    fn line(scope: &str, attributes: Vec<KeyValue>) -> String {
        let record = LogRecord {
            attributes,
            ..LogRecord::default()
        };
        let scope = InstrumentationScope {
            name: scope.to_owned(),
            ..InstrumentationScope::default()
        };
        let request = ExportLogsServiceRequest {
            resource_logs: vec![ResourceLogs {
                scope_logs: vec![ScopeLogs {
                    scope: Some(scope),
                    log_records: vec![record],
                    ..ScopeLogs::default()
                }],
                ..ResourceLogs::default()
            }],
        };
        String::from_utf8(event_lines(&request)).unwrap()
    }

    #[test]
    fn attributes_keep_their_order() {
        let attributes = ["session.id", "b", "a"].map(|key| attribute(key, Value::IntValue(1)));
        let line = line(scope::EVENTS, attributes.to_vec());
        let attributes = r#""attributes":{"session.id":1,"b":1,"a":1},"resource":{}}"#;
        assert!(line.ends_with(&format!("{attributes}\n")), "{line}");
    }

    #[test]
    fn values_of_every_type_are_json() {
        let pairs = ["b", "a"].map(|key| attribute(key, Value::BoolValue(true)));
        let numbers = [1.5, f64::NAN, f64::INFINITY, f64::NEG_INFINITY];
        let numbers = numbers.map(|number| AnyValue {
            value: Some(Value::DoubleValue(number)),
        });
        let attributes = vec![
            attribute("bytes", Value::BytesValue(vec![0, 0xff])),
            attribute(
                "map",
                Value::KvlistValue(KeyValueList {
                    values: pairs.to_vec(),
                }),
            ),
            attribute(
                "list",
                Value::ArrayValue(ArrayValue {
                    values: numbers.to_vec(),
                }),
            ),
        ];
        let line = line("my-agent", attributes);
        let expected = concat!(
            r#""attributes":{"bytes":"AP8=","map":{"b":true,"a":true},"#,
            r#""list":[1.5,"NaN","Infinity","-Infinity"]},"scope":{"name":"my-agent"},"resource":{}}"#,
        );
        assert!(line.ends_with(&format!("{expected}\n")), "{line}");
    }
}
