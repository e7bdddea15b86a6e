//! Export: batches, retries, transports, and the private runtime that drives all exporters.

mod backoff;
pub(crate) mod blocking;
#[cfg(feature = "console")]
pub(crate) mod console;
mod control;
#[cfg(any(feature = "grpc", feature = "http"))]
pub(crate) mod encode;
pub(crate) mod export_result;
#[cfg(any(feature = "grpc", feature = "http"))]
pub(crate) mod headers;
#[cfg(not(any(feature = "grpc", feature = "http")))]
#[path = "no_headers.rs"]
pub(crate) mod headers;
pub(crate) mod metrics_source;
#[cfg(any(feature = "grpc", feature = "http"))]
pub(crate) mod otlp;
mod pipeline;
#[cfg(feature = "prometheus")]
mod prometheus;
pub(crate) mod queue;
pub(crate) mod queue_source;
pub(crate) mod runtime;
#[cfg(any(feature = "grpc", feature = "http"))]
mod server_verifier;
mod sink;
pub(crate) mod suppression;
#[cfg(any(feature = "grpc", feature = "http"))]
mod tls;

/// Entry points of the fuzz targets.
#[cfg(all(fuzzing, any(feature = "grpc", feature = "http")))]
pub(crate) mod fuzzing {
    pub use super::headers::fuzzing::helper_output;
    pub use super::otlp::fuzzing::answer;
}

pub(crate) use control::{Command, Control, Done, NotDone};
pub(crate) use pipeline::{Change, Pipeline, To};
#[cfg(feature = "prometheus")]
pub(crate) use prometheus::Prometheus;
#[cfg(feature = "prometheus")]
pub(crate) use prometheus::page_addresses;
#[cfg(feature = "testing")]
pub(crate) use sink::MemoryExporter;
pub(crate) use sink::{Lease, Target, Writer};

use std::sync::Arc;

use bytes::Bytes;

use crate::health::{QueueDepth, Undelivered};
use blocking::BlockingError;

/// A source of data for one exporter.
pub(crate) trait Source: Send + 'static {
    /// The token of a batch, which is passed back to settle, split or rebuild the batch.
    type Ticket: Send;
    /// The part of the configuration that applies to this source.
    type Settings: Send + 'static;

    /// Applies a new configuration.
    fn apply(&mut self, settings: Self::Settings);

    /// Begins a pass, which delivers everything that the source holds now.
    fn begin(&mut self);

    /// Prepares the data of the next requests of the pass. Only sources whose preparation takes time implement this.
    ///
    /// # Errors
    ///
    /// Returns an error if no thread can be started for the preparation. The data stays in the source for the next
    /// call.
    fn prepare(&mut self) -> impl Future<Output = Result<(), BlockingError>> + Send {
        std::future::ready(Ok(()))
    }

    /// Returns the next request of the pass. It has at most `max_bytes` of protobuf, unless a single item is larger.
    fn next(&mut self, max_bytes: usize) -> Option<Batch<Self::Ticket>>;

    /// Settles a batch: it was delivered, or dropped for good.
    fn settle(&mut self, ticket: Self::Ticket);

    /// Splits a batch that is too large for the receiver into two halves. Returns the ticket if the batch is a single
    /// item.
    fn split(&mut self, ticket: Self::Ticket) -> Split<Self::Ticket>;

    /// Rebuilds the batch of a ticket with the current configuration.
    fn again(&mut self, ticket: Self::Ticket) -> Batch<Self::Ticket>;

    /// Drops all undelivered items, including those of the `unsent` tickets, and returns their number. Does nothing and
    /// returns `None` if `still` returns false, because a newer configuration uses the source again.
    fn leave(&mut self, unsent: &mut Vec<Self::Ticket>, still: impl Fn() -> bool) -> Option<u64>;

    /// Returns a function that counts the items that would be lost if nothing more were delivered. Returns `None` if
    /// those are the items that [`waiting`](Self::waiting) counts. The health report calls the function at any time.
    fn undelivered(&self) -> Option<Undelivered> {
        None
    }

    /// Returns the live count of the undelivered items.
    fn waiting(&self) -> Arc<QueueDepth>;

    /// Returns true if the source holds enough data to begin a pass before the interval ends.
    fn is_full(&self) -> bool {
        false
    }

    /// Waits until the source holds enough data to begin a pass before the interval ends.
    fn filled(&self) -> impl Future<Output = ()> + Send {
        std::future::pending()
    }
}

/// The two halves of a batch, or the ticket of a batch that cannot be split.
pub(crate) type Split<T> = Result<[Batch<T>; 2], T>;

/// A request and the ticket that settles it.
pub(crate) struct Batch<T> {
    /// The export request, in bytes of protobuf.
    pub(crate) message: Bytes,
    /// The number of data points, log records or spans.
    pub(crate) items: u64,
    pub(crate) ticket: T,
}
