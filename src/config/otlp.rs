//! Where and how one signal is sent over OTLP.

use std::time::Duration;

use super::secret::Secret;

/// An encoding and transport of OTLP.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Protocol {
    /// `grpc`
    Grpc,
    /// `http/protobuf`
    HttpProtobuf,
    /// `http/json`
    HttpJson,
}

/// How a request is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Compression {
    /// `none`
    None,
    /// `gzip`
    Gzip,
}

/// One signal's OTLP exporter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct OtlpConfig {
    pub(crate) protocol: Protocol,
    /// gRPC: scheme, host and port. HTTP: the whole URL that requests are posted to.
    pub(crate) endpoint: http::Uri,
    /// Names in lower case, each once, in the order given.
    pub(crate) headers: Vec<(String, Secret)>,
    /// Bounds one export with all its attempts.
    pub(crate) timeout: Duration,
    pub(crate) compression: Compression,
}
