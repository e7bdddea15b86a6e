//! The parts shared by the OTLP messages of all signals.

use bytes::Bytes;
use opentelemetry_proto::tonic::common::v1::InstrumentationScope;
use opentelemetry_proto::tonic::resource::v1::Resource;
use prost::Message;

use super::protobuf::{Writer, field_len};
use crate::record::Out;
use crate::schema::Attribute;
use crate::session_attributes::SessionAttributes;

/// The resource and the instrumentation scope of every request of a signal.
pub(crate) struct ResourceAndScope {
    pub(crate) resource: Resource,
    pub(crate) scope: InstrumentationScope,
}

impl ResourceAndScope {
    /// Builds an export request of any signal from its encoded log records, metrics or spans. The requests of the three
    /// signals differ only in the types of these items: the numbers of the fields are the same.
    pub(crate) fn request(&self, items: &[Vec<u8>]) -> Bytes {
        let (resource, scope) = (self.resource.encode_to_vec(), self.scope.encode_to_vec());
        let items_len: usize = items.iter().map(|item| field_len(item.len())).sum();
        // The buffer is allocated once, because the lengths are known beforehand.
        let scope_len = field_len(scope.len()) + items_len;
        let resource_len = field_len(resource.len()) + field_len(scope_len);
        let mut out = Writer::with_capacity(field_len(resource_len));
        out.begin(1, resource_len);
        out.bytes(1, &resource);
        out.begin(2, scope_len);
        out.bytes(1, &scope);
        for item in items {
            out.bytes(2, item);
        }
        out.finish().into()
    }
}

/// Writes the standard attributes, then the custom attributes. A custom attribute is left out if its key is one of the
/// item's own attributes, even when this item has no value for it, so that a consumer never mistakes one for the other.
pub(crate) fn push_standard(standard: &SessionAttributes, own: &[Attribute], out: &mut impl Out) {
    for (key, value) in standard.standard() {
        out.text(key, value);
    }
    let is_free = |key: &str| own.iter().all(|attribute| attribute.name != key);
    for (key, value) in standard.custom.iter().filter(|(key, _)| is_free(key)) {
        out.text(key, value);
    }
}
