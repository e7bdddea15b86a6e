//! The exporters of a telemetry. There is a slot for each exporter that a configuration can ask for; a change of the
//! configuration starts it, stops it, or changes its destination. The queue, the series and the counters of a slot
//! outlive these changes.

use std::any::Any;
use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

use super::Service;
#[cfg(feature = "prometheus")]
use super::page::PagePlace;
use super::place::Place;
use super::plan::Plan;
use crate::clock::Clock;
use crate::config::{Config, HeadersHelper};
use crate::diagnostics::Diagnostics;
use crate::encode::Encode;
use crate::encode::events::EventEncoder;
use crate::encode::message::ResourceAndScope;
use crate::encode::spans::SpanEncoder;
#[cfg(feature = "testing")]
use crate::export::MemoryExporter;
use crate::export::headers::Helper;
use crate::export::metrics_source::PushReader;
use crate::export::queue::Queue;
use crate::export::queue_source::QueueSource;
use crate::export::runtime::Runtime;
use crate::export::{Lease, Writer};
use crate::health::{Exporter, ExporterCounters};
use crate::metrics::{CONSOLE_READER, OTLP_READER, Registry};
use crate::resource::{Platform, resource_attributes};
use crate::schema::scope;
use crate::signal::Signal;
use crate::state::{ActiveConfig, Slots};

/// The slots of a signal whose items are queued.
type QueuePlaces<T> = Vec<(Place<QueueSource<T>>, Queue<<T as Encode>::Item>)>;

/// The exporters of the host's own instruments, which follow the same configuration.
pub(crate) trait HostExporters: Any + Send {
    /// Returns the counters of each exporter, and whether it was ever on.
    fn counters(&self) -> [(bool, Arc<ExporterCounters>); 3];

    /// Applies a configuration: an exporter is on when the OTLP exporter of its signal is.
    fn turn_on(&mut self, plan: &Plan<'_>);

    /// Turns off the exporters that the configuration did not ask for.
    fn turn_off(&mut self, by: Instant);
}

/// The slots of all exporters that a configuration can ask for.
pub(crate) struct Exporters {
    registry: Arc<Registry>,
    writer: Writer,
    diagnostics: Arc<Diagnostics>,
    service: Service,
    /// Replaces all exporters.
    #[cfg(feature = "testing")]
    memory: Option<Arc<dyn MemoryExporter>>,
    metrics: Vec<(Place<PushReader>, usize)>,
    events: QueuePlaces<EventEncoder>,
    spans: QueuePlaces<SpanEncoder>,
    /// `None` until the host asks for its providers.
    host: Option<Box<dyn HostExporters>>,
    #[cfg(feature = "prometheus")]
    page: PagePlace,
    helper: Option<RunningHelper>,
}

/// A headers helper that runs as long as an exporter uses it.
struct RunningHelper {
    config: HeadersHelper,
    helper: Arc<Helper>,
    lease: Weak<watch::Sender<()>>,
}

impl Exporters {
    /// Creates the slots, all of them off.
    pub(super) fn new(
        service: Service,
        registry: Arc<Registry>,
        writer: Writer,
        diagnostics: Arc<Diagnostics>,
        clock: Clock,
    ) -> Self {
        let kinds = [Exporter::Otlp, Exporter::Console];
        // Each exporter gets its resource and scope when it is turned on.
        let nothing = ResourceAndScope::new(&[], "", "");
        let readers = [
            (Exporter::Otlp, OTLP_READER),
            (Exporter::Console, CONSOLE_READER),
        ];
        let metrics = readers.map(|(kind, number)| {
            let reader = PushReader::new(number, Arc::clone(&registry), nothing.clone());
            let stats = Arc::default();
            let place = Place::new(Signal::Metrics, kind, reader, stats, &diagnostics, clock);
            (place, number)
        });
        let events = || EventEncoder::new(nothing.clone(), Default::default());
        let spans = || SpanEncoder::new(nothing.clone());
        Self {
            metrics: metrics.into(),
            events: places(Signal::Logs, &kinds, events, &diagnostics, clock),
            spans: places(Signal::Traces, &kinds, spans, &diagnostics, clock),
            #[cfg(feature = "testing")]
            memory: None,
            host: None,
            #[cfg(feature = "prometheus")]
            page: PagePlace::new(&registry, &diagnostics, clock),
            helper: None,
            registry,
            writer,
            diagnostics,
            service,
        }
    }

