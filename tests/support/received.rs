//! The requests that a receiver got.

use std::collections::{BTreeMap, BTreeSet};
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
    /// A body that could not be decoded, with the reason.
    Unreadable(String),
}

/// A request that the receiver received, with its response.
#[derive(Clone)]
pub struct Request {
    /// The request target, including the query.
    pub path: String,
    /// The HTTP headers or the gRPC metadata, by name in lower case.
    pub headers: BTreeMap<String, String>,
    /// The body as it arrived: compressed, and with the gRPC prefix.
    pub body: Bytes,
    /// The time at which the request had been read completely.
    pub at: Instant,
    /// The decoded message.
    pub message: Message,
    /// The response that the receiver sent.
    pub answer: Answer,
}

impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match &self.message {
            Message::Metrics(_) => "metrics",
            Message::Logs(_) => "logs",
            Message::Traces(_) => "traces",
            Message::Unreadable(reason) => reason,
        };
        let (path, length, answer) = (&self.path, self.body.len(), &self.answer);
        write!(f, "{path}: {kind}, {length} bytes, response {answer:?}")
    }
}

/// Requests in the order of their arrival.
#[derive(Clone, Debug, Default)]
pub struct Received {
    pub requests: Vec<Request>,
}

impl Received {
    /// Returns the requests whose response was a success. A request that was resent after a failure counts once.
    pub fn accepted(&self) -> Self {
        self.filter(|request| request.answer.is_success())
    }

    /// Returns the requests that satisfy `wanted`.
    pub fn filter(&self, wanted: impl Fn(&Request) -> bool) -> Self {
        let requests = self.requests.iter().filter(|request| wanted(request));
        Self {
            requests: requests.cloned().collect(),
        }
    }

    /// Returns the requests without duplicates. A request is a duplicate if it has the same path and body as an earlier
    /// one.
    pub fn deduplicated(&self) -> Self {
        let mut seen = BTreeSet::new();
        let requests = self.requests.iter();
        let first = requests.filter(|request| seen.insert((&request.path, &request.body)));
        Self {
            requests: first.cloned().collect(),
        }
    }

    /// Returns the number of requests.
    pub fn len(&self) -> usize {
        self.requests.len()
    }

    /// Returns true if no request arrived.
    pub fn is_empty(&self) -> bool {
        self.requests.is_empty()
    }

    /// Returns the only request. Panics if there are several or none.
    #[track_caller]
    pub fn single(&self) -> &Request {
        match self.requests.as_slice() {
            [request] => request,
            other => panic!("one request was expected: {other:#?}"),
        }
    }
}
