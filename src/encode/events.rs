//! The encoding of events: queued items to log records.

use std::borrow::Cow;
use std::sync::Arc;

use bytes::Bytes;
use opentelemetry_proto::tonic::logs::v1::LogRecord;

use super::message::{ResourceAndScope, push_standard};
use super::protobuf::{Field, Writer};
use super::{Encode, SourceConfig};
use crate::clock::iso8601;
use crate::config::NumberEncoding;
use crate::content::Filtered;
use crate::propagation::TraceContext;
use crate::record::{EventRecord, Out, Value};
use crate::schema::{key, scope};
use crate::session_attributes::SessionAttributes;

/// The data that all events have in addition to their record.
pub(crate) struct Envelope {
    /// Nanoseconds since the Unix epoch.
    pub(crate) time: u64,
    pub(crate) sequence: u64,
    pub(crate) standard: Arc<SessionAttributes>,
    pub(crate) workspace_host_paths: Option<Arc<[Arc<str>]>>,
    pub(crate) prompt_id: Option<Arc<str>>,
    /// The span that the event belongs to.
    pub(crate) span: Option<Arc<TraceContext>>,
}

/// An event in the queue of an exporter.
pub(crate) struct Queued<R: ?Sized> {
    pub(crate) envelope: Envelope,
    pub(crate) record: Filtered<R>,
}

/// An event, which the queues of all exporters share.
pub(crate) type EventItem = Arc<Queued<dyn EventRecord>>;

/// An encoder of events as log records.
pub(crate) struct EventEncoder {
    resource_and_scope: ResourceAndScope,
    numbers: NumberEncoding,
}

/// The usual size of a record with 20 attributes, in bytes of protobuf.
const USUAL_BYTES: usize = 1024;

impl EventEncoder {
    /// Writes all attributes, in the order of the catalog.
    fn attributes(&self, event: &EventItem, unreadable_bodies: &mut u64, out: &mut impl Out) {
        let Queued { envelope, record } = &**event;
        let kind = record.event();
        push_standard(&envelope.standard, kind.attributes, out);
        out.text(key::EVENT_NAME, kind.name);
        out.text(key::EVENT_TIMESTAMP, &iso8601(envelope.time));
        let sequence = Value::Int(envelope.sequence.cast_signed());
        out.value(key::EVENT_SEQUENCE, sequence);
        if let Some(paths) = &envelope.workspace_host_paths {
            let paths = paths.iter().map(|path| Cow::Borrowed(&**path));
            out.value(
                key::WORKSPACE_HOST_PATHS,
                Value::StringArray(paths.collect()),
            );
        }
        if let Some(id) = &envelope.prompt_id {
            out.text(key::PROMPT_ID, id);
        }
        record.attributes(&mut RecordAttributes {
            out,
            numbers: self.numbers,
            unreadable_bodies,
        });
    }
}

impl Encode for EventEncoder {
    type Item = EventItem;
    type Message = LogRecord;

    fn new(config: &SourceConfig) -> Self {
        Self {
            resource_and_scope: config.resource_and_scope(scope::EVENTS, &config.version),
            numbers: config.number_encoding,
        }
    }

    fn encode(&self, event: &EventItem, unreadable_bodies: &mut u64) -> Vec<u8> {
        let envelope = &event.envelope;
        let name = event.record.event().body;
        let mut out = Writer::with_capacity(USUAL_BYTES + event.record.size());
        out.time(1, envelope.time);
        out.nested(5, |any| any.string(1, name));
        self.attributes(event, unreadable_bodies, &mut Field(6, &mut out));
        if let Some(span) = &envelope.span {
            if span.sampled {
                out.fixed_32(8, u32::from(span.flags()));
            }
            out.bytes(9, &span.trace_id);
            out.bytes(10, &span.span_id);
        }
        out.time(11, envelope.time);
        out.string(12, name);
        out.finish()
    }

    fn request<'a>(&self, records: &[Vec<u8>], _: impl Iterator<Item = &'a EventItem>) -> Bytes {
        self.resource_and_scope.request(records)
    }
}

/// An output of the record's own attributes, which encodes numbers as the configuration requires.
struct RecordAttributes<'a, O> {
    out: &'a mut O,
    numbers: NumberEncoding,
    /// The number of bodies that cannot be searched for the model's thinking.
    unreadable_bodies: &'a mut u64,
}

impl<O: Out> Out for RecordAttributes<'_, O> {
    fn value(&mut self, key: &str, value: Value<'_>) {
        let value = match (self.numbers, value) {
            (NumberEncoding::Text, Value::Int(value)) => Value::String(value.to_string().into()),
            (NumberEncoding::Text, Value::Double(value)) => Value::String(value.to_string().into()),
            (_, value) => value,
        };
        self.out.value(key, value);
    }

    fn unreadable_body(&mut self) {
        *self.unreadable_bodies += 1;
    }
}

#[cfg(test)]
mod tests {
    use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
    use opentelemetry_proto::tonic::common::v1::any_value::Value as OtlpValue;
    use opentelemetry_proto::tonic::logs::v1::{ResourceLogs, ScopeLogs};
    use proptest::arbitrary::any as arbitrary;
    use proptest::collection::vec;
    use proptest::prelude::{Just, Strategy, prop_assert_eq, prop_oneof, proptest};
    use prost::Message;

