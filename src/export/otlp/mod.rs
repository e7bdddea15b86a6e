//! The OTLP client: export requests of every signal, three protocols, one HTTP client.
//!
//! A message is encoded and compressed once ([`PushExporter::encode`]), and every attempt sends these bytes, so that a
//! receiver can distinguish a resent request from a new one. [`Client::send`] makes one attempt and returns its
//! outcome. The caller decides when and whether to try again.
//!
//! | file | content |
//! | --- | --- |
//! | `client.rs`, `url.rs` | one attempt: headers of the headers helper, URL |
//! | `gzip.rs` | compression of requests, decompression of responses |
//! | `grpc.rs`, `http.rs` | the two mappings of OTLP to HTTP |
//! | `http_client.rs` | connections that are kept alive, deadlines |
//! | `connector.rs`, `tcp.rs`, `resolve.rs`, `stream.rs` | a connection: proxy and TLS, TCP, name resolution, read limit |
//! | `status.rs`, `retry_after.rs`, `retry_info.rs` | outcomes of responses |
//! | `receiver.rs`, `secrets.rs`, `error.rs`, `tls_error.rs` | texts of errors, without secrets |

mod client;
mod connector;
mod error;
mod grpc;
mod gzip;
mod http;
mod http_client;
mod receiver;
mod resolve;
mod retry_after;
mod retry_info;
mod secrets;
mod status;
mod stream;
mod tcp;
#[cfg(test)]
mod tests;
mod tls_error;
mod url;

pub(crate) use client::Client;
pub(crate) use tcp::Observed;

/// The user agent of requests.
const AGENT: &str = concat!("claude-code-telemetry/", env!("CARGO_PKG_VERSION"));

/// Entry points of the fuzz targets.
#[cfg(all(fuzzing, feature = "grpc"))]
pub(crate) mod fuzzing {
    use std::time::Duration;

    use ::http::{HeaderMap, HeaderName, HeaderValue};

    /// Parses a receiver's response: the wait of `Retry-After`, and the wait and the message of a gRPC status.
    pub fn answer(first: &[u8], second: &[u8]) -> (Option<Duration>, Option<Duration>, String) {
        let headers = |pairs: [(&'static str, &[u8]); 2]| -> HeaderMap {
            let valid = |(name, bytes)| {
                let value = HeaderValue::from_bytes(bytes).ok()?;
                Some((HeaderName::from_static(name), value))
            };
            pairs.into_iter().filter_map(valid).collect()
        };
        let dates = headers([("retry-after", first), ("date", second)]);
        let details = headers([("grpc-status-details-bin", first), ("grpc-message", second)]);
        (
            super::retry_after::retry_after(&dates),
            super::retry_info::retry_delay(&details),
            super::status::percent_decode(second),
        )
    }
}
