//! `google.rpc.RetryInfo`: how long a gRPC receiver asks to wait.
//!
//! It comes in the details of a `google.rpc.Status`. Of these messages only what is needed is declared.

use std::time::Duration;

use ::http::{HeaderMap, HeaderName};
use prost::Message;
use tonic::metadata::MetadataMap;

/// Where the encoded `google.rpc.Status` is.
const DETAILS: HeaderName = HeaderName::from_static("grpc-status-details-bin");

/// `google.rpc.Status`.
#[derive(Clone, PartialEq, Message)]
struct Status {
    /// Whatever else there is to say.
    #[prost(message, repeated, tag = "3")]
    details: Vec<Any>,
}

/// `google.protobuf.Any`.
#[derive(Clone, PartialEq, Message)]
struct Any {
    /// Ends with the full name of the message.
    #[prost(string, tag = "1")]
    type_url: String,
    /// The message.
    #[prost(bytes = "vec", tag = "2")]
    value: Vec<u8>,
}

/// `google.rpc.RetryInfo`.
#[derive(Clone, PartialEq, Message)]
struct RetryInfo {
    /// How long to wait at least.
    #[prost(message, optional, tag = "1")]
    retry_delay: Option<Delay>,
}

/// `google.protobuf.Duration`.
#[derive(Clone, PartialEq, Message)]
struct Delay {
    /// Whole seconds.
    #[prost(int64, tag = "1")]
    seconds: i64,
    /// The rest.
    #[prost(int32, tag = "2")]
    nanos: i32,
}

/// The wait that the trailers of a call ask for.
pub(super) fn retry_delay(trailers: &HeaderMap) -> Option<Duration> {
    // tonic's metadata decodes base64, and does so without a panic when asked for one value.
    let details = trailers.get(DETAILS)?.clone();
    let details = MetadataMap::from_headers(HeaderMap::from_iter([(DETAILS, details)]));
    let details = details.get_bin(DETAILS.as_str())?.to_bytes().ok()?;
    let info = Status::decode(details)
        .ok()?
        .details
        .into_iter()
        .find(|any| any.type_url.ends_with("google.rpc.RetryInfo"))?;
    // One without a delay still says: try again.
    let delay = RetryInfo::decode(info.value.as_slice())
        .ok()?
        .retry_delay
        .unwrap_or_default();
    let seconds = u64::try_from(delay.seconds).unwrap_or(0);
    let nanos = u32::try_from(delay.nanos).unwrap_or(0);
    Some(Duration::new(seconds, nanos.min(999_999_999)))
}
