//! The start of telemetry: from a configuration to running pipelines.

use std::fmt;
use std::io::Write;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64};
use std::sync::{Arc, Mutex, Once, OnceLock};

use arc_swap::ArcSwap;

use super::{Exporters, Handle, Telemetry};
use crate::clock::Clock;
use crate::config::Config;
use crate::config::variables::DIAG_STDERR;
use crate::diagnostics::{Callback, Diagnostic, Diagnostics};
use crate::export::runtime::Runtime;
use crate::export::{MakeExporter, Writer};
use crate::fork::Process;
use crate::metrics::Registry;
use crate::propagation::IdGenerator;
use crate::state::{ActiveConfig, Operations, SessionTable, TelemetryState};

/// The host program: `service.name` and `service.version` of the resource. The version is also the version of the
/// instrumentation scopes of metrics and events, and the attribute `app.version`.
///
/// ```
/// use claude_code_telemetry::Service;
///
/// let service = Service::new("claude-code", env!("CARGO_PKG_VERSION"));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Service {
    pub(crate) name: String,
    pub(crate) version: String,
}

impl Service {
    /// Creates a service from a program's name and version. Dashboards that were made for Claude Code expect the name
    /// `claude-code`.
    pub fn new(name: impl Into<String>, version: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            version: version.into(),
        }
    }
}

/// A builder that starts telemetry with more than a configuration.
///
/// ```no_run
/// use claude_code_telemetry::{Config, Service, Telemetry};
///
/// let telemetry = Telemetry::builder(Config::load(), Service::new("claude-code", "1.2.3"))
///     .on_diagnostic(|diagnostic| eprintln!("{diagnostic}"))
///     .expected_sessions(20_000)
///     .start();
/// ```
#[must_use = "nothing is started before `start`"]
pub struct TelemetryBuilder {
    config: Config,
    service: Service,
    callback: Option<Callback>,
    writer: Option<Writer>,
    expected_sessions: usize,
    pub(crate) clock: Clock,
    pub(crate) ids: IdGenerator,
    pub(crate) installation_id: OnceLock<Arc<str>>,
    /// Replaces all exporters, whatever the configuration asks for.
    pub(crate) exporter: Option<MakeExporter>,
}

impl TelemetryBuilder {
    pub(super) fn new(config: Config, service: Service) -> Self {
        Self {
            config,
            service,
            callback: None,
            writer: None,
            expected_sessions: 0,
            clock: Clock::default(),
            ids: IdGenerator::default(),
            installation_id: OnceLock::new(),
            exporter: None,
        }
    }

    /// Sets how many sessions the host expects to be open at the same time. The default leaves room for about 6,000
    /// sessions of 32 series each, or 30,000 of 6. [`Health::series_limit`](crate::Health::series_limit) contains
    /// the resulting limit; measurements for further series are dropped and counted. Unused room costs nothing.
    ///
    /// ```
    /// # use claude_code_telemetry::{Config, Service, Telemetry};
    /// let config = Config::builder().environment::<String, String>([]).build();
    /// let builder = Telemetry::builder(config, Service::new("claude-code", "1.2.3"));
    /// let telemetry = builder.expected_sessions(20_000).start();
    /// ```
    pub fn expected_sessions(mut self, sessions: usize) -> Self {
        self.expected_sessions = sessions;
        self
    }

    /// Sets the callback for diagnostics. Warnings about the configuration, and about a thread that cannot be started,
    /// are reported on the thread that calls the library. Failing exporters and losses are reported on a thread of the
    /// library, at most once per change.
    ///
    /// The callback may log and may block: no exporter waits for it. A panic in it is ignored. The threads of the
    /// library block signals; a program that the callback starts there inherits that signal mask.
    ///
    /// ```
    /// # use claude_code_telemetry::{Config, Service, Telemetry};
    /// let config = Config::builder().environment([("OTEL_LOGS_EXPORTER", "oltp")]).build();
    /// let builder = Telemetry::builder(config, Service::new("claude-code", "1.2.3"));
    /// let telemetry = builder.on_diagnostic(|diagnostic| eprintln!("{diagnostic}")).start();
    /// ```
    pub fn on_diagnostic(mut self, callback: impl Fn(&Diagnostic) + Send + Sync + 'static) -> Self {
        self.callback = Some(Arc::new(callback));
        self
    }

