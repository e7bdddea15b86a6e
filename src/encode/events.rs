//! The encoding of events: queued items to log records.

use std::borrow::Cow;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::Bytes;
use opentelemetry_proto::tonic::logs::v1::LogRecord;

use super::message::{ResourceAndScope, push_standard};
use super::protobuf::{Field, Writer};
use super::shorten::Shorten;
use super::{Encode, Item};
use crate::clock::iso8601;
use crate::config::NumberEncoding;
use crate::health::EncodeStats;
use crate::propagation::TraceContext;
use crate::record::{Attributes, EventRecord, Out, Value};
use crate::schema::key;
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
    pub(crate) record: R,
}

/// An event, as queues hold it.
pub(crate) type EventItem = Item<Queued<dyn EventRecord>>;

/// An encoder of events as log records.
pub(crate) struct EventEncoder {
    resource_and_scope: ResourceAndScope,
    numbers: NumberEncoding,
}

/// The usual size of a record with 20 attributes, in bytes of protobuf.
const USUAL_BYTES: usize = 1024;

impl EventEncoder {
    pub(crate) fn new(resource_and_scope: ResourceAndScope, numbers: NumberEncoding) -> Self {
        Self {
            resource_and_scope,
            numbers,
        }
    }

    /// Writes all attributes, in the order of the catalog.
    fn attributes(&self, event: &EventItem, stats: &EncodeStats, out: &mut impl Out) {
        let Queued { envelope, record } = &**event;
        let kind = record.event();
        push_standard(&envelope.standard, kind.attributes, out);
        out.text(key::EVENT_NAME, kind.name);
        out.text(key::EVENT_TIMESTAMP, &iso8601(envelope.time));
        let sequence = Value::Int(envelope.sequence.cast_signed());
        out.value(key::EVENT_SEQUENCE, sequence);
        if let Some(paths) = &envelope.workspace_host_paths {
            let paths = paths.iter().map(|path| Cow::Borrowed(&**path));
            out.value(key::WORKSPACE_HOST_PATHS, Value::TextArray(paths.collect()));
        }
        if let Some(id) = &envelope.prompt_id {
            out.text(key::PROMPT_ID, id);
        }
        let unreadable = match self.numbers {
            NumberEncoding::Native => own_attributes(record, out),
            NumberEncoding::Text => own_attributes(record, &mut NumbersAsText(out)),
        };
        if unreadable > 0 {
            stats
                .unreadable_bodies
                .fetch_add(unreadable, Ordering::Relaxed);
        }
    }
}

impl Encode for EventEncoder {
    type Item = EventItem;
    type Record = Vec<u8>;

    fn encode(&self, event: &Self::Item, stats: &EncodeStats) -> Vec<u8> {
        let envelope = &event.envelope;
        let name = event.record.event().body;
        let mut out = Writer::with_capacity(USUAL_BYTES + event.record.size());
        if envelope.time > 0 {
            out.fixed_64(1, envelope.time);
        }
        out.nested(5, |any| any.string(1, name));
        self.attributes(event, stats, &mut Field(6, &mut out));
        if let Some(span) = &envelope.span {
            if span.sampled {
                out.fixed_32(8, u32::from(span.flags()));
            }
            out.bytes(9, &span.trace_id);
            out.bytes(10, &span.span_id);
        }
        if envelope.time > 0 {
            out.fixed_64(11, envelope.time);
        }
        out.string(12, name);
        out.finish()
    }

    fn size(record: &Vec<u8>) -> usize {
        record.len()
    }

    fn shorten(record: &mut Vec<u8>) {
        LogRecord::shorten_encoded(record);
    }

    fn request(&self, records: Vec<Vec<u8>>) -> Bytes {
        self.resource_and_scope.request(&records)
    }
}

/// Writes the attributes of the record itself, and returns how many of its bodies could not be parsed.
fn own_attributes(record: &dyn EventRecord, out: &mut dyn Out) -> u64 {
    let mut own = Attributes::writing_to(out);
    record.attributes(&mut own);
    own.unreadable_bodies
}

/// An output that writes numbers as text, as older versions of the CLI do.
struct NumbersAsText<'a, O>(&'a mut O);

impl<O: Out> Out for NumbersAsText<'_, O> {
    fn text(&mut self, key: &str, value: &str) {
        self.0.text(key, value);
    }

    fn value(&mut self, key: &str, value: Value<'_>) {
        match value {
            Value::Int(value) => self.0.text(key, &value.to_string()),
            Value::Double(value) => self.0.text(key, &value.to_string()),
            value => self.0.value(key, value),
        }
    }
}

