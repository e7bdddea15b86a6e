//! The telemetry of a process: start, sessions, flush, shutdown, health.

mod builder;
mod exporters;
mod reconfigure;
mod report;

pub use builder::{Service, TelemetryBuilder};
pub use report::Report;

use std::fmt;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use crate::config::variables::{FLUSH_TIMEOUT, SHUTDOWN_TIMEOUT};
use crate::config::{Config, Explanation};
use crate::content::ContentPolicy;
use crate::health::Health;
use crate::session::{Session, SessionOptions};
use crate::state::TelemetryState;
use exporters::Exporters;

/// The telemetry of a process.
///
/// Telemetry is started once and shared by cloning. Starting never fails: errors in the configuration become warnings
/// in [`explain`](Self::explain) and in the host's diagnostics. [`health`](Self::health) returns delivery counts and
/// failures. While telemetry is off, its methods do nothing, until a later configuration turns it on
/// ([`reconfigure`](Self::reconfigure)).
///
/// Call [`shutdown`](Self::shutdown) before the process exits. Dropping the last clone without it shuts down as well,
/// and can block until the configured shutdown timeout (2 seconds by default). Sessions that are still open afterwards
/// send nothing more. In a forked child, this telemetry does nothing: the child starts its own.
#[derive(Clone)]
#[must_use = "telemetry that is dropped shuts down: keep it until the process ends"]
pub struct Telemetry {
    /// `None` for telemetry that can never be on.
    handle: Option<Arc<Handle>>,
}

/// The owner of the state and the exporters. Sessions share the state, but only dropping the handle shuts down.
pub(crate) struct Handle {
    pub(crate) state: Arc<TelemetryState>,
    exporters: Arc<Mutex<Exporters>>,
}

impl Telemetry {
    /// Starts telemetry with a configuration. Exporters are built on a thread of the library.
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

    /// Returns a builder for more than a configuration: a callback for diagnostics, a writer for the console exporter.
    ///
    /// ```no_run
    /// use claude_code_telemetry::{Config, Service, Telemetry};
    ///
    /// let telemetry = Telemetry::builder(Config::load(), Service::new("claude-code", "1.2.3"))
    ///     .on_diagnostic(|diagnostic| eprintln!("{diagnostic}"))
    ///     .start();
    /// ```
    pub fn builder(config: Config, service: Service) -> TelemetryBuilder {
        TelemetryBuilder::new(config, service)
    }

    /// Returns telemetry that does nothing, whatever the environment or a later configuration says.
    ///
    /// ```
    /// use claude_code_telemetry::{Identity, Telemetry};
    ///
    /// let telemetry = Telemetry::disabled();
    /// telemetry.session(Identity::new()).prompt("Fix the failing test").end(); // emits nothing
    /// assert!(!telemetry.is_enabled());
    /// ```
    pub fn disabled() -> Self {
        Self { handle: None }
    }

    /// Starts a session and counts it in `claude_code.session.count`.
    ///
    /// ```
    /// # use claude_code_telemetry::{Identity, SessionOptions, StartType, Telemetry};
    /// # let telemetry = Telemetry::disabled();
    /// let session = telemetry.session(Identity::new().email("kim@example.com"));
    ///
    /// // A saved conversation is opened again.
    /// let options = SessionOptions::new().id(session.id()).start_type(StartType::Resume);
    /// let resumed = telemetry.session(options);
    /// ```
    pub fn session(&self, options: impl Into<SessionOptions>) -> Session {
        Session::start(self.inner(), options.into())
    }

    /// Returns whether at least one signal has an exporter.
    ///
    /// ```
    /// # use claude_code_telemetry::{Config, Service, Telemetry};
    /// # let config = Config::builder().environment::<String, String>([]).build();
    /// let telemetry = Telemetry::start(config, Service::new("claude-code", "1.2.3"));
    /// assert!(!telemetry.is_enabled()); // the environment turns it on
    /// ```
    pub fn is_enabled(&self) -> bool {
        self.handle
            .as_ref()
            .is_some_and(|handle| handle.state.is_on())
    }

