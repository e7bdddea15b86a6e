//! Events: what is queued, and its translation into log records.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value as OtlpValue;
use opentelemetry_proto::tonic::logs::v1::{LogRecord, ResourceLogs, ScopeLogs};
use prost::Message;

use super::message::{
    MAX_ITEM_BYTES, Origin, any, attribute, key_value, push_standard, shorten, text, texts,
};
use super::standard::Standard;
use crate::catalog::key;
use crate::clock::iso8601;
use crate::config::NumberEncoding;
use crate::export::queue::{BATCH_RECORDS, Queue};
use crate::export::{Batch, Source};
use crate::health::Tally;
use crate::propagation::SpanContext;
use crate::record::{Attributes, EventRecord, Value};

/// What all events have, beside their record.
pub(crate) struct Envelope {
    /// Nanoseconds since 1970.
    pub(crate) time: u64,
    pub(crate) sequence: u64,
    pub(crate) standard: Arc<Standard>,
    pub(crate) workspace_host_paths: Option<Arc<[Arc<str>]>>,
    pub(crate) prompt_id: Option<Arc<str>>,
    /// The span that it belongs to (decisions 23 and 54).
    pub(crate) span: Option<SpanContext>,
}

/// An event on its way to the exporters.
pub(crate) struct Queued<R: ?Sized> {
    pub(crate) envelope: Envelope,
    pub(crate) record: R,
}

/// The queue of one exporter.
pub(crate) type EventQueue = Queue<Arc<Queued<dyn EventRecord>>>;

/// Turns queued events into requests for one exporter.
pub(crate) struct EventSource {
    queue: Arc<EventQueue>,
    origin: Origin,
    numbers: NumberEncoding,
    /// Events that the pass still has to deliver.
    left: usize,
    /// A translated event that did not fit into the last request, and its size in the queue.
    carried: Option<(LogRecord, usize)>,
    tally: Arc<Tally>,
}

impl EventSource {
    pub(crate) fn new(
        queue: Arc<EventQueue>,
        origin: Origin,
        numbers: NumberEncoding,
        tally: Arc<Tally>,
    ) -> Self {
        Self {
            queue,
            origin,
            numbers,
            left: 0,
            carried: None,
            tally,
        }
    }

    fn pop(&mut self) -> Option<(LogRecord, usize)> {
        if let Some(carried) = self.carried.take() {
            return Some(carried);
        }
        if self.left == 0 {
            return None;
        }
        let (event, size) = self.queue.pop()?;
        self.left -= 1;
        let mut record = self.log_record(&event);
        if record.encoded_len() > MAX_ITEM_BYTES {
            shorten(&mut record, |record| &mut record.attributes);
            self.tally.shortened.fetch_add(1, Ordering::Relaxed);
        }
        Some((record, size))
    }

    fn log_record(&self, event: &Queued<dyn EventRecord>) -> LogRecord {
        let Queued { envelope, record } = event;
        let kind = record.event();
        let mut own = Attributes::default();
        record.attributes(&mut own);
        self.tally
            .unreadable_bodies
            .fetch_add(own.unreadable_bodies, Ordering::Relaxed);

        let mut attributes = Vec::with_capacity(
            envelope.standard.attributes.len() + envelope.standard.custom.len() + own.len() + 5,
        );
        push_standard(&envelope.standard, |key| own.has(key), &mut attributes);
        attributes.push(text(key::EVENT_NAME, kind.name));
        attributes.push(text(key::EVENT_TIMESTAMP, iso8601(envelope.time)));
        attributes.push(key_value(
            key::EVENT_SEQUENCE,
            OtlpValue::IntValue(envelope.sequence.cast_signed()),
        ));
        if let Some(paths) = &envelope.workspace_host_paths {
            attributes.push(texts(key::WORKSPACE_HOST_PATHS, paths));
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
                u32::from(span.flags),
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
}

/// What the queue gets back when a request is settled.
pub(crate) struct Places {
    records: usize,
    bytes: usize,
}

impl Source for EventSource {
    type Message = ExportLogsServiceRequest;
    type Ticket = Places;

    fn begin(&mut self) {
        self.left = self.queue.len();
    }

    fn next(&mut self, max_bytes: usize) -> Option<Batch<Self::Message, Places>> {
        let mut records = Vec::new();
        let (mut encoded, mut bytes) = (0, 0);
        while records.len() < BATCH_RECORDS {
            let Some((record, size)) = self.pop() else {
                break;
            };
            encoded += record.encoded_len() + 8;
            if encoded > max_bytes && !records.is_empty() {
                self.carried = Some((record, size));
                break;
            }
            bytes += size;
            records.push(record);
        }
        if records.is_empty() {
            return None;
        }
        let ticket = Places {
            records: records.len(),
            bytes,
        };
        let message = ExportLogsServiceRequest {
            resource_logs: vec![ResourceLogs {
                resource: Some(self.origin.resource.clone()),
                scope_logs: vec![ScopeLogs {
                    scope: Some(self.origin.scope.clone()),
                    log_records: records,
                    ..ScopeLogs::default()
                }],
                ..ResourceLogs::default()
            }],
        };
        Some(Batch {
            items: ticket.records as u64,
            message,
            ticket,
        })
    }

    fn settle(&mut self, places: Places) {
        self.queue.settle(places.records, places.bytes);
    }

    fn waiting(&self) -> Arc<AtomicU64> {
        self.queue.waiting()
    }

    fn is_full(&self) -> bool {
        self.queue.len() >= BATCH_RECORDS
    }

    async fn filled(&self) {
        self.queue.filled().await;
    }
}

/// Numbers as numbers, or as the text that older versions of the CLI sent (decision 1).
fn encode(value: Value<'_>, numbers: NumberEncoding) -> Value<'_> {
    match (numbers, value) {
        (NumberEncoding::Text, Value::Int(value)) => Value::Text(value.to_string().into()),
        (NumberEncoding::Text, Value::Double(value)) => Value::Text(value.to_string().into()),
        (_, value) => value,
    }
}
