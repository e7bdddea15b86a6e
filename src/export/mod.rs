//! From the signals' state to the wire: batches, retries, transports, and the one private runtime that drives them.

mod backoff;
pub(crate) mod blocking;
#[cfg(feature = "console")]
pub(crate) mod console;
mod control;
#[cfg(any(feature = "grpc", feature = "http", feature = "testing"))]
mod encode;
#[cfg(any(feature = "grpc", feature = "http"))]
pub(crate) mod headers;
#[cfg(not(any(feature = "grpc", feature = "http")))]
#[path = "no_headers.rs"]
pub(crate) mod headers;
pub(crate) mod metrics_source;
#[cfg(any(feature = "grpc", feature = "http"))]
pub(crate) mod otlp;
pub(crate) mod outcome;
mod pipeline;
#[cfg(any(feature = "grpc", feature = "http"))]
pub(crate) mod probe;
#[cfg(feature = "prometheus")]
mod prometheus;
pub(crate) mod queue;
pub(crate) mod queue_source;
pub(crate) mod quiet;
pub(crate) mod runtime;
#[cfg(any(feature = "grpc", feature = "http"))]
mod server_verifier;
mod sink;
#[cfg(any(feature = "grpc", feature = "http"))]
mod tls;

/// What the fuzz targets call.
#[cfg(all(fuzzing, any(feature = "grpc", feature = "http")))]
pub(crate) mod fuzzing {
    pub(crate) use super::headers::fuzzing::helper_output;
    pub(crate) use super::otlp::fuzzing::answer;
}

pub(crate) use control::{Command, Control, Done, NotDone};
pub(crate) use pipeline::{Change, Pipeline, To};
#[cfg(feature = "prometheus")]
pub(crate) use prometheus::Prometheus;
#[cfg(feature = "prometheus")]
pub(crate) use prometheus::page_addresses;
#[cfg(feature = "testing")]
pub(crate) use sink::MemoryExporter;
pub(crate) use sink::{Lease, Request, Target, Writer};

use std::sync::Arc;

use crate::health::{QueueDepth, Undelivered};
use blocking::BlockingError;

/// What one exporter takes its data from.
pub(crate) trait Source: Send + 'static {
    /// The OTLP request.
    type Message: sink::Request;
    /// What settles a batch.
    type Ticket: Send;
    /// What of it the configuration says.
    type Settings: Send + 'static;

    /// Goes by another configuration from now on.
    fn apply(&mut self, settings: Self::Settings);

    /// Begins a pass: all that is there now will be delivered by it.
    fn begin(&mut self);

    /// Gathers what the next requests of the pass are made of, where that takes its time.
    ///
    /// # Errors
    ///
    /// There is no thread to gather it on. What is there stays, for the next call.
    fn prepare(&mut self) -> impl Future<Output = Result<(), BlockingError>> + Send {
        std::future::ready(Ok(()))
    }

    /// The next request of the pass, of at most `max_bytes` of protobuf unless a single item is larger.
    fn next(&mut self, max_bytes: usize) -> Option<Batch<Self::Message, Self::Ticket>>;

    /// A batch was delivered, or given up for good.
    fn settle(&mut self, ticket: Self::Ticket);

    /// The two halves of a batch that the receiver found too large; its ticket back when it is a single item.
    fn split(&mut self, ticket: Self::Ticket) -> Split<Self::Message, Self::Ticket>;

    /// The batch of a ticket once more, as the configuration of now wants it.
    fn again(&mut self, ticket: Self::Ticket) -> Batch<Self::Message, Self::Ticket>;

    /// Gives up all that waits, also the requests of these tickets, as long as `still` nobody wants it; returns how many
    /// items are lost. Nothing happens when somebody wants it again.
    fn leave(&mut self, unsent: &mut Vec<Self::Ticket>, still: impl Fn() -> bool) -> Option<u64>;

    /// Returns what counts the items that are lost when nothing more is delivered, where those are not the items that
    /// wait. Health asks it too, at any time.
    fn undelivered(&self) -> Option<Undelivered> {
        None
    }

    /// The count of items that wait, kept up to date.
    fn waiting(&self) -> Arc<QueueDepth>;

    /// So much waits that a pass should begin before its time.
    fn is_full(&self) -> bool {
        false
    }

    /// Ends when so much waits that a pass should begin before its time.
    fn filled(&self) -> impl Future<Output = ()> + Send {
        std::future::pending()
    }
}

/// The halves of a batch, or the ticket of one that has none.
pub(crate) type Split<M, T> = Result<[Batch<M, T>; 2], T>;

/// One request and what settles it.
pub(crate) struct Batch<M, T> {
    pub(crate) message: M,
    /// Data points, log records or spans.
    pub(crate) items: u64,
    pub(crate) ticket: T,
}
