//! The Prometheus exporter: an HTTP server with a page of metrics.
//!
//! | file | content |
//! | --- | --- |
//! | `bind.rs` | the configured port, or another port of the range that the host allows |
//! | `serve.rs` | the HTTP server |
//! | `page.rs` | rendering of series as text |
//! | `labels.rs` | conversion of attribute keys to label names |

mod bind;
mod labels;
mod page;
mod serve;

use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

use super::blocking;
use super::command::at;
use super::control::{Control, DesiredState, PipelineConfig};
use super::exporter::ExporterSettings;
use super::handle::ExporterHandle;
use crate::clock::Clock;
use crate::config::PrometheusConfig;
use crate::diagnostics::Diagnostics;
use crate::health::{Exporter, ExporterCounters};
use crate::metrics::{PROMETHEUS_READER, Registry, ScrapeReader};
use crate::signal::Signal;
use serve::Server;

/// The pause before a port that is in use is tried again: the agent that uses it may end.
const RETRY: Duration = Duration::from_secs(5);
/// The interval at which series are read if no client fetches the page.
const LOOK: Duration = Duration::from_secs(60);
/// The longest time that a shutdown waits for clients that are still reading.
const LAST_READERS: Duration = Duration::from_millis(500);

/// The supervisor of the page. The configuration starts, moves and stops its server; the series stay.
struct Prometheus {
    reader: Arc<Mutex<ScrapeReader>>,
    counters: Arc<ExporterCounters>,
    diagnostics: Arc<Diagnostics>,
    clock: Clock,
    control: Control,
}

/// Creates the handle of the Prometheus exporter.
pub(crate) fn handle(
    registry: &Arc<Registry>,
    diagnostics: &Arc<Diagnostics>,
    clock: Clock,
) -> ExporterHandle {
    let (signal, exporter) = (Signal::Metrics, Exporter::Prometheus);
    let counters =
        ExporterCounters::new(signal, exporter, Arc::default(), Arc::default(), None).into();
    let reader = ScrapeReader::new(PROMETHEUS_READER, Arc::clone(registry));
    let reader = Arc::new(Mutex::new(reader));
    let opened = Arc::clone(&reader);
    let open = move || lock(&opened).join();
    ExporterHandle::new(&counters, open, |control| {
        let page = Prometheus {
            reader,
            counters: Arc::clone(&counters),
            diagnostics: Arc::clone(diagnostics),
            clock,
            control,
        };
        Box::new(move || Box::pin(page.run()))
    })
}

fn lock(reader: &Mutex<ScrapeReader>) -> std::sync::MutexGuard<'_, ScrapeReader> {
    reader.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Returns the addresses on which the page would be served now. The error says why it cannot be served. This function
/// blocks.
pub(crate) fn page_addresses(config: &PrometheusConfig) -> Result<Vec<SocketAddr>, String> {
    let listeners = bind::bind(config)?;
    Ok(listeners
        .iter()
        .filter_map(|listener| listener.local_addr().ok())
        .collect())
}

impl Prometheus {
    async fn run(mut self) {
        let mut lost = 0;
        while self.control.closing().is_none() {
            self.turn_off();
            lost = match self.control.apply() {
                Some(config) => self.serve(&config).await,
                None => {
                    self.wait(None, None).await;
                    0
                }
            };
        }
        self.counters.shut_down_with(lost);
    }

    /// Serves the page until the configuration changes or the shutdown comes. Returns the number of series that were
    /// never available to clients.
    async fn serve(&mut self, config: &PipelineConfig) -> u64 {
        let ExporterSettings::Prometheus(address) = &config.exporter else {
            return 0;
        };
        let server = Arc::new(Server::new(
            Arc::clone(&self.reader),
            config.source.resource.clone(),
            Arc::clone(&self.counters),
            self.clock,
            address.host.clone(),
        ));
        let (close, closing) = watch::channel(false);
        let mut listening = JoinSet::new();
        if let Some(listeners) = self.bind(address, config).await {
            for listener in listeners {
                listening.spawn(Arc::clone(&server).serve(listener, closing.clone()));
            }
            self.wait(Some(config), None).await;
        }
        // The page of a server that never got its port was never available to clients.
        let lost = match listening.len() {
            0 => server.reader().look(Instant::now().into_std()).len() as u64,
            _ => 0,
        };
        if !self.turn_off() && self.control.closing().is_none() {
            // The page moves: the health must not show its old address meanwhile.
            self.counters.listens_on(Vec::new());
        }
        let _ = close.send(true);
        self.finish(listening).await;
        lost
    }

