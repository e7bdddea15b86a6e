//! The SDK's providers on the telemetry's configuration, for a host's own instruments.
//!
//! What a host records with them is handed to pipelines like those of the catalogue: the same endpoints, headers, helper,
//! TLS, proxies and bounds, the same retries and the same deadlines. Nothing of the SDK's own export is used, and it reads
//! nothing from the process environment.

mod exit;
mod exporters;
mod logs;
mod metrics;
mod scopes;
mod spans;

use std::fmt;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Weak};

use opentelemetry::Context;
use opentelemetry::trace::{SpanContext, SpanId, TraceContextExt, TraceFlags, TraceId, TraceState};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::logs::SdkLoggerProvider;
use opentelemetry_sdk::metrics::SdkMeterProvider;
use opentelemetry_sdk::trace::{
    Sampler, SdkTracerProvider, SpanData, SpanLimits, TracerProviderBuilder,
};

use crate::export::queue::Queue;
use crate::health::ExporterCounters;
use crate::propagation::TraceContext;
use crate::session::{Recorder, ToolCall};
use crate::state::TelemetryState;
use exit::Exit;
use logs::{Log, Logs};
use spans::Spans;

use logs::LogTranslator;
use metrics::{Metrics, Reader};
use spans::SpanTranslator;

/// OpenTelemetry providers for a host's own metrics, logs and spans beside the catalogue's.
///
/// They send where the telemetry's OTLP exporters send: a signal's provider does nothing when the configuration has no
/// OTLP exporter for that signal, and begins with what is recorded from then on when a later one
/// ([`Telemetry::reconfigure`](crate::Telemetry::reconfigure)) has. Nothing is registered globally: a host that wants that
/// does it.
///
/// What is recorded is delivered with the telemetry's intervals, flushes and shutdown; after the shutdown it is dropped and
/// counted. [`Health`](crate::Health) counts it apart, as [`Exporter::Host`](crate::Exporter::Host). A provider's own
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
    pub(crate) queue: Queue<T>,
    pub(crate) counters: Arc<ExporterCounters>,
    /// Whether the configuration asks for it.
    pub(crate) on: Arc<AtomicBool>,
}

impl<T> Slot<T> {
    fn exit(&self, telemetry: &Weak<TelemetryState>) -> Exit<T> {
        Exit {
            queue: self.queue.clone(),
            counters: Arc::clone(&self.counters),
            on: Arc::clone(&self.on),
            telemetry: Weak::clone(telemetry),
        }
    }
}

impl Providers {
    /// The metrics. Instruments have the temporality that the configuration asked for when
    /// [`Telemetry::providers`](crate::Telemetry::providers) was first called; a later one does not change it, and a
    /// diagnostic says so.
    ///
    /// Deltas leave out what was recorded while the exporter was off: to draw the line, `reconfigure` has the host's
    /// callbacks called when it turns the exporter on, and waits a second for them at most (what is recorded until one that
    /// takes longer has returned is left out too). Cumulative points cover everything since the instrument was made.
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
    /// This place as the parent of a host's own spans, such as the interaction of a prompt. Without a span here (tracing is off, or telemetry) it holds none.
    ///
    /// It is not made current: whether it is ambient for other instruments is the host's to decide.
    pub fn otel_context(&self) -> Context {
        context_of(self.parent.as_deref())
    }
}

impl ToolCall {
    /// The [parent](Recorder::otel_context) of a host's own spans: the execution; before it begins, the call.
    pub fn otel_context(&self) -> opentelemetry::Context {
        context_of(self.context().as_deref())
    }
}

fn context_of(parent: Option<&TraceContext>) -> Context {
    match parent {
        Some(parent) => Context::new().with_remote_span_context(parent.into()),
        None => Context::new(),
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

/// What the host's instruments leave their data in.
pub(crate) struct Instruments {
    pub(crate) metrics: Reader,
    pub(crate) logs: Slot<Log>,
    pub(crate) spans: Slot<SpanData>,
}

impl Providers {
    pub(crate) fn new(instruments: &Instruments, telemetry: &Weak<TelemetryState>) -> Self {
        let spans = Spans(instruments.spans.exit(telemetry));
        Self {
            meter: SdkMeterProvider::builder()
                .with_resource(no_resource())
                .with_reader(instruments.metrics.clone())
                .build(),
            logger: SdkLoggerProvider::builder()
                .with_resource(no_resource())
                .with_log_processor(Logs(instruments.logs.exit(telemetry)))
                .build(),
            tracer: tracer(Sampler::AlwaysOn).with_span_processor(spans).build(),
        }
    }

    /// Ones that do nothing.
    pub(crate) fn off() -> Self {
        Self {
            meter: SdkMeterProvider::builder()
                .with_resource(no_resource())
                .build(),
            logger: SdkLoggerProvider::builder()
                .with_resource(no_resource())
                .build(),
            tracer: tracer(Sampler::AlwaysOff).build(),
        }
    }
}

/// Sampler and limits are the SDK's defaults, given so that it does not look for others in the process environment.
fn tracer(root: Sampler) -> TracerProviderBuilder {
    SdkTracerProvider::builder()
        .with_resource(no_resource())
        .with_sampler(Sampler::ParentBased(Box::new(root)))
        .with_span_limits(SpanLimits::default())
}

/// The resource is added where OTLP is made. The SDK's own would hold what the process environment says.
fn no_resource() -> Resource {
    Resource::builder_empty().build()
}