    /// Returns which content the configuration allows to be sent.
    ///
    /// ```
    /// # use claude_code_telemetry::{Content, Identity, Telemetry};
    /// # let telemetry = Telemetry::disabled();
    /// # let request = telemetry.session(Identity::new()).llm_request("claude-sonnet-4-6");
    /// # let messages = serde_json::json!([]);
    /// // Do not build a large text that is not sent.
    /// if telemetry.content_policy().raw_api_bodies() {
    ///     request.body(Content::json(&messages));
    /// }
    /// # drop(request);
    /// ```
    pub fn content_policy(&self) -> ContentPolicy {
        self.config().content
    }

    /// Returns the origin of every setting, and every warning.
    ///
    /// ```
    /// # use claude_code_telemetry::Telemetry;
    /// # let telemetry = Telemetry::disabled();
    /// println!("{}", telemetry.explain());
    /// ```
    pub fn explain(&self) -> Explanation {
        self.config().explain().clone()
    }

    /// Returns a snapshot of delivery counts and failures.
    ///
    /// ```
    /// # use claude_code_telemetry::Telemetry;
    /// # let telemetry = Telemetry::disabled();
    /// for exporter in telemetry.health().exporters {
    ///     let lost = exporter.dropped.total();
    ///     println!("{} ({}): {} delivered, {lost} lost", exporter.signal, exporter.exporter, exporter.delivered);
    /// }
    /// ```
    pub fn health(&self) -> Health {
        self.inner().map(|inner| inner.health()).unwrap_or_default()
    }

    /// Delivers everything that was recorded before the call. Returns within `CLAUDE_CODE_OTEL_FLUSH_TIMEOUT_MS` (5
    /// seconds by default), whatever the receiver does. Data that is not delivered by then stays in the queue.
    ///
    /// ```
    /// # use claude_code_telemetry::Telemetry;
    /// # let telemetry = Telemetry::disabled();
    /// let report = telemetry.flush();
    /// if !report.in_time {
    ///     eprintln!("{report}");
    /// }
    /// ```
    pub fn flush(&self) -> Report {
        self.flush_within(Duration::MAX)
    }

    /// Flushes as [`flush`](Self::flush) does, with an explicit timeout; the shorter of the two applies.
    ///
    /// ```
    /// # use claude_code_telemetry::Telemetry;
    /// # let telemetry = Telemetry::disabled();
    /// telemetry.flush_within(std::time::Duration::from_millis(200));
    /// ```
    pub fn flush_within(&self, limit: Duration) -> Report {
        self.request(limit.min(self.config().get(&FLUSH_TIMEOUT)), false)
    }

    /// Flushes as [`flush`](Self::flush) does, without blocking the task. Works in any async runtime.
    ///
    /// ```
    /// # use claude_code_telemetry::Telemetry;
    /// async fn checkpoint(telemetry: &Telemetry) {
    ///     telemetry.flush_async().await;
    /// }
    /// ```
    pub async fn flush_async(&self) -> Report {
        self.request_async(self.config().get(&FLUSH_TIMEOUT), false)
            .await
    }

    /// Delivers everything that was recorded, and stops. Returns within `CLAUDE_CODE_OTEL_SHUTDOWN_TIMEOUT_MS` (2
    /// seconds by default), whatever the receiver does. Data that is not delivered by then is lost and counted.
    ///
    /// Shutdown may be called more than once and from several threads, also inside a runtime. Data that is recorded
    /// afterwards is dropped and counted.
    ///
    /// ```
    /// # use claude_code_telemetry::Telemetry;
    /// # let telemetry = Telemetry::disabled();
    /// let report = telemetry.shutdown();
    /// if !report.is_complete() {
    ///     eprintln!("{report}");
    /// }
    /// ```
    pub fn shutdown(&self) -> Report {
        self.shutdown_within(Duration::MAX)
    }

