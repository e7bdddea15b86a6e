//! The configuration of one signal's OTLP exporter.

use std::fmt;
use std::time::Duration;

use super::proxy::ProxyConfig;
use super::secret::Secret;
use super::tls::TlsConfig;
use super::variables::shown_url;

/// An OTLP protocol: transport and encoding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Protocol {
    /// `grpc`
    Grpc,
    /// `http/protobuf`
    HttpProtobuf,
    /// `http/json`
    HttpJson,
}

impl Protocol {
    /// Returns the protocol's value in variables.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Grpc => "grpc",
            Self::HttpProtobuf => "http/protobuf",
            Self::HttpJson => "http/json",
        }
    }

    pub(super) fn from_word(word: &str) -> Self {
        match word {
            "grpc" => Self::Grpc,
            "http/json" => Self::HttpJson,
            _ => Self::HttpProtobuf,
        }
    }
}

/// The compression of requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Compression {
    /// `none`
    None,
    /// `gzip`
    Gzip,
}

/// The configuration of one signal's OTLP exporter.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct OtlpConfig {
    pub(crate) protocol: Protocol,
    /// The endpoint. For gRPC: scheme, host and port. For HTTP: the whole URL of the requests. Never with user and
    /// password, which become a header.
    pub(crate) endpoint: http::Uri,
    /// True for a signal-specific HTTP URL without a path. If the receiver does not know this URL, its requests are
    /// sent to the signal's default path of OTLP.
    pub(crate) has_bare_url: bool,
    /// The headers: names in lower case, each once, in the order given.
    pub(crate) headers: Vec<(String, Secret)>,
    /// The header names, each with the variable that sets it.
    pub(crate) header_sources: Vec<(String, &'static str)>,
    /// The timeout of one attempt. After a timeout the batch returns to the queue and is sent again.
    pub(crate) timeout: Duration,
    pub(crate) compression: Compression,
    /// `Some` exactly for `https` endpoints.
    pub(crate) tls: Option<Box<TlsConfig>>,
    /// `None` = the exporter connects to the endpoint directly.
    pub(crate) proxy: Option<Box<ProxyConfig>>,
}

/// Shows the endpoint without its query, which can hold a key.
impl fmt::Debug for OtlpConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OtlpConfig")
            .field("protocol", &self.protocol)
            .field("endpoint", &shown_url(&self.endpoint.to_string()))
            .field("headers", &self.headers)
            .field("timeout", &self.timeout)
            .field("compression", &self.compression)
            .field("tls", &self.tls)
            .field("proxy", &self.proxy)
            .finish()
    }
}