    use super::super::tests::{any, filtered};
    use super::*;
    use crate::content::Payload;
    use crate::encode::shorten::Shorten;
    use crate::record::ApiRequest;
    use crate::schema::Event;

    /// An event with arbitrary attributes.
    struct Anything(Vec<Value<'static>>);

    impl EventRecord for Anything {
        fn event(&self) -> &'static Event {
            ApiRequest::EVENT
        }

        fn time(&self) -> Option<std::time::SystemTime> {
            None
        }

        fn attributes(&self, out: &mut dyn Out) {
            for value in &self.0 {
                let key = match value {
                    Value::String(_) => "text",
                    Value::Int(_) => "int",
                    Value::Double(_) => "double",
                    Value::Bool(_) => "bool",
                    Value::StringArray(_) => "",
                };
                out.value(key, value.clone());
            }
        }
    }

    impl Payload for Anything {}

    fn values() -> impl Strategy<Value = Value<'static>> {
        // Up to 62 kB, whose length prefixes have one to three bytes.
        let text =
            || (0..70_usize, 0..300_usize).prop_map(|(x, times)| "x\u{e9}".repeat(x * times));
        prop_oneof![
            text().prop_map(|text| Value::String(text.into())),
            arbitrary::<i64>().prop_map(Value::Int),
            arbitrary::<f64>().prop_map(Value::Double),
            arbitrary::<bool>().prop_map(Value::Bool),
            vec(text().prop_map(Cow::from), 0..4).prop_map(Value::StringArray),
        ]
    }

    fn item(values: Vec<Value<'static>>, time: u64, span: Option<bool>) -> EventItem {
        let text = |text: &str| Arc::<str>::from(text);
        Arc::new(Queued {
            envelope: Envelope {
                time,
                sequence: time / 3,
                standard: Arc::new(SessionAttributes {
                    values: std::array::from_fn(|at| ["kim", ""].get(at).copied().map(text)),
                    // `model` is an attribute of the event itself, so this custom attribute is left out.
                    custom: [(text("team"), text("a")), (text("model"), text("b"))].into(),
                    ..SessionAttributes::default()
                }),
                workspace_host_paths: span.map(|_| [text("/a"), text("/b")].into()),
                prompt_id: span.map(|_| text("p")),
                span: span.map(|sampled| {
                    Arc::new(TraceContext {
                        sampled,
                        ..TraceContext::root(crate::propagation::IdGenerator::default())
                    })
                }),
            },
            record: filtered(Anything(values)),
        })
    }

    /// Returns the log record of an event in the types of `opentelemetry-proto`, as a reference for the encoder.
    fn reference(encoder: &EventEncoder, event: &EventItem) -> LogRecord {
        let envelope = &event.envelope;
        let mut attributes = Vec::new();
        encoder.attributes(event, &mut 0, &mut attributes);
        let (trace_id, span_id, flags) = match &envelope.span {
            Some(span) => (
                span.trace_id.to_vec(),
                span.span_id.to_vec(),
                u32::from(span.flags()),
            ),
            None => Default::default(),
        };
        let name = event.record.event().body;
        LogRecord {
            time_unix_nano: envelope.time,
            observed_time_unix_nano: envelope.time,
            body: Some(any(OtlpValue::StringValue(name.to_owned()))),
            attributes,
            trace_id,
            span_id,
            flags,
            event_name: name.to_owned(),
            ..LogRecord::default()
        }
    }

    proptest! {
        #[test]
        fn encoded_request_equals_that_of_opentelemetry_proto(
            records in vec(vec(values(), 0..6), 0..4), time in arbitrary::<u64>(), span in arbitrary::<Option<bool>>(),
            numbers in prop_oneof![Just(NumberEncoding::Native), Just(NumberEncoding::Text)],
        ) {
            let items: Vec<_> = records.into_iter().map(|values| item(values, time, span)).collect();
            let encoder = EventEncoder::new(&SourceConfig {
                resource: vec![("service.name".to_owned(), "claude-code".to_owned())],
                version: "1".to_owned(),
                number_encoding: numbers,
                ..SourceConfig::default()
            });
            let encoded: Vec<_> = items.iter().map(|item| encoder.encode(item, &mut 0)).collect();
            let expected = ExportLogsServiceRequest {
                resource_logs: vec![ResourceLogs {
                    resource: Some(encoder.resource_and_scope.resource.clone()),
                    scope_logs: vec![ScopeLogs {
                        scope: Some(encoder.resource_and_scope.scope.clone()),
                        log_records: items.iter().map(|item| reference(&encoder, item)).collect(),
                        ..ScopeLogs::default()
                    }],
                    ..ResourceLogs::default()
                }],
            };
            prop_assert_eq!(encoder.request(&encoded, items.iter()), expected.encode_to_vec());
        }
    }

    #[test]
    fn truncated_record_equals_that_of_opentelemetry_proto() {
        let item = item(vec![Value::String("x".repeat(5_000_000).into())], 1, None);
        let encoder = EventEncoder::new(&SourceConfig::default());
        let mut bytes = encoder.encode(&item, &mut 0);
        LogRecord::shorten_encoded(&mut bytes);
        assert!(bytes.len() < 4_000_000);
        let mut expected = reference(&encoder, &item);
        expected.shorten();
        assert_eq!(bytes, expected.encode_to_vec());
    }
}
