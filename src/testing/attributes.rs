//! The attributes of emitted items.

use std::fmt;
use std::ops::Index;

use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::common::v1::any_value::Value;

/// The value of an attribute. It can be compared with strings, numbers and booleans of the same type.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Attribute {
    /// The attribute is missing.
    Missing,
    /// A string.
    Text(String),
    /// An integer.
    Int(i64),
    /// A double.
    Double(f64),
    /// A boolean.
    Bool(bool),
    /// An array of strings.
    Texts(Vec<String>),
}

impl Attribute {
    fn new(value: Option<Value>) -> Self {
        match value {
            Some(Value::StringValue(text)) => Self::Text(text),
            Some(Value::IntValue(value)) => Self::Int(value),
            Some(Value::DoubleValue(value)) => Self::Double(value),
            Some(Value::BoolValue(value)) => Self::Bool(value),
            Some(Value::ArrayValue(array)) => Self::Texts(
                array
                    .values
                    .into_iter()
                    .filter_map(|value| match value.value {
                        Some(Value::StringValue(text)) => Some(text),
                        _ => None,
                    })
                    .collect(),
            ),
            // The catalog has no other kind of value.
            _ => Self::Missing,
        }
    }

    /// Returns the string, if the value is one.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    /// Returns the integer, if the value is one.
    pub fn as_int(&self) -> Option<i64> {
        match self {
            Self::Int(value) => Some(*value),
            _ => None,
        }
    }
}

impl From<&str> for Attribute {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<i64> for Attribute {
    fn from(value: i64) -> Self {
        Self::Int(value)
    }
}

impl From<f64> for Attribute {
    fn from(value: f64) -> Self {
        Self::Double(value)
    }
}

impl From<bool> for Attribute {
    fn from(value: bool) -> Self {
        Self::Bool(value)
    }
}

impl PartialEq<str> for Attribute {
    fn eq(&self, text: &str) -> bool {
        self.as_str() == Some(text)
    }
}

impl PartialEq<&str> for Attribute {
    fn eq(&self, text: &&str) -> bool {
        self.as_str() == Some(*text)
    }
}

impl PartialEq<i64> for Attribute {
    fn eq(&self, value: &i64) -> bool {
        *self == Self::Int(*value)
    }
}

impl PartialEq<f64> for Attribute {
    fn eq(&self, value: &f64) -> bool {
        *self == Self::Double(*value)
    }
}

impl PartialEq<bool> for Attribute {
    fn eq(&self, value: &bool) -> bool {
        *self == Self::Bool(*value)
    }
}

/// Formats strings in quotes, as in Rust, and doubles with their decimal point.
impl fmt::Display for Attribute {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing => f.write_str("missing"),
            Self::Text(text) => write!(f, "{text:?}"),
            Self::Int(value) => write!(f, "{value}"),
            Self::Double(value) => write!(f, "{value:?}"),
            Self::Bool(value) => write!(f, "{value}"),
            Self::Texts(texts) => write!(f, "{texts:?}"),
        }
    }
}

/// A list of attributes in the order in which they were sent. Indexing with a missing key returns
/// [`Attribute::Missing`].
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Attributes(Vec<(String, Attribute)>);

impl Attributes {
    pub(super) fn new(attributes: Vec<KeyValue>) -> Self {
        let attributes = attributes.into_iter().map(|KeyValue { key, value, .. }| {
            (key, Attribute::new(value.and_then(|value| value.value)))
        });
        Self(attributes.collect())
    }

    /// Returns the value of a key, if it is present.
    pub fn get(&self, key: &str) -> Option<&Attribute> {
        self.iter()
            .find(|(name, _)| *name == key)
            .map(|(_, value)| value)
    }

    /// Returns the keys, in order.
    pub fn keys(&self) -> impl Iterator<Item = &str> {
        self.iter().map(|(key, _)| key)
    }

    /// Returns keys and values, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Attribute)> {
        self.0.iter().map(|(key, value)| (key.as_str(), value))
    }
}

impl Index<&str> for Attributes {
    type Output = Attribute;

    fn index(&self, key: &str) -> &Attribute {
        self.get(key).unwrap_or(&Attribute::Missing)
    }
}
