//! The exporters of the host's instruments, which are created when the host first requests its providers.

use std::sync::Arc;

use super::Providers;
use super::encoder::HostEncoder;
use super::metrics::HostMetrics;
use super::queue::HostQueue;
use super::reader::Reader;
use crate::config::Config;
use crate::config::variables::TEMPORALITY;
use crate::export::ExporterHandle;
use crate::health::{Exporter, ExporterCounters};
use crate::signal::Signal;
use crate::state::TelemetryState;
use crate::telemetry::Telemetry;

impl Telemetry {
    /// Returns OpenTelemetry providers for the host's own metrics, logs and spans, which are exported like the data of
    /// the
    /// [catalog](crate::catalog): with the same resource, headers, TLS, limits and deadlines. Every call returns the same providers.
    /// They do nothing if telemetry is [disabled](Self::disabled) or was shut down, and in a forked child. Their
    /// metrics keep the temporality of the configuration at the first call: if settings arrive after the start, make
    /// the first call after them.
    ///
    /// Requires the feature `providers`.
    ///
    /// ```
    /// use claude_code_telemetry::Telemetry;
    /// use opentelemetry::metrics::MeterProvider;
    /// # let telemetry = Telemetry::disabled();
    ///
    /// let providers = telemetry.providers();
    /// let meter = providers.meter_provider().meter("my-agent");
    /// meter.u64_counter("cache.hits").build().add(1, &[]);
    /// ```
    pub fn providers(&self) -> Providers {
        let Some(handle) = self.handle_here() else {
            return Providers::new(None);
        };
        let state = &handle.state;
        let mut exporters = handle.lock_exporters();
        if let Some(providers) = exporters.host::<Providers>() {
            return providers.clone();
        }
        let config = Arc::clone(&state.active.load().config);
        let (providers, handles) = create(&config, state);
        exporters.add_host(providers.clone(), handles, &config, &state.runtime);
        // The exporters are part of the health from now on.
        state
            .active
            .store(Arc::new(exporters.active_config(config)));
        // A later configuration change waits for recorders that still use the previous configuration, so the sessions
        // switch to this one now.
        for session in state.sessions.all() {
            session.refresh();
        }
        drop(exporters);
        state.start_thread();
        providers
    }
}

/// Creates the providers, and the exporters of their data, one for each signal, all of them off.
fn create(config: &Config, state: &Arc<TelemetryState>) -> (Providers, [ExporterHandle; 3]) {
    let (diagnostics, clock) = (&state.diagnostics, state.clock);
    let (own, host) = (&config.metrics, Exporter::Host);
    let temporality = config.get(&TEMPORALITY);
    let reader = Reader::new(temporality, own.otlp.is_some(), Arc::downgrade(state));
    let source = HostMetrics::new(reader.clone(), temporality, Arc::clone(diagnostics));
    let (waiting, stats) = (Arc::clone(reader.waiting()), Arc::default());
    let counters = ExporterCounters::new(Signal::Metrics, host, waiting, stats, None);
    let opened = reader.clone();
    let open = move || opened.begin();
    let metrics = ExporterHandle::with_pipeline(source, counters, open, diagnostics, clock);
    let (logs, queue) =
        ExporterHandle::with_queue(Signal::Logs, host, HostEncoder::new, diagnostics, clock);
    let log_queue = HostQueue::new((queue, Arc::clone(logs.counters())), state);
    let (spans, queue) =
        ExporterHandle::with_queue(Signal::Traces, host, HostEncoder::new, diagnostics, clock);
    let span_queue = HostQueue::new((queue, Arc::clone(spans.counters())), state);
    let providers = Providers::new(Some((reader, log_queue, span_queue)));
    (providers, [metrics, logs, spans])
}
