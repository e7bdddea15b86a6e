//! Changes of the configuration after the start.

use std::sync::atomic::Ordering;
use std::sync::{Arc, MutexGuard};
use std::time::{Duration, Instant};

use super::{Exporters, Handle, Telemetry};
use crate::config::Config;
use crate::config::variables::{DIAG_STDERR, RESOURCE_ATTRIBUTES, SHUTDOWN_TIMEOUT};
use crate::lock::lock;
use crate::state::ActiveConfig;

/// The maximum time for which an exporter that is turned off waits for calls that are still recording.
const STRAGGLERS: Duration = Duration::from_millis(20);

impl Telemetry {
    /// Replaces the configuration, for example with settings that an administrator's server sent after the start. A new
    /// configuration can turn telemetry on, off and on again. Returns `false` when the configuration can no longer
    /// change: after a [`shutdown`](Self::shutdown), in a forked child, and for [`disabled`](Self::disabled) telemetry.
    ///
    /// Data that is recorded after this call follows the new configuration; data that is recorded during the call may
    /// follow either. The call does not wait for receivers; only when it turns on the host's own metrics
    /// (`Telemetry::providers`), it waits up to one second for the host's callbacks. [`explain`](Self::explain) returns
    /// the new explanation with its [changes](crate::Explanation::changes) and warnings. Warnings that the old
    /// configuration did not have are also reported to the host's diagnostics.
    ///
    /// - **Handles** stay valid: sessions keep their ids, their event sequences and their identity; prompts and calls
    ///   keep their place in the trace. A session that began while metrics were off is counted
    ///   (`claude_code.session.count`) when they are turned on. A prompt, request or tool call that was begun while
    ///   telemetry was off emits no event and no span when it ends.
    /// - **Queued events, spans and measurements** go to the new receiver of their signal; a request in flight first
    ///   gets up to two seconds for its response. An exporter that is turned off delivers its queue to its old
    ///   destination, within the old `CLAUDE_CODE_OTEL_SHUTDOWN_TIMEOUT_MS`; the rest is counted as lost.
    /// - **Content** is sent or withheld by the configuration at the time when the host recorded it.
    /// - **Standard attributes** change for data that is recorded after this call. Metrics continue in new series; the
    ///   old series are delivered to their end.
    /// - **Data points** begin where the previous ones ended, also at another receiver and after a change of the
    ///   temporality: deltas and the growth of cumulative series add up to the total. An exporter that was off begins
    ///   with data that is recorded after this call.
    /// - **[Health](Self::health)** keeps its counts; an exporter that was turned off remains in it.
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
        let Some(handle) = self.handle_in_original_process() else {
            return false;
        };
        let inner = &handle.state;
        let mut exporters = handle.lock_exporters();
        let old = Arc::clone(&inner.active.load().config);
        config.record_changes_since(&old);
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
    /// Locks the exporters, so that configurations are applied one after another.
    pub(crate) fn lock_exporters(&self) -> MutexGuard<'_, Exporters> {
        lock(&self.exporters)
    }

    /// Applies a configuration. Returns `false` after the shutdown.
    pub(super) fn configure(&self, exporters: &mut Exporters, config: Arc<Config>) -> bool {
        let state = &self.state;
        if state.stopped.load(Ordering::SeqCst) {
            return false;
        }
        state.diagnostics.set_stderr(config.get(&DIAG_STDERR));
        exporters.turn_on(&config, &state.runtime);
        let active = exporters.active_config(Arc::clone(&config));
        let signals = active.signals();
        let old = state.active.swap(Arc::new(active));
        let attributes = |config: &Config| (config.attributes, config.get(&RESOURCE_ATTRIBUTES));
        if attributes(&old.config) != attributes(&config) {
            state.registry.mark_outdated();
        }
        for session in state.sessions.all() {
            session.refresh();
        }
        // The signals must be stored last: sessions that began while telemetry was off have their attributes by then.
        state.signals.store(signals, Ordering::Release);
        wait_for_stragglers(&old);
        exporters.turn_off(old.config.get(&SHUTDOWN_TIMEOUT));
        true
    }
}

/// Waits until no call uses the old configuration for recording any more, but at most for [`STRAGGLERS`].
fn wait_for_stragglers(old: &Arc<ActiveConfig>) {
    let end = Instant::now() + STRAGGLERS;
    while Arc::strong_count(old) > 1 && Instant::now() < end {
        std::thread::yield_now();
    }
}
