//! Why a request was not delivered, in words.

#[cfg(not(all(feature = "grpc", feature = "http")))]
use crate::config::otlp::Protocol;

/// Where an attempt failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum ErrorKind {
    /// No connection could be made.
    Connect,
    /// The connection broke, or what came was no answer.
    Broken,
    /// No answer came in time.
    Timeout,
    /// The receiver answered, and said no.
    Answered,
}

/// Why a request was not delivered: a sentence that names the endpoint, and neither credentials nor content.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text}")]
pub(crate) struct ExportError {
    kind: ErrorKind,
    text: String,
}

impl ExportError {
    /// An error of `kind`; `text` must already be fit to be shown.
    pub(super) fn new(kind: ErrorKind, text: String) -> Self {
        Self { kind, text }
    }

    /// Where the attempt failed.
    pub(crate) fn kind(&self) -> ErrorKind {
        self.kind
    }
}

/// Why there can be no client for a configuration.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BuildError {
    /// The cargo feature is off.
    #[cfg(not(all(feature = "grpc", feature = "http")))]
    #[error("the protocol {0:?} is not compiled in")]
    NotCompiledIn(Protocol),
    /// Not an endpoint of this protocol.
    #[error("{endpoint} cannot be an OTLP endpoint: {reason}")]
    Endpoint {
        /// The endpoint without user information, path and query.
        endpoint: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The name is not one that HTTP allows.
    #[error("{0:?} cannot be a header's name")]
    HeaderName(String),
    /// The value holds what HTTP does not allow, such as a line break.
    #[error("the value of the header {0} cannot be sent")]
    HeaderValue(String),
}
