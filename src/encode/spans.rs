//! The encoding of spans: ended spans in the queue to OTLP.

use std::borrow::Cow;
use std::sync::Arc;

use bytes::Bytes;
use opentelemetry_proto::tonic::trace::v1::Span;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;

use super::message::{ResourceAndScope, push_standard};
use super::protobuf::{Field, Writer};
use super::{Encode, SourceConfig};
use crate::content::Filtered;
use crate::propagation::TraceContext;
use crate::record::{Out, SpanAttributes, Value};
use crate::schema::{self, key, scope};
use crate::session_attributes::SessionAttributes;

/// The data of one kind of span.
pub(crate) trait SpanRecord: SpanAttributes {
    /// Returns the error message, perhaps empty, if the operation failed: the span's status is then ERROR, otherwise
    /// unset.
    fn failure(&self) -> Option<Cow<'_, str>> {
        None
    }

    /// Returns the span events, in order.
    fn events(&self) -> Vec<SpanEvent<'_>> {
        Vec::new()
    }
}

/// An event of a span.
pub(crate) struct SpanEvent<'a> {
    pub(crate) event: &'static schema::SpanEvent,
    /// Nanoseconds since the Unix epoch.
    pub(crate) time: u64,
    pub(crate) attributes: Vec<(&'static str, Value<'a>)>,
}

/// An ended span in the queue of an exporter.
pub(crate) struct Finished<R: ?Sized> {
    pub(crate) context: TraceContext,
    /// The span id of the parent, and true if the parent belongs to another process.
    pub(crate) parent: Option<([u8; 8], bool)>,
    /// Nanoseconds since the Unix epoch, as is `end`.
    pub(crate) start: u64,
    pub(crate) end: u64,
    pub(crate) standard: Arc<SessionAttributes>,
    pub(crate) record: Filtered<R>,
}

/// A span, which the queues of all exporters share.
pub(crate) type SpanItem = Arc<Finished<dyn SpanRecord>>;

/// An encoder of spans as OTLP spans.
pub(crate) struct SpanEncoder {
    resource_and_scope: ResourceAndScope,
}

/// The bits of OTLP's span flags that state that the remoteness of the parent is known, and that the parent is remote.
const CONTEXT_HAS_IS_REMOTE: u32 = 0x100;
const CONTEXT_IS_REMOTE: u32 = 0x200;

/// The usual size of a span with 10 attributes, in bytes of protobuf.
const USUAL_BYTES: usize = 512;

impl Encode for SpanEncoder {
    type Item = SpanItem;
    type Message = Span;

    fn new(config: &SourceConfig) -> Self {
        Self {
            resource_and_scope: config.resource_and_scope(scope::SPANS, scope::SPANS_VERSION),
        }
    }

    fn encode(&self, span: &SpanItem, _: &mut u64) -> Vec<u8> {
        let Finished {
            context,
            parent,
            start,
            end,
            standard,
            record,
        } = &**span;
        let kind = record.span();
        let mut out = Writer::with_capacity(USUAL_BYTES + record.size());
        out.bytes(1, &context.trace_id);
        out.bytes(2, &context.span_id);
        out.string_unless_empty(3, context.trace_state.as_deref().unwrap_or_default());
        if let Some((id, _)) = parent {
            out.bytes(4, id);
        }
        out.string(5, kind.name);
        out.varint(6, SpanKind::Internal as u64);
        out.time(7, *start);
        out.time(8, *end);
        let mut attributes = Field(9, &mut out);
        push_standard(standard, kind.attributes, &mut attributes);
        attributes.text(key::SPAN_TYPE, kind.span_type);
        record.attributes(&mut attributes);
        for event in record.events() {
            out.nested(11, |out| write_event(event, out));
        }
        out.nested(15, |status| {
            if let Some(message) = record.failure() {
                status.string_unless_empty(2, &message);
                status.varint(3, StatusCode::Error as u64);
            }
        });
        let is_remote = parent.is_some_and(|(_, remote)| remote);
        let remote = if is_remote { CONTEXT_IS_REMOTE } else { 0 };
        let flags = u32::from(context.flags()) | CONTEXT_HAS_IS_REMOTE | remote;
        out.fixed_32(16, flags);
        out.finish()
    }

    fn request<'a>(&self, records: &[Vec<u8>], _: impl Iterator<Item = &'a SpanItem>) -> Bytes {
        self.resource_and_scope.request(records)
    }
}

fn write_event(event: SpanEvent<'_>, out: &mut Writer) {
    out.time(1, event.time);
    out.string(2, event.event.name);
    for (key, value) in event.attributes {
        Field(3, out).value(key, value);
    }
}

