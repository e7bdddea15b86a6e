//! The exporters of a telemetry: a handle for each exporter that a configuration can ask for. The queue, the series and
//! the counters of an exporter outlive every change of the configuration.

#[cfg(feature = "providers")]
use std::any::Any;
use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::time::Instant;

use super::Service;
use crate::clock::Clock;
use crate::config::Config;
use crate::config::variables::TEMPORALITY;
use crate::diagnostics::Diagnostics;
use crate::encode::events::{EventEncoder, EventItem};
use crate::encode::spans::{SpanEncoder, SpanItem};
use crate::encode::{Encode, SourceConfig};
use crate::export::headers::Helper;
use crate::export::metrics_source::PushReader;
use crate::export::runtime::Runtime;
use crate::export::{
    ExporterHandle, ExporterSettings, MakeExporter, MakeScrapeEndpoint, PipelineConfig,
    ScrapeEndpointSettings, Writer,
};
use crate::health::{Exporter, ExporterCounters};
use crate::metrics::{CONSOLE_READER, OTLP_READER, Registry};
use crate::resource::{platform, resource_attributes};
use crate::signal::Signal;
use crate::state::{ActiveConfig, ExporterQueue};

/// The handles of all exporters that a configuration can ask for.
pub(crate) struct Exporters {
    writer: Writer,
    diagnostics: Arc<Diagnostics>,
    service: Service,
    /// Replaces all exporters, whatever the configuration asks for.
    custom: Option<MakeExporter>,
    /// Starts scrape endpoints; `None` if the build has no Prometheus exporter.
    make_scrape_endpoint: Option<MakeScrapeEndpoint>,
    all: Vec<ExporterHandle>,
    /// The queues of events and spans, each with the counters of its exporter.
    events: Vec<ExporterQueue<EventItem>>,
    spans: Vec<ExporterQueue<SpanItem>>,
    /// The providers of the host; `None` until the host asks for them. The type is erased, because the module
    /// `providers` depends on this one.
    #[cfg(feature = "providers")]
    host: Option<Box<dyn Any + Send>>,
    /// The last headers helper. The settings of the exporters that use it keep it running.
    helper: Weak<Helper>,
}

impl Exporters {
    /// Creates the exporters, all of them off. `custom` replaces all of them, whatever the configuration asks for.
    pub(super) fn new(
        service: Service,
        registry: &Arc<Registry>,
        writer: Writer,
        custom: Option<MakeExporter>,
        diagnostics: Arc<Diagnostics>,
        clock: Clock,
    ) -> Self {
        let mut all = Vec::new();
        for (kind, reader) in [
            (Exporter::Otlp, OTLP_READER),
            (Exporter::Console, CONSOLE_READER),
        ] {
            all.push(metrics(kind, reader, registry, &diagnostics, clock));
        }
        let events = queues::<EventEncoder>(Signal::Logs, &mut all, &diagnostics, clock);
        let spans = queues::<SpanEncoder>(Signal::Traces, &mut all, &diagnostics, clock);
        #[cfg(feature = "prometheus")]
        let make_scrape_endpoint = {
            let (handle, make) = crate::export::prometheus(registry, &diagnostics, clock);
            all.push(handle);
            Some(make)
        };
        #[cfg(not(feature = "prometheus"))]
        let make_scrape_endpoint = None;
        Self {
            writer,
            diagnostics,
            service,
            custom,
            make_scrape_endpoint,
            all,
            events,
            spans,
            #[cfg(feature = "providers")]
            host: None,
            helper: Weak::new(),
        }
    }

    /// Returns the counters of the exporters for which `wanted` is true.
    pub(super) fn counters_of(
        &self,
        wanted: impl Fn(&ExporterHandle) -> bool,
    ) -> Vec<Arc<ExporterCounters>> {
        let wanted = self.all.iter().filter(|handle| wanted(handle));
        wanted.map(|handle| Arc::clone(handle.counters())).collect()
    }

    /// Turns on the exporters that a configuration asks for, and marks the others to be turned off.
    pub(super) fn turn_on(&mut self, config: &Config, runtime: &Runtime) {
        let Service { name, version } = &self.service;
        let source = Arc::new(SourceConfig {
            resource: resource_attributes(config, name, version, platform()),
            version: version.clone(),
            temporality: config.get(&TEMPORALITY),
            number_encoding: config.number_encoding,
        });
        let helper = self.headers_helper(config, runtime);
        let handles = self.all.iter();
        let settings =
            handles.map(|handle| self.settings(config, handle, &source, helper.as_ref()));
        let settings: Vec<_> = settings.collect();
        for (handle, settings) in self.all.iter_mut().zip(settings) {
            let (signal, kind) = (handle.counters().signal(), handle.counters().exporter());
            let Some(exporter) = settings else {
                handle.mark_off(config.unavailable_reason(signal, kind));
                continue;
            };
            let config = PipelineConfig {
                exporter,
                interval: config.of(signal).interval,
                source: Arc::clone(&source),
            };
            handle.turn_on(config, runtime);
        }
    }

