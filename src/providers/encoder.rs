//! The encoder of the host's log records and spans.

use std::borrow::Cow;
use std::marker::PhantomData;
use std::sync::Arc;

use bytes::Bytes;
use opentelemetry::InstrumentationScope;
use opentelemetry_proto::tonic::common::v1::InstrumentationScope as OtlpScope;
use opentelemetry_proto::tonic::resource::v1::Resource;
use prost::Message;

use crate::encode::Encode;
use crate::encode::protobuf::Writer;
use crate::encode::shorten::Shorten;
use crate::export::SourceConfig;
use crate::health::EncodeStats;

/// A record and its instrumentation scope.
#[derive(Clone)]
pub(super) struct Scoped<R> {
    record: R,
    scope: OtlpScope,
    schema_url: String,
}

impl<R> Scoped<R> {
    /// Adds the scope to a record. The target of a log record, if there is one, replaces the name of the scope.
    pub(super) fn new(
        record: R,
        scope: &InstrumentationScope,
        target: Option<Cow<'static, str>>,
    ) -> Self {
        Self {
            record,
            scope: (scope, target).into(),
            schema_url: scope.schema_url().unwrap_or_default().to_owned(),
        }
    }
}

/// An encoder of requests with records of one type.
pub(super) struct HostEncoder<R> {
    resource: Resource,
    records: PhantomData<R>,
}

impl<R> HostEncoder<R> {
    pub(super) fn new(config: &SourceConfig) -> Self {
        Self {
            // The host's instruments have their own scopes.
            resource: config.resource_and_scope("", "").resource,
            records: PhantomData,
        }
    }
}

impl<R: Shorten> Encode for HostEncoder<R> {
    /// The exporters of a signal share their items.
    type Item = Arc<Scoped<R>>;
    type Record = Scoped<R>;

    fn encode(&self, item: &Arc<Scoped<R>>, _: &EncodeStats) -> Scoped<R> {
        Scoped::clone(item)
    }

    fn size(item: &Scoped<R>) -> usize {
        item.record.encoded_len() + item.scope.encoded_len() + item.schema_url.len()
    }

    fn shorten(item: &mut Scoped<R>) {
        item.record.shorten();
    }

    /// Builds a request, in which consecutive records of a scope share it. The fields have the same numbers for log
    /// records and for spans.
    fn request(&self, items: Vec<Scoped<R>>) -> Bytes {
        let same = |one: &Scoped<R>, next: &Scoped<R>| {
            (&one.scope, &one.schema_url) == (&next.scope, &next.schema_url)
        };
        let mut out = Writer::default();
        out.nested(1, |out| {
            out.bytes(1, &self.resource.encode_to_vec());
            for group in items.chunk_by(same) {
                out.nested(2, |out| {
                    if let [first, ..] = group {
                        out.bytes(1, &first.scope.encode_to_vec());
                        out.string(3, &first.schema_url);
                    }
                    for item in group {
                        out.bytes(2, &item.record.encode_to_vec());
                    }
                });
            }
        });
        out.finish().into()
    }
}
