//! Why there can be no client.

#[cfg(not(all(feature = "grpc", feature = "http")))]
use crate::config::otlp::Protocol;

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
    /// TLS cannot be used.
    #[error("{0}")]
    Tls(String),
    /// The name is not one that HTTP allows.
    #[error("{0:?} cannot be a header's name")]
    HeaderName(String),
    /// The value holds what HTTP does not allow, such as a line break.
    #[error("the value of the header {0} cannot be sent")]
    HeaderValue(String),
}
