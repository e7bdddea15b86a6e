//! The parts shared by the OTLP messages of all signals.

use std::borrow::Cow;

use opentelemetry_proto::tonic::common::v1::any_value::Value as OtlpValue;
use opentelemetry_proto::tonic::common::v1::{
    AnyValue, ArrayValue, InstrumentationScope, KeyValue,
};
use opentelemetry_proto::tonic::resource::v1::Resource;

use crate::content::{truncate::marker, utf16};
use crate::record::{Out, Value};
use crate::schema::Attribute;
use crate::session_attributes::SessionAttributes;

/// The size limit of a single record or span, in bytes of protobuf, because it cannot be split.
pub(crate) const MAX_ITEM_BYTES: usize = 3_670_016;
/// The bytes reserved for the truncation marker; more than any marker needs.
const MARKER_ROOM: usize = 128;

/// The resource and the instrumentation scope of every request of a signal.
#[derive(Clone, Debug)]
pub(crate) struct ResourceAndScope {
    pub(crate) resource: Resource,
    pub(crate) scope: InstrumentationScope,
}

impl ResourceAndScope {
    pub(crate) fn new(resource: &[(String, String)], scope: &str, version: &str) -> Self {
        Self {
            resource: Resource {
                attributes: resource
                    .iter()
                    .map(|(key, value)| text(key, value.as_str()))
                    .collect(),
                ..Resource::default()
            },
            scope: InstrumentationScope {
                name: scope.to_owned(),
                version: version.to_owned(),
                ..InstrumentationScope::default()
            },
        }
    }
}

pub(crate) fn any(value: OtlpValue) -> AnyValue {
    AnyValue { value: Some(value) }
}

pub(crate) fn key_value(key: &str, value: OtlpValue) -> KeyValue {
    KeyValue {
        key: key.to_owned(),
        value: Some(any(value)),
        ..KeyValue::default()
    }
}

pub(crate) fn text(key: &str, value: impl Into<String>) -> KeyValue {
    key_value(key, OtlpValue::StringValue(value.into()))
}

pub(crate) fn texts(key: &str, values: impl IntoIterator<Item = impl Into<String>>) -> KeyValue {
    let values = values
        .into_iter()
        .map(|value| any(OtlpValue::StringValue(value.into())))
        .collect();
    key_value(key, OtlpValue::ArrayValue(ArrayValue { values }))
}

/// Encodes an attribute of a record.
pub(crate) fn attribute(key: &str, value: Value<'_>) -> KeyValue {
    match value {
        Value::Text(value) => text(key, value.into_owned()),
        Value::Int(value) => key_value(key, OtlpValue::IntValue(value)),
        Value::Double(value) => key_value(key, OtlpValue::DoubleValue(value)),
        Value::Bool(value) => key_value(key, OtlpValue::BoolValue(value)),
        Value::TextArray(values) => texts(key, values.into_iter().map(Cow::into_owned)),
    }
}

/// Writes the standard attributes, then the custom attributes. A custom attribute is left out if its key is one of the
/// item's own attributes, even when this item has no value for it, so that a consumer never mistakes one for the other.
pub(crate) fn push_standard(standard: &SessionAttributes, own: &[Attribute], out: &mut impl Out) {
    for (key, value) in &standard.attributes {
        out.text(key, value);
    }
    let is_free = |key: &str| own.iter().all(|attribute| attribute.name != key);
    for (key, value) in standard.custom.iter().filter(|(key, _)| is_free(key)) {
        out.text(key, value);
    }
}

/// Returns the texts among attribute values, each of which may be truncated.
pub(crate) fn texts_of(attributes: &mut [KeyValue]) -> impl Iterator<Item = &mut String> {
    attributes.iter_mut().filter_map(|attribute| {
        match attribute.value.as_mut()?.value.as_mut()? {
            OtlpValue::StringValue(text) => Some(text),
            _ => None,
        }
    })
}

/// Truncates the longest text of a record that is too large, so that the record fits.
pub(crate) fn shorten<M: prost::Message>(item: &mut M, texts: impl Fn(&mut M) -> Vec<&mut String>) {
    loop {
        let size = item.encoded_len();
        if size <= MAX_ITEM_BYTES {
            return;
        }
        let longest = texts(item).into_iter().max_by_key(|text| text.len());
        let Some(text) = longest.filter(|text| !text.is_empty()) else {
            return;
        };
        // A short text gets no marker, which would make it longer.
        let marked = text.len() > MARKER_ROOM;
        // Reserving room for the marker makes one iteration sufficient unless several texts are too long.
        let mut keep = text
            .len()
            .saturating_sub(size - MAX_ITEM_BYTES + MARKER_ROOM);
        while !text.is_char_boundary(keep) {
            keep -= 1;
        }
        text.truncate(keep);
        if marked {
            let units = utf16::len(text);
            text.push_str(&marker(units));
        }
    }
}
