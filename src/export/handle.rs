//! The handle of one exporter of one signal: the configuration turns it on and off.

use std::sync::Arc;

use tokio::sync::mpsc::UnboundedSender;
use tokio::sync::watch;
use tokio::time::Instant;

use super::command::Command;
use super::control::{Control, DesiredState, PipelineConfig};
use super::pipeline::Pipeline;
use super::queue::Queue;
use super::queue_source::QueueSource;
use super::runtime::{Job, Runtime};
use super::source::Source;
use crate::clock::Clock;
use crate::diagnostics::Diagnostics;
use crate::encode::Encode;
use crate::health::{Exporter, ExporterCounters};
use crate::signal::Signal;

/// Work that follows the opening of a source and may block.
pub(crate) type AfterOpening = Box<dyn FnOnce()>;

/// An exporter that a configuration can ask for. Its data and its counters outlive every change of the configuration.
pub(crate) struct ExporterHandle {
    counters: Arc<ExporterCounters>,
    desired: Arc<watch::Sender<DesiredState>>,
    /// Lets the source take data, when the exporter is turned on. It is called with the lock of the desired state, for
    /// which the thread of all exporters may wait, so it must not block; the work that it returns may.
    open: Box<dyn Fn() -> Option<AfterOpening> + Send>,
    /// The task that drives the exporter; `None` once it was started, when the exporter was first turned on.
    task: Option<(UnboundedSender<Command>, Job)>,
    /// True if the current configuration asks for the exporter, and the exporter is available.
    on: bool,
    /// The reason why an exporter that the current configuration asks for is unavailable.
    unavailable: Option<String>,
    /// True if a configuration has ever asked for the exporter.
    was_configured: bool,
}

impl ExporterHandle {
    /// Creates the handle of an exporter that is off.
    pub(crate) fn with_pipeline(
        source: impl Source + 'static,
        counters: Arc<ExporterCounters>,
        open: impl Fn() -> Option<AfterOpening> + Send + 'static,
        diagnostics: &Arc<Diagnostics>,
        clock: Clock,
    ) -> Self {
        let (commands, desired, control) = Control::new();
        let pipeline = Pipeline::new(
            Box::new(source),
            control,
            Arc::clone(&counters),
            Arc::clone(diagnostics),
            clock,
        );
        Self {
            counters,
            desired,
            open: Box::new(open),
            task: Some((commands, Box::new(move || Box::pin(pipeline.run())))),
            on: false,
            unavailable: None,
            was_configured: false,
        }
    }

    /// Creates the handle of an exporter of queued items.
    pub(crate) fn with_queue<T: Encode>(
        signal: Signal,
        exporter: Exporter,
        diagnostics: &Arc<Diagnostics>,
        clock: Clock,
    ) -> (Self, Queue<T::Item>) {
        let queue = Queue::new();
        let counters = ExporterCounters::new(signal, exporter, queue.waiting(), None);
        let source = QueueSource::<T>::new(queue.clone(), Arc::clone(&counters));
        let handle = Self::with_pipeline(source, counters, || None, diagnostics, clock);
        (handle, queue)
    }

    /// Returns the counters, by which recorders identify the exporter.
    pub(crate) fn counters(&self) -> &Arc<ExporterCounters> {
        &self.counters
    }

    /// Returns true if a configuration has ever asked for the exporter.
    pub(crate) fn was_configured(&self) -> bool {
        self.was_configured
    }

    pub(crate) fn is_on(&self) -> bool {
        self.on
    }

    /// Applies a configuration that asks for the exporter.
    pub(crate) fn turn_on(&mut self, config: PipelineConfig, runtime: &Runtime) {
        self.was_configured = true;
        self.on = true;
        let mut after_opening = None;
        self.desired.send_modify(|desired| {
            *desired = DesiredState::On(config);
            // The lock orders this and the end of an exporter that was turned off before.
            self.counters.turned_on();
            after_opening = (self.open)();
        });
        let started = match self.task.take() {
            Some((commands, task)) => runtime.spawn(commands, task),
            // The task was started before. If it has ended since, by a shutdown or an error, it takes no more data.
            None => !self.desired.is_closed(),
        };
        if !started {
            self.counters.shut_down();
            // Drops the configuration, because its settings keep the headers helper running.
            self.desired.send_replace(DesiredState::Off);
        } else if let Some(work) = after_opening {
            work();
        }
    }

    /// Marks the exporter as one that the current configuration does not ask for, or that is `unavailable` for a reason.
    /// The exporter takes data until it is [turned off](Self::turn_off).
    pub(crate) fn mark_off(&mut self, unavailable: Option<String>) {
        self.was_configured |= unavailable.is_some();
        self.unavailable = unavailable;
        self.on = false;
    }

    /// Turns the exporter off if it is marked. Its remaining data is still delivered, until the deadline.
    pub(crate) fn turn_off(&mut self, deadline: Instant) {
        if self.on {
            return;
        }
        let reason = self.unavailable.take();
        self.desired.send_if_modified(|desired| match desired {
            DesiredState::On(config) => {
                *desired = DesiredState::Draining {
                    config: config.clone(),
                    deadline,
                    reason,
                };
                true
            }
            // The exporter updates its counters when it is drained, unless it is turned on again before.
            DesiredState::Draining { reason: stored, .. } => {
                *stored = reason;
                false
            }
            DesiredState::Off => {
                if self.was_configured {
                    self.counters.turned_off(0, reason);
                }
                false
            }
        });
    }
}

#[cfg(all(test, feature = "prometheus"))]
mod tests {
    use std::net::{Ipv4Addr, SocketAddr};
    use std::sync::Mutex;
    use std::time::Duration;

    use super::*;
    use crate::export::exporter::ExporterSettings;
    use crate::health::ExporterState;
    use crate::metrics::Registry;

    #[test]
    fn exporter_that_is_turned_on_again_while_it_drains_keeps_its_state() {
        let registry = Arc::new(Registry::new(0, Clock::default()));
        let diagnostics = Arc::default();
        let (mut handle, _) = crate::export::prometheus(&registry, &diagnostics, Clock::default());
        let counters = Arc::clone(handle.counters());
        // The thread of all exporters is not started, so nothing applies the desired states before the assertion.
        let runtime = Runtime::new(Vec::new(), diagnostics);
        let config = PipelineConfig {
            exporter: ExporterSettings::Console(Arc::new(Mutex::new(std::io::sink()))),
            interval: Duration::ZERO,
            source: Arc::default(),
        };
        handle.turn_on(config.clone(), &runtime);
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 9464));
        counters.listens_on(vec![address]);
        for _ in 0..2 {
            handle.mark_off(None);
            handle.turn_off(Instant::now());
        }
        handle.turn_on(config, &runtime);
        let health = counters.snapshot();
        assert_eq!(
            (health.state, health.addresses),
            (ExporterState::Idle, vec![address])
        );
    }
}
