//! OpenTelemetry SDK providers for a host's own instruments, with the configuration of the telemetry.
//!
//! Data that a host records with them is passed to pipelines like those of the library's data: with the same endpoints,
//! headers, headers helper, TLS, proxies and limits, the same retries and the same deadlines. The export of the SDK is
//! not used, and the SDK reads no variable of the process environment.

mod encoder;
mod exporters;
mod first_reader;
mod logs;
mod metrics;
mod points;
mod queue;
mod reader;
mod spans;

use std::fmt;
use std::sync::Weak;

use opentelemetry::Context;
use opentelemetry::trace::{SpanContext, SpanId, TraceContextExt, TraceFlags, TraceId, TraceState};
use opentelemetry_proto::tonic::logs::v1::LogRecord;
use opentelemetry_proto::tonic::trace::v1::Span;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::logs::SdkLoggerProvider;
use opentelemetry_sdk::metrics::SdkMeterProvider;
use opentelemetry_sdk::trace::{Sampler, SdkTracerProvider, SpanLimits};

use crate::propagation::TraceContext;
use crate::session::{LlmRequest, Recorder, ToolCall};
use first_reader::FirstReader;
use queue::HostQueue;
use reader::Reader;

/// The receivers of the data of the three providers. There is a reader for each exporter of metrics.
type Receivers = (Vec<Reader>, HostQueue<LogRecord>, HostQueue<Span>);

/// OpenTelemetry providers for a host's own metrics, logs and spans, in addition to the data of the
/// [catalog](crate::catalog).
///
/// They export to the destinations of the telemetry's exporters `otlp` and `console`; to the console, one line for each
/// data point, log record and span. Metrics are not on the Prometheus page. A signal's provider does nothing while the
/// configuration has neither exporter for that signal. If a later configuration
/// ([`Telemetry::reconfigure`](crate::Telemetry::reconfigure)) has one, the provider begins with the data recorded from
/// then on. The providers are not registered globally; a host that needs that registers them itself.
///
/// Recorded data is delivered with the telemetry's intervals, flushes and shutdown; after the shutdown it is dropped
/// and counted. [`Health`](crate::Health) and reports count it separately, as
/// [`Exporter::HostOtlp`](crate::Exporter::HostOtlp) and [`Exporter::HostConsole`](crate::Exporter::HostConsole). A
/// provider's own `force_flush` flushes the whole telemetry within its flush timeout. A provider's own `shutdown` ends
/// only that provider and does not wait for a delivery: its remaining data is sent with the rest.
///
/// Values of log records may nest 16 lists or maps. Deeper ones are sent as `<nested>`, because receivers reject
/// requests that nest too deeply.
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

impl Providers {
    /// Returns the meter provider. Instruments keep the temporality of the configuration at the first call of
    /// [`Telemetry::providers`](crate::Telemetry::providers); a later configuration does not change it, and a
    /// diagnostic reports that.
    ///
    /// Each exporter collects the metrics for itself, and calls the callbacks of observable instruments for that, one
    /// exporter at a time. A callback should observe every attribute set at every call: one that it leaves out is
    /// exported once more if the callback observed it for another exporter in the meantime.
    ///
    /// Delta points leave out data recorded while the exporter was off. To find the boundary, `reconfigure` calls the
    /// host's callbacks when it turns the exporter on, and waits for them for a second at most (data recorded until a
    /// slower callback returns is left out too). Cumulative points cover everything since the instrument was created.
    ///
    /// ```
    /// use opentelemetry::metrics::MeterProvider;
    ///
    /// # use claude_code_telemetry::Telemetry;
    /// # let providers = Telemetry::disabled().providers();
    /// let meter = providers.meter_provider().meter("my-agent");
    /// meter.u64_counter("cache.hits").build().add(1, &[]);
    /// ```
    pub fn meter_provider(&self) -> &SdkMeterProvider {
        &self.meter
    }

    /// Returns the logger provider.
    ///
    /// ```
    /// use opentelemetry::logs::{LogRecord, Logger, LoggerProvider};
    ///
    /// # use claude_code_telemetry::Telemetry;
    /// # let providers = Telemetry::disabled().providers();
    /// let logger = providers.logger_provider().logger("my-agent");
    /// let mut record = logger.create_log_record();
    /// record.set_event_name("cache.cleared");
    /// logger.emit(record);
    /// ```
    pub fn logger_provider(&self) -> &SdkLoggerProvider {
        &self.logger
    }

