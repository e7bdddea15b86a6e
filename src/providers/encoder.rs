//! The encoder of the host's log records and spans.

use std::borrow::Cow;
use std::marker::PhantomData;
use std::sync::Arc;

use bytes::Bytes;
use opentelemetry::InstrumentationScope;
use opentelemetry_proto::tonic::common::v1::InstrumentationScope as OtlpScope;
use opentelemetry_proto::tonic::resource::v1::Resource;
use prost::Message;

use crate::encode::protobuf::Writer;
use crate::encode::shorten::Shorten;
use crate::encode::{Encode, SourceConfig};

/// A record and its instrumentation scope.
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

impl<R: Message> Scoped<R> {
    /// Returns the size of the record with its scope, in bytes of protobuf.
    pub(super) fn size(&self) -> usize {
        self.record.encoded_len() + self.scope_size()
    }

    fn scope_size(&self) -> usize {
        self.scope.encoded_len() + self.schema_url.len()
    }
}

/// An encoder of requests with log records or spans of the host.
pub(super) struct HostEncoder<R> {
    resource: Resource,
    records: PhantomData<R>,
}

impl<R: Shorten> Encode for HostEncoder<R> {
    /// The queues of all exporters of a signal share an item.
    type Item = Arc<Scoped<R>>;
    type Message = R;

    fn new(config: &SourceConfig) -> Self {
        Self {
            resource: config.resource(),
            records: PhantomData,
        }
    }

    fn encode(&self, item: &Arc<Scoped<R>>, _: &mut u64) -> Vec<u8> {
        item.record.encode_to_vec()
    }

    /// Counts the scope of every record, although consecutive records may share it.
    fn size(&self, item: &Arc<Scoped<R>>, record: &[u8]) -> usize {
        record.len() + item.scope_size()
    }

    /// Builds a request, in which consecutive records of a scope share it. The fields have the same numbers for log
    /// records and for spans.
    fn request<'a>(
        &self,
        records: &[Vec<u8>],
        items: impl Iterator<Item = &'a Arc<Scoped<R>>>,
    ) -> Bytes {
        let scopes = items.map(|item| (&item.scope, &item.schema_url));
        let records: Vec<_> = scopes.zip(records).collect();
        let mut out = Writer::default();
        out.nested(1, |out| {
            out.bytes(1, &self.resource.encode_to_vec());
            for group in records.chunk_by(|(scope, _), (next, _)| scope == next) {
                out.nested(2, |out| {
                    if let [((scope, schema_url), _), ..] = group {
                        out.bytes(1, &scope.encode_to_vec());
                        out.string(3, schema_url);
                    }
                    for (_, record) in group {
                        out.bytes(2, record);
                    }
                });
            }
        });
        out.finish().into()
    }
}
