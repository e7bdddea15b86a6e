//! Outcomes of attempts to deliver a request.
#![cfg_attr(
    not(all(feature = "grpc", feature = "http")),
    allow(
        dead_code,
        reason = "only the transports of OTLP construct these values"
    )
)]

use std::sync::atomic::AtomicBool;
use std::time::Duration;

#[cfg(feature = "console")]
use super::blocking::BlockingError;

/// A flag that becomes true as soon as the status of an answer says that the receiver has the request. The rest of the
/// answer may add details, or may never arrive.
pub(crate) type Accepted = AtomicBool;

/// The outcome of one attempt.
pub(crate) type ExportResult = Result<Delivery, ExportError>;

/// A request that the receiver has.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Delivery {
    /// The number of data points, log records or spans that the receiver rejected. They must not be sent again.
    pub(crate) rejected: u64,
    /// The receiver's explanation of the rejection, or a warning although it accepted everything.
    pub(crate) message: Option<String>,
    /// The path of the signal, if the request went there because the receiver serves nothing at the configured URL,
    /// which has no path. `Some` only for the first such request of a client.
    pub(crate) standard_path: Option<String>,
}

impl Delivery {
    /// Returns the message that requests go to the standard path of the signal; `None` if they do not. `variable` names the
    /// configured URL.
    pub(crate) fn path_correction(&self, variable: &str) -> Option<String> {
        let path = self.standard_path.as_ref()?;
        Some(format!(
            "the receiver takes no requests at the URL of {variable}, which has no path, and takes them at {path}: add \
             {path} to {variable}"
        ))
    }
}

/// The consequence of a failed attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FailureClass {
    /// The request was not delivered, or it is unknown whether it was. The same bytes may be sent again, after the wait
    /// that the receiver asks for.
    Retryable { after: Option<Duration> },
    /// The receiver rejected the request permanently.
    Rejected,
    /// The credentials are missing, wrong or expired.
    Unauthenticated,
    /// The request is larger than the receiver accepts.
    TooLarge,
}

impl FailureClass {
    /// A failure that is retried after the exporter's own back-off.
    pub(crate) const RETRYABLE: Self = Self::Retryable { after: None };
}

/// The kind of failure of an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ErrorKind {
    /// No connection could be made.
    Connect,
    /// No process listens at the address.
    ConnectionRefused,
    /// TLS failed: the two sides do not trust or understand each other.
    Tls(TlsFailure),
    /// The connection broke, or the received bytes were not a response.
    Broken,
    /// No response came before the deadline, or within the limit of bytes that are read.
    Timeout,
    /// The receiver responded with an error.
    Answered(ErrorAnswer),
    /// The request was not sent, because the headers helper has given no headers yet.
    NoHeaders,
    /// The request was not sent, or not completely: an error of this library, or the system cannot start a thread.
    Internal,
}

/// The kind of failure of a TLS connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TlsFailure {
    /// The receiver's certificate is not signed by a known authority.
    UnknownAuthority,
    /// The receiver's certificate is marked as an authority's (CA:TRUE), and is not one of the trusted ones.
    MarkedAsAuthority,
    /// The receiver's certificate has X.509 version 1.
    OldVersion,
    /// The receiver's certificate is for other names.
    OtherNames,
    /// The receiver's certificate was rejected for another reason.
    Certificate,
    /// The receiver requires a client certificate, or rejected the one that it got.
    ClientCertificate,
    /// The receiver does not speak TLS.
    NotTls,
    /// The connection failed for another reason.
    Connection,
}

/// The kind of a response with an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ErrorAnswer {
    /// HTTP 404 or 405: the receiver serves nothing at this path.
    NotFound,
    /// An HTTP redirect, which is not followed.
    Redirect,
    /// The gRPC status UNIMPLEMENTED: the receiver does not accept this signal.
    Unimplemented,
    /// The headers are missing, or were rejected.
    Unauthenticated,
    /// Another error.
    Other,
}

/// The reason why a request was not delivered: a sentence that names the endpoint, and contains neither credentials nor
/// content.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text}")]
pub(crate) struct ExportError {
    class: FailureClass,
    kind: ErrorKind,
    text: String,
}

impl ExportError {
    /// Creates an error of `kind` that is retried. `text` must already be safe to display.
    pub(crate) fn new(kind: ErrorKind, text: String) -> Self {
        let class = FailureClass::RETRYABLE;
        Self { class, kind, text }
    }

    /// Returns the same error with another consequence.
    pub(crate) fn with_class(self, class: FailureClass) -> Self {
        Self { class, ..self }
    }

    /// Creates the error of an attempt that panicked.
    pub(crate) fn panicked() -> Self {
        Self::new(ErrorKind::Internal, "the exporter panicked".to_owned())
    }

    /// Creates the error of an attempt for which no thread is available.
    #[cfg(feature = "console")]
    pub(crate) fn blocking(error: &BlockingError) -> Self {
        Self::new(ErrorKind::Internal, error.to_string())
    }

    /// Appends a detail to the text of the error. `detail` must be safe to display.
    pub(super) fn with_detail(self, detail: &str) -> Self {
        Self {
            text: format!("{} ({detail})", self.text),
            ..self
        }
    }

    /// Returns the consequence of the failure.
    pub(crate) fn class(&self) -> FailureClass {
        self.class
    }

    /// Returns the kind of failure.
    pub(crate) fn kind(&self) -> ErrorKind {
        self.kind
    }
}
