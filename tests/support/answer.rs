//! What a receiver answers.

use std::time::Duration;

use tonic::Code;

/// The answer to one request.
#[derive(Clone, Debug, PartialEq)]
pub enum Answer {
    /// Success, with an empty partial success as Collectors send it.
    Ok,
    /// Success, but not of everything.
    PartialSuccess { rejected: i64, message: String },
    /// An HTTP status. From a gRPC receiver: one without a gRPC status, as a proxy would send it.
    Status {
        code: u16,
        headers: Vec<(String, String)>,
        content_type: &'static str,
        body: Vec<u8>,
    },
    /// A gRPC status.
    Code {
        code: Code,
        message: String,
        retry: Option<Duration>,
        /// In place of encoded details.
        raw_details: Option<String>,
    },
    /// No answer, for ever.
    Hang,
    /// The connection is reset after the request was read.
    Reset,
    /// Headers of a success, and then the answer breaks off.
    Cut,
    /// Headers of a success, and then a byte now and then, for ever.
    Drip,
    /// Success whose body is no message.
    Garbage,
}

impl Answer {
    /// An HTTP status without a body.
    pub fn status(code: u16) -> Self {
        Self::Status {
            code,
            headers: Vec::new(),
            content_type: "text/plain",
            body: Vec::new(),
        }
    }

    /// A gRPC status.
    pub fn code(code: Code, message: &str) -> Self {
        Self::Code {
            code,
            message: message.to_owned(),
            retry: None,
            raw_details: None,
        }
    }

    /// Some or all rejected, although the request as a whole succeeded.
    pub fn partial(rejected: i64, message: &str) -> Self {
        Self::PartialSuccess {
            rejected,
            message: message.to_owned(),
        }
    }

    /// An HTTP status with one more header.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        match &mut self {
            Self::Status { headers, .. } => headers.push((name.to_owned(), value.to_owned())),
            other => panic!("{other:?} has no headers"),
        }
        self
    }

    /// An HTTP status with a body.
    pub fn body(mut self, kind: &'static str, content: impl Into<Vec<u8>>) -> Self {
        match &mut self {
            Self::Status {
                content_type, body, ..
            } => (*content_type, *body) = (kind, content.into()),
            other => panic!("{other:?} has no body of its own"),
        }
        self
    }

    /// Asks to wait: `Retry-After` in seconds, or `RetryInfo`.
    pub fn retry_after(mut self, wait: Duration) -> Self {
        match &mut self {
            Self::Code { retry, .. } => *retry = Some(wait),
            _ => return self.header("retry-after", &wait.as_secs().to_string()),
        }
        self
    }

    /// A gRPC status whose `grpc-status-details-bin` is this text.
    pub fn raw_details(mut self, text: &str) -> Self {
        match &mut self {
            Self::Code { raw_details, .. } => *raw_details = Some(text.to_owned()),
            other => panic!("{other:?} has no details"),
        }
        self
    }

    /// Whether a client that gets this answer may take its data for delivered.
    pub fn accepts(&self) -> bool {
        matches!(self, Self::Ok | Self::PartialSuccess { .. } | Self::Garbage)
    }
}
