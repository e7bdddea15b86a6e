//! The encoding of events: queued items to log records.

use std::borrow::Cow;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::Bytes;
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value as OtlpValue;
use opentelemetry_proto::tonic::logs::v1::{LogRecord, ResourceLogs, ScopeLogs};
use prost::Message;

use super::Item;
use super::message::{ResourceAndScope, any, push_standard, shorten, texts_of};
use super::protobuf::{Field, Writer, field_len};
use crate::catalog::key;
use crate::clock::iso8601;
use crate::config::NumberEncoding;
use crate::encode::Encode;
use crate::health::EncodeStats;
use crate::propagation::TraceContext;
use crate::record::{Attributes, EventRecord, Out, Value};
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

/// The form in which an exporter needs log records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// Encoded protobuf.
    Bytes,
    /// The official OTLP types, for output as text.
    Messages,
}

/// A log record in either form.
pub(crate) enum EventOut {
    Bytes(Vec<u8>),
    Message(LogRecord),
}

/// An export request in either form.
#[cfg_attr(
    not(any(feature = "grpc", feature = "http")),
    allow(dead_code, reason = "bytes are for OTLP")
)]
pub(crate) enum LogsRequest {
    Bytes(Bytes),
    Message(ExportLogsServiceRequest),
}

/// An encoder of events as log records.
pub(crate) struct EventEncoder {
    origin: ResourceAndScope,
    numbers: NumberEncoding,
    form: Form,
}

/// The usual size of a record with 20 attributes, in bytes of protobuf.
const USUAL_BYTES: usize = 1024;

impl EventEncoder {
    pub(crate) fn new(origin: ResourceAndScope, numbers: NumberEncoding, form: Form) -> Self {
        Self {
            origin,
            numbers,
            form,
        }
    }

    /// Writes all attributes, in the order of the catalog.
    fn attributes(&self, event: &EventItem, tally: &EncodeStats, out: &mut impl Out) {
        let Queued { envelope, record } = &**event;
        let kind = record.event();
        push_standard(&envelope.standard, kind.attributes, out);
        out.text(key::EVENT_NAME, kind.name);
        out.text(key::EVENT_TIMESTAMP, &iso8601(envelope.time));
        let sequence = Value::Int(envelope.sequence.cast_signed());
        out.value(key::EVENT_SEQUENCE, sequence);
        if let Some(paths) = &envelope.workspace_host_paths {
            let paths = paths.iter().map(|path| Cow::Borrowed(&**path));
            out.value(key::WORKSPACE_HOST_PATHS, Value::Texts(paths.collect()));
        }
        if let Some(id) = &envelope.prompt_id {
            out.text(key::PROMPT_ID, id);
        }
        let unreadable = match self.numbers {
            NumberEncoding::Native => own_attributes(record, out),
            NumberEncoding::Text => own_attributes(record, &mut NumbersAsText(out)),
        };
        if unreadable > 0 {
            tally
                .unreadable_bodies
                .fetch_add(unreadable, Ordering::Relaxed);
        }
    }

