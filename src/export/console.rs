//! The console exporter, which writes one JSON object per line.
//!
//! A line has the same content as the OTLP message from which it is written. Control characters are escaped, so that a
//! terminal that shows the line does not act on them.

mod lines;
mod metric_lines;
mod object;

use std::sync::Arc;

use bytes::Bytes;
use tokio::time::Instant;

use super::BoxFuture;
use super::blocking::{self, BlockingError};
use super::export_result::{
    Accepted, Delivery, ErrorKind, ExportError, ExportResult, FailureClass,
};
use super::push_exporter::{MAX_BYTES_OF_TEXT, PushExporter, Writer};
use crate::encode::decoded;
use crate::lock::lock;
use crate::signal::Signal;

/// A writer of lines. It writes on a thread that may block, never on the thread that drives all exporters.
pub(super) struct Console {
    signal: Signal,
    writer: Writer,
}

impl Console {
    pub(super) fn new(signal: Signal, writer: Writer) -> Self {
        Self { signal, writer }
    }

    /// Writes complete lines. Lines that cannot be written are lost, because a console is not a store.
    async fn write(&self, lines: Bytes) -> ExportResult {
        let writer = Arc::clone(&self.writer);
        let written = blocking::spawn(move || {
            let mut writer = lock(&writer);
            writer.write_all(&lines).and_then(|()| writer.flush())
        });
        match written.await {
            Ok(Ok(())) => Ok(Delivery::default()),
            Ok(Err(error)) => Err(cannot_write(&error.to_string())),
            Err(BlockingError::Panicked) => Err(cannot_write("the writer panicked")),
            Err(error) => Err(ExportError::blocking(&error)),
        }
    }
}

impl PushExporter for Console {
    fn max_bytes(&self) -> usize {
        MAX_BYTES_OF_TEXT
    }

    fn encode(&self, request: Bytes) -> Bytes {
        lines(self.signal, &request).into()
    }

    fn export<'a>(
        &'a self,
        body: Bytes,
        _: Instant,
        _: &'a Accepted,
    ) -> BoxFuture<'a, ExportResult> {
        Box::pin(self.write(body))
    }
}

fn cannot_write(reason: &str) -> ExportError {
    let text = format!("the console cannot be written: {reason}");
    ExportError::new(ErrorKind::Broken, text).with_class(FailureClass::Rejected)
}

/// Returns a request in bytes of protobuf as lines of JSON.
fn lines(signal: Signal, request: &[u8]) -> Vec<u8> {
    match signal {
        Signal::Metrics => metric_lines::metric_lines(&decoded(request)),
        Signal::Logs => lines::event_lines(&decoded(request)),
        Signal::Traces => lines::span_lines(&decoded(request)),
    }
}
