//! The HTTP server of the page: one request per connection, with a time limit and a limit on concurrent connections.

use std::convert::Infallible;
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::header::{ALLOW, CONTENT_TYPE, HOST};
use http::uri::Authority;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::super::blocking;
use super::page;
use crate::clock::Clock;
use crate::health::ExporterCounters;
use crate::metrics::{Sample, ScrapeReader};

/// The path of the page.
pub(super) const PATH: &str = "/metrics";

/// The most concurrent connections. Further connections wait until one ends.
const CONNECTIONS: usize = 128;
/// The time limit for the head of a request.
const HEAD: Duration = Duration::from_secs(5);
/// The time limit of a whole connection.
const LIFE: Duration = Duration::from_secs(60);
/// The memory limit for the head of a request, in bytes.
const HEAD_BYTES: usize = 16 * 1024;
/// The pause after a connection could not be accepted, for example because no file descriptor is left.
const AFTER_FAILURE: Duration = Duration::from_millis(100);

/// The state that all connections share.
pub(super) struct Server {
    reader: Arc<Mutex<ScrapeReader>>,
    resource: Vec<(String, String)>,
    counters: Arc<ExporterCounters>,
    clock: Clock,
    /// The host name of the configuration.
    host: String,
    /// The page that was rendered last, while a client gets it.
    last: Arc<tokio::sync::Mutex<Weak<Page>>>,
    connections: Arc<Semaphore>,
}

/// A page and the series that it shows.
struct Page {
    begun: Instant,
    text: Bytes,
    shown: Vec<Sample>,
}

impl Server {
    pub(super) fn new(
        reader: Arc<Mutex<ScrapeReader>>,
        resource: Vec<(String, String)>,
        counters: Arc<ExporterCounters>,
        clock: Clock,
        host: String,
    ) -> Self {
        Self {
            reader,
            resource,
            counters,
            clock,
            host,
            last: Arc::default(),
            connections: Arc::new(Semaphore::new(CONNECTIONS)),
        }
    }

    /// Accepts connections until `closing` is true, and then finishes the connections whose request has begun.
    pub(super) async fn serve(
        self: Arc<Self>,
        listener: TcpListener,
        closing: watch::Receiver<bool>,
    ) {
        let mut close = closing.clone();
        let mut open = JoinSet::new();
        let local = listener
            .local_addr()
            .is_ok_and(|address| address.ip().is_loopback());
        loop {
            let accepted = async {
                let permit = Arc::clone(&self.connections).acquire_owned().await;
                (listener.accept().await, permit)
            };
            tokio::select! {
                biased;
                () = closed(&mut close) => break,
                Some(_) = open.join_next(), if !open.is_empty() => {}
                (accepted, permit) = accepted => match accepted {
                    Ok((stream, _)) => {
                        let (this, closing) = (Arc::clone(&self), closing.clone());
                        open.spawn(async move {
                            this.answer(stream, local, closing).await;
                            drop(permit);
                        });
                    }
                    Err(_) => sleep(AFTER_FAILURE).await,
                }
            }
        }
        drop(listener);
        while open.join_next().await.is_some() {}
    }

