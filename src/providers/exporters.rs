//! The exporters of the host's instruments, which are created when the host first requests its providers.

use std::sync::Arc;

use opentelemetry_proto::tonic::logs::v1::LogRecord;
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::Span;
use tokio::time::Instant;

use super::Providers;
use super::encoder::HostEncoder;
use super::metrics::HostMetrics;
use super::queue::HostQueue;
use super::reader::Reader;
use crate::config::variables::TEMPORALITY;
use crate::config::{Config, Temporality};
use crate::diagnostics::Diagnostics;
use crate::encode::message::ResourceAndScope;
use crate::export::queue_source::QueueSource;
use crate::health::{Exporter, ExporterCounters};
use crate::signal::Signal;
use crate::state::TelemetryState;
use crate::telemetry::{HostExporters, Place, Plan, Telemetry};

/// The exporters of the host's instruments, one for each signal.
struct InstrumentExporters {
    metrics: Place<HostMetrics>,
    reader: Reader,
    logs: Place<QueueSource<HostEncoder<LogRecord>>>,
    spans: Place<QueueSource<HostEncoder<Span>>>,
    /// The temporality with which the instruments were created.
    temporality: Temporality,
    /// The temporality of the last configuration.
    requested: Temporality,
    diagnostics: Arc<Diagnostics>,
    providers: Providers,
}

impl Telemetry {
    /// Returns OpenTelemetry providers for the host's own metrics, logs and spans, which are exported like the
    /// catalog's: with the same resource, headers, TLS, limits and deadlines. Every call returns the same providers.
    /// They do nothing if telemetry is [disabled](Self::disabled) or was shut down, and in a forked child. Their
    /// metrics keep the temporality of the configuration at the first call: if settings arrive after the start, make
    /// the first call after them.
    ///
    /// Requires the feature `providers`.
    pub fn providers(&self) -> Providers {
        let Some(handle) = self.handle_here() else {
            return Providers::new(None);
        };
        let state = &handle.state;
        let mut exporters = handle.lock_exporters();
        if let Some(host) = exporters.host::<InstrumentExporters>() {
            return host.providers.clone();
        }
        let config = Arc::clone(&state.active.load().config);
        let host = InstrumentExporters::new(&config, state);
        let providers = host.providers.clone();
        exporters.add_host(Box::new(host), &config, &state.runtime);
        // The exporters are part of the health from now on.
        state
            .active
            .store(Arc::new(exporters.active_config(config)));
        // A later configuration change waits for recorders that still use the previous configuration, so the sessions switch to
        // this one now.
        for session in state.sessions.all() {
            session.refresh();
        }
        drop(exporters);
        state.start_thread();
        providers
    }
}

impl InstrumentExporters {
    /// Creates the exporters, all of them off.
    fn new(config: &Config, state: &Arc<TelemetryState>) -> Self {
        let (diagnostics, clock) = (&state.diagnostics, state.clock);
        let (own, host) = (&config.metrics, Exporter::Host);
        let reader = Reader::new(own.temporality, own.otlp.is_some(), Arc::downgrade(state));
        let source = HostMetrics::new(reader.clone());
        let stats = Arc::default();
        let metrics = Place::new(Signal::Metrics, host, source, stats, diagnostics, clock);
        let encoder = HostEncoder::new(Resource::default());
        let (logs, queue) = Place::queued(Signal::Logs, host, encoder, diagnostics, clock);
        let log_queue = HostQueue::new((queue, logs.counters()), state);
        let encoder = HostEncoder::new(Resource::default());
        let (spans, queue) = Place::queued(Signal::Traces, host, encoder, diagnostics, clock);
        let span_queue = HostQueue::new((queue, spans.counters()), state);
        let providers = Providers::new(Some((reader.clone(), log_queue, span_queue)));
        Self {
            metrics,
            reader,
            logs,
            spans,
            temporality: own.temporality,
            requested: own.temporality,
            diagnostics: Arc::clone(diagnostics),
            providers,
        }
    }

    /// Reports a temporality that does not apply, because the SDK accepts a temporality only once.
    fn check_temporality(&mut self, requested: Temporality) {
        let before = std::mem::replace(&mut self.requested, requested);
        if requested == before || requested == self.temporality {
            return;
        }
        let name = |temporality| match temporality {
            Temporality::Delta => "delta",
            Temporality::Cumulative => "cumulative",
        };
        self.diagnostics.report_later(format!(
            "{}: the host's own metrics stay {} although the configuration asks for {} now: they keep the temporality of \
             the first call of Telemetry::providers; set it before that, or start again",
            TEMPORALITY.name,
            name(self.temporality),
            name(requested),
        ));
    }
}

impl HostExporters for InstrumentExporters {
    fn counters(&self) -> [(bool, Arc<ExporterCounters>); 3] {
        [self.metrics.seen(), self.logs.seen(), self.spans.seen()]
    }

    /// Applies a configuration: a signal is on if the catalog's OTLP exporter of the signal is.
    fn turn_on(&mut self, plan: &Plan<'_>) {
        let metrics = &plan.config.metrics;
        if metrics.otlp.is_some() {
            self.check_temporality(metrics.temporality);
        }
        let resource = ResourceAndScope::new(&plan.resource, "", "").resource;
        let reader = &self.reader;
        self.metrics
            .apply(plan, || resource.clone(), || reader.begin());
        self.logs
            .apply(plan, || HostEncoder::new(resource.clone()), || {});
        self.spans
            .apply(plan, || HostEncoder::new(resource.clone()), || {});
    }

    /// Turns off the exporters that the configuration does not request.
    fn turn_off(&mut self, by: Instant) {
        self.metrics.turn_off(by);
        self.logs.turn_off(by);
        self.spans.turn_off(by);
    }
}