    /// Sets the writer of the console exporter, instead of standard output. It may block: no other exporter waits for
    /// it.
    ///
    /// ```no_run
    /// # use claude_code_telemetry::{Config, Service, Telemetry};
    /// let config = Config::builder()
    ///     .set("CLAUDE_CODE_ENABLE_TELEMETRY", "1")
    ///     .set("OTEL_LOGS_EXPORTER", "console")
    ///     .build();
    /// let lines = std::fs::File::create("telemetry.jsonl")?;
    /// let builder = Telemetry::builder(config, Service::new("claude-code", "1.2.3"));
    /// let telemetry = builder.console_writer(lines).start();
    /// # std::io::Result::Ok(())
    /// ```
    pub fn console_writer(mut self, writer: impl Write + Send + 'static) -> Self {
        self.writer = Some(Arc::new(Mutex::new(writer)));
        self
    }

    /// Starts telemetry. Starting never fails.
    ///
    /// ```
    /// # use claude_code_telemetry::{Config, Service, Telemetry};
    /// let config = Config::builder().environment::<String, String>([]).build();
    /// let telemetry = Telemetry::builder(config, Service::new("claude-code", "1.2.3")).start();
    /// ```
    pub fn start(self) -> Telemetry {
        let (config, clock) = (Arc::new(self.config), self.clock);
        let diagnostics = Arc::new(Diagnostics::new(self.callback, config.get(&DIAG_STDERR)));
        for warning in config.warnings() {
            diagnostics.report(warning.to_string());
        }
        let stdout = || Arc::new(Mutex::new(std::io::stdout())) as Writer;
        let registry = Arc::new(Registry::new(self.expected_sessions, clock));
        let app_version = self.service.version.as_str().into();
        let exporters = Exporters::new(
            self.service,
            &registry,
            self.writer.unwrap_or_else(stdout),
            self.exporter,
            Arc::clone(&diagnostics),
            clock,
        );
        let state = TelemetryState {
            clock,
            ids: self.ids,
            app_version,
            registry,
            active: ArcSwap::from_pointee(ActiveConfig::off(Arc::clone(&config))),
            signals: AtomicU8::new(0),
            operations: Operations::default(),
            malformed_parent: AtomicBool::new(false),
            malformed_state: AtomicBool::new(false),
            no_thread_reported: AtomicBool::new(false),
            unfinished_spans: AtomicU64::new(0),
            dropped_handles: AtomicU64::new(0),
            dropped_handle_reported: AtomicBool::new(false),
            requests_without_cost: AtomicU64::new(0),
            models_without_cost: Mutex::default(),
            after_shutdown: AtomicU64::new(0),
            sessions: SessionTable::default(),
            invalid_measurements: AtomicU64::new(0),
            series_overflow: AtomicU64::new(0),
            installation_id: self.installation_id,
            runtime: Runtime::new(exporters.counters_of(|_| true), Arc::clone(&diagnostics)),
            diagnostics,
            process: Process::current(),
            closing: Once::new(),
            stopped: AtomicBool::new(false),
        };
        let handle = Handle {
            state: Arc::new(state),
            exporters: Arc::new(Mutex::new(exporters)),
        };
        handle.configure(&mut handle.lock_exporters(), config);
        handle.state.start_thread();
        Telemetry {
            handle: Some(Arc::new(handle)),
        }
    }
}

impl fmt::Debug for TelemetryBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TelemetryBuilder")
            .field("service", &self.service)
            .field("on_diagnostic", &self.callback.is_some())
            .field("console_writer", &self.writer.is_some())
            .finish_non_exhaustive()
    }
}
