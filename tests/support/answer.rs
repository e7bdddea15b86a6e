//! The scripted responses that a receiver can send.

use std::time::Duration;

use tonic::Code;

/// The scripted response to one request.
#[derive(Clone, Debug, PartialEq)]
pub enum Answer {
    /// Success, with an empty partial success as Collectors send it.
    Ok,
    /// Success, with some of the items rejected.
    PartialSuccess { rejected: i64, message: String },
    /// An HTTP status. A gRPC receiver sends the HTTP status without a gRPC status, as a proxy would.
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
        /// The value of `grpc-status-details-bin`, sent in place of encoded details.
        raw_details: Option<String>,
    },
    /// The receiver never responds.
    Hang,
    /// The connection is reset after the request was read.
    Reset,
    /// The headers of a success, followed by a body that breaks off.
    Cut,
    /// The headers of a success, followed by a body that never ends: one byte every 50 ms.
    Drip,
    /// Success with a body that is not a valid message.
    Garbage,
}

impl Answer {
    /// Returns an HTTP status without a body.
    pub fn status(code: u16) -> Self {
        Self::Status {
            code,
            headers: Vec::new(),
            content_type: "text/plain",
            body: Vec::new(),
        }
    }

    /// Returns a gRPC status.
    pub fn code(code: Code, message: &str) -> Self {
        Self::Code {
            code,
            message: message.to_owned(),
            retry: None,
            raw_details: None,
        }
    }

    /// Returns a success in which the receiver rejected some or all items.
    pub fn partial(rejected: i64, message: &str) -> Self {
        Self::PartialSuccess {
            rejected,
            message: message.to_owned(),
        }
    }

    /// Adds a header to an HTTP status.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        match &mut self {
            Self::Status { headers, .. } => headers.push((name.to_owned(), value.to_owned())),
            other => panic!("{other:?} has no headers"),
        }
        self
    }

    /// Sets the body of an HTTP status.
    pub fn body(mut self, kind: &'static str, content: impl Into<Vec<u8>>) -> Self {
        match &mut self {
            Self::Status {
                content_type, body, ..
            } => (*content_type, *body) = (kind, content.into()),
            other => panic!("{other:?} cannot have a body"),
        }
        self
    }

    /// Asks the client to wait: `Retry-After` in seconds over HTTP, `RetryInfo` over gRPC.
    pub fn retry_after(mut self, wait: Duration) -> Self {
        match &mut self {
            Self::Code { retry, .. } => *retry = Some(wait),
            _ => return self.header("retry-after", &wait.as_secs().to_string()),
        }
        self
    }

    /// Sets the value of `grpc-status-details-bin` to this string.
    pub fn raw_details(mut self, text: &str) -> Self {
        match &mut self {
            Self::Code { raw_details, .. } => *raw_details = Some(text.to_owned()),
            other => panic!("{other:?} has no details"),
        }
        self
    }

    /// Returns true if a client that gets this response counts its data as delivered over every protocol. `Cut` and
    /// `Drip` are excluded: the status arrives first over HTTP, but last over gRPC, so that a gRPC client sends the
    /// data again.
    pub fn is_success(&self) -> bool {
        matches!(self, Self::Ok | Self::PartialSuccess { .. } | Self::Garbage)
    }
}
