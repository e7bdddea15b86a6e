//! The encoding of spans: ended spans in the queue to OTLP.

use std::borrow::Cow;
use std::sync::Arc;

use bytes::Bytes;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::trace::v1::span::{Event, SpanKind};
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span, Status};
use prost::Message;

use super::message::{ResourceAndScope, attribute, push_standard, shorten, text, texts_of};
use super::{Encode, Item};
use crate::health::EncodeStats;
use crate::propagation::TraceContext;
use crate::record::{Attributes, SpanAttributes};
use crate::schema::{self, key};
use crate::session_attributes::SessionAttributes;

/// The data of one kind of span.
pub(crate) trait SpanRecord: SpanAttributes {
    /// Returns the error message, perhaps empty, if the operation failed: the span's status is then ERROR, otherwise
    /// unset.
    fn failure(&self) -> Option<Cow<'_, str>> {
        None
    }

    /// Writes the span events, in order.
    fn events<'a>(&'a self, _out: &mut Vec<SpanEvent<'a>>) {}
}

/// An event of a span.
pub(crate) struct SpanEvent<'a> {
    pub(crate) event: &'static schema::SpanEvent,
    /// Nanoseconds since the Unix epoch.
    pub(crate) time: u64,
    pub(crate) attributes: Attributes<'a>,
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
    pub(crate) record: R,
}

/// A span, as queues hold it.
pub(crate) type SpanItem = Item<Finished<dyn SpanRecord>>;

/// An encoder of spans as OTLP.
pub(crate) struct SpanEncoder {
    resource_and_scope: ResourceAndScope,
}

impl SpanEncoder {
    pub(crate) fn new(resource_and_scope: ResourceAndScope) -> Self {
        Self { resource_and_scope }
    }
}

/// The bits of OTLP's span flags that state that the remoteness of the parent is known, and that the parent is remote.
const CONTEXT_HAS_IS_REMOTE: u32 = 0x100;
const CONTEXT_IS_REMOTE: u32 = 0x200;

impl Encode for SpanEncoder {
    type Item = SpanItem;
    type Record = Span;

    fn encode(&self, span: &Self::Item, _: &EncodeStats) -> Span {
        let Finished {
            context,
            parent,
            start,
            end,
            standard,
            record,
        } = &**span;
        let kind = record.span();
        let mut attributes = Vec::with_capacity(
            standard.attributes.len() + standard.custom.len() + 1 + kind.attributes.len(),
        );
        push_standard(standard, kind.attributes, &mut attributes);
        attributes.push(text(key::SPAN_TYPE, kind.span_type));
        record.attributes(&mut Attributes::writing_to(&mut attributes));
        let mut events = Vec::new();
        record.events(&mut events);
        let (parent_span_id, remote) = match parent {
            Some((id, remote)) => (id.to_vec(), *remote),
            None => (Vec::new(), false),
        };
        Span {
            trace_id: context.trace_id.to_vec(),
            span_id: context.span_id.to_vec(),
            trace_state: context
                .trace_state
                .as_deref()
                .unwrap_or_default()
                .to_owned(),
            parent_span_id,
            flags: u32::from(context.flags())
                | CONTEXT_HAS_IS_REMOTE
                | if remote { CONTEXT_IS_REMOTE } else { 0 },
            name: kind.name.to_owned(),
            kind: SpanKind::Internal.into(),
            start_time_unix_nano: *start,
            end_time_unix_nano: *end,
            attributes,
            events: events.into_iter().map(span_event).collect(),
            status: Some(match record.failure() {
                Some(message) => Status {
                    code: StatusCode::Error.into(),
                    message: message.into_owned(),
                },
                None => Status::default(),
            }),
            ..Span::default()
        }
    }

    fn size(span: &Span) -> usize {
        span.encoded_len()
    }

    fn shorten(span: &mut Span) {
        shorten(span, texts);
    }

    fn request(&self, spans: Vec<Span>) -> Bytes {
        let request = ExportTraceServiceRequest {
            resource_spans: vec![ResourceSpans {
                resource: Some(self.resource_and_scope.resource.clone()),
                scope_spans: vec![ScopeSpans {
                    scope: Some(self.resource_and_scope.scope.clone()),
                    spans,
                    ..ScopeSpans::default()
                }],
                ..ResourceSpans::default()
            }],
        };
        request.encode_to_vec().into()
    }
}

/// Returns the texts that may be truncated.
fn texts(span: &mut Span) -> Vec<&mut String> {
    let events = span
        .events
        .iter_mut()
        .flat_map(|event| texts_of(&mut event.attributes));
    let message = span.status.as_mut().map(|status| &mut status.message);
    texts_of(&mut span.attributes)
        .chain(events)
        .chain(message)
        .collect()
}

fn span_event(event: SpanEvent<'_>) -> Event {
    Event {
        time_unix_nano: event.time,
        name: event.event.name.to_owned(),
        attributes: event
            .attributes
            .into_iter()
            .map(|(key, value)| attribute(key, value))
            .collect(),
        ..Event::default()
    }
}
