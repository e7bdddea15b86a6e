//! The configuration of the content of requests.

use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, InstrumentationScope, KeyValue};
use opentelemetry_proto::tonic::resource::v1::Resource;

use super::message::ResourceAndScope;
use crate::config::{NumberEncoding, Temporality};

/// The part of the configuration that applies to the content of requests.
#[derive(Default)]
pub(crate) struct SourceConfig {
    /// The attributes of the resource.
    pub(crate) resource: Vec<(String, String)>,
    /// The version of the service, which is also that of the instrumentation scopes of metrics and events.
    pub(crate) version: String,
    pub(crate) temporality: Temporality,
    pub(crate) number_encoding: NumberEncoding,
}

impl SourceConfig {
    /// Returns the resource as an OTLP message.
    pub(crate) fn resource(&self) -> Resource {
        let attribute = |(key, value): &(String, String)| KeyValue {
            key: key.clone(),
            value: Some(AnyValue {
                value: Some(Value::StringValue(value.clone())),
            }),
            ..KeyValue::default()
        };
        Resource {
            attributes: self.resource.iter().map(attribute).collect(),
            ..Resource::default()
        }
    }

    /// Returns the resource with an instrumentation scope.
    pub(crate) fn resource_and_scope(&self, scope: &str, version: &str) -> ResourceAndScope {
        ResourceAndScope {
            resource: self.resource(),
            scope: InstrumentationScope {
                name: scope.to_owned(),
                version: version.to_owned(),
                ..InstrumentationScope::default()
            },
        }
    }
}
