//! How telemetry starts: from a configuration to pipelines.

use std::io::Write;
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::sync::{Arc, Mutex, Once, OnceLock};
use std::time::Duration;

use tokio::sync::mpsc::UnboundedSender;

use super::{Handle, Inner, Slots, Telemetry};
use crate::catalog::scope;
use crate::clock::Clock;
use crate::config::otlp::OtlpConfig;
use crate::config::{Config, EventsConfig, SpansConfig};
use crate::content::ContentPolicy;
use crate::diagnostics::{Callback, Diagnostic, Diagnostics};
use crate::export::headers::Helper;
use crate::export::queue::Queue;
use crate::export::queue_source::{QueueSource, Translate};
use crate::export::runtime::{Background, Job, Runtime};
use crate::export::{Command, Control, Pipeline, Source, Target, Writer};
use crate::fork::Process;
use crate::health::{Exporter, ExporterCounters, Tally};
use crate::prompt::OpenSpans;
use crate::resource::{Platform, point_attributes, resource_attributes};
use crate::session::Book;
use crate::signal::Signal;
use crate::signal::events::{EventItem, EventTranslator};
use crate::signal::message::Origin;
use crate::signal::metrics::{CONSOLE_READER, OTLP_READER, Reader, Registry};
use crate::signal::spans::{SpanItem, SpanTranslator};

/// The host program: `service.name` and `service.version` of the resource. The version is also that of the scopes and
/// `app.version`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Service {
    pub(crate) name: String,
    pub(crate) version: String,
}

impl Service {
    /// A program's name and version. Dashboards that were made for Claude Code expect the name `claude-code`.
    pub fn new(name: impl Into<String>, version: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            version: version.into(),
        }
    }
}

/// Starts telemetry with more than a configuration.
#[must_use = "nothing is started before `start`"]
pub struct TelemetryBuilder {
    config: Config,
    service: Service,
    callback: Option<Callback>,
    writer: Option<Writer>,
    expected_sessions: usize,
}

impl TelemetryBuilder {
    pub(super) fn new(config: Config, service: Service) -> Self {
        Self {
            config,
            service,
            callback: None,
            writer: None,
            expected_sessions: 0,
        }
    }

    /// So many sessions will be open at once, of a host that serves many. Without it there is room for about 6,000
    /// sessions of 32 series each, or 30,000 of 6; [`Health::series_limit`](crate::Health::series_limit) shows how many
    /// series there is room for, and amounts for further ones are left out and counted. Room that is not used costs
    /// nothing.
    pub fn expected_sessions(mut self, sessions: usize) -> Self {
        self.expected_sessions = sessions;
        self
    }

    /// Is called with what the host should know: warnings of the configuration (from [`start`](Self::start) itself),
    /// failing exporters and losses (on a thread of the library's, not more often than they change). It may log, and may
    /// be slow: nothing else waits for it. A panic in it is ignored.
    pub fn on_diagnostic(mut self, callback: impl Fn(&Diagnostic) + Send + Sync + 'static) -> Self {
        self.callback = Some(Arc::new(callback));
        self
    }

    /// Where the console exporter writes, instead of standard output. It may block: no other exporter waits for it.
    pub fn console_writer(mut self, writer: impl Write + Send + 'static) -> Self {
        self.writer = Some(Arc::new(Mutex::new(writer)));
        self
    }

    /// Starts it. Never fails.
    pub fn start(self) -> Telemetry {
        let config = Arc::new(self.config);
        let diagnostics = Arc::new(Diagnostics::new(
            self.callback,
            config.diagnostics_to_stderr,
        ));
        for warning in config.warnings() {
            diagnostics.report(warning.to_string());
        }
        let writer = self
            .writer
            .unwrap_or_else(|| Arc::new(Mutex::new(std::io::stdout())));
        let mut plan = Plan::new(&config, &self.service, Arc::clone(&diagnostics), writer);
        for off in &config.off {
            let counters = ExporterCounters::off(off.signal, off.exporter, off.reason.clone());
            plan.counters.push(Arc::new(counters));
        }
        plan.headers_helper(&config);
        let registry = plan.metrics(&config, self.expected_sessions);
        let event_queues = plan.events(&config);
        let span_queues = plan.spans(&config);
        if plan.counters.is_empty() {
            return Telemetry {
                handle: None,
                config,
            };
        }
        let custom = point_attributes(&config)
            .into_iter()
            .map(|(key, value)| (key.into(), value.into()))
            .collect();
        let inner = Inner {
            clock: plan.clock,
            app_version: self.service.version.into(),
            policy: ContentPolicy::new(config.content),
            custom,
            registry,
            event_queues,
            span_queues,
            open_spans: OpenSpans::default(),
            malformed_parent: AtomicBool::new(false),
            unfinished_spans: AtomicU64::new(0),
            late_amounts: AtomicU64::new(0),
            sessions: Book::default(),
            refused_amounts: AtomicU64::new(0),
            refused_series: AtomicU64::new(0),
            installation_id: OnceLock::new(),
            runtime: Runtime::start(
                plan.commands,
                plan.jobs,
                plan.background,
                &plan.counters,
                Arc::clone(&diagnostics),
            ),
            counters: plan.counters,
            diagnostics,
            process: Process::current(),
            closing: Once::new(),
            stopped: AtomicBool::new(false),
            config: Arc::clone(&config),
        };
        Telemetry {
            handle: Some(Arc::new(Handle(Arc::new(inner)))),
            config,
        }
    }
}

