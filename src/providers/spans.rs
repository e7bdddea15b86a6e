//! The host's spans: from the SDK's processor to a queue, and to OTLP.

use std::time::Duration;

use bytes::Bytes;
use opentelemetry::Context;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans};
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{Span, SpanData, SpanProcessor};
use prost::Message;

use super::exit::{Exit, bytes_of};
use super::scopes::joined;
use crate::encode::Encode;
use crate::encode::message::{shorten, texts_of};
use crate::health::EncodeStats;

/// A span processor that passes ended spans to the exporter.
#[derive(Debug)]
pub(super) struct Spans(pub(super) Exit<SpanData>);

impl SpanProcessor for Spans {
    fn on_start(&self, _: &mut Span, _: &Context) {}

    fn on_end(&self, span: SpanData) {
        if !span.span_context.is_sampled() {
            return;
        }
        let events = span.events.iter().flat_map(|event| &event.attributes);
        let attributes = span.attributes.iter().chain(events);
        let size = attributes.map(|one| bytes_of(&one.value)).sum();
        self.0.push(span, size);
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.0.flush()
    }

    fn shutdown_with_timeout(&self, _: Duration) -> OTelSdkResult {
        Ok(())
    }
}

/// An encoder of spans as OTLP.
#[derive(Default)]
pub(crate) struct SpanEncoder(pub(crate) Resource);

impl Encode for SpanEncoder {
    type Item = SpanData;
    type Record = ScopeSpans;

    fn encode(&self, span: &SpanData, _: &EncodeStats) -> ScopeSpans {
        let scope = &span.instrumentation_scope;
        ScopeSpans {
            scope: Some((scope, None).into()),
            schema_url: scope.schema_url().unwrap_or_default().to_owned(),
            spans: vec![span.clone().into()],
        }
    }

    fn size(record: &ScopeSpans) -> usize {
        record.encoded_len()
    }

    fn shorten(record: &mut ScopeSpans) {
        shorten(record, texts);
    }

    fn request(&self, records: Vec<ScopeSpans>) -> Bytes {
        let scopes = joined(
            records,
            |one| (&one.scope, &one.schema_url),
            |one, other| one.spans.extend(other.spans),
        );
        let request = ExportTraceServiceRequest {
            resource_spans: vec![ResourceSpans {
                resource: Some(self.0.clone()),
                scope_spans: scopes,
                ..ResourceSpans::default()
            }],
        };
        request.encode_to_vec().into()
    }
}

/// Returns the texts that may be truncated.
fn texts(record: &mut ScopeSpans) -> Vec<&mut String> {
    let spans = record.spans.iter_mut();
    spans
        .flat_map(|span| {
            let events = span.events.iter_mut();
            texts_of(&mut span.attributes)
                .chain(events.flat_map(|event| texts_of(&mut event.attributes)))
                .chain(span.status.as_mut().map(|status| &mut status.message))
        })
        .collect()
}
