//! What became of one attempt to deliver.
#![cfg_attr(
    not(all(feature = "grpc", feature = "http")),
    allow(dead_code, reason = "what a transport alone can tell")
)]

use std::time::Duration;

use tokio::sync::watch;

#[cfg(feature = "console")]
use super::blocking::BlockingError;

/// Becomes true as soon as the status of an answer says that the receiver has the request. The rest of the answer may
/// still say more about it, or never come.
pub(crate) type Accepted = watch::Sender<bool>;

/// What became of one attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// The receiver has it.
    Delivered {
        /// How many points, records or spans it did not take. They are not to be sent again.
        rejected: u64,
        /// What it said about them, or a warning although it took all.
        message: Option<String>,
    },
    /// Not delivered, or not known to be: the same bytes may be sent again.
    Retry {
        /// How long the receiver asks to wait.
        after: Option<Duration>,
        /// Why.
        error: ExportError,
    },
    /// Not taken, and never will be.
    Refused {
        /// Why.
        error: ExportError,
    },
    /// The credentials are missing, wrong or expired.
    Unauthorised {
        /// Why.
        error: ExportError,
    },
    /// More bytes than the receiver takes at once.
    TooLarge {
        /// Why.
        error: ExportError,
    },
}

impl Outcome {
    /// Delivered as a whole, and nothing was said about it.
    pub(crate) const DELIVERED: Self = Self::Delivered {
        rejected: 0,
        message: None,
    };

    /// To be tried again, at a time of our choice.
    pub(super) fn retry(error: ExportError) -> Self {
        Self::Retry { after: None, error }
    }
}

/// Where an attempt failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum ErrorKind {
    /// No connection could be made.
    Connect,
    /// The two sides do not trust or understand each other.
    Tls,
    /// The connection broke, or what came was no answer.
    Broken,
    /// No answer came in time, or in as many bytes as are read.
    Timeout,
    /// The receiver answered, and said no.
    Answered,
    /// Nothing was sent: there are no headers to send with.
    Held,
    /// Nothing was sent, or not all: an error of this library, or the system has no thread to give.
    Internal,
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

    /// The attempt ended in a panic.
    pub(crate) fn panicked() -> Self {
        Self::new(ErrorKind::Internal, "the exporter panicked".to_owned())
    }

    /// The attempt needs a thread that there is none of.
    #[cfg(feature = "console")]
    pub(crate) fn blocking(error: &BlockingError) -> Self {
        Self::new(ErrorKind::Internal, error.to_string())
    }

    /// The same with more about it; `more` must be fit to be shown.
    pub(super) fn and(self, more: &str) -> Self {
        Self {
            text: format!("{} ({more})", self.text),
            ..self
        }
    }

    /// Where the attempt failed.
    pub(crate) fn kind(&self) -> ErrorKind {
        self.kind
    }
}
