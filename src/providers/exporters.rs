//! The exporters of the host's instruments, which are created when the host first requests its providers.

use std::sync::Arc;

use super::Providers;
use super::encoder::HostEncoder;
use super::metrics::HostMetrics;
use super::queue::{HostQueue, is_configured};
use super::reader::Reader;
use crate::config::Config;
use crate::config::variables::TEMPORALITY;
use crate::encode::shorten::Shorten;
use crate::export::ExporterHandle;
use crate::health::{Exporter, ExporterCounters};
use crate::signal::Signal;
use crate::state::TelemetryState;
use crate::telemetry::Telemetry;

impl Telemetry {
    /// Returns OpenTelemetry providers for the host's own metrics, logs and spans, which are exported like the data of
    /// the [catalog](crate::catalog): with the same resource, headers, TLS, limits and deadlines. Every call returns
    /// the same providers. They do nothing if telemetry is [disabled](Self::disabled), in memory (feature `testing`) or
    /// was shut down, and in a forked child. Their metrics keep the temporality of the configuration at the first call:
    /// if settings arrive after the start, make the first call after them.
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
        let Some(handle) = self.handle_in_original_process() else {
            return Providers::new(None);
        };
        let state = &handle.state;
        let mut exporters = handle.lock_exporters();
        if exporters.is_custom() {
            return Providers::new(None);
        }
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

/// The exporters of host instruments.
const EXPORTERS: &[Exporter] = &[
    Exporter::HostOtlp,
    #[cfg(feature = "console")]
    Exporter::HostConsole,
];

/// Creates the providers, and the exporters of their data for each signal. The exporters do not run before they are turned
/// on; a reader whose exporter is configured collects from now on.
fn create(config: &Config, state: &Arc<TelemetryState>) -> (Providers, Vec<ExporterHandle>) {
    let mut handles = Vec::new();
    let readers = readers(config, state, &mut handles);
    let logs = queue(Signal::Logs, state, &mut handles);
    let spans = queue(Signal::Traces, state, &mut handles);
    (Providers::new(Some((readers, logs, spans))), handles)
}

/// Creates a reader for each exporter of metrics, so that each has its own deltas and none waits for the receiver of
/// another one.
fn readers(
    config: &Config,
    state: &TelemetryState,
    handles: &mut Vec<ExporterHandle>,
) -> Vec<Reader> {
    let (diagnostics, clock) = (&state.diagnostics, state.clock);
    let temporality = config.get(&TEMPORALITY);
    // Readers collect one after the other, and report a problem of the temporality once.
    let (temporality_reported, collection) = (Arc::default(), Arc::default());
    let reader = |&exporter: &Exporter| {
        let on = is_configured(config, Signal::Metrics, exporter);
        let reader = Reader::new(temporality, on, Arc::clone(&collection));
        let source = HostMetrics::new(
            reader.clone(),
            temporality,
            Arc::clone(&temporality_reported),
            Arc::clone(diagnostics),
        );
        let waiting = Arc::clone(reader.waiting());
        let counters = ExporterCounters::new(Signal::Metrics, exporter, waiting, None);
        let opened = reader.clone();
        let open = move || opened.begin();
        let handle = ExporterHandle::with_pipeline(source, counters, open, diagnostics, clock);
        handles.push(handle);
        reader
    };
    EXPORTERS.iter().map(reader).collect()
}

/// Creates a queue for each exporter of log records or spans.
fn queue<R: Shorten>(
    signal: Signal,
    state: &Arc<TelemetryState>,
    handles: &mut Vec<ExporterHandle>,
) -> HostQueue<R> {
    let (diagnostics, clock) = (&state.diagnostics, state.clock);
    let queues = EXPORTERS.iter().map(|&exporter| {
        let (handle, queue) =
            ExporterHandle::with_queue::<HostEncoder<R>>(signal, exporter, diagnostics, clock);
        let counters = Arc::clone(handle.counters());
        handles.push(handle);
        (queue, counters)
    });
    HostQueue::new(queues.collect(), state)
}
