//! The host's metrics: collected from the SDK when an export is due, and encoded as OTLP.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::metrics::v1::{ResourceMetrics, ScopeMetrics};
use opentelemetry_proto::tonic::resource::v1::Resource;
use prost::Message;

use super::points::{count_points, split_first};
use super::reader::Reader;
use crate::config::Temporality;
use crate::config::variables::TEMPORALITY;
use crate::diagnostics::Diagnostics;
use crate::encode::SourceConfig;
use crate::export::blocking::{self, Blocking, BlockingError};
use crate::export::{Batch, BoxFuture, Source};

/// The source of the host's metrics. A collection is sent in as many requests as needed. The next collection begins
/// only after all of them were delivered or dropped, and covers the data recorded in the meantime.
pub(super) struct HostMetrics {
    reader: Reader,
    resource: Resource,
    /// The collection in progress, on a thread that may block, because it runs the host's callbacks.
    collecting: Option<Blocking<()>>,
    /// True from the beginning of a pass, in which the pipeline delivers everything recorded so far, until the
    /// collection of this pass.
    is_requested: bool,
    /// The temporality with which the instruments were created.
    temporality: Temporality,
    /// True after a configuration with another temporality was reported. The sources of a provider share it, so that
    /// one of them reports it.
    is_reported: Arc<AtomicBool>,
    diagnostics: Arc<Diagnostics>,
}

impl HostMetrics {
    pub(super) fn new(
        reader: Reader,
        temporality: Temporality,
        is_reported: Arc<AtomicBool>,
        diagnostics: Arc<Diagnostics>,
    ) -> Self {
        Self {
            reader,
            resource: Resource::default(),
            collecting: None,
            is_requested: false,
            temporality,
            is_reported,
            diagnostics,
        }
    }
}

impl Source for HostMetrics {
    fn configure(&mut self, config: &SourceConfig) {
        self.resource = config.resource();
        let differs = config.temporality != self.temporality;
        let was_reported = self.is_reported.swap(differs, Ordering::Relaxed);
        if !differs || was_reported {
            return;
        }
        let (kept, requested) = (self.temporality.as_str(), config.temporality.as_str());
        self.diagnostics.report_later(format!(
            "{}: the host's own metrics stay {kept} although the configuration asks for {requested} now: they keep the \
             temporality of the first call of Telemetry::providers; set it before that, or start again",
            TEMPORALITY.name,
        ));
    }

    fn begin(&mut self) {
        self.is_requested = true;
    }

    fn prepare(&mut self) -> BoxFuture<'_, Result<(), BlockingError>> {
        Box::pin(async {
            while self.is_requested && self.reader.state().collected.is_empty() {
                // A collection of an earlier pass may still be in progress. It lacks the data recorded since it began.
                let is_earlier = self.collecting.is_some();
                let collecting = self.collecting.get_or_insert_with(|| {
                    let reader = self.reader.clone();
                    blocking::spawn(move || reader.collect())
                });
                let collected = collecting.await;
                self.collecting = None;
                collected?;
                self.is_requested = is_earlier;
            }
            Ok(())
        })
    }

    fn batch(&mut self, max_bytes: usize) -> Option<Batch> {
        let mut state = self.reader.state();
        let size =
            |metrics: &[ScopeMetrics]| metrics.iter().map(Message::encoded_len).sum::<usize>();
        while size(state.collected.front()?) > max_bytes && split_first(&mut state.collected) {}
        let metrics = state.collected.front()?;
        let message = ExportMetricsServiceRequest {
            resource_metrics: vec![ResourceMetrics {
                resource: Some(self.resource.clone()),
                scope_metrics: metrics.clone(),
                ..ResourceMetrics::default()
            }],
        };
        let items = count_points(metrics) as u64;
        Some(Batch {
            message: message.encode_to_vec().into(),
            items,
            losses: items,
        })
    }

    fn acknowledge(&mut self) {
        if let Some(metrics) = self.reader.state().collected.pop_front() {
            self.reader.waiting().release(count_points(&metrics), 0);
        }
    }

    fn split(&mut self) -> bool {
        split_first(&mut self.reader.state().collected)
    }

    fn discard(&mut self) -> u64 {
        self.reader.discard()
    }
}
