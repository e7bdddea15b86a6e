//! The attributes of emitted items.

use std::fmt;
use std::ops::Index;

use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, ArrayValue, KeyValue};

use super::names::check_key;

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
    fn new(value: Option<AnyValue>) -> Self {
        match value.and_then(|value| value.value) {
            Some(Value::StringValue(text)) => Self::Text(text),
            Some(Value::IntValue(value)) => Self::Int(value),
            Some(Value::DoubleValue(value)) => Self::Double(value),
            Some(Value::BoolValue(value)) => Self::Bool(value),
            Some(Value::ArrayValue(ArrayValue { values })) => {
                let texts = values.into_iter().filter_map(|value| match value.value {
                    Some(Value::StringValue(text)) => Some(text),
                    _ => None,
                });
                Self::Texts(texts.collect())
            }
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

macro_rules! comparable {
    ($($type:ty => $variant:ident),*) => {$(
        impl From<$type> for Attribute {
            fn from(value: $type) -> Self {
                Self::$variant(value.into())
            }
        }

        impl PartialEq<$type> for Attribute {
            fn eq(&self, value: &$type) -> bool {
                matches!(self, Self::$variant(inner) if inner == value)
            }
        }
    )*};
}

comparable! { &str => Text, i64 => Int, f64 => Double, bool => Bool }

impl PartialEq<str> for Attribute {
    fn eq(&self, text: &str) -> bool {
        self.as_str() == Some(text)
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

/// A list of attributes in the order in which they were sent. Indexing with a missing key of the catalog returns
/// [`Attribute::Missing`]; indexing with a key that is neither in the list nor in the catalog panics, because it is
/// probably misspelled.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Attributes(Vec<(String, Attribute)>);

impl Attributes {
    pub(super) fn new(attributes: Vec<KeyValue>) -> Self {
        let attributes = attributes.into_iter();
        Self(
            attributes
                .map(|pair| (pair.key, Attribute::new(pair.value)))
                .collect(),
        )
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

    #[track_caller]
    fn index(&self, key: &str) -> &Attribute {
        let value = self.get(key);
        check_key(key, value.is_some());
        value.unwrap_or(&Attribute::Missing)
    }
}