#[cfg(test)]
mod tests {
    use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
    use opentelemetry_proto::tonic::trace::v1::span::Event;
    use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Status};
    use proptest::arbitrary::any as arbitrary;
    use proptest::collection::vec;
    use proptest::option;
    use proptest::prelude::{prop_assert_eq, proptest};
    use prost::Message;

    use super::super::tests::filtered;
    use super::*;
    use crate::content::Payload;
    use crate::encode::shorten::Shorten;
    use crate::propagation::IdGenerator;

    /// A span with arbitrary content.
    struct Anything {
        texts: Vec<String>,
        event_times: Vec<u64>,
        failure: Option<String>,
    }

    impl SpanAttributes for Anything {
        fn span(&self) -> &'static schema::Span {
            crate::catalog::SPANS[0]
        }

        fn set_duration(&mut self, _: std::time::Duration) {}

        fn attributes(&self, out: &mut dyn Out) {
            for text in &self.texts {
                out.text("text", text);
                out.value("count", Value::Int(text.len() as i64));
                out.value("bool", Value::Bool(text.is_empty()));
            }
        }
    }

    impl Payload for Anything {}

    impl SpanRecord for Anything {
        fn failure(&self) -> Option<Cow<'_, str>> {
            self.failure.as_deref().map(Cow::Borrowed)
        }

        fn events(&self) -> Vec<SpanEvent<'_>> {
            let event = |time: &u64| SpanEvent {
                event: crate::catalog::SPANS
                    .iter()
                    .find_map(|span| span.events.first())
                    .unwrap(),
                time: *time,
                attributes: self
                    .texts
                    .iter()
                    .map(|text| ("text", Value::String(text.into())))
                    .collect(),
            };
            self.event_times.iter().map(event).collect()
        }
    }

    /// Returns the span in the types of `opentelemetry-proto`, as a reference for the encoder.
    fn reference(span: &SpanItem) -> Span {
        let mut attributes = Vec::new();
        let kind = span.record.span();
        push_standard(&span.standard, kind.attributes, &mut attributes);
        attributes.text(key::SPAN_TYPE, kind.span_type);
        span.record.attributes(&mut attributes);
        let event = |event: SpanEvent<'_>| {
            let mut attributes = Vec::new();
            for (key, value) in event.attributes {
                attributes.value(key, value);
            }
            Event {
                time_unix_nano: event.time,
                name: event.event.name.to_owned(),
                attributes,
                ..Event::default()
            }
        };
        let (parent, remote) = match span.parent {
            Some((id, remote)) => (id.to_vec(), if remote { 0x300 } else { 0x100 }),
            None => (Vec::new(), 0x100),
        };
        let state = span.context.trace_state.as_deref();
        Span {
            trace_id: span.context.trace_id.to_vec(),
            span_id: span.context.span_id.to_vec(),
            trace_state: state.unwrap_or_default().to_owned(),
            parent_span_id: parent,
            flags: u32::from(span.context.flags()) | remote,
            name: kind.name.to_owned(),
            kind: SpanKind::Internal.into(),
            start_time_unix_nano: span.start,
            end_time_unix_nano: span.end,
            attributes,
            events: span.record.events().into_iter().map(event).collect(),
            status: Some(match span.record.failure() {
                Some(message) => Status {
                    code: StatusCode::Error.into(),
                    message: message.into_owned(),
                },
                None => Status::default(),
            }),
            ..Span::default()
        }
    }

    fn item(
        record: Anything,
        parent: Option<([u8; 8], bool)>,
        times: (u64, u64),
        state: Option<&str>,
    ) -> SpanItem {
        Arc::new(Finished {
            context: TraceContext {
                trace_state: state.map(Into::into),
                ..TraceContext::root(IdGenerator::default())
            },
            parent,
            start: times.0,
            end: times.1,
            standard: Arc::default(),
            record: filtered(record),
        })
    }

    proptest! {
        #[test]
        fn encoded_request_equals_that_of_opentelemetry_proto(
            texts in vec("[ -~é]{0,200}", 0..4), event_times in vec(arbitrary::<u64>(), 0..3),
            failure in option::of("[ -~]{0,300}"), parent in arbitrary::<Option<([u8; 8], bool)>>(),
            times in arbitrary::<(u64, u64)>(), state in option::of("[a-z]=[a-z]"),
        ) {
            let record = Anything { texts, event_times, failure };
            let item = item(record, parent, times, state.as_deref());
            let encoder = SpanEncoder::new(&SourceConfig {
                resource: vec![("service.name".to_owned(), "claude-code".to_owned())],
                ..SourceConfig::default()
            });
            let bytes = encoder.encode(&item, &mut 0);
            let expected = ExportTraceServiceRequest {
                resource_spans: vec![ResourceSpans {
                    resource: Some(encoder.resource_and_scope.resource.clone()),
                    scope_spans: vec![ScopeSpans {
                        scope: Some(encoder.resource_and_scope.scope.clone()),
                        spans: vec![reference(&item), reference(&item)],
                        ..ScopeSpans::default()
                    }],
                    ..ResourceSpans::default()
                }],
            };
            let encoded = encoder.request(&[bytes.clone(), bytes], [&item, &item].into_iter());
            prop_assert_eq!(encoded, expected.encode_to_vec());
        }
    }

    #[test]
    fn truncated_span_equals_that_of_opentelemetry_proto() {
        let record = Anything {
            texts: vec!["x".repeat(5_000_000)],
            event_times: vec![1],
            failure: None,
        };
        let item = item(record, None, (1, 2), None);
        let encoder = SpanEncoder::new(&SourceConfig::default());
        let mut bytes = encoder.encode(&item, &mut 0);
        Span::shorten_encoded(&mut bytes);
        assert!(bytes.len() < 4_000_000);
        let mut expected = reference(&item);
        expected.shorten();
        assert_eq!(bytes, expected.encode_to_vec());
    }
}
