//! JSON objects in the order of their members, and the values of OTLP as JSON.

use std::io;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use opentelemetry_proto::tonic::common::v1::any_value::Value as OtlpValue;
use opentelemetry_proto::tonic::common::v1::{AnyValue, InstrumentationScope, KeyValue};
use opentelemetry_proto::tonic::resource::v1::Resource;
use serde::{Serialize, Serializer};
use serde_json::Value;
use serde_json::ser::Formatter;

use crate::visible::is_control;

/// The names and values of the members of an object, in order.
pub(super) type Members<'a> = Vec<(&'a str, Member<'a>)>;

/// A JSON object whose members keep their order. The order of a `serde_json::Map` depends on features of the host.
pub(super) struct Object<'a>(pub(super) Members<'a>);

/// A member of an object.
#[derive(Serialize)]
#[serde(untagged)]
pub(super) enum Member<'a> {
    Value(Value),
    Object(Object<'a>),
    List(Vec<Member<'a>>),
}

impl<T: Into<Value>> From<T> for Member<'_> {
    fn from(value: T) -> Self {
        Self::Value(value.into())
    }
}

impl<'a> FromIterator<Member<'a>> for Member<'a> {
    fn from_iter<I: IntoIterator<Item = Member<'a>>>(members: I) -> Self {
        Self::List(members.into_iter().collect())
    }
}

impl Serialize for Object<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(key, member)| (key, member)))
    }
}

/// Writes the line of an item: its own members, its [scope](host_scope) and its resource.
pub(super) fn write_line<'a>(
    out: &mut Vec<u8>,
    mut line: Members<'a>,
    scope: Option<Member<'a>>,
    resource: Option<&'a Resource>,
) {
    line.extend(scope.map(|scope| ("scope", scope)));
    let resource = resource.map_or(&[][..], |resource| &resource.attributes);
    line.push(("resource", object(resource)));
    let mut serializer = serde_json::Serializer::with_formatter(&mut *out, Escaping);
    // Writing to memory cannot fail, and every key is text.
    if Object(line).serialize(&mut serializer).is_ok() {
        out.push(b'\n');
    }
}

/// A formatter of compact JSON that also escapes the control characters that JSON allows in a string.
struct Escaping;

impl Formatter for Escaping {
    fn write_string_fragment<W: ?Sized + io::Write>(
        &mut self,
        writer: &mut W,
        fragment: &str,
    ) -> io::Result<()> {
        let mut rest = fragment;
        while let Some(at) = rest.find(is_control) {
            let (plain, controls) = rest.split_at(at);
            writer.write_all(plain.as_bytes())?;
            let mut characters = controls.chars();
            // All control characters are in the Basic Multilingual Plane, so one escape suffices.
            if let Some(control) = characters.next() {
                write!(writer, "\\u{:04x}", u32::from(control))?;
            }
            rest = characters.as_str();
        }
        writer.write_all(rest.as_bytes())
    }
}

/// Returns a value of any type. Bytes are base64, as in OTLP's JSON.
pub(super) fn any(value: &AnyValue) -> Member<'_> {
    match &value.value {
        Some(OtlpValue::StringValue(text)) => text.as_str().into(),
        Some(OtlpValue::IntValue(value)) => (*value).into(),
        Some(OtlpValue::DoubleValue(value)) => double(*value),
        Some(OtlpValue::BoolValue(value)) => (*value).into(),
        Some(OtlpValue::ArrayValue(list)) => list.values.iter().map(any).collect(),
        Some(OtlpValue::KvlistValue(map)) => object(&map.values),
        Some(OtlpValue::BytesValue(bytes)) => BASE64_STANDARD.encode(bytes).into(),
        // No value, or a reference to a table of strings, which only profiles have.
        _ => Value::Null.into(),
    }
}

/// Returns a number. Those that JSON lacks become their names in OTLP's JSON.
pub(super) fn double<'a>(value: f64) -> Member<'a> {
    match value {
        f64::INFINITY => "Infinity".into(),
        f64::NEG_INFINITY => "-Infinity".into(),
        value if value.is_nan() => "NaN".into(),
        value => value.into(),
    }
}

pub(super) fn object(attributes: &[KeyValue]) -> Member<'_> {
    let members = attributes.iter().filter_map(|attribute| {
        let value = attribute.value.as_ref()?;
        Some((attribute.key.as_str(), any(value)))
    });
    Member::Object(Object(members.collect()))
}

/// Returns the instrumentation scope of a host instrument. Returns `None` for `catalog`, the scope of the catalog's own
/// items, whose lines do not contain it.
pub(super) fn host_scope<'a>(
    scope: Option<&'a InstrumentationScope>,
    catalog: &str,
) -> Option<Member<'a>> {
    let scope = scope.filter(|scope| scope.name != catalog)?;
    let mut members = vec![("name", scope.name.as_str().into())];
    if !scope.version.is_empty() {
        members.push(("version", scope.version.as_str().into()));
    }
    if !scope.attributes.is_empty() {
        members.push(("attributes", object(&scope.attributes)));
    }
    Some(Member::Object(Object(members)))
}