    /// Shuts down as [`shutdown`](Self::shutdown) does, with an explicit timeout; the shorter of the two applies.
    ///
    /// ```
    /// # use claude_code_telemetry::Telemetry;
    /// # let telemetry = Telemetry::disabled();
    /// telemetry.shutdown_within(std::time::Duration::from_millis(500));
    /// ```
    pub fn shutdown_within(&self, limit: Duration) -> Report {
        self.request(limit.min(self.config().get(&SHUTDOWN_TIMEOUT)), true)
    }

    /// Shuts down as [`shutdown`](Self::shutdown) does, without blocking the task. Works in any async runtime.
    ///
    /// ```
    /// # use claude_code_telemetry::Telemetry;
    /// async fn stop(telemetry: Telemetry) {
    ///     println!("{}", telemetry.shutdown_async().await);
    /// }
    /// ```
    pub async fn shutdown_async(&self) -> Report {
        self.request_async(self.config().get(&SHUTDOWN_TIMEOUT), true)
            .await
    }

    /// Returns the current configuration.
    fn config(&self) -> Arc<Config> {
        match &self.handle {
            Some(handle) => Arc::clone(&handle.state.active.load().config),
            None => Arc::clone(without_settings()),
        }
    }

    /// Returns the state; `None` when telemetry can never be on, and in a forked child.
    fn inner(&self) -> Option<&Arc<TelemetryState>> {
        self.handle_in_original_process()
            .map(|handle| &handle.state)
    }

    /// Returns the handle; `None` when telemetry can never be on, and in a forked child.
    pub(crate) fn handle_in_original_process(&self) -> Option<&Handle> {
        let handle = self.handle.as_deref()?;
        handle.state.in_original_process().then_some(handle)
    }

    /// Flushes, or shuts down if `shutdown` is true.
    fn request(&self, limit: Duration, shutdown: bool) -> Report {
        let in_time = self
            .inner()
            .is_none_or(|inner| inner.request(limit, shutdown));
        self.report(shutdown, in_time)
    }

    /// Does the same as [`request`](Self::request), without blocking the task.
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

    fn report(&self, shutdown: bool, in_time: bool) -> Report {
        if shutdown && let Some(inner) = self.inner() {
            for counters in &inner.active.load().counters {
                // From now on, items that are still queued count as lost.
                counters.shutdown_returns();
            }
        }
        let mut report = Report::new(self.health(), &self.config(), shutdown, in_time);
        // In a forked child, telemetry is off whatever the configuration of the parent says.
        report.is_enabled &= self.inner().is_some();
        report
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        if self.state.in_original_process() {
            let limit = self.state.active.load().config.get(&SHUTDOWN_TIMEOUT);
            self.state.request(limit, true);
        } else {
            // In a forked child, data that another thread was changing at the fork can be neither used nor freed.
            std::mem::forget((Arc::clone(&self.state), Arc::clone(&self.exporters)));
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

/// Returns the configuration of telemetry that can never be on.
fn without_settings() -> &'static Arc<Config> {
    static CONFIG: OnceLock<Arc<Config>> = OnceLock::new();
    CONFIG.get_or_init(|| {
        let builder = Config::builder().environment::<String, String>([]);
        Arc::new(builder.build())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn disabled_telemetry_has_the_default_configuration_and_resolves_it_once() {
        let telemetry = Telemetry::disabled();
        let config = telemetry.config();
        assert!(telemetry.flush().is_complete() && telemetry.shutdown().is_complete());
        assert!(Arc::ptr_eq(&config, &telemetry.clone().config()));
        assert_eq!(telemetry.explain(), Explanation::default());
        assert_eq!(telemetry.content_policy().max_length(), 61_440);
    }
}