    /// Returns the tracer provider. Spans with a sampled parent, or without a parent, are recorded.
    ///
    /// ```
    /// use opentelemetry::trace::{Span, Tracer, TracerProvider};
    ///
    /// # use claude_code_telemetry::Telemetry;
    /// # let providers = Telemetry::disabled().providers();
    /// let tracer = providers.tracer_provider().tracer("my-agent");
    /// tracer.start("compile").end();
    /// ```
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
    /// Returns an OpenTelemetry context with the recorder's span, such as the interaction of a prompt, as the parent
    /// for a host's own spans. Without such a span (tracing or telemetry is off), the context is empty.
    ///
    /// The context is not made current: the host decides whether it is ambient for other instruments.
    ///
    /// ```
    /// use opentelemetry::trace::{Span, Tracer, TracerProvider};
    /// # use claude_code_telemetry::{Identity, Telemetry};
    ///
    /// # let telemetry = Telemetry::disabled();
    /// # let tracer = telemetry.providers().tracer_provider().tracer("my-agent");
    /// let prompt = telemetry.session(Identity::new()).prompt("Fix the bug");
    /// tracer.start_with_context("plan", &prompt.recorder().otel_context()).end();
    /// ```
    pub fn otel_context(&self) -> Context {
        context_of(self.parent.as_deref())
    }
}

impl ToolCall {
    /// Returns the [parent](Recorder::otel_context) for a host's own spans: the execution span of the tool; before the
    /// execution begins, the span of the call.
    ///
    /// ```
    /// use opentelemetry::trace::{Span, Tracer, TracerProvider};
    /// # use claude_code_telemetry::{Identity, Telemetry};
    ///
    /// # let telemetry = Telemetry::disabled();
    /// # let tracer = telemetry.providers().tracer_provider().tracer("my-agent");
    /// # let prompt = telemetry.session(Identity::new()).prompt("Fix the bug");
    /// let tool = prompt.tool("Bash");
    /// tool.executing();
    /// tracer.start_with_context("compile", &tool.otel_context()).end();
    /// # tool.end();
    /// ```
    pub fn otel_context(&self) -> opentelemetry::Context {
        context_of(self.context().as_deref())
    }
}

impl LlmRequest {
    /// Returns the [parent](Recorder::otel_context) for a host's own spans, such as those of its HTTP client: the span
    /// of the request.
    ///
    /// ```
    /// use opentelemetry::trace::{Span, Tracer, TracerProvider};
    /// # use claude_code_telemetry::{Identity, Telemetry};
    ///
    /// # let telemetry = Telemetry::disabled();
    /// # let tracer = telemetry.providers().tracer_provider().tracer("my-agent");
    /// # let prompt = telemetry.session(Identity::new()).prompt("Fix the bug");
    /// let request = prompt.llm_request("claude-sonnet-4-6");
    /// tracer.start_with_context("POST", &request.otel_context()).end();
    /// # request.end();
    /// ```
    pub fn otel_context(&self) -> Context {
        self.recorder.otel_context()
    }
}

fn context_of(parent: Option<&TraceContext>) -> Context {
    let Some(parent) = parent else {
        return Context::new();
    };
    let state = parent.trace_state.as_deref().map(str::parse);
    Context::new().with_remote_span_context(SpanContext::new(
        TraceId::from_bytes(parent.trace_id),
        SpanId::from_bytes(parent.span_id),
        TraceFlags::new(parent.flags()),
        parent.remote,
        state.and_then(Result::ok).unwrap_or(TraceState::NONE),
    ))
}

impl Providers {
    /// Creates the providers. Without receivers of their data, they do nothing.
    fn new(receivers: Option<Receivers>) -> Self {
        let mut meter = SdkMeterProvider::builder().with_resource(no_resource());
        let mut logger = SdkLoggerProvider::builder().with_resource(no_resource());
        let root = match receivers {
            Some(_) => Sampler::AlwaysOn,
            None => Sampler::AlwaysOff,
        };
        // The limits are the SDK's defaults, and so is the sampler if there are receivers. They are set explicitly, so
        // that the SDK does not read others from the process environment.
        let mut tracer = SdkTracerProvider::builder()
            .with_resource(no_resource())
            .with_sampler(Sampler::ParentBased(Box::new(root)))
            .with_span_limits(SpanLimits::default());
        if let Some((readers, logs, spans)) = receivers {
            if let [first, others @ ..] = &readers[..] {
                meter = meter.with_reader(FirstReader {
                    reader: first.clone(),
                    all: readers.clone(),
                    telemetry: Weak::clone(&logs.telemetry),
                });
                for other in others {
                    meter = meter.with_reader(other.clone());
                }
            }
            logger = logger.with_log_processor(logs);
            tracer = tracer.with_span_processor(spans);
        }
        Self {
            meter: meter.build(),
            logger: logger.build(),
            tracer: tracer.build(),
        }
    }
}

/// Returns an empty resource. The OTLP encoder adds the resource; the SDK's default resource would contain data of the
/// process environment.
fn no_resource() -> Resource {
    Resource::builder_empty().build()
}