    /// Waits for clients that are still reading, and closes the connections that are open then.
    async fn finish(&mut self, mut listening: JoinSet<()>) {
        let limit = Instant::now() + LAST_READERS;
        let mut ended = std::pin::pin!(async { while listening.join_next().await.is_some() {} });
        loop {
            self.control.begin();
            self.control.release(true);
            let end = self.control.closing().into_iter().chain([limit]).min();
            tokio::select! {
                () = &mut ended => return,
                () = self.control.changed() => {}
                () = at(end) => return,
            }
        }
    }

    /// Ends the exporter if it is to be turned off. Returns false otherwise.
    fn turn_off(&self) -> bool {
        let mut is_off = false;
        self.control.desired.send_if_modified(|desired| {
            // The lock of the desired state excludes that the exporter is turned on meanwhile.
            if let DesiredState::Draining { reason, .. } = desired {
                lock(&self.reader).leave();
                self.counters.turned_off(0, reason.take());
                *desired = DesiredState::Off;
                is_off = true;
            }
            false
        });
        is_off
    }

    /// Binds the port, and retries while it is in use. Returns `None` if the shutdown comes first. Reports once that
    /// the port is in use.
    async fn bind(
        &mut self,
        address: &PrometheusConfig,
        current: &PipelineConfig,
    ) -> Option<Vec<tokio::net::TcpListener>> {
        let mut told = false;
        loop {
            let config = address.clone();
            let bind = blocking::spawn(move || bind::bind(&config));
            let bound = self.control.meanwhile(bind, &current.exporter).await.ok()?;
            let bound = bound.unwrap_or_else(|error| Err(error.to_string()));
            match bound.and_then(registered) {
                Ok((addresses, listeners)) => {
                    self.announce(address.port, &addresses, told);
                    self.counters.listens_on(addresses);
                    return Some(listeners);
                }
                Err(why) => {
                    self.counters.failed(why.clone());
                    if !std::mem::replace(&mut told, true) && self.control.closing().is_none() {
                        self.report(&format!(
                            "no page is served: {why}; it is tried again every {RETRY:?}"
                        ));
                    }
                }
            }
            let retry = Instant::now() + RETRY;
            if self.wait(Some(current), Some(retry)).await {
                return None;
            }
        }
    }

    /// Reports an unexpected address: another port, or the configured port after a wait.
    fn announce(&self, port: u16, addresses: &[SocketAddr], late: bool) {
        let Some(address) = addresses.first() else {
            return;
        };
        let path = serve::PATH;
        if port != 0 && address.port() != port {
            self.report(&format!(
                "the page is at http://{address}{path}, because port {port} is taken"
            ));
        } else if late {
            self.report(&format!("the page is at http://{address}{path} now"));
        }
    }

    /// Waits until a time, the shutdown, or a configuration other than the current one. Returns false if the time came
    /// first. A flush has nothing to wait for, because the page always shows the current values.
    async fn wait(&mut self, current: Option<&PipelineConfig>, until: Option<Instant>) -> bool {
        let mut look = Instant::now() + LOOK;
        loop {
            self.control.begin();
            self.control.release(true);
            // `run` may have applied a draining state that came after `turn_off`, so that it is no news.
            let is_replaced = self.control.is_draining()
                || self.control.has_news() && !self.is_unchanged(current);
            if is_replaced || self.control.closing().is_some() {
                return true;
            }
            tokio::select! {
                () = self.control.changed() => {}
                () = at(until) => return false,
                () = sleep_until(look), if current.is_some() => {
                    look = Instant::now() + LOOK;
                    let reader = Arc::clone(&self.reader);
                    blocking::detach(move || {
                        lock(&reader).look(Instant::now().into_std());
                    });
                }
            }
        }
    }

    /// Returns true if the configuration asks for the current page.
    fn is_unchanged(&self, current: Option<&PipelineConfig>) -> bool {
        match (&*self.control.desired.borrow(), current) {
            (DesiredState::On(config), Some(current)) => {
                config.exporter == current.exporter
                    && config.source.resource == current.source.resource
            }
            _ => false,
        }
    }

    fn report(&self, what: &str) {
        self.diagnostics.report_later(format!(
            "{} ({}): {what}",
            self.counters.signal(),
            self.counters.exporter()
        ));
    }
}

/// Ends the exporter, also after a panic.
impl Drop for Prometheus {
    fn drop(&mut self) {
        let panicked = self.counters.ended_by_panic();
        self.counters.shut_down_with(0);
        self.control.release_all(!panicked);
    }
}

/// Registers listeners with the current runtime, and returns them with their addresses.
fn registered(
    listeners: Vec<TcpListener>,
) -> Result<(Vec<SocketAddr>, Vec<tokio::net::TcpListener>), String> {
    let each = listeners.into_iter().map(|listener| {
        Ok((
            listener.local_addr()?,
            tokio::net::TcpListener::from_std(listener)?,
        ))
    });
    each.collect::<Result<_, std::io::Error>>()
        .map_err(|error| error.to_string())
}
