//! The exporters of the host's instruments, which are created when the host first requests its providers.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};

use tokio::time::Instant;

use super::{Instruments, LogEncoder, Metrics, Providers, Reader, Slot, SpanEncoder};
use crate::clock::Clock;
use crate::config::variables::TEMPORALITY;
use crate::config::{Config, Temporality};
use crate::diagnostics::Diagnostics;
use crate::encode::Encode;
use crate::encode::message::ResourceAndScope;
use crate::export::Source;
use crate::export::queue_source::QueueSource;
use crate::health::{Exporter, ExporterCounters};
use crate::signal::Signal;
use crate::state::TelemetryState;
use crate::telemetry::{HostExporters, Place, Plan, Telemetry};

/// The exporters of the host's instruments, one for each signal.
struct InstrumentExporters {
    metrics: Switched<Metrics>,
    reader: Reader,
    /// The temporality with which the instruments were created.
    temporality: Temporality,
    /// The temporality of the last configuration.
    asked: Temporality,
    diagnostics: Arc<Diagnostics>,
    logs: Switched<QueueSource<LogEncoder>>,
    spans: Switched<QueueSource<SpanEncoder>>,
    providers: Providers,
}

/// An exporter, and the flag that tells its instruments whether it is on.
struct Switched<S: Source> {
    place: Place<S>,
    on: Arc<AtomicBool>,
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
            return Providers::off();
        };
        let state = &handle.state;
        let mut exporters = handle.lock_exporters();
        if let Some(host) = exporters.host::<InstrumentExporters>() {
            return host.providers.clone();
        }
        let config = Arc::clone(&state.active.load().config);
        let weak = Arc::downgrade(state);
        let host = InstrumentExporters::new(&config, weak, &state.diagnostics, state.clock);
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
    fn new(
        config: &Config,
        telemetry: Weak<TelemetryState>,
        diagnostics: &Arc<Diagnostics>,
        clock: Clock,
    ) -> Self {
        let (own, weak) = (&config.metrics, Weak::clone(&telemetry));
        let reader = Reader::new(own.temporality, own.otlp.is_none(), weak);
        let metrics = Metrics::new(reader.clone());
        let (signal, exporter) = (Signal::Metrics, Exporter::Host);
        let place = Place::new(
            signal,
            exporter,
            metrics,
            Arc::default(),
            diagnostics,
            clock,
        );
        let metrics = Switched::new(place);
        let (logs, events) = queued(Signal::Logs, LogEncoder::default(), diagnostics, clock);
        let (spans, ended) = queued(Signal::Traces, SpanEncoder::default(), diagnostics, clock);
        let instruments = Instruments {
            metrics: reader.clone(),
            logs: events,
            spans: ended,
        };
        Self {
            metrics,
            reader,
            temporality: own.temporality,
            asked: own.temporality,
            diagnostics: Arc::clone(diagnostics),
            logs,
            spans,
            providers: Providers::new(&instruments, &telemetry),
        }
    }

    /// Reports that the temporality of the configuration does not apply, because the SDK accepts a temporality only
    /// once.
    fn report_temporality(&self) {
        if self.asked == self.temporality {
            return;
        }
        let name = |temporality| match temporality {
            Temporality::Delta => "delta",
            Temporality::Cumulative => "cumulative",
        };
        self.diagnostics.report_later(format!(
            "{}: the host's own metrics stay {} although the configuration asks for {} now: they keep the temporality of the first call of Telemetry::providers; set it before that, or start again",
            TEMPORALITY.name,
            name(self.temporality),
            name(self.asked),
        ));
    }
}

impl HostExporters for InstrumentExporters {
    fn counters(&self) -> [(bool, Arc<ExporterCounters>); 3] {
        [
            self.metrics.place.seen(),
            self.logs.place.seen(),
            self.spans.place.seen(),
        ]
    }

    /// Applies a configuration: a signal is on if the catalog's OTLP exporter of the signal is.
    fn turn_on(&mut self, plan: &Plan<'_>) {
        let own = &plan.config.metrics;
        if own.otlp.is_some()
            && std::mem::replace(&mut self.asked, own.temporality) != own.temporality
        {
            self.report_temporality();
        }
        let resource = ResourceAndScope::new(&plan.resource, "", "").resource;
        self.metrics
            .apply(plan, resource.clone(), || self.reader.begin());
        self.logs.apply(plan, LogEncoder(resource.clone()), || {});
        self.spans.apply(plan, SpanEncoder(resource), || {});
    }

    /// Turns off the exporters that the configuration does not request.
    fn turn_off(&mut self, by: Instant) {
        self.metrics.place.turn_off(by);
        self.logs.place.turn_off(by);
        self.spans.place.turn_off(by);
    }
}

impl<S: Source> Switched<S> {
    fn new(place: Place<S>) -> Self {
        Self {
            place,
            on: Arc::default(),
        }
    }

    fn apply(&mut self, plan: &Plan<'_>, settings: S::Settings, joins: impl FnOnce()) {
        self.place.apply(plan, || settings, joins);
        self.on.store(self.place.is_on(), Ordering::Relaxed);
    }
}

fn queued<T: Encode>(
    signal: Signal,
    encoder: T,
    diagnostics: &Arc<Diagnostics>,
    clock: Clock,
) -> (Switched<QueueSource<T>>, Slot<T::Item>) {
    let (place, queue) = Place::queued(signal, Exporter::Host, encoder, diagnostics, clock);
    let switched = Switched::new(place);
    let slot = Slot {
        queue,
        counters: switched.place.counters(),
        on: Arc::clone(&switched.on),
    };
    (switched, slot)
}
