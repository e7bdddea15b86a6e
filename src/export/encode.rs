//! Encoding of messages as the bytes of a request.

use bytes::Bytes;
use opentelemetry_proto::tonic::collector::{
    logs::v1::ExportLogsServiceRequest, metrics::v1::ExportMetricsServiceRequest,
    trace::v1::ExportTraceServiceRequest,
};
use prost::Message;

#[cfg(any(feature = "grpc", feature = "http"))]
use crate::config::otlp::Protocol;
use crate::encode::events::LogsRequest;

/// A message that can be encoded as protobuf and as JSON.
pub(crate) trait ExportRequest {
    fn protobuf(&self) -> Bytes;

    /// Encodes the message as compact JSON.
    #[cfg(feature = "http")]
    fn json(&self) -> Bytes;
}

macro_rules! official {
    ($($request:ty),*) => {$(
        impl ExportRequest for $request {
            fn protobuf(&self) -> Bytes {
                self.encode_to_vec().into()
            }

            // Writing to memory cannot fail. Serializing these types cannot fail either: they have no maps, and so no
            // keys other than text.
            #[cfg(feature = "http")]
            fn json(&self) -> Bytes {
                serde_json::to_vec(self).unwrap_or_default().into()
            }
        }
    )*};
}

official!(
    ExportMetricsServiceRequest,
    ExportLogsServiceRequest,
    ExportTraceServiceRequest
);

impl ExportRequest for LogsRequest {
    fn protobuf(&self) -> Bytes {
        match self {
            Self::Bytes(bytes) => bytes.clone(),
            Self::Message(message) => message.protobuf(),
        }
    }

    #[cfg(feature = "http")]
    fn json(&self) -> Bytes {
        match self {
            // The `Bytes` variant is built for protobuf only.
            Self::Bytes(_) => Bytes::new(),
            Self::Message(message) => message.json(),
        }
    }
}

/// Encodes `message` as protobuf, or as compact JSON for `http/json`.
#[cfg(any(feature = "grpc", feature = "http"))]
pub(crate) fn encode(protocol: Protocol, message: &impl ExportRequest) -> Bytes {
    match protocol {
        Protocol::Grpc | Protocol::HttpProtobuf => message.protobuf(),
        #[cfg(feature = "http")]
        Protocol::HttpJson => message.json(),
        #[cfg(not(feature = "http"))]
        Protocol::HttpJson => Bytes::new(),
    }
}
