//! Where and how one signal is sent over OTLP.

use std::fmt;
use std::time::Duration;

use super::proxy::ProxyConfig;
use super::secret::Secret;
use super::tls::TlsConfig;
use super::variables::shown_url;

/// An encoding and transport of OTLP.
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
    /// The word that configures it.
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

/// How a request is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Compression {
    /// `none`
    None,
    /// `gzip`
    Gzip,
}

/// One signal's OTLP exporter.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct OtlpConfig {
    pub(crate) protocol: Protocol,
    /// gRPC: scheme, host and port. HTTP: the whole URL that requests are posted to. Never with
    /// user and password, which are a header.
    pub(crate) endpoint: http::Uri,
    /// HTTP: the URL is that of one signal and has no path. A receiver that does not know it gets its requests at OTLP's
    /// path of the signal.
    pub(crate) has_bare_url: bool,
    /// Names in lower case, each once, in the order given.
    pub(crate) headers: Vec<(String, Secret)>,
    /// Their names again, each with the variable that it comes from.
    pub(crate) header_sources: Vec<(String, &'static str)>,
    /// Bounds one attempt. What it does not deliver waits in its queue and is sent again.
    pub(crate) timeout: Duration,
    pub(crate) compression: Compression,
    /// `Some` for an `https` endpoint, and for no other.
    pub(crate) tls: Option<Box<TlsConfig>>,
    /// `None` = the endpoint is connected to directly.
    pub(crate) proxy: Option<Box<ProxyConfig>>,
}

/// A query can hold a key, so the endpoint is shown without it.
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