    /// Keeps all telemetry in memory, whatever a configuration asks for. The store takes the place of the OTLP
    /// receiver.
    #[cfg(feature = "testing")]
    pub(super) fn keep_in_memory(&mut self, store: Arc<dyn MemoryExporter>) {
        self.memory = Some(store);
    }

    /// Returns the counters of all slots.
    pub(super) fn all_counters(&self) -> Vec<Arc<ExporterCounters>> {
        self.counters_of(|_| true)
    }

    /// Returns the counters of all exporters that a configuration has ever asked for.
    pub(super) fn counters(&self) -> Vec<Arc<ExporterCounters>> {
        self.counters_of(|known| known)
    }

    fn counters_of(&self, wanted: impl Fn(bool) -> bool) -> Vec<Arc<ExporterCounters>> {
        let metrics = self.metrics.iter().map(|(place, _)| place.seen());
        let events = self.events.iter().map(|(place, _)| place.seen());
        let spans = self.spans.iter().map(|(place, _)| place.seen());
        let all = metrics.chain(events).chain(spans);
        #[cfg(feature = "prometheus")]
        let all = all.chain(std::iter::once(self.page.seen()));
        let all = all.chain(self.host.iter().flat_map(|host| host.counters()));
        all.filter(|(known, _)| wanted(*known))
            .map(|(_, counters)| counters)
            .collect()
    }

    /// Turns on the exporters that a configuration asks for, with their destinations, and marks the others to be turned
    /// off.
    pub(super) fn turn_on(&mut self, config: &Config, runtime: &Runtime) {
        let plan = self.plan(config, runtime);
        let (resource, version) = (&plan.resource, &self.service.version);
        let resource_and_scope = ResourceAndScope::new(resource, scope::METRICS, version);
        for (place, number) in &mut self.metrics {
            let settings = || (config.metrics.temporality, resource_and_scope.clone());
            place.apply(&plan, settings, || self.registry.join(*number));
        }
        #[cfg(feature = "prometheus")]
        match &config.metrics.prometheus {
            None => {
                let why = config.unavailable_reason(Signal::Metrics, Exporter::Prometheus);
                self.page.mark(why);
            }
            Some(page) => self.page.turn_on(page, resource, runtime),
        }
        let resource_and_scope = ResourceAndScope::new(resource, scope::EVENTS, version);
        for (place, _) in &mut self.events {
            let settings = || EventEncoder::new(resource_and_scope.clone(), config.number_encoding);
            place.apply(&plan, settings, || {});
        }
        let resource_and_scope =
            ResourceAndScope::new(resource, scope::SPANS, scope::SPANS_VERSION);
        for (place, _) in &mut self.spans {
            place.apply(
                &plan,
                || SpanEncoder::new(resource_and_scope.clone()),
                || {},
            );
        }
        if let Some(host) = &mut self.host {
            host.turn_on(&plan);
        }
    }

    fn plan<'a>(&mut self, config: &'a Config, runtime: &'a Runtime) -> Plan<'a> {
        let Service { name, version } = &self.service;
        Plan {
            resource: resource_attributes(config, name, version, &Platform::detect()),
            helper: self.headers_helper(config, runtime),
            writer: Arc::clone(&self.writer),
            #[cfg(feature = "testing")]
            memory: self.memory.clone(),
            config,
            runtime,
        }
    }

    /// Returns the exporters of the host's own instruments.
    #[cfg(feature = "providers")]
    pub(crate) fn host<H: HostExporters>(&self) -> Option<&H> {
        let host: &dyn Any = self.host.as_deref()?;
        host.downcast_ref()
    }