/// The pipelines that the configuration asks for.
struct Plan {
    clock: Clock,
    diagnostics: Arc<Diagnostics>,
    writer: Writer,
    resource: Vec<(String, String)>,
    version: String,
    jobs: Vec<Job>,
    helper: Option<Arc<Helper>>,
    background: Option<Background>,
    commands: Vec<UnboundedSender<Command>>,
    counters: Vec<Arc<ExporterCounters>>,
}

impl Plan {
    fn new(
        config: &Config,
        service: &Service,
        diagnostics: Arc<Diagnostics>,
        writer: Writer,
    ) -> Self {
        Self {
            clock: Clock,
            diagnostics,
            writer,
            resource: resource_attributes(
                config,
                &service.name,
                &service.version,
                &Platform::detect(),
            ),
            version: service.version.clone(),
            jobs: Vec::new(),
            helper: None,
            background: None,
            commands: Vec::new(),
            counters: Vec::new(),
        }
    }

    /// One for all OTLP exporters; none when there are none.
    fn headers_helper(&mut self, config: &Config) {
        let otlp = [
            &config.metrics.otlp,
            &config.events.otlp,
            &config.spans.otlp,
        ];
        let Some(helper) = config
            .headers_helper
            .as_ref()
            .filter(|_| otlp.iter().any(|otlp| otlp.is_some()))
            .and_then(|helper| Helper::new(helper, Arc::clone(&self.diagnostics)))
        else {
            return;
        };
        let (commands, background) = helper.background();
        self.commands.push(commands);
        self.background = Some(background);
        self.helper = Some(helper);
    }

    fn targets(&self, otlp: Option<&OtlpConfig>, console: bool) -> Vec<Target> {
        Target::all(otlp, self.helper.as_ref(), console, &self.writer)
    }

    fn metrics(&mut self, config: &Config, expected_sessions: usize) -> Option<Arc<Registry>> {
        let targets = self.targets(config.metrics.otlp.as_ref(), config.metrics.console);
        if targets.is_empty() {
            return None;
        }
        let place = |target: &Target| match target.exporter() {
            Exporter::Otlp => OTLP_READER,
            Exporter::Console => CONSOLE_READER,
        };
        let registry = Arc::new(Registry::new(
            &targets.iter().map(place).collect::<Vec<_>>(),
            expected_sessions,
            self.clock,
        ));
        let origin = Origin::new(&self.resource, scope::METRICS, &self.version);
        for target in targets {
            let reader = Reader::new(
                place(&target),
                Arc::clone(&registry),
                config.metrics.temporality,
                origin.clone(),
                self.clock,
            );
            self.pipeline(
                Signal::Metrics,
                target,
                reader,
                config.metrics.interval,
                Arc::default(),
            );
        }
        Some(registry)
    }

    fn events(&mut self, config: &Config) -> Slots<EventItem> {
        let EventsConfig {
            otlp,
            console,
            interval,
        } = &config.events;
        let origin = Origin::new(&self.resource, scope::EVENTS, &self.version);
        let translator = |target: &Target| {
            EventTranslator::new(origin.clone(), config.number_encoding, target.form())
        };
        self.queued(
            Signal::Events,
            self.targets(otlp.as_ref(), *console),
            *interval,
            translator,
        )
    }

    fn spans(&mut self, config: &Config) -> Slots<SpanItem> {
        let SpansConfig {
            otlp,
            console,
            interval,
        } = &config.spans;
        let origin = Origin::new(&self.resource, scope::SPANS, scope::SPANS_VERSION);
        let translator = |_: &Target| SpanTranslator::new(origin.clone());
        self.queued(
            Signal::Spans,
            self.targets(otlp.as_ref(), *console),
            *interval,
            translator,
        )
    }

    /// A queue and a pipeline for each target.
    fn queued<T: Translate>(
        &mut self,
        signal: Signal,
        targets: Vec<Target>,
        interval: Duration,
        translator: impl Fn(&Target) -> T,
    ) -> Slots<T::Item> {
        let mut queues = Vec::new();
        for target in targets {
            let queue = Arc::new(Queue::new());
            let tally = Arc::default();
            let translator = translator(&target);
            let source = QueueSource::new(Arc::clone(&queue), translator, Arc::clone(&tally));
            queues.push((
                queue,
                self.pipeline(signal, target, source, interval, tally),
            ));
        }
        queues
    }

    /// Adds a pipeline. Its exporter is built, and its failure told, on the private thread.
    fn pipeline<S: Source>(
        &mut self,
        signal: Signal,
        target: Target,
        source: S,
        interval: Duration,
        tally: Arc<Tally>,
    ) -> Arc<ExporterCounters> {
        let counters = Arc::new(ExporterCounters::new(
            signal,
            target.exporter(),
            source.waiting(),
            tally,
        ));
        self.counters.push(Arc::clone(&counters));
        let (commands, mut control) = Control::new();
        self.commands.push(commands);
        let (diagnostics, clock) = (Arc::clone(&self.diagnostics), self.clock);
        let shared = Arc::clone(&counters);
        self.jobs.push(Box::new(move || {
            Box::pin(async move {
                let timeout = target.timeout();
                let exporter = target.exporter();
                // It may read certificates: on a thread that may block, while this one keeps every deadline.
                let build = tokio::task::spawn_blocking(move || target.build(signal));
                match control.meanwhile(build).await {
                    Ok(sink) => {
                        Pipeline {
                            source,
                            sink: Arc::new(sink),
                            interval,
                            timeout,
                            counters,
                            diagnostics,
                            clock,
                            control,
                            told: None,
                        }
                        .run()
                        .await;
                    }
                    Err(error) => {
                        counters.cannot_be_built(error.clone());
                        counters.shut_down(None);
                        diagnostics.report_later(format!("{signal} ({exporter}) are off: {error}"));
                    }
                }
            })
        }));
        shared
    }
}
