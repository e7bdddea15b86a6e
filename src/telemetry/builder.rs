//! How telemetry starts: from a configuration to pipelines.

use std::io::Write;
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use tokio::sync::mpsc::UnboundedSender;

use super::{Handle, Inner, Telemetry};
use crate::catalog::scope;
use crate::clock::Clock;
use crate::config::Config;
use crate::config::otlp::OtlpConfig;
use crate::content::ContentPolicy;
use crate::diagnostics::{Callback, Diagnostic, Diagnostics};
#[cfg(feature = "console")]
use crate::export::console::Console;
#[cfg(any(feature = "grpc", feature = "http"))]
use crate::export::otlp::Client;
use crate::export::queue::Queue;
use crate::export::runtime::{Job, Runtime};
use crate::export::{Command, Control, Pipeline, Sink, Source, Writer};
use crate::health::{Exporter, ExporterCounters};
use crate::resource::{Platform, point_attributes, resource_attributes};
use crate::session::Book;
use crate::signal::Signal;
use crate::signal::events::{EventQueue, EventSource};
use crate::signal::message::Origin;
use crate::signal::metrics::{CONSOLE_READER, OTLP_READER, Reader, Registry};

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
}

impl TelemetryBuilder {
    pub(super) fn new(config: Config, service: Service) -> Self {
        Self {
            config,
            service,
            callback: None,
            writer: None,
        }
    }

    /// Is called with what the host should know: warnings of the configuration (from [`start`](Self::start) itself),
    /// failing exporters and losses (from the library's own thread, not more often than they change). A panic in it is
    /// ignored.
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
        if !config.enabled {
            return Telemetry {
                handle: None,
                config,
            };
        }
        let writer = self
            .writer
            .unwrap_or_else(|| Arc::new(Mutex::new(std::io::stdout())));
        let mut plan = Plan::new(&config, &self.service, Arc::clone(&diagnostics), writer);
        let registry = plan.metrics(&config);
        let event_queues = plan.events(&config);
        if plan.jobs.is_empty() {
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
            sessions: Book::default(),
            refused_amounts: AtomicU64::new(0),
            refused_series: AtomicU64::new(0),
            counters: plan.counters,
            installation_id: OnceLock::new(),
            runtime: Runtime::start(plan.commands, plan.jobs, Arc::clone(&diagnostics)),
            diagnostics,
            closed: AtomicBool::new(false),
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
    commands: Vec<UnboundedSender<Command>>,
    counters: Vec<Arc<ExporterCounters>>,
}

/// Where one pipeline sends; the sink itself is built on the private thread.
enum Target {
    Otlp(OtlpConfig),
    Console(Writer),
}

impl Target {
    fn exporter(&self) -> Exporter {
        match self {
            Self::Otlp(_) => Exporter::Otlp,
            Self::Console(_) => Exporter::Console,
        }
    }

    fn timeout(&self) -> Duration {
        match self {
            Self::Otlp(config) => config.timeout,
            // A console that blocks holds back nothing but itself.
            Self::Console(_) => Duration::from_secs(3600),
        }
    }

    /// The exporter, or why there is none. The configuration names none that is not compiled in.
    fn sink(self, signal: Signal) -> Result<Sink, String> {
        match self {
            #[cfg(any(feature = "grpc", feature = "http"))]
            Self::Otlp(config) => match Client::new(signal, &config) {
                Ok(client) => Ok(Sink::Otlp(client, config.protocol)),
                Err(error) => Err(error.to_string()),
            },
            #[cfg(feature = "console")]
            Self::Console(writer) => Ok(Sink::Console(Console::new(writer))),
            #[cfg(not(all(any(feature = "grpc", feature = "http"), feature = "console")))]
            target => Err(format!(
                "{} of {signal} is not compiled in",
                target.exporter()
            )),
        }
    }
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
            commands: Vec::new(),
            counters: Vec::new(),
        }
    }

    fn targets(&self, otlp: Option<&OtlpConfig>, console: bool) -> Vec<Target> {
        let otlp = otlp.cloned().map(Target::Otlp);
        let console = console.then(|| Target::Console(Arc::clone(&self.writer)));
        otlp.into_iter().chain(console).collect()
    }

    fn metrics(&mut self, config: &Config) -> Option<Arc<Registry>> {
        let targets = self.targets(config.metrics.otlp.as_ref(), config.metrics.console);
        if targets.is_empty() {
            return None;
        }
        let place = |target: &Target| match target {
            Target::Otlp(_) => OTLP_READER,
            Target::Console(_) => CONSOLE_READER,
        };
        let registry = Arc::new(Registry::new(
            targets.iter().map(place).collect(),
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

    fn events(&mut self, config: &Config) -> Vec<(Arc<EventQueue>, Arc<ExporterCounters>)> {
        let origin = Origin::new(&self.resource, scope::EVENTS, &self.version);
        let mut queues = Vec::new();
        for target in self.targets(config.events.otlp.as_ref(), config.events.console) {
            let queue: Arc<EventQueue> = Arc::new(Queue::new());
            let tally = Arc::default();
            let source = EventSource::new(
                Arc::clone(&queue),
                origin.clone(),
                config.number_encoding,
                Arc::clone(&tally),
            );
            let counters = self.pipeline(
                Signal::Events,
                target,
                source,
                config.events.interval,
                tally,
            );
            queues.push((queue, counters));
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
        tally: Arc<crate::health::Tally>,
    ) -> Arc<ExporterCounters> {
        let exporter = target.exporter();
        let counters = Arc::new(ExporterCounters::new(
            signal,
            exporter,
            source.waiting(),
            tally,
        ));
        self.counters.push(Arc::clone(&counters));
        let (commands, control) = Control::new();
        self.commands.push(commands);
        let (diagnostics, clock) = (Arc::clone(&self.diagnostics), self.clock);
        let shared = Arc::clone(&counters);
        self.jobs.push(Box::new(move || {
            Box::pin(async move {
                let timeout = target.timeout();
                match target.sink(signal) {
                    Ok(sink) => {
                        Pipeline {
                            source,
                            sink,
                            interval,
                            timeout,
                            counters,
                            diagnostics,
                            clock,
                            control,
                        }
                        .run()
                        .await;
                    }
                    Err(error) => {
                        diagnostics.report(format!("{signal} ({exporter}) are off: {error}"));
                        counters.failed(error);
                        counters.shut_down();
                    }
                }
            })
        }));
        shared
    }
}