#[cfg(test)]
mod tests {
    use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
    use opentelemetry_proto::tonic::common::v1::any_value::Value as OtlpValue;
    use opentelemetry_proto::tonic::logs::v1::{ResourceLogs, ScopeLogs};
    use proptest::arbitrary::any as some;
    use proptest::collection::vec;
    use proptest::prelude::{Just, Strategy, prop_assert_eq, prop_oneof, proptest};
    use prost::Message;

    use super::super::tests::any;
    use super::*;
    use crate::record::{ApiRequestEvent, EventFields};
    use crate::schema::Event;

    /// An event with arbitrary attributes.
    struct Anything(Vec<Value<'static>>);

    impl EventRecord for Anything {
        fn event(&self) -> &'static Event {
            ApiRequestEvent::EVENT
        }

        fn attributes<'a>(&'a self, out: &mut Attributes<'a>) {
            for value in &self.0 {
                let key = match value {
                    Value::Text(_) => "text",
                    Value::Int(_) => "int",
                    Value::Double(_) => "double",
                    Value::Bool(_) => "bool",
                    Value::TextArray(_) => "",
                };
                out.push(key, value.clone());
            }
        }

        fn size(&self) -> usize {
            0
        }
    }

    fn values() -> impl Strategy<Value = Value<'static>> {
        // Lengths around those at which the length prefix gets longer.
        let text =
            || (0..70_usize, 0..300_usize).prop_map(|(x, times)| "x\u{e9}".repeat(x * times));
        prop_oneof![
            text().prop_map(|text| Value::Text(text.into())),
            some::<i64>().prop_map(Value::Int),
            some::<f64>().prop_map(Value::Double),
            some::<bool>().prop_map(Value::Bool),
            vec(text().prop_map(Cow::from), 0..4).prop_map(Value::TextArray),
        ]
    }

    fn item(values: Vec<Value<'static>>, time: u64, span: Option<bool>) -> EventItem {
        let text = |text: &str| Arc::<str>::from(text);
        EventItem::Own(Box::new(Queued {
            envelope: Envelope {
                time,
                sequence: time / 3,
                standard: Arc::new(SessionAttributes {
                    attributes: [(key::USER_ID, text("kim")), (key::SESSION_ID, text(""))].into(),
                    custom: [(text("team"), text("a")), (text("model"), text("b"))].into(),
                    of_one_session: true,
                    outdated: Default::default(),
                }),
                workspace_host_paths: span.map(|_| [text("/a"), text("/b")].into()),
                prompt_id: span.map(|_| text("p")),
                span: span.map(|sampled| {
                    Arc::new(TraceContext {
                        sampled,
                        ..TraceContext::root(crate::propagation::Ids::default())
                    })
                }),
            },
            record: Anything(values),
        }))
    }

    /// The log record of an event in the official types, as a reference for the encoder.
    fn reference(encoder: &EventEncoder, event: &EventItem) -> LogRecord {
        let envelope = &event.envelope;
        let mut attributes = Vec::new();
        encoder.attributes(event, &EncodeStats::default(), &mut attributes);
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
        fn bytes_match_the_official_types(
            records in vec(vec(values(), 0..6), 0..4), time in some::<u64>(), span in some::<Option<bool>>(),
            numbers in prop_oneof![Just(NumberEncoding::Native), Just(NumberEncoding::Text)],
        ) {
            let resource = [("service.name".to_owned(), "claude-code".to_owned())];
            let resource_and_scope = ResourceAndScope::new(&resource, "scope", "1");
            let items: Vec<_> = records.into_iter().map(|values| item(values, time, span)).collect();
            let encoder = EventEncoder::new(resource_and_scope.clone(), numbers);
            let stats = EncodeStats::default();
            let encoded = items.iter().map(|item| encoder.encode(item, &stats)).collect();
            let expected = ExportLogsServiceRequest {
                resource_logs: vec![ResourceLogs {
                    resource: Some(resource_and_scope.resource),
                    scope_logs: vec![ScopeLogs {
                        scope: Some(resource_and_scope.scope),
                        log_records: items.iter().map(|item| reference(&encoder, item)).collect(),
                        ..ScopeLogs::default()
                    }],
                    ..ResourceLogs::default()
                }],
            };
            prop_assert_eq!(encoder.request(encoded), expected.encode_to_vec());
        }
    }

    #[test]
    fn truncated_bytes_match_the_official_types() {
        let item = item(vec![Value::Text("x".repeat(5_000_000).into())], 1, None);
        let resource_and_scope = ResourceAndScope::new(&[], "scope", "1");
        let encoder = EventEncoder::new(resource_and_scope, NumberEncoding::Native);
        let mut bytes = encoder.encode(&item, &EncodeStats::default());
        EventEncoder::shorten(&mut bytes);
        assert!(bytes.len() < 4_000_000);
        let mut expected = reference(&encoder, &item);
        expected.shorten();
        assert_eq!(bytes, expected.encode_to_vec());
    }
}
