//! From a message to the bytes that are sent.

use bytes::Bytes;
use opentelemetry_proto::tonic::collector::{
    logs::v1::ExportLogsServiceRequest, metrics::v1::ExportMetricsServiceRequest,
    trace::v1::ExportTraceServiceRequest,
};

use crate::config::otlp::Protocol;

/// A message of which both encodings are known.
#[cfg(feature = "http")]
pub(crate) trait ExportRequest: prost::Message + serde::Serialize {}

/// A message that can be encoded as protobuf.
#[cfg(not(feature = "http"))]
pub(crate) trait ExportRequest: prost::Message {}

impl ExportRequest for ExportMetricsServiceRequest {}
impl ExportRequest for ExportLogsServiceRequest {}
impl ExportRequest for ExportTraceServiceRequest {}

/// The bytes of `message`: protobuf, or compact JSON for `http/json`.
pub(crate) fn encode(protocol: Protocol, message: &impl ExportRequest) -> Bytes {
    match protocol {
        Protocol::Grpc | Protocol::HttpProtobuf => message.encode_to_vec().into(),
        // Writing to memory cannot fail, nor can these types: they have no maps and so no keys that are not text.
        #[cfg(feature = "http")]
        Protocol::HttpJson => serde_json::to_vec(message).unwrap_or_default().into(),
        #[cfg(not(feature = "http"))]
        Protocol::HttpJson => Bytes::new(),
    }
}
