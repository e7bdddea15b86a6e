//! The OTLP exporter of a pipeline.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::time::Instant;

use super::encode::encode;
use super::export_result::{Accepted, ExportResult};
use super::exporter::{MAX_BYTES, MAX_BYTES_OF_TEXT, PushExporter, RunningHelper};
use super::{BoxFuture, otlp};
use crate::config::otlp::{OtlpConfig, Protocol};
use crate::signal::Signal;

/// A client of an OTLP receiver, with the encoding of its protocol.
pub(super) struct OtlpExporter {
    client: otlp::Client,
    signal: Signal,
    protocol: Protocol,
    timeout: Duration,
    /// Keeps the helper running.
    _helper: Option<Arc<RunningHelper>>,
}

impl OtlpExporter {
    pub(super) fn new(
        signal: Signal,
        config: &OtlpConfig,
        helper: Option<Arc<RunningHelper>>,
    ) -> Result<Self, String> {
        let client = otlp::Client::new(signal, config).map_err(|error| error.to_string())?;
        let used = helper.as_ref().map(|running| Arc::clone(&running.helper));
        Ok(Self {
            client: client.with_helper(used),
            signal,
            protocol: config.protocol,
            timeout: config.timeout,
            _helper: helper,
        })
    }
}

impl PushExporter for OtlpExporter {
    fn max_bytes(&self) -> usize {
        match self.protocol {
            Protocol::Grpc | Protocol::HttpProtobuf => MAX_BYTES,
            Protocol::HttpJson => MAX_BYTES_OF_TEXT,
        }
    }

    fn timeout(&self) -> Duration {
        self.timeout
    }

    fn encode(&self, request: Bytes) -> Bytes {
        encode(self.protocol, self.signal, request)
    }

    fn export<'a>(
        &'a self,
        body: Bytes,
        deadline: Instant,
        accepted: &'a Accepted,
    ) -> BoxFuture<'a, ExportResult> {
        Box::pin(self.client.send(body, deadline, accepted))
    }

    fn standard_path(&self) -> Option<&str> {
        self.client.standard_path()
    }
}
