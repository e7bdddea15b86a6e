//! Conversion of export requests to the format that a receiver wants.

use bytes::Bytes;

use crate::config::otlp::Protocol;
use crate::signal::Signal;

/// Converts a request in bytes of protobuf to the encoding of `protocol`.
pub(crate) fn encode(protocol: Protocol, signal: Signal, request: Bytes) -> Bytes {
    match protocol {
        Protocol::Grpc | Protocol::HttpProtobuf => request,
        #[cfg(feature = "http")]
        Protocol::HttpJson => json(signal, &request),
        // The cargo feature of this protocol is disabled.
        #[cfg(not(feature = "http"))]
        Protocol::HttpJson => {
            let _ = signal;
            Bytes::new()
        }
    }
}

/// Returns the request as compact JSON.
#[cfg(feature = "http")]
fn json(signal: Signal, request: &[u8]) -> Bytes {
    use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
    use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
    use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;

    use crate::encode::decoded;

    // Serializing these types to memory cannot fail: they have no maps, and so no keys other than text.
    let json = match signal {
        Signal::Metrics => serde_json::to_vec(&decoded::<ExportMetricsServiceRequest>(request)),
        Signal::Logs => serde_json::to_vec(&decoded::<ExportLogsServiceRequest>(request)),
        Signal::Traces => serde_json::to_vec(&decoded::<ExportTraceServiceRequest>(request)),
    };
    json.unwrap_or_default().into()
}
