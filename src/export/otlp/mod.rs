//! The OTLP client: one request type, three encodings.
//!
//! A message is encoded once ([`encode`](super::encode)), and every attempt sends these bytes, so that a receiver can
//! distinguish a resent request from a new one. [`Client::send`] makes one attempt and returns its outcome. The caller
//! decides when and whether to try again.

pub(crate) mod connect;
mod dynamic;
mod error;
#[cfg(feature = "grpc")]
mod grpc;
#[cfg(feature = "grpc")]
mod grpc_status;
mod gzip;
#[cfg(feature = "http")]
mod http;
mod http_status;
mod messages;
pub(crate) mod resolve;
mod retry_after;
#[cfg(feature = "grpc")]
mod retry_info;
mod route;
mod secrets;
mod stream;
mod target;
#[cfg(test)]
mod tests;
mod tls_words;
mod words;

use std::sync::Arc;

use bytes::Bytes;
use tokio::time::{Instant, timeout_at};

use super::export_result::{Accepted, ErrorKind, ExportError, ExportResult};
use super::headers::Helper;
use super::tls::{Renewal, Tls};
use crate::config::otlp::{OtlpConfig, Protocol};
use crate::signal::Signal;

/// Entry points of the fuzz targets.
#[cfg(fuzzing)]
pub(crate) mod fuzzing {
    use std::time::Duration;

    use ::http::{HeaderMap, HeaderValue};

    /// Parses a receiver's answer: the wait of `Retry-After`, and the wait and the message of a gRPC status.
    pub(crate) fn answer(
        first: &[u8],
        second: &[u8],
    ) -> (Option<Duration>, Option<Duration>, String) {
        let headers = |pairs: [(&'static str, &[u8]); 2]| -> HeaderMap {
            let valid = |(name, bytes)| Some((name, HeaderValue::from_bytes(bytes).ok()?));
            let pairs = pairs.into_iter().filter_map(valid);
            pairs
                .map(|(name, value)| (::http::HeaderName::from_static(name), value))
                .collect()
        };
        let wait =
            super::retry_after::retry_after(&headers([("retry-after", first), ("date", second)]));
        #[cfg(feature = "grpc")]
        return (
            wait,
            super::retry_info::retry_delay(&headers([
                ("grpc-status-details-bin", first),
                ("grpc-message", second),
            ])),
            super::grpc_status::percent_decode(second),
        );
        #[cfg(not(feature = "grpc"))]
        (wait, None, String::new())
    }
}

use dynamic::Dynamic;
pub(crate) use error::BuildError;
use target::Target;

/// The user agent of requests.
const USER_AGENT: &str = concat!("claude-code-telemetry/", env!("CARGO_PKG_VERSION"));

/// The most bytes of an answer that are read: enough for a partial success or an error message.
const MAX_ANSWER: usize = 64 * 1024;

/// A client that sends the encoded requests of one signal to one endpoint.
pub(crate) struct Client {
    target: Target,
    transport: Transport,
    /// The headers of a helper.
    dynamic: Option<Dynamic>,
}

/// The transports that are compiled in.
enum Transport {
    /// gRPC.
    #[cfg(feature = "grpc")]
    Grpc(Box<grpc::Grpc>),
    /// HTTP, with either encoding.
    #[cfg(feature = "http")]
    Http(Box<http::Http>),
}

/// Reads the certificate files again, once, after a failure that new certificates may fix. Returns the error, and true
/// if the next connection needs a new client.
async fn renewal(tls: &Tls, error: ExportError, deadline: Instant) -> (ExportError, bool) {
    if !matches!(error.kind(), ErrorKind::Tls(_) | ErrorKind::Broken) {
        return (error, false);
    }
    match timeout_at(deadline, tls.renew()).await {
        Ok(Renewal::Changed) => (error, true),
        Ok(Renewal::Broken(file)) => {
            let text = format!("{error}. Read again: {file}");
            (ExportError::new(error.kind(), text), false)
        }
        Ok(Renewal::Nothing) | Err(_) => (error, false),
    }
}

impl Client {
    /// Creates a client for `signal`, which connects when it first sends.
    ///
    /// Must be called inside the runtime that drives the client, because its connections are tasks of that runtime.
    pub(crate) fn new(signal: Signal, config: &OtlpConfig) -> Result<Self, BuildError> {
        let target = Target::new(config)?;
        let transport = match config.protocol {
            #[cfg(feature = "grpc")]
            Protocol::Grpc => Transport::Grpc(Box::new(grpc::Grpc::new(
                signal,
                config,
                target.proxy.as_ref(),
            )?)),
            #[cfg(feature = "http")]
            Protocol::HttpProtobuf | Protocol::HttpJson => Transport::Http(Box::new(
                http::Http::new(signal, config, target.proxy.as_ref())?,
            )),
            #[cfg(not(all(feature = "grpc", feature = "http")))]
            protocol => {
                let _ = signal;
                return Err(BuildError::NotCompiledIn(protocol));
            }
        };
        Ok(Self {
            target,
            transport,
            dynamic: None,
        })
    }

    /// Sets the headers helper. No request is then sent without its headers.
    pub(crate) fn with_helper(mut self, helper: Option<Arc<Helper>>) -> Self {
        self.dynamic = helper.map(Dynamic::new);
        self
    }

    /// Makes one attempt to deliver `body`, which [`encode`](super::encode) made for this client's protocol. The
    /// attempt ends by `deadline`.
    pub(crate) async fn send(
        &self,
        body: Bytes,
        deadline: Instant,
        accepted: &Accepted,
    ) -> ExportResult {
        if deadline <= Instant::now() {
            return ExportResult::Retryable {
                after: None,
                error: self.target.no_time(),
            };
        }
        match &self.dynamic {
            Some(dynamic) => dynamic.send(self, body, deadline, accepted).await,
            None => self.request(&self.target, body, deadline, accepted).await,
        }
    }

    /// Sends the request to `target` over the configured transport.
    async fn request(
        &self,
        target: &Target,
        body: Bytes,
        deadline: Instant,
        accepted: &Accepted,
    ) -> ExportResult {
        match self.transport {
            #[cfg(feature = "grpc")]
            Transport::Grpc(ref grpc) => {
                // The status of a gRPC call comes at the end of the answer.
                let _ = accepted;
                grpc.send(target, body, deadline).await
            }
            #[cfg(feature = "http")]
            Transport::Http(ref http) => http.send(target, body, deadline, accepted).await,
        }
    }

    /// Returns the path that requests go to because the receiver serves nothing at the configured URL, which has no
    /// path.
    pub(crate) fn standard_path(&self) -> Option<&str> {
        match self.transport {
            #[cfg(feature = "grpc")]
            Transport::Grpc(_) => None,
            #[cfg(feature = "http")]
            Transport::Http(ref http) => http.standard_path(),
        }
    }
}
