//! Configurations that come after the start.

use std::sync::atomic::Ordering;
use std::sync::{Arc, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::{Exporters, Handle, Telemetry};
use crate::config::Config;
use crate::state::Setup;

/// How long an exporter that is turned off stays for calls that are in the middle of recording.
const STRAGGLERS: Duration = Duration::from_millis(20);

impl Telemetry {
    /// Takes another configuration from now on, such as one with settings that an administrator's server sent after the
    /// start. It can turn telemetry on, off and on again; false when nothing can be changed any more: after a
    /// [`shutdown`](Self::shutdown), in a fork, and for [`disabled`](Self::disabled) telemetry.
    ///
    /// What is recorded after this call goes by the new configuration; what is recorded while it runs, by either. It returns
    /// at once, whatever the receivers do; only where it turns on the host's own metrics
    /// (`Telemetry::providers`) it waits for the host's callbacks, a second at most. [`explain`](Self::explain) has the new explanation with its
    /// [changes](crate::Explanation::changes) and warnings; warnings that the old configuration did not have go to the
    /// host's diagnostics too.
    ///
    /// - **Handles** stay: sessions go on with their ids, their sequences and their identity, prompts and calls with their
    ///   place in the trace. A session that began when metrics were off is counted (`claude_code.session.count`) when they are
    ///   turned on. What was begun on it while telemetry was off (a prompt, a request, a tool call) has no event or span of its
    ///   own at its end.
    /// - **Events, spans and amounts that wait** go to the new receiver of their signal; a request under way gets up to two
    ///   seconds for its answer first. An exporter that is turned off delivers what waits to where it sent before, within the
    ///   old `CLAUDE_CODE_OTEL_SHUTDOWN_TIMEOUT_MS`; the rest is counted as lost.
    /// - **Content** goes by the switches of the moment when the host handed it over.
    /// - **Standard attributes** change for what is recorded from now on. Metrics then go on in new series, and the old ones
    ///   are delivered to their end.
    /// - **Points** begin where the last ones ended, also at another receiver and after a change of the temporality: deltas
    ///   and the growth of cumulative series add up to the total. An exporter that was off begins with what is recorded
    ///   from now on.
    /// - **[Health](Self::health)** goes on counting; an exporter that was turned off stays in it.
    ///
    /// ```no_run
    /// # use claude_code_telemetry::{Config, Service, Telemetry};
    /// let telemetry = Telemetry::start(Config::load(), Service::new("claude-code", "1.2.3"));
    /// // Later the administrator's settings arrive.
    /// let config = Config::builder()
    ///     .set("CLAUDE_CODE_ENABLE_TELEMETRY", "1")
    ///     .set("OTEL_LOGS_EXPORTER", "otlp")
    ///     .build();
    /// if telemetry.reconfigure(config) {
    ///     println!("{}", telemetry.explain());
    /// }
    /// ```
    pub fn reconfigure(&self, mut config: Config) -> bool {
        let Some(handle) = self.handle_here() else {
            return false;
        };
        let inner = &handle.state;
        let mut exporters = handle.lock_exporters();
        let old = Arc::clone(&inner.setup.load().config);
        config.replace(&old);
        let known = old.warnings();
        let warnings = config.warnings().iter();
        let new: Vec<_> = warnings
            .filter(|warning| !known.contains(warning))
            .map(ToString::to_string)
            .collect();
        let done = handle.configure(&mut exporters, Arc::new(config));
        drop(exporters);
        if done {
            inner.start_thread();
            for warning in new {
                inner.diagnostics.report(warning);
            }
        }
        done
    }
}

impl Handle {
    /// One configuration comes after the other.
    pub(crate) fn lock_exporters(&self) -> MutexGuard<'_, Exporters> {
        self.exporters
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Goes by a configuration; false after the shutdown.
    pub(super) fn configure(&self, exporters: &mut Exporters, config: Arc<Config>) -> bool {
        let state = &self.state;
        if state.stopped.load(Ordering::SeqCst) {
            return false;
        }
        state.diagnostics.to_stderr(config.diagnostics_to_stderr);
        exporters.turn_on(&config, &state.runtime);
        let setup = exporters.setup(Arc::clone(&config));
        let signals = setup.signals();
        let old = state.setup.swap(Arc::new(setup));
        let attributes = |config: &Config| (config.attributes, config.resource_attributes.clone());
        if attributes(&old.config) != attributes(&config) {
            state.registry.outdate();
        }
        for session in state.sessions.all() {
            session.refresh();
        }
        // Last: sessions that began when telemetry was off have their attributes now.
        state.signals.store(signals, Ordering::Release);
        wait_for_stragglers(&old);
        exporters.turn_off(old.config.shutdown_timeout);
        true
    }
}

/// Ends when no call records by an old configuration any more, or when that takes long.
fn wait_for_stragglers(old: &Arc<Setup>) {
    let end = Instant::now() + STRAGGLERS;
    while Arc::strong_count(old) > 1 && Instant::now() < end {
        std::thread::yield_now();
    }
}