    /// Returns the settings of an exporter; `None` when the configuration does not ask for it, or it is unavailable.
    fn settings(
        &self,
        config: &Config,
        handle: &ExporterHandle,
        source: &SourceConfig,
        helper: Option<&Arc<Helper>>,
    ) -> Option<ExporterSettings> {
        let exporter = handle.counters().exporter();
        if let Some(custom) = &self.custom {
            // The custom exporter has the queue and the counters of the OTLP exporter.
            let is_otlp = exporter == Exporter::Otlp;
            return is_otlp.then(|| ExporterSettings::Custom(Arc::clone(custom)));
        }
        let signal = config.of(handle.counters().signal());
        match exporter {
            Exporter::Otlp | Exporter::HostOtlp => {
                let otlp = Box::new(signal.otlp.clone()?);
                Some(ExporterSettings::Otlp(otlp, helper.cloned()))
            }
            Exporter::Console | Exporter::HostConsole => signal
                .console
                .then(|| ExporterSettings::Console(Arc::clone(&self.writer))),
            Exporter::Prometheus => {
                let settings = ScrapeEndpointSettings {
                    address: signal.prometheus.clone()?,
                    resource: source.resource.clone(),
                };
                let make = self.make_scrape_endpoint.as_ref()?;
                Some(ExporterSettings::Prometheus(settings, Arc::clone(make)))
            }
        }
    }

    /// Turns off the marked exporters. Their queued items are still delivered, within the limit.
    pub(super) fn turn_off(&mut self, limit: Duration) {
        let deadline = Instant::now() + limit;
        for handle in &mut self.all {
            handle.turn_off(deadline);
        }
    }

    /// Returns true if a custom exporter replaces those that the configuration asks for.
    #[cfg(feature = "providers")]
    pub(crate) fn is_custom(&self) -> bool {
        self.custom.is_some()
    }

    /// Returns the providers of the host.
    #[cfg(feature = "providers")]
    pub(crate) fn host<P: Any>(&self) -> Option<&P> {
        self.host.as_ref()?.downcast_ref()
    }

    /// Adds the exporters of the host's own instruments, and turns on those that the configuration asks for.
    #[cfg(feature = "providers")]
    pub(crate) fn add_host(
        &mut self,
        providers: impl Any + Send,
        handles: Vec<ExporterHandle>,
        config: &Config,
        runtime: &Runtime,
    ) {
        // Only the new handles are turned on: the others are already as the configuration asks for.
        let others = std::mem::replace(&mut self.all, handles);
        self.turn_on(config, runtime);
        // Records why an exporter is unavailable.
        self.turn_off(Duration::ZERO);
        self.all.splice(0..0, others);
        self.host = Some(Box::new(providers));
    }

    /// Returns the configuration and the queues for recording.
    pub(crate) fn active_config(&self, config: Arc<Config>) -> ActiveConfig {
        let is_on = |counters: &Arc<ExporterCounters>| {
            let mut on = self.all.iter().filter(|handle| handle.is_on());
            on.any(|handle| Arc::ptr_eq(handle.counters(), counters))
        };
        let takes_metrics = |handle: &ExporterHandle| {
            let counters = handle.counters();
            let is_host = counters.exporter().is_host();
            handle.is_on() && !is_host && counters.signal() == Signal::Metrics
        };
        let mut active = ActiveConfig::off(config);
        active.metrics = self.all.iter().any(takes_metrics);
        active.events.clone_from(&self.events);
        active.events.retain(|(_, counters)| is_on(counters));
        active.spans.clone_from(&self.spans);
        active.spans.retain(|(_, counters)| is_on(counters));
        active.counters = self.counters_of(ExporterHandle::was_configured);
        active
    }

    /// Returns the headers helper that all OTLP exporters share; `None` when none of them needs it. A running helper
    /// with the same configuration continues.
    fn headers_helper(&mut self, config: &Config, runtime: &Runtime) -> Option<Arc<Helper>> {
        let wanted = config.headers_helper.as_ref()?;
        if let Some(running) = self.helper.upgrade()
            && running.config() == wanted
        {
            return Some(running);
        }
        // `commands` sends flushes and the shutdown to the task.
        let (helper, commands, job) = Helper::new(wanted, Arc::clone(&self.diagnostics));
        self.helper = Arc::downgrade(&helper);
        runtime.spawn(commands, job);
        Some(helper)
    }
}

/// Creates the handle of an exporter that pushes the metrics of the registry.
fn metrics(
    exporter: Exporter,
    reader: usize,
    registry: &Arc<Registry>,
    diagnostics: &Arc<Diagnostics>,
    clock: Clock,
) -> ExporterHandle {
    let source = PushReader::new(reader, Arc::clone(registry));
    let counted = Arc::clone(registry);
    let undelivered = Box::new(move || counted.undelivered(reader));
    let counters = ExporterCounters::new(
        Signal::Metrics,
        exporter,
        source.unacknowledged(),
        Some(undelivered),
    );
    let registry = Arc::clone(registry);
    // The reader takes measurements as soon as it is added, so no work is left for after the opening.
    let open = move || {
        registry.add_reader(reader);
        None
    };
    ExporterHandle::with_pipeline(source, counters, open, diagnostics, clock)
}

/// Creates the exporters of a signal whose items are queued, and adds their handles to `all`. Returns the queues.
fn queues<T: Encode>(
    signal: Signal,
    all: &mut Vec<ExporterHandle>,
    diagnostics: &Arc<Diagnostics>,
    clock: Clock,
) -> Vec<ExporterQueue<T::Item>> {
    let kinds = [Exporter::Otlp, Exporter::Console];
    let queues = kinds.map(|kind| {
        let (handle, queue) = ExporterHandle::with_queue::<T>(signal, kind, diagnostics, clock);
        let counters = Arc::clone(handle.counters());
        all.push(handle);
        (queue, counters)
    });
    queues.into()
}
