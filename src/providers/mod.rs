//! The SDK's providers on the telemetry's configuration, for a host's own instruments.
//!
//! What a host records with them is handed to pipelines like those of the catalogue: the same endpoints, headers, helper,
//! TLS, proxies and bounds, the same retries and the same deadlines. Nothing of the SDK's own export is used, and it reads
//! nothing from the process environment.

mod exit;
mod logs;
mod metrics;
mod spans;

use std::fmt;
use std::sync::{Arc, Weak};

use opentelemetry::Context;
use opentelemetry::trace::{SpanContext, SpanId, TraceContextExt, TraceFlags, TraceId, TraceState};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::logs::SdkLoggerProvider;
use opentelemetry_sdk::metrics::SdkMeterProvider;
use opentelemetry_sdk::trace::{Sampler, SdkTracerProvider, SpanData, SpanLimits};

use crate::export::queue::Queue;
use crate::health::ExporterCounters;
use crate::propagation::TraceContext;
use crate::recorder::Recorder;
use crate::telemetry::Inner;
use exit::Exit;
use logs::{Log, LogTranslator, Logs};
use metrics::{Metrics, Reader};
use spans::{SpanTranslator, Spans};

/// OpenTelemetry providers for a host's own metrics, logs and spans beside the catalogue's.
///
/// They send where the telemetry's OTLP exporters send: a signal's provider does nothing when the configuration has no
/// OTLP exporter for that signal. Nothing is registered globally: a host that wants that does it.
///
/// What is recorded is delivered with the telemetry's intervals, flushes and shutdown; after the shutdown it is dropped and
/// counted. [`Health`](crate::Health) counts it apart ([`ExporterHealth::host`](crate::ExporterHealth)). A provider's own
/// `force_flush` flushes the whole telemetry within its flush timeout; its own `shutdown` ends that provider and does not
/// wait: what it had is sent with the rest.
///
/// ```
/// use claude_code_telemetry::{Config, Identity, Service, Telemetry};
/// use opentelemetry::metrics::MeterProvider;
/// use opentelemetry::trace::{Span, Tracer, TracerProvider};
///
/// let telemetry = Telemetry::start(Config::load(), Service::new("claude-code", "1.2.3"));
/// let providers = telemetry.providers();
/// let hits = providers.meter_provider().meter("my-agent").u64_counter("cache.hits").build();
/// hits.add(1, &[]);
///
/// // A span of the host's own below a tool's.
/// let session = telemetry.session(Identity::new());
/// let prompt = session.prompt("Fix the bug");
/// let tool = prompt.tool("Bash");
/// tool.executing();
/// let tracer = providers.tracer_provider().tracer("my-agent");
/// tracer.start_with_context("compile", &tool.otel_context()).end();
/// ```
#[derive(Clone)]
pub struct Providers {
    meter: SdkMeterProvider,
    logger: SdkLoggerProvider,
    tracer: SdkTracerProvider,
}

/// Where one signal of the host's goes.
pub(crate) struct Slot<T> {
    queue: Arc<Queue<T>>,
    counters: Arc<ExporterCounters>,
}

impl<T> Slot<T> {
    fn exit(&self, telemetry: &Weak<Inner>) -> Exit<T> {
        Exit {
            queue: Arc::clone(&self.queue),
            counters: Arc::clone(&self.counters),
            telemetry: Weak::clone(telemetry),
        }
    }
}

impl Providers {
    /// The metrics. Instruments have the temporality that the configuration asks for.
    pub fn meter_provider(&self) -> &SdkMeterProvider {
        &self.meter
    }

    /// The logs.
    pub fn logger_provider(&self) -> &SdkLoggerProvider {
        &self.logger
    }

    /// The traces: whoever has a sampled parent, or none, is recorded.
    pub fn tracer_provider(&self) -> &SdkTracerProvider {
        &self.tracer
    }
}

impl fmt::Debug for Providers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Providers").finish_non_exhaustive()
    }
}

impl Recorder {
    /// This place as the parent of a host's own spans: below the execution span of a tool call that runs, below its tool's
    /// span before, below the interaction of a prompt. Without a span here (tracing is off, or telemetry) it holds none.
    ///
    /// It is not made current: whether it is ambient for other instruments is the host's to decide.
    pub fn otel_context(&self) -> Context {
        match self.parent.as_deref() {
            Some(parent) => Context::new().with_remote_span_context(parent.into()),
            None => Context::new(),
        }
    }
}

impl From<&TraceContext> for SpanContext {
    fn from(context: &TraceContext) -> Self {
        let flags = TraceFlags::new(context.flags());
        let state = context.trace_state.as_deref().map(str::parse);
        Self::new(
            TraceId::from_bytes(context.trace_id),
            SpanId::from_bytes(context.span_id),
            flags,
            context.remote,
            state.and_then(Result::ok).unwrap_or(TraceState::NONE),
        )
    }
}

/// The pipelines behind the providers, of each signal that has an OTLP exporter.
#[derive(Default)]
pub(crate) struct Host {
    pub(crate) metrics: Option<Reader>,
    pub(crate) logs: Option<Slot<Log>>,
    pub(crate) spans: Option<Slot<SpanData>>,
}

impl Providers {
    pub(crate) fn new(host: &Host, telemetry: &Weak<Inner>) -> Self {
        // The SDK's defaults are given, because it would look for others in the process environment.
        let mut meter =
            SdkMeterProvider::builder().with_resource(Resource::builder_empty().build());
        if let Some(reader) = &host.metrics {
            meter = meter.with_reader(reader.clone());
        }
        let mut logger =
            SdkLoggerProvider::builder().with_resource(Resource::builder_empty().build());
        if let Some(slot) = &host.logs {
            logger = logger.with_log_processor(Logs(slot.exit(telemetry)));
        }
        let mut tracer = SdkTracerProvider::builder()
            .with_resource(Resource::builder_empty().build())
            .with_sampler(Sampler::ParentBased(Box::new(match host.spans {
                Some(_) => Sampler::AlwaysOn,
                None => Sampler::AlwaysOff,
            })))
            .with_span_limits(SpanLimits::default());
        if let Some(slot) = &host.spans {
            tracer = tracer.with_span_processor(Spans(slot.exit(telemetry)));
        }
        Self {
            meter: meter.build(),
            logger: logger.build(),
            tracer: tracer.build(),
        }
    }
}