    /// Serves one connection.
    async fn answer(
        self: Arc<Self>,
        stream: TcpStream,
        local: bool,
        mut closing: watch::Receiver<bool>,
    ) {
        let exchange = Exchange::default();
        let service = service_fn(|request| self.respond(request, local, &exchange));
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEAD)
            .max_buf_size(HEAD_BYTES)
            .keep_alive(false)
            .half_close(true)
            .serve_connection(TokioIo::new(stream), service);
        let ended = tokio::select! {
            ended = timeout(LIFE, connection) => ended,
            // A connection whose request has begun is finished.
            () = exchange.idle_at(&mut closing) => return,
        };
        // A page is delivered only if it was written completely.
        if let (Ok(Ok(())), Some(page)) = (ended, exchange.given.get()) {
            self.delivered(Arc::clone(page)).await;
        }
    }

    async fn respond(
        self: &Arc<Self>,
        request: Request<Incoming>,
        local: bool,
        exchange: &Exchange,
    ) -> Result<Response<Full<Bytes>>, Infallible> {
        exchange.begun.store(true, Ordering::Relaxed);
        let method = request.method();
        if local && !self.is_meant(request.headers()) {
            let hint = "forbidden: ask for localhost or an IP address\n".to_owned();
            return Ok(plain(StatusCode::FORBIDDEN, hint));
        }
        if request.uri().path() != PATH {
            let hint = format!("not found: the metrics are at {PATH}\n");
            return Ok(plain(StatusCode::NOT_FOUND, hint));
        }
        if method != Method::GET && method != Method::HEAD {
            let hint = "only GET and HEAD are allowed\n".to_owned();
            let mut response = plain(StatusCode::METHOD_NOT_ALLOWED, hint);
            let allowed = HeaderValue::from_static("GET, HEAD");
            response.headers_mut().insert(ALLOW, allowed);
            return Ok(response);
        }
        Ok(match self.page().await {
            Ok(page) => {
                let text = page.text.clone();
                if method == Method::GET {
                    let _ = exchange.given.set(page);
                }
                response(StatusCode::OK, page::CONTENT_TYPE, text)
            }
            Err(why) => {
                self.counters.failed(why.clone());
                let hint = format!("the metrics cannot be shown: {why}\n");
                plain(StatusCode::INTERNAL_SERVER_ERROR, hint)
            }
        })
    }

    /// Returns true if a request names this server. This prevents DNS rebinding: a website can let its own name resolve
    /// to the address of this machine, and then read what a browser on this machine gets under that name. A browser
    /// always sends the name that it asked for.
    fn is_meant(&self, headers: &HeaderMap) -> bool {
        headers.get_all(HOST).iter().all(|value| {
            let authority = Authority::try_from(value.as_bytes());
            authority.is_ok_and(|authority| self.is_own(authority.host()))
        })
    }

    fn is_own(&self, host: &str) -> bool {
        let address = host
            .strip_prefix('[')
            .and_then(|host| host.strip_suffix(']'))
            .unwrap_or(host);
        address.parse::<IpAddr>().is_ok()
            || host.eq_ignore_ascii_case("localhost")
            || host.eq_ignore_ascii_case(&self.host)
    }

    /// Returns a page whose rendering began after this call. Only one page is rendered at a time, for all waiting
    /// requests.
    async fn page(self: &Arc<Self>) -> Result<Arc<Page>, String> {
        let asked = Instant::now();
        let mut last = Arc::clone(&self.last).lock_owned().await;
        if let Some(page) = last.upgrade().filter(|page| page.begun >= asked) {
            return Ok(page);
        }
        let this = Arc::clone(self);
        // The task holds the lock until the page is rendered, even if the client is gone. Otherwise two pages could be
        // rendered at a time.
        let made = tokio::spawn(async move {
            // Rendering a page of many series takes long.
            let page = blocking::spawn(move || this.make()).await;
            let page = Arc::new(page.map_err(|error| error.to_string())?);
            *last = Arc::downgrade(&page);
            Ok(page)
        });
        made.await.unwrap_or_else(|error| Err(error.to_string()))
    }

    fn make(&self) -> Page {
        let begun = Instant::now();
        let shown = self.reader().look(begun);
        Page {
            begun,
            text: page::render(&shown, &self.resource),
            shown,
        }
    }

    async fn delivered(self: &Arc<Self>, page: Arc<Page>) {
        self.counters
            .delivered(page.shown.len() as u64, 0, self.clock.now());
        let this = Arc::clone(self);
        let settled = blocking::spawn(move || this.reader().fetched(&page.shown));
        let _ = settled.await;
    }

    pub(super) fn reader(&self) -> MutexGuard<'_, ScrapeReader> {
        self.reader.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The progress of the single request of a connection.
#[derive(Default)]
struct Exchange {
    begun: AtomicBool,
    given: OnceLock<Arc<Page>>,
}

impl Exchange {
    /// Waits until the server closes. Never returns if the request has begun by then.
    async fn idle_at(&self, closing: &mut watch::Receiver<bool>) {
        closed(closing).await;
        if self.begun.load(Ordering::Relaxed) {
            std::future::pending().await
        }
    }
}

/// Waits until the server closes.
async fn closed(closing: &mut watch::Receiver<bool>) {
    let _ = closing.wait_for(|closing| *closing).await;
}

fn plain(status: StatusCode, text: String) -> Response<Full<Bytes>> {
    response(status, "text/plain; charset=utf-8", text.into())
}

fn response(status: StatusCode, media_type: &'static str, text: Bytes) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(text));
    *response.status_mut() = status;
    let media_type = HeaderValue::from_static(media_type);
    response.headers_mut().insert(CONTENT_TYPE, media_type);
    response
}