    /// Adds the exporters of the host's own instruments, and turns on those that the configuration asks for.
    #[cfg(feature = "providers")]
    pub(crate) fn add_host(
        &mut self,
        mut host: Box<dyn HostExporters>,
        config: &Config,
        runtime: &Runtime,
    ) {
        host.turn_on(&self.plan(config, runtime));
        self.host = Some(host);
    }

    /// Returns the configuration and the queues for recording.
    pub(crate) fn active_config(&self, config: Arc<Config>) -> ActiveConfig {
        let mut active = ActiveConfig::off(config);
        (active.metrics, active.events, active.spans) =
            (self.metrics(), self.events(), self.spans());
        active.counters = self.counters();
        active
    }

    /// Turns off the marked exporters. Their queued items are still delivered, within the limit.
    pub(super) fn turn_off(&mut self, limit: Duration) {
        let by = Instant::now() + limit;
        self.metrics
            .iter_mut()
            .for_each(|(place, _)| place.turn_off(by));
        self.events
            .iter_mut()
            .for_each(|(place, _)| place.turn_off(by));
        self.spans
            .iter_mut()
            .for_each(|(place, _)| place.turn_off(by));
        #[cfg(feature = "prometheus")]
        self.page.turn_off();
        if let Some(host) = &mut self.host {
            host.turn_off(by);
        }
    }

    /// Returns whether an exporter takes metrics.
    pub(super) fn metrics(&self) -> bool {
        #[cfg(feature = "prometheus")]
        if self.page.is_on() {
            return true;
        }
        self.metrics.iter().any(|(place, _)| place.is_on())
    }

    /// Returns the queues for events.
    pub(super) fn events(&self) -> Slots<<EventEncoder as Encode>::Item> {
        slots(&self.events)
    }

    /// Returns the queues for spans.
    pub(super) fn spans(&self) -> Slots<<SpanEncoder as Encode>::Item> {
        slots(&self.spans)
    }

    /// Returns the headers helper that all OTLP exporters share; `None` when none of them needs it. A running helper
    /// with the same configuration continues.
    fn headers_helper(
        &mut self,
        config: &Config,
        runtime: &Runtime,
    ) -> Option<(Arc<Helper>, Lease)> {
        let signals = [Signal::Metrics, Signal::Logs, Signal::Traces];
        let any = signals.iter().any(|signal| config.otlp(*signal).is_some());
        let wanted = config.headers_helper.as_ref().filter(|_| any)?;
        if let Some(running) = &self.helper
            && running.config == *wanted
            && let Some(lease) = running.lease.upgrade()
        {
            return Some((Arc::clone(&running.helper), lease));
        }
        let helper = Helper::new(wanted, Arc::clone(&self.diagnostics))?;
        let (commands, background) = helper.background();
        let (lease, last) = watch::channel(());
        let lease = Arc::new(lease);
        self.helper = Some(RunningHelper {
            config: wanted.clone(),
            helper: Arc::clone(&helper),
            lease: Arc::downgrade(&lease),
        });
        runtime.spawn(commands, Box::new(move || background(last)));
        Some((helper, lease))
    }
}

/// Creates a slot with a queue for each kind of exporter.
fn places<T: Encode>(
    signal: Signal,
    kinds: &[Exporter],
    encoder: impl Fn() -> T,
    diagnostics: &Arc<Diagnostics>,
    clock: Clock,
) -> QueuePlaces<T> {
    let place = |kind: &Exporter| Place::queued(signal, *kind, encoder(), diagnostics, clock);
    kinds.iter().map(place).collect()
}

fn slots<T: Encode>(places: &QueuePlaces<T>) -> Slots<T::Item> {
    let on = places.iter().filter(|(place, _)| place.is_on());
    on.map(|(place, queue)| (queue.clone(), place.counters()))
        .collect()
}
