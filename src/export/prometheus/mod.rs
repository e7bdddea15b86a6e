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

use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use bytes::Bytes;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until, timeout};

use super::export_result::{Accepted, Delivery, ExportResult};
use super::exporter::{MakeScrapeEndpoint, ScrapeEndpointSettings};
use super::handle::ExporterHandle;
use super::push_exporter::PushExporter;
use super::source::{Batch, Source};
use super::{BoxFuture, blocking};
use crate::clock::Clock;
use crate::config::PrometheusConfig;
use crate::diagnostics::Diagnostics;
use crate::encode::SourceConfig;
use crate::health::{Exporter, ExporterCounters};
use crate::lock::lock;
use crate::metrics::{Registry, Sample, ScrapeReader};
use crate::signal::Signal;
use bind::BindError;
use serve::Server;

/// The pause before a bind that failed is tried again: an agent that uses the port, for example, may end.
const RETRY: Duration = Duration::from_secs(5);
/// The interval at which the series are read, whether or not a client fetches the page.
const READ_INTERVAL: Duration = Duration::from_secs(60);
/// The longest time for which a scrape endpoint that is closed waits for clients that are still fetching the page.
const LAST_FETCHES: Duration = Duration::from_millis(500);

/// Creates the handle of the Prometheus exporter, and the function that starts its scrape endpoints.
pub(crate) fn handle(
    registry: &Arc<Registry>,
    diagnostics: &Arc<Diagnostics>,
    clock: Clock,
) -> (ExporterHandle, MakeScrapeEndpoint) {
    let series = Arc::new(ScrapeSeries {
        reader: ScrapeReader::new(Arc::clone(registry)).into(),
        is_unavailable: AtomicBool::new(false),
    });
    let (counted, opened) = (Arc::clone(&series), Arc::clone(&series));
    let counters = ExporterCounters::new(
        Signal::Metrics,
        Exporter::Prometheus,
        Arc::default(),
        Some(Box::new(move || counted.unavailable())),
    );
    let source = ScrapeSource {
        series: Arc::clone(&series),
        next_read: Instant::now() + READ_INTERVAL,
    };
    let open = move || {
        opened.reader().start();
        None
    };
    let handle = ExporterHandle::with_pipeline(source, counters, open, diagnostics, clock);
    let (counters, diagnostics) = (Arc::clone(handle.counters()), Arc::clone(diagnostics));
    let make = move |settings: ScrapeEndpointSettings| -> Arc<dyn PushExporter> {
        let server = Arc::new(Server {
            series: Arc::clone(&series),
            settings,
            counters: Arc::clone(&counters),
            diagnostics: Arc::clone(&diagnostics),
            clock,
            last: Arc::default(),
        });
        let (closing, closed) = watch::channel(false);
        let mut serving = JoinSet::new();
        serving.spawn(Arc::clone(&server).run(closed));
        Arc::new(ScrapeEndpoint {
            server,
            closing,
            _serving: serving,
        })
    };
    (handle, Arc::new(make))
}

/// Returns the addresses on which the page would be served now. This function blocks.
pub(crate) fn scrape_addresses(config: &PrometheusConfig) -> Result<Vec<SocketAddr>, BindError> {
    Ok(addresses(&bind::bind(config)?))
}

fn addresses(listeners: &[std::net::TcpListener]) -> Vec<SocketAddr> {
    let addresses = listeners.iter().map(std::net::TcpListener::local_addr);
    addresses.filter_map(Result::ok).collect()
}

/// The series of the page, which outlive its servers.
struct ScrapeSeries {
    reader: Mutex<ScrapeReader>,
    /// True while a server waits for its port: clients cannot fetch the series.
    is_unavailable: AtomicBool,
}

impl ScrapeSeries {
    fn reader(&self) -> MutexGuard<'_, ScrapeReader> {
        lock(&self.reader)
    }

    fn read(&self, now: Instant) -> Vec<Sample> {
        self.reader().collect(now.into_std())
    }

    /// Returns the number of series that clients cannot fetch.
    fn unavailable(&self) -> u64 {
        match self.is_unavailable.load(Ordering::Relaxed) {
            true => self.read(Instant::now()).len() as u64,
            false => 0,
        }
    }
}