    fn message(&self, event: &EventItem, tally: &EncodeStats) -> LogRecord {
        let envelope = &event.envelope;
        let mut attributes = Vec::new();
        self.attributes(event, tally, &mut attributes);
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

    /// Returns the encoding of [`message`](Self::message).
    fn bytes(&self, event: &EventItem, tally: &EncodeStats) -> Vec<u8> {
        let envelope = &event.envelope;
        let name = event.record.event().body;
        let mut out = Writer::with_capacity(USUAL_BYTES + event.record.size());
        if envelope.time > 0 {
            out.fixed_64(1, envelope.time);
        }
        out.nested(5, |any| any.string(1, name));
        self.attributes(event, tally, &mut Field(6, &mut out));
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
}

impl Encode for EventEncoder {
    type Item = EventItem;
    type Record = EventOut;
    type Request = LogsRequest;

    fn encode(&self, event: &Self::Item, tally: &EncodeStats) -> EventOut {
        match self.form {
            Form::Bytes => EventOut::Bytes(self.bytes(event, tally)),
            Form::Messages => EventOut::Message(self.message(event, tally)),
        }
    }

    fn size(record: &EventOut) -> usize {
        match record {
            EventOut::Bytes(bytes) => bytes.len(),
            EventOut::Message(message) => message.encoded_len(),
        }
    }

    fn shorten(record: &mut EventOut) {
        match record {
            EventOut::Bytes(bytes) => {
                // Decoding cannot fail, because this crate encoded the bytes.
                let mut message = LogRecord::decode(&**bytes).unwrap_or_default();
                shorten(&mut message, texts);
                *bytes = message.encode_to_vec();
            }
            EventOut::Message(message) => shorten(message, texts),
        }
    }

    fn request(&self, records: Vec<EventOut>) -> LogsRequest {
        let ResourceAndScope { resource, scope } = &self.origin;
        if self.form == Form::Messages {
            let messages = records.into_iter().filter_map(|record| match record {
                EventOut::Message(message) => Some(message),
                EventOut::Bytes(_) => None,
            });
            return LogsRequest::Message(ExportLogsServiceRequest {
                resource_logs: vec![ResourceLogs {
                    resource: Some(resource.clone()),
                    scope_logs: vec![ScopeLogs {
                        scope: Some(scope.clone()),
                        log_records: messages.collect(),
                        ..ScopeLogs::default()
                    }],
                    ..ResourceLogs::default()
                }],
            });
        }
        let (resource, scope) = (resource.encode_to_vec(), scope.encode_to_vec());
        let records = records.iter().filter_map(|one| match one {
            EventOut::Bytes(record) => Some(record),
            EventOut::Message(_) => None,
        });
        let bytes: usize = records.clone().map(|one| field_len(one.len())).sum();
        // The buffer is allocated once, because the lengths are known beforehand.
        let scope_logs = field_len(scope.len()) + bytes;
        let resource_logs = field_len(resource.len()) + field_len(scope_logs);
        let mut out = Writer::with_capacity(field_len(resource_logs));
        out.begin(1, resource_logs);
        out.bytes(1, &resource);
        out.begin(2, scope_logs);
        out.bytes(1, &scope);
        for record in records {
            out.bytes(2, record);
        }
        LogsRequest::Bytes(out.finish().into())
    }
}

/// Returns the texts that may be truncated.
fn texts(record: &mut LogRecord) -> Vec<&mut String> {
    texts_of(&mut record.attributes).collect()
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
    use proptest::arbitrary::any as some;
    use proptest::collection::vec;
    use proptest::prelude::{Just, Strategy, TestCaseError, prop_assert_eq, prop_oneof, proptest};

    use super::*;
    use crate::catalog::{Event, event};

    /// An event with arbitrary attributes.
    struct Anything(Vec<Value<'static>>);

    impl EventRecord for Anything {
        fn event(&self) -> &'static Event {
            &event::API_REQUEST
        }

        fn attributes<'a>(&'a self, out: &mut Attributes<'a>) {
            for value in &self.0 {
                match value.clone() {
                    Value::Text(text) => out.text("text", text),
                    Value::Int(int) => out.int("int", int),
                    Value::Double(double) => out.double("double", double),
                    Value::Bool(bool) => out.bool("bool", bool),
                    Value::Texts(texts) => out.texts("", texts),
                }
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
            vec(text().prop_map(Cow::from), 0..4).prop_map(Value::Texts),
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

    proptest! {
        #[test]
        fn bytes_match_the_official_types(
            records in vec(vec(values(), 0..6), 0..4), time in some::<u64>(), span in some::<Option<bool>>(),
            numbers in prop_oneof![Just(NumberEncoding::Native), Just(NumberEncoding::Text)],
        ) {
            let resource = [("service.name".to_owned(), "claude-code".to_owned())];
            let origin = ResourceAndScope::new(&resource, "scope", "1");
            let items: Vec<_> = records.into_iter().map(|values| item(values, time, span)).collect();
            let [bytes, messages] = [Form::Bytes, Form::Messages].map(|form| {
                let encoder = EventEncoder::new(origin.clone(), numbers, form);
                let tally = EncodeStats::default();
                encoder.request(items.iter().map(|item| encoder.encode(item, &tally)).collect())
            });
            let (LogsRequest::Bytes(bytes), LogsRequest::Message(message)) = (bytes, messages) else {
                return Err(TestCaseError::fail("another form than asked for"));
            };
            prop_assert_eq!(bytes, message.encode_to_vec());
        }
    }

    #[test]
    fn truncation_is_the_same_in_both_forms() {
        let item = item(vec![Value::Text("x".repeat(5_000_000).into())], 1, None);
        let origin = ResourceAndScope::new(&[], "scope", "1");
        let [bytes, message] = [Form::Bytes, Form::Messages].map(|form| {
            let encoder = EventEncoder::new(origin.clone(), NumberEncoding::Native, form);
            let mut record = encoder.encode(&item, &EncodeStats::default());
            EventEncoder::shorten(&mut record);
            match record {
                EventOut::Bytes(bytes) => bytes,
                EventOut::Message(message) => message.encode_to_vec(),
            }
        });
        assert!(bytes.len() < 4_000_000);
        assert_eq!(bytes, message);
    }
}
