//! Exporters that send no data: they count it and, if requested, encode it as OTLP.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::transform::common::tonic::ResourceAttributesWithSchema;
use opentelemetry_proto::transform::logs::tonic::group_logs_by_resource_and_scope;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::logs::{LogBatch, LogExporter};
use opentelemetry_sdk::metrics::Temporality;
use opentelemetry_sdk::metrics::data::ResourceMetrics;
use opentelemetry_sdk::metrics::exporter::PushMetricExporter;
use prost::Message;

/// The work of an exporter for each batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Export {
    /// Counts the batch.
    Count,
    /// Counts the batch, and encodes the bytes that an OTLP exporter would send.
    Encode,
}

/// The counts of the exported data.
#[derive(Debug, Default)]
pub struct ExportCounts {
    pub logs: AtomicU64,
    pub collections: AtomicU64,
    pub bytes: AtomicU64,
}

/// An exporter of log records.
#[derive(Debug)]
pub struct Logs {
    export: Export,
    counts: Arc<ExportCounts>,
    resource: ResourceAttributesWithSchema,
}

impl Logs {
    pub fn new(export: Export, counts: &Arc<ExportCounts>) -> Self {
        Self {
            export,
            counts: Arc::clone(counts),
            resource: ResourceAttributesWithSchema::default(),
        }
    }
}

impl LogExporter for Logs {
    async fn export(&self, batch: LogBatch<'_>) -> OTelSdkResult {
        let count = batch.iter().count() as u64;
        self.counts.logs.fetch_add(count, Ordering::Relaxed);
        if self.export == Export::Encode {
            let request = ExportLogsServiceRequest {
                resource_logs: group_logs_by_resource_and_scope(&batch, &self.resource),
            };
            let bytes = request.encode_to_vec().len() as u64;
            self.counts.bytes.fetch_add(bytes, Ordering::Relaxed);
        }
        Ok(())
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.resource = resource.into();
    }
}

/// An exporter of metrics with delta temporality.
pub struct Metrics {
    export: Export,
    counts: Arc<ExportCounts>,
}

impl Metrics {
    pub fn new(export: Export, counts: &Arc<ExportCounts>) -> Self {
        Self {
            export,
            counts: Arc::clone(counts),
        }
    }
}

impl PushMetricExporter for Metrics {
    async fn export(&self, metrics: &ResourceMetrics) -> OTelSdkResult {
        self.counts.collections.fetch_add(1, Ordering::Relaxed);
        if self.export == Export::Encode {
            let request = ExportMetricsServiceRequest::from(metrics);
            let bytes = request.encode_to_vec().len() as u64;
            self.counts.bytes.fetch_add(bytes, Ordering::Relaxed);
        }
        Ok(())
    }

    fn force_flush(&self) -> OTelSdkResult {
        Ok(())
    }

    fn shutdown_with_timeout(&self, _: Duration) -> OTelSdkResult {
        Ok(())
    }

    fn temporality(&self) -> Temporality {
        Temporality::Delta
    }
}
