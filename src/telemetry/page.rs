//! The slot of the Prometheus exporter: a change of the configuration starts, stops or moves its HTTP server.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::mpsc::{Receiver, UnboundedSender, channel};
use tokio::time::Instant;

use crate::clock::Clock;
use crate::config::PrometheusConfig;
use crate::diagnostics::Diagnostics;
use crate::export::runtime::Runtime;
use crate::export::{Command, Control, Done, NotDone, Prometheus};
use crate::health::{Exporter, ExporterCounters};
use crate::metrics::{PROMETHEUS_READER, Registry, ScrapeReader};
use crate::signal::Signal;

/// The time for which a server that moves to another address stays for its current connections.
const MOVES: Duration = Duration::from_secs(1);

/// The slot of the Prometheus exporter. Series and counters outlive every server.
pub(super) struct PagePlace {
    counters: Arc<ExporterCounters>,
    reader: Arc<Mutex<ScrapeReader>>,
    diagnostics: Arc<Diagnostics>,
    clock: Clock,
    /// The number of the newest server.
    newest: Arc<AtomicU64>,
    running: Option<Running>,
    /// `Some` when the server is to be stopped. The inner value is the reason, if the exporter is unavailable although
    /// the configuration asks for it.
    leaving: Option<Option<String>>,
    known: bool,
}

/// A running server, and the configuration from which it was created.
struct Running {
    config: PrometheusConfig,
    resource: Vec<(String, String)>,
    commands: UnboundedSender<Command>,
}

impl PagePlace {
    pub(super) fn new(
        registry: &Arc<Registry>,
        diagnostics: &Arc<Diagnostics>,
        clock: Clock,
    ) -> Self {
        let counters = ExporterCounters::new(
            Signal::Metrics,
            Exporter::Prometheus,
            Arc::default(),
            Arc::default(),
            None,
        );
        let reader = ScrapeReader::new(PROMETHEUS_READER, Arc::clone(registry));
        Self {
            counters: Arc::new(counters),
            reader: Arc::new(Mutex::new(reader)),
            diagnostics: Arc::clone(diagnostics),
            clock,
            newest: Arc::default(),
            running: None,
            leaving: None,
            known: false,
        }
    }

    pub(super) fn seen(&self) -> (bool, Arc<ExporterCounters>) {
        (self.known, Arc::clone(&self.counters))
    }

    pub(super) fn is_on(&self) -> bool {
        self.running.is_some() && self.leaving.is_none()
    }

    /// Starts a server with this configuration, after the previous one has ended.
    pub(super) fn turn_on(
        &mut self,
        config: &PrometheusConfig,
        resource: &[(String, String)],
        runtime: &Runtime,
    ) {
        let same = |running: &Running| running.config == *config && running.resource == resource;
        if self.running.as_ref().is_some_and(same) {
            return;
        }
        let number = self.newest.fetch_add(1, Ordering::SeqCst) + 1;
        let before = self.stop();
        self.known = true;
        self.counters.turned_on();
        self.reader
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .join();
        let (commands, _, control) = Control::new();
        let page = Prometheus {
            config: config.clone(),
            resource: resource.to_vec(),
            counters: Arc::clone(&self.counters),
            diagnostics: Arc::clone(&self.diagnostics),
            control,
            number,
            newest: Arc::clone(&self.newest),
            before,
        };
        let (reader, clock) = (Arc::clone(&self.reader), self.clock);
        self.running = Some(Running {
            config: config.clone(),
            resource: resource.to_vec(),
            commands: commands.clone(),
        });
        let job = Box::new(move || Box::pin(page.run(reader, clock)) as _);
        if !runtime.spawn(commands, job) {
            self.counters.shut_down();
        }
    }

    /// Marks the server to be stopped. `why` is the reason if the exporter is unavailable rather than not configured.
    pub(super) fn mark(&mut self, why: Option<String>) {
        self.known |= why.is_some();
        if self.running.is_some() {
            self.leaving = Some(why);
        } else if let Some(why) = why {
            self.counters.cannot_be_built(why);
        } else if self.known {
            self.counters.turned_off(0, None);
        }
    }

    /// Stops a server that was marked.
    pub(super) fn turn_off(&mut self) {
        if let Some(why) = self.leaving.take() {
            self.newest.fetch_add(1, Ordering::SeqCst);
            self.stop();
            self.reader
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .leave();
            self.counters.turned_off(0, why);
        }
    }

    /// Stops the server. The returned receiver is closed when the server has ended.
    fn stop(&mut self) -> Option<Receiver<NotDone>> {
        let running = self.running.take()?;
        let (done, ended) = channel(1);
        // Sending fails if the server has already ended.
        let _ = running.commands.send(Command {
            deadline: Instant::now() + MOVES,
            shutdown: true,
            done: Done::Task(done),
        });
        Some(ended)
    }
}
