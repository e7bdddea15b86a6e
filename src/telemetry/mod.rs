//! The telemetry of a process: start, sessions, flush, shutdown, health.

mod builder;
mod exporters;
#[cfg(feature = "prometheus")]
mod page;
mod place;
mod plan;
mod reconfigure;
mod report;

#[cfg(feature = "testing")]
pub(crate) use builder::Memory;
pub use builder::{Service, TelemetryBuilder};
#[cfg(feature = "providers")]
pub(crate) use exporters::HostExporters;
#[cfg(feature = "providers")]
pub(crate) use place::Place;
#[cfg(feature = "providers")]
pub(crate) use plan::Plan;
pub use report::Report;

use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::config::{Config, Explanation};
use crate::content::ContentPolicy;
use crate::environment::Environment;
use crate::health::Health;
use crate::session::{Session, SessionOptions};
use crate::state::TelemetryState;
use exporters::Exporters;

/// The telemetry of a process.
///
/// It is started once and shared by cloning. Starting never fails: what the configuration gets wrong is a warning in
/// [`explain`](Self::explain) and in the host's diagnostics, and [`health`](Self::health) says what became of the data.
/// Telemetry that is off is a value like any other whose calls do nothing, until a later configuration turns it on
/// ([`reconfigure`](Self::reconfigure)).
///
/// Call [`shutdown`](Self::shutdown) before the process exits. When the last clone is dropped without it, the drop does
/// it, and so can block for as long as the configured shutdown timeout (2 seconds by default). Sessions that are left
/// record nothing that is sent. In a forked child it does nothing: the child starts its own.
#[derive(Clone)]
pub struct Telemetry {
    /// Nothing when it can never be on.
    handle: Option<Arc<Handle>>,
}

/// The host's hold: sessions share what it holds, but not its drop.
pub(crate) struct Handle {
    pub(crate) state: Arc<TelemetryState>,
    exporters: Mutex<Exporters>,
}

impl Telemetry {
    /// Starts telemetry as the configuration asks. Exporters are built on a thread of the library's own.
    ///
    /// ```no_run
    /// use claude_code_telemetry::{ApiRequest, Config, Identity, Service, Telemetry};
    ///
    /// let telemetry = Telemetry::start(Config::load(), Service::new("claude-code", "1.2.3"));
    /// let session = telemetry.session(Identity::new());
    /// session.record_api_request(ApiRequest::new("claude-sonnet-4-6").cost_usd(0.0021));
    /// telemetry.shutdown();
    /// ```
    pub fn start(config: Config, service: Service) -> Self {
        Self::builder(config, service).start()
    }

    /// Starts telemetry with more than a configuration: a diagnostics callback, a writer for the console exporter.
    pub fn builder(config: Config, service: Service) -> TelemetryBuilder {
        TelemetryBuilder::new(config, service)
    }

    /// Telemetry that does nothing, whatever the environment or a later configuration says.
    pub fn disabled() -> Self {
        Self { handle: None }
    }

    /// Starts a session; counts `claude_code.session.count`.
    pub fn session(&self, options: impl Into<SessionOptions>) -> Session {
        let environment = match self.handle.as_ref() {
            Some(handle) => handle.state.setup.load().config.environment.clone(),
            // Subprocesses inherit the real one.
            None => Environment::Process,
        };
        Session::start(self.inner(), environment, options.into())
    }

    /// Whether anything is exported at all.
    pub fn is_enabled(&self) -> bool {
        self.handle
            .as_ref()
            .is_some_and(|handle| handle.state.is_on())
    }

    /// Which content the configuration lets out.
    pub fn content_policy(&self) -> ContentPolicy {
        ContentPolicy::new(self.config().content)
    }

    /// Where every setting came from, and every warning.
    pub fn explain(&self) -> Explanation {
        self.config().explain().clone()
    }

    /// What became of the telemetry so far.
    pub fn health(&self) -> Health {
        self.inner().map(|inner| inner.health()).unwrap_or_default()
    }

    /// Delivers all that was recorded before the call. Returns within `CLAUDE_CODE_OTEL_FLUSH_TIMEOUT_MS` (5 seconds by
    /// default), whatever the receiver does; what is not delivered by then still waits.
    pub fn flush(&self) -> Report {
        self.flush_within(Duration::MAX)
    }

    /// [`flush`](Self::flush) with a limit of its own; the smaller of both counts.
    pub fn flush_within(&self, limit: Duration) -> Report {
        self.request(limit.min(self.config().flush_timeout), false)
    }

    /// [`flush`](Self::flush) for a task of any runtime.
    pub async fn flush_async(&self) -> Report {
        self.request_async(self.config().flush_timeout, false).await
    }

    /// Delivers what is recorded, and ends. Returns within `CLAUDE_CODE_OTEL_SHUTDOWN_TIMEOUT_MS` (2 seconds by default),
    /// whatever the receiver does; what is not delivered by then is lost and counted.
    ///
    /// It may be called from several threads and more than once, also inside a runtime. What is recorded afterwards is
    /// dropped and counted.
    pub fn shutdown(&self) -> Report {
        self.shutdown_within(Duration::MAX)
    }

    /// [`shutdown`](Self::shutdown) with a limit of its own; the smaller of both counts.
    pub fn shutdown_within(&self, limit: Duration) -> Report {
        self.request(limit.min(self.config().shutdown_timeout), true)
    }

    /// [`shutdown`](Self::shutdown) for a task of any runtime.
    pub async fn shutdown_async(&self) -> Report {
        self.request_async(self.config().shutdown_timeout, true)
            .await
    }

    /// The configuration of now.
    fn config(&self) -> Arc<Config> {
        match &self.handle {
            Some(handle) => Arc::clone(&handle.state.setup.load().config),
            None => Arc::new(Config::builder().environment::<String, String>([]).build()),
        }
    }

    /// What there is to work on; nothing when telemetry can never be on, and in a fork of its process.
    fn inner(&self) -> Option<&Arc<TelemetryState>> {
        self.handle_here().map(|handle| &handle.state)
    }

    pub(crate) fn handle_here(&self) -> Option<&Handle> {
        self.handle
            .as_deref()
            .filter(|handle| handle.state.is_here())
    }

    fn request(&self, limit: Duration, shutdown: bool) -> Report {
        let in_time = self
            .inner()
            .is_none_or(|inner| inner.request(limit, shutdown));
        self.report(shutdown, in_time)
    }

    async fn request_async(&self, limit: Duration, shutdown: bool) -> Report {
        let mut in_time = true;
        if let Some(inner) = self.inner() {
            if shutdown {
                inner.close();
            }
            inner.start_thread();
            in_time = inner.runtime.request_async(limit, shutdown).await;
        }
        self.report(shutdown, in_time)
    }
}

impl Telemetry {
    fn report(&self, shutdown: bool, in_time: bool) -> Report {
        let warnings = self.config().warnings().len();
        if shutdown && let Some(inner) = self.inner() {
            for counters in &inner.setup.load().counters {
                counters.shutdown_returns();
            }
        }
        Report::new(&self.health(), warnings, in_time)
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        if self.state.is_here() {
            let limit = self.state.setup.load().config.shutdown_timeout;
            self.state.request(limit, true);
        } else {
            // In a fork, what another thread was changing at that moment can be neither used nor freed.
            std::mem::forget(Arc::clone(&self.state));
        }
    }
}

impl fmt::Debug for Telemetry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Telemetry")
            .field("enabled", &self.is_enabled())
            .finish_non_exhaustive()
    }
}
