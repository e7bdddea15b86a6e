//! Events: what is queued, and its translation into log records.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value as OtlpValue;
use opentelemetry_proto::tonic::logs::v1::{LogRecord, ResourceLogs, ScopeLogs};

use super::message::{Origin, any, attribute, key_value, push_standard, text, texts, texts_of};
use super::standard::Standard;
use crate::catalog::key;
use crate::clock::iso8601;
use crate::config::NumberEncoding;
use crate::export::queue_source::Translate;
use crate::health::Tally;
use crate::propagation::TraceContext;
use crate::record::{Attributes, EventRecord, Value};

/// What all events have, beside their record.
pub(crate) struct Envelope {
    /// Nanoseconds since 1970.
    pub(crate) time: u64,
    pub(crate) sequence: u64,
    pub(crate) standard: Arc<Standard>,
    pub(crate) workspace_host_paths: Option<Arc<[Arc<str>]>>,
    pub(crate) prompt_id: Option<Arc<str>>,
    /// The span that it belongs to.
    pub(crate) span: Option<Arc<TraceContext>>,
}

/// An event on its way to the exporters.
pub(crate) struct Queued<R: ?Sized> {
    pub(crate) envelope: Envelope,
    pub(crate) record: R,
}

/// An event as the queues hold it.
pub(crate) type EventItem = Arc<Queued<dyn EventRecord>>;

/// Turns events into log records.
pub(crate) struct EventTranslator {
    origin: Origin,
    numbers: NumberEncoding,
}

impl EventTranslator {
    pub(crate) fn new(origin: Origin, numbers: NumberEncoding) -> Self {
        Self { origin, numbers }
    }
}

impl Translate for EventTranslator {
    type Item = EventItem;
    type Record = LogRecord;
    type Request = ExportLogsServiceRequest;

    fn translate(&self, event: &Self::Item, tally: &Tally) -> LogRecord {
        let Queued { envelope, record } = &**event;
        let kind = record.event();
        let mut own = Attributes::default();
        record.attributes(&mut own);
        tally
            .unreadable_bodies
            .fetch_add(own.unreadable_bodies, Ordering::Relaxed);

        let mut attributes = Vec::with_capacity(
            envelope.standard.attributes.len() + envelope.standard.custom.len() + own.len() + 5,
        );
        push_standard(&envelope.standard, kind.attributes, &mut attributes);
        attributes.push(text(key::EVENT_NAME, kind.name));
        attributes.push(text(key::EVENT_TIMESTAMP, iso8601(envelope.time)));
        attributes.push(key_value(
            key::EVENT_SEQUENCE,
            OtlpValue::IntValue(envelope.sequence.cast_signed()),
        ));
        if let Some(paths) = &envelope.workspace_host_paths {
            attributes.push(texts(
                key::WORKSPACE_HOST_PATHS,
                paths.iter().map(|path| &**path),
            ));
        }
        if let Some(id) = &envelope.prompt_id {
            attributes.push(text(key::PROMPT_ID, &**id));
        }
        attributes.extend(
            own.into_iter()
                .map(|(key, value)| attribute(key, encode(value, self.numbers))),
        );

        let (trace_id, span_id, flags) = match &envelope.span {
            Some(span) => (
                span.trace_id.to_vec(),
                span.span_id.to_vec(),
                u32::from(span.flags()),
            ),
            None => Default::default(),
        };
        LogRecord {
            time_unix_nano: envelope.time,
            observed_time_unix_nano: envelope.time,
            body: Some(any(OtlpValue::StringValue(kind.body.to_owned()))),
            attributes,
            trace_id,
            span_id,
            flags,
            ..LogRecord::default()
        }
    }

    fn texts(record: &mut LogRecord) -> Vec<&mut String> {
        texts_of(&mut record.attributes).collect()
    }

    fn request(&self, log_records: Vec<LogRecord>) -> ExportLogsServiceRequest {
        ExportLogsServiceRequest {
            resource_logs: vec![ResourceLogs {
                resource: Some(self.origin.resource.clone()),
                scope_logs: vec![ScopeLogs {
                    scope: Some(self.origin.scope.clone()),
                    log_records,
                    ..ScopeLogs::default()
                }],
                ..ResourceLogs::default()
            }],
        }
    }
}

/// Numbers as numbers, or as the text that older versions of the CLI sent.
fn encode(value: Value<'_>, numbers: NumberEncoding) -> Value<'_> {
    match (numbers, value) {
        (NumberEncoding::Text, Value::Int(value)) => Value::Text(value.to_string().into()),
        (NumberEncoding::Text, Value::Double(value)) => Value::Text(value.to_string().into()),
        (_, value) => value,
    }
}
