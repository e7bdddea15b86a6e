//! `google.rpc.RetryInfo`: the wait that a gRPC receiver asks for.
//!
//! It is a part of the details of a `google.rpc.Status`. Only the fields that are read are declared.

use std::time::Duration;

use ::http::{HeaderMap, HeaderName};
use prost::Message;

use super::secrets::decode_base64;
use super::status::Status;

/// The trailer with the encoded `google.rpc.Status`.
const DETAILS: HeaderName = HeaderName::from_static("grpc-status-details-bin");

/// `google.protobuf.Any`.
#[derive(Clone, PartialEq, Message)]
struct Any {
    /// A URL that ends with the full name of the message.
    #[prost(string, tag = "1")]
    type_url: String,
    /// The encoded message.
    #[prost(bytes = "vec", tag = "2")]
    value: Vec<u8>,
}

/// `google.rpc.RetryInfo`.
#[derive(Clone, PartialEq, Message)]
struct RetryInfo {
    /// The shortest wait before a retry.
    #[prost(message, optional, tag = "1")]
    retry_delay: Option<Delay>,
}

/// `google.protobuf.Duration`.
#[derive(Clone, PartialEq, Message)]
struct Delay {
    /// Whole seconds.
    #[prost(int64, tag = "1")]
    seconds: i64,
    /// The remaining nanoseconds.
    #[prost(int32, tag = "2")]
    nanos: i32,
}

/// Returns the wait that the trailers of a call ask for.
pub(super) fn retry_delay(trailers: &HeaderMap) -> Option<Duration> {
    let details = decode_base64(trailers.get(DETAILS)?.as_bytes())?;
    let info = Status::decode(details.as_slice())
        .ok()?
        .details
        .iter()
        .filter_map(|detail| Any::decode(detail.as_slice()).ok())
        .find(|any| any.type_url.ends_with("google.rpc.RetryInfo"))?;
    // A `RetryInfo` without a delay still permits a retry.
    let delay = RetryInfo::decode(info.value.as_slice())
        .ok()?
        .retry_delay
        .unwrap_or_default();
    let seconds = u64::try_from(delay.seconds).unwrap_or(0);
    let nanos = u32::try_from(delay.nanos).unwrap_or(0);
    Some(Duration::new(seconds, nanos.min(999_999_999)))
}
