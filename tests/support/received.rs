//! What a receiver got.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Instant;

use bytes::Bytes;
use opentelemetry_proto::tonic::collector::{
    logs::v1::ExportLogsServiceRequest, metrics::v1::ExportMetricsServiceRequest,
    trace::v1::ExportTraceServiceRequest,
};

use super::answer::Answer;

/// The decoded message of a request.
#[derive(Clone, Debug, PartialEq)]
pub enum Message {
    Metrics(ExportMetricsServiceRequest),
    Logs(ExportLogsServiceRequest),
    Traces(ExportTraceServiceRequest),
    /// Not one of them; says why.
    Unreadable(String),
}

/// One request.
#[derive(Clone)]
pub struct Request {
    /// What was posted to, with the query.
    pub path: String,
    /// Headers, or metadata, by their names in lower case.
    pub headers: BTreeMap<String, String>,
    /// As it came: compressed, and with the prefix of gRPC.
    pub body: Bytes,
    /// When it had been read.
    pub at: Instant,
    /// What it says.
    pub message: Message,
    /// What it was answered.
    pub answer: Answer,
}

impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match &self.message {
            Message::Metrics(_) => "metrics",
            Message::Logs(_) => "logs",
            Message::Traces(_) => "traces",
            Message::Unreadable(why) => why,
        };
        let (path, length, answer) = (&self.path, self.body.len(), &self.answer);
        write!(f, "{path}: {kind}, {length} bytes, answered {answer:?}")
    }
}

/// Requests in the order of their arrival.
#[derive(Clone, Debug, Default)]
pub struct Received {
    pub requests: Vec<Request>,
}

impl Received {
    /// Those that were answered with success. What was sent again counts once.
    pub fn accepted(&self) -> Self {
        self.filter(|request| request.answer.accepts())
    }

    /// Those that fulfil `wanted`.
    pub fn filter(&self, wanted: impl Fn(&Request) -> bool) -> Self {
        let requests = self.requests.iter().filter(|request| wanted(request));
        Self {
            requests: requests.cloned().collect(),
        }
    }

    /// How many requests came.
    pub fn len(&self) -> usize {
        self.requests.len()
    }

    /// Whether none came.
    pub fn is_empty(&self) -> bool {
        self.requests.is_empty()
    }

    /// The only request.
    #[track_caller]
    pub fn single(&self) -> &Request {
        match self.requests.as_slice() {
            [request] => request,
            other => panic!("one request was expected: {other:#?}"),
        }
    }
}
