//! Attributes in the types of `opentelemetry-proto`, which are the reference for the tests of the encoders.

use opentelemetry_proto::tonic::common::v1::any_value::Value as OtlpValue;
use opentelemetry_proto::tonic::common::v1::{AnyValue, ArrayValue, KeyValue};

use crate::content::{ContentPolicy, Filtered, Payload};
use crate::record::{Out, Value};

pub(super) fn any(value: OtlpValue) -> AnyValue {
    AnyValue { value: Some(value) }
}

/// Returns a record as it is after a policy that withholds all content.
pub(super) fn filtered<R: Payload>(record: R) -> Filtered<R> {
    let policy = ContentPolicy {
        user_prompts: false,
        tool_details: false,
        tool_content: false,
        raw_api_bodies: false,
        error_messages: false,
        max_length: 0,
    };
    let mut filtered = None;
    policy.filter(record, |record| filtered = Some(record));
    filtered.unwrap()
}

fn text(value: impl Into<String>) -> OtlpValue {
    OtlpValue::StringValue(value.into())
}

impl Out for Vec<KeyValue> {
    fn value(&mut self, key: &str, value: Value<'_>) {
        let value = match value {
            Value::String(value) => text(value),
            Value::Int(value) => OtlpValue::IntValue(value),
            Value::Double(value) => OtlpValue::DoubleValue(value),
            Value::Bool(value) => OtlpValue::BoolValue(value),
            Value::StringArray(values) => OtlpValue::ArrayValue(ArrayValue {
                values: values.into_iter().map(|value| any(text(value))).collect(),
            }),
        };
        self.push(KeyValue {
            key: key.to_owned(),
            value: Some(any(value)),
            ..KeyValue::default()
        });
    }
}
