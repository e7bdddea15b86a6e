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
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until, timeout_at};

use super::blocking;
use super::control::{Control, NotDone, at};
use crate::clock::Clock;
use crate::config::PrometheusConfig;
use crate::diagnostics::Diagnostics;
use crate::health::ExporterCounters;
use crate::metrics::ScrapeReader;
use serve::Server;

/// The pause before a port that is in use is tried again: the agent that uses it may end.
const RETRY: Duration = Duration::from_secs(5);
/// The interval at which series are read if no client fetches the page.
const LOOK: Duration = Duration::from_secs(60);
/// The longest time that a shutdown waits for clients that are still reading.
const LAST_READERS: Duration = Duration::from_millis(500);

/// The server of the page, which runs until shutdown.
pub(crate) struct Prometheus {
    pub(crate) config: PrometheusConfig,
    /// The attributes of the resource.
    pub(crate) resource: Vec<(String, String)>,
    pub(crate) counters: Arc<ExporterCounters>,
    pub(crate) diagnostics: Arc<Diagnostics>,
    pub(crate) control: Control<()>,
    /// The number of this server, and of the newest one. An older server does not report for the exporter any more.
    pub(crate) number: u64,
    pub(crate) newest: Arc<AtomicU64>,
    /// A receiver that ends when the previous server is gone, whose port this server may need.
    pub(crate) before: Option<mpsc::Receiver<NotDone>>,
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
    pub(crate) async fn run(mut self, reader: Arc<Mutex<ScrapeReader>>, clock: Clock) {
        if let Some(mut before) = self.before.take() {
            self.outlive(&mut before).await;
        }
        let server = Arc::new(Server::new(
            reader,
            self.resource.clone(),
            Arc::clone(&self.counters),
            clock,
            self.config.host.clone(),
        ));
        let (close, closing) = watch::channel(false);
        let mut listening = JoinSet::new();
        if let Some(listeners) = self.bind(&server).await {
            for listener in listeners {
                listening.spawn(Arc::clone(&server).serve(listener, closing.clone()));
            }
            self.wait(&server, None).await;
        }
        // The page of a server that never got its port was never available to clients.
        let lost = match listening.len() {
            0 => server.reader().look(Instant::now().into_std()).len() as u64,
            _ => 0,
        };
        let _ = close.send(true);
        let now = Instant::now();
        let end = self.control.closing().unwrap_or(now);
        let _ = timeout_at(end.min(now + LAST_READERS), async {
            while listening.join_next().await.is_some() {}
        })
        .await;
        // Dropping the set closes the connections that are still open.
        drop(listening);
        self.end(lost);
    }

    /// Waits until the previous server is gone, or for the shutdown.
    async fn outlive(&mut self, before: &mut mpsc::Receiver<NotDone>) {
        loop {
            let asked = self.control.begin();
            self.control.release(asked);
            let closing = self.control.closing();
            tokio::select! {
                _ = before.recv() => return,
                () = self.control.changed() => {}
                () = at(closing) => return,
            }
        }
    }

    /// Binds the port, and retries while it is in use. Returns `None` if the shutdown comes first. Reports once that
    /// the port is in use.
    async fn bind(&mut self, server: &Arc<Server>) -> Option<Vec<tokio::net::TcpListener>> {
        let mut told = false;
        loop {
            let config = self.config.clone();
            let bind = blocking::spawn(move || bind::bind(&config));
            let bound = self.control.meanwhile(bind).await?;
            let bound = bound.unwrap_or_else(|error| Err(error.to_string()));
            match bound.and_then(registered) {
                Ok((addresses, listeners)) => {
                    if self.is_newest() {
                        self.announce(&addresses, told);
                        self.counters.listens_on(addresses);
                    }
                    return Some(listeners);
                }
                Err(why) => {
                    if !self.is_newest() {
                        return None;
                    }
                    self.counters.failed(why.clone());
                    if !std::mem::replace(&mut told, true) && self.control.closing().is_none() {
                        self.report(&format!(
                            "no page is served: {why}; it is tried again every {RETRY:?}"
                        ));
                    }
                }
            }
            if self.wait(server, Some(Instant::now() + RETRY)).await {
                return None;
            }
        }
    }

    /// Reports an unexpected address: another port, or the configured port after a wait.
    fn announce(&self, addresses: &[SocketAddr], late: bool) {
        let Some(address) = addresses.first() else {
            return;
        };
        let port = self.config.port;
        let path = serve::PATH;
        if port != 0 && address.port() != port {
            self.report(&format!(
                "the page is at http://{address}{path}, because port {port} is taken"
            ));
        } else if late {
            self.report(&format!("the page is at http://{address}{path} now"));
        }
    }

    /// Waits until a time, or for the shutdown. Returns true if the shutdown came. A flush has nothing to wait for,
    /// because the page always shows the current values.
    async fn wait(&mut self, server: &Arc<Server>, until: Option<Instant>) -> bool {
        let mut look = Instant::now() + LOOK;
        loop {
            let asked = self.control.begin();
            self.control.release(asked);
            if self.control.closing().is_some() {
                return true;
            }
            tokio::select! {
                () = self.control.changed() => {}
                () = at(until) => return false,
                () = sleep_until(look) => {
                    look = Instant::now() + LOOK;
                    let server = Arc::clone(server);
                    blocking::detach(move || {
                        server.reader().look(Instant::now().into_std());
                    });
                }
            }
        }
    }

    /// Ends the exporter. `lost` is the number of series that were never available to clients.
    fn end(&self, lost: u64) {
        if self.is_newest() {
            self.counters.shut_down_with(lost);
        }
    }

    /// Returns true if this server reports for the exporter.
    fn is_newest(&self) -> bool {
        self.newest.load(Ordering::SeqCst) == self.number
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
        self.end(0);
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