/// The source of a page. It has no batches, because clients fetch the page. Reading the series at an interval releases
/// those that ended long ago, also if no client fetches the page.
struct ScrapeSource {
    series: Arc<ScrapeSeries>,
    next_read: Instant,
}

impl Source for ScrapeSource {
    fn configure(&mut self, _: &SourceConfig) {}

    fn begin(&mut self) {
        let now = Instant::now();
        if self.next_read <= now {
            self.next_read = now + READ_INTERVAL;
            let series = Arc::clone(&self.series);
            blocking::detach(move || drop(series.read(now)));
        }
    }

    fn batch(&mut self, _: usize) -> Option<Batch> {
        None
    }

    fn acknowledge(&mut self) {}

    fn split(&mut self) -> bool {
        false
    }

    fn discard(&mut self) -> u64 {
        self.series.reader().stop();
        self.series.is_unavailable.store(false, Ordering::Relaxed);
        0
    }

    fn filled(&self) -> BoxFuture<'_, ()> {
        Box::pin(sleep_until(self.next_read))
    }
}

/// A scrape endpoint that serves the page until it is closed.
struct ScrapeEndpoint {
    server: Arc<Server>,
    closing: watch::Sender<bool>,
    /// The task of the server. Dropping the set ends the task.
    _serving: JoinSet<()>,
}

impl PushExporter for ScrapeEndpoint {
    /// Is never called, because [`ScrapeSource`] has no batches: clients fetch the page.
    fn export<'a>(&'a self, _: Bytes, _: Instant, _: &'a Accepted) -> BoxFuture<'a, ExportResult> {
        Box::pin(std::future::ready(Ok(Delivery::default())))
    }

    /// Frees the port, and waits for clients that are still fetching the page.
    fn close(&self) -> BoxFuture<'_, ()> {
        self.server.counters.listens_on(Vec::new());
        self.closing.send_replace(true);
        Box::pin(async { drop(timeout(LAST_FETCHES, self.closing.closed()).await) })
    }
}

impl Server {
    /// Serves the page until `closing` is true.
    async fn run(self: Arc<Self>, mut closing: watch::Receiver<bool>) {
        let listeners = tokio::select! {
            biased;
            () = serve::closed(&mut closing) => return,
            listeners = self.bind() => listeners,
        };
        let mut serving = JoinSet::new();
        for listener in listeners {
            serving.spawn(Arc::clone(&self).serve(listener, closing.clone()));
        }
        while serving.join_next().await.is_some() {}
    }

    /// Binds the configured port or another port of the range, and retries until that succeeds. Reports only the first
    /// failure.
    async fn bind(&self) -> Vec<TcpListener> {
        let mut reported = false;
        self.series.is_unavailable.store(true, Ordering::Relaxed);
        loop {
            let config = self.settings.address.clone();
            let bound = blocking::spawn(move || {
                let listeners = bind::bind(&config).map_err(|error| error.to_string())?;
                let addresses = addresses(&listeners);
                let listeners = listeners.into_iter().map(TcpListener::from_std);
                let listeners = listeners.collect::<io::Result<Vec<_>>>();
                Ok((addresses, listeners.map_err(|error| error.to_string())?))
            });
            match bound.await.unwrap_or_else(|error| Err(error.to_string())) {
                Ok((addresses, listeners)) => {
                    self.announce(&addresses, reported);
                    self.series.is_unavailable.store(false, Ordering::Relaxed);
                    self.counters.listens_on(addresses);
                    return listeners;
                }
                Err(why) => {
                    self.counters.failed(why.clone());
                    if !std::mem::replace(&mut reported, true) {
                        self.report(&format!(
                            "no page is served: {why}; it is tried again every {RETRY:?}"
                        ));
                    }
                }
            }
            sleep(RETRY).await;
        }
    }

    /// Reports an unexpected address: another port, or the configured port after a wait.
    fn announce(&self, addresses: &[SocketAddr], late: bool) {
        let Some(address) = addresses.first() else {
            return;
        };
        let (port, path) = (self.settings.address.port, serve::PATH);
        if port != 0 && address.port() != port {
            self.report(&format!(
                "the page is at http://{address}{path}, because port {port} is taken"
            ));
        } else if late {
            self.report(&format!("the page is at http://{address}{path} now"));
        }
    }

    fn report(&self, what: &str) {
        self.diagnostics
            .report_later(format!("{}: {what}", self.counters.name()));
    }
}
