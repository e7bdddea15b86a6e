//! Attributes in the official types: the reference for the tests of the encoders.

use opentelemetry_proto::tonic::common::v1::any_value::Value as OtlpValue;
use opentelemetry_proto::tonic::common::v1::{AnyValue, ArrayValue, KeyValue};

use crate::record::{Out, Value};

pub(super) fn any(value: OtlpValue) -> AnyValue {
    AnyValue { value: Some(value) }
}

fn text(value: impl Into<String>) -> OtlpValue {
    OtlpValue::StringValue(value.into())
}

impl Out for Vec<KeyValue> {
    fn text(&mut self, key: &str, value: &str) {
        self.value(key, Value::Text(value.into()));
    }

    fn value(&mut self, key: &str, value: Value<'_>) {
        let value = match value {
            Value::Text(value) => text(value),
            Value::Int(value) => OtlpValue::IntValue(value),
            Value::Double(value) => OtlpValue::DoubleValue(value),
            Value::Bool(value) => OtlpValue::BoolValue(value),
            Value::TextArray(values) => OtlpValue::ArrayValue(ArrayValue {
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
