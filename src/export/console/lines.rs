//! The lines of events and spans.

use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;

use super::object::{Member, Object, any, host_scope, object, resource};
use crate::clock::iso8601;
use crate::hex::hex;
use crate::schema::scope;

pub(super) fn event_lines(request: &ExportLogsServiceRequest) -> Vec<u8> {
    let mut out = Vec::new();
    for group in &request.resource_logs {
        let records = group.scope_logs.iter().flat_map(|logs| {
            let records = logs.log_records.iter();
            records.map(|record| (logs.scope.as_ref(), record))
        });
        for (scope, record) in records {
            let scope = host_scope(scope, scope::EVENTS);
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
            line.extend(scope.map(|scope| ("scope", scope)));
            line.push(("resource", resource(group.resource.as_ref())));
            Object(line).write_line(&mut out);
        }
    }
    out
}

pub(super) fn span_lines(request: &ExportTraceServiceRequest) -> Vec<u8> {
    let mut out = Vec::new();
    for group in &request.resource_spans {
        let spans = group.scope_spans.iter().flat_map(|spans| {
            let scope = spans.scope.as_ref();
            spans.spans.iter().map(move |span| (scope, span))
        });
        for (scope, span) in spans {
            let scope = host_scope(scope, scope::SPANS);
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
            if scope.is_some() {
                // Only a span of the host has a scope here. The library's own spans are all internal.
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
            line.extend(scope.map(|scope| ("scope", scope)));
            line.push(("resource", resource(group.resource.as_ref())));
            Object(line).write_line(&mut out);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use opentelemetry_proto::tonic::common::v1::any_value::Value;
    use opentelemetry_proto::tonic::common::v1::{
        AnyValue, ArrayValue, InstrumentationScope, KeyValue, KeyValueList,
    };
    use opentelemetry_proto::tonic::logs::v1::{LogRecord, ResourceLogs, ScopeLogs};

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
