//! Reasons why a client cannot be built.

#[cfg(not(all(feature = "grpc", feature = "http")))]
use crate::config::otlp::Protocol;

/// The reason why a client cannot be built for a configuration.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BuildError {
    /// The cargo feature of the protocol is disabled.
    #[cfg(not(all(feature = "grpc", feature = "http")))]
    #[error("the protocol {0:?} is not compiled in")]
    NotCompiledIn(Protocol),
    /// The URL cannot be an endpoint of this protocol.
    #[error("{endpoint} cannot be an OTLP endpoint: {reason}")]
    Endpoint {
        /// The endpoint without user information, path and query.
        endpoint: String,
        /// The problem with the endpoint.
        reason: String,
    },
    /// TLS cannot be used.
    #[error("{0}")]
    Tls(String),
    /// The name of a header is not allowed in HTTP.
    #[error("{0:?} cannot be a header's name")]
    HeaderName(String),
    /// The value of a header contains something that HTTP does not allow, such as a line break.
    #[error("the value of the header {0} cannot be sent")]
    HeaderValue(String),
}
