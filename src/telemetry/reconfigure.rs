//! Changes of the configuration after the start.

use std::sync::atomic::Ordering;
use std::sync::{Arc, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::{Exporters, Handle, Telemetry};
use crate::config::Config;
use crate::config::variables::{DIAG_STDERR, RESOURCE_ATTRIBUTES, SHUTDOWN_TIMEOUT};
use crate::state::ActiveConfig;

/// The maximum time for which an exporter that is turned off waits for calls that are still recording.
const STRAGGLERS: Duration = Duration::from_millis(20);

impl Telemetry {
    /// Replaces the configuration. Implements [`reconfigure`](Self::reconfigure).
    pub(super) fn replace_config(&self, mut config: Config) -> bool {
        let Some(handle) = self.handle_here() else {
            return false;
        };
        let inner = &handle.state;
        let mut exporters = handle.lock_exporters();
        let old = Arc::clone(&inner.active.load().config);
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
    /// Locks the exporters, so that configurations are applied one after another.
    pub(crate) fn lock_exporters(&self) -> MutexGuard<'_, Exporters> {
        self.exporters
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
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
        exporters.turn_off(&config, old.config.get(&SHUTDOWN_TIMEOUT));
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
