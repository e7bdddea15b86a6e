//! The HTTP server of the page: one request per connection, with a time limit and a limit on concurrent connections.

use std::convert::Infallible;
use std::net::IpAddr;
use std::pin::pin;
use std::sync::{Arc, OnceLock, Weak};
use std::time::Duration;

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
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};

use super::super::blocking;
use super::super::exporter::ScrapeEndpointSettings;
use super::{ScrapeSeries, page};
use crate::clock::Clock;
use crate::config::endpoint::without_brackets;
use crate::diagnostics::Diagnostics;
use crate::health::ExporterCounters;
use crate::metrics::Sample;

/// The path of the page.
pub(super) const PATH: &str = "/metrics";

/// The most concurrent connections of an address. Further connections wait until one ends.
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
    pub(super) series: Arc<ScrapeSeries>,
    pub(super) settings: ScrapeEndpointSettings,
    pub(super) counters: Arc<ExporterCounters>,
    pub(super) diagnostics: Arc<Diagnostics>,
    pub(super) clock: Clock,
    /// The page that was rendered last, as long as a response to a client holds it.
    pub(super) last: Arc<tokio::sync::Mutex<Weak<Rendered>>>,
}

/// A rendered page and its series.
pub(super) struct Rendered {
    begun: Instant,
    text: Bytes,
    series: Vec<Sample>,
}

impl Server {
    /// Accepts connections until `closing` is true, and then finishes the connections whose request has begun.
    pub(super) async fn serve(
        self: Arc<Self>,
        listener: TcpListener,
        closing: watch::Receiver<bool>,
    ) {
        let mut close = closing.clone();
        let mut open = JoinSet::new();
        let is_loopback = listener
            .local_addr()
            .is_ok_and(|address| address.ip().is_loopback());
        loop {
            tokio::select! {
                biased;
                () = closed(&mut close) => break,
                Some(_) = open.join_next() => {}
                accepted = listener.accept(), if open.len() < CONNECTIONS => match accepted {
                    Ok((stream, _)) => {
                        open.spawn(Arc::clone(&self).serve_connection(stream, is_loopback, closing.clone()));
                    }
                    Err(_) => sleep(AFTER_FAILURE).await,
                }
            }
        }
        drop(listener);
        while open.join_next().await.is_some() {}
    }

    /// Serves one connection.
    async fn serve_connection(
        self: Arc<Self>,
        stream: TcpStream,
        is_loopback: bool,
        mut closing: watch::Receiver<bool>,
    ) {
        let responded = OnceLock::new();
        let service = service_fn(|request| self.respond(request, is_loopback, &responded));
        let mut connection = pin!(
            http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(HEAD)
                .max_buf_size(HEAD_BYTES)
                .keep_alive(false)
                .half_close(true)
                .serve_connection(TokioIo::new(stream), service)
        );
        let served = async {
            tokio::select! {
                ended = &mut connection => return ended,
                () = closed(&mut closing) => {}
            }
            // A connection whose request has begun is finished.
            connection.as_mut().graceful_shutdown();
            connection.await
        };
        // A page is delivered only if it was written completely.
        if let (Ok(Ok(())), Some(page)) = (timeout(LIFE, served).await, responded.get()) {
            self.delivered(Arc::clone(page)).await;
        }
    }

    /// Returns the response to a request. Stores the page in `responded` if the response contains it.
    async fn respond(
        self: &Arc<Self>,
        request: Request<Incoming>,
        is_loopback: bool,
        responded: &OnceLock<Arc<Rendered>>,
    ) -> Result<Response<Full<Bytes>>, Infallible> {
        let method = request.method();
        if is_loopback && !self.is_named_by(request.headers()) {
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
                    let _ = responded.set(page);
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

    /// Returns true if the `Host` of a request names this server. This prevents DNS rebinding: a website can let its
    /// own name resolve to the address of this machine, and then read what a browser on this machine gets under that
    /// name. A browser always sends the name that it asked for.
    fn is_named_by(&self, headers: &HeaderMap) -> bool {
        headers.get_all(HOST).iter().all(|value| {
            let authority = Authority::try_from(value.as_bytes());
            authority.is_ok_and(|authority| self.is_own(authority.host()))
        })
    }

    fn is_own(&self, host: &str) -> bool {
        without_brackets(host).parse::<IpAddr>().is_ok()
            || host.eq_ignore_ascii_case("localhost")
            || host.eq_ignore_ascii_case(&self.settings.address.host)
    }

    /// Returns a page whose rendering began after this call. Only one page is rendered at a time, for all waiting
    /// requests.
    async fn page(self: &Arc<Self>) -> Result<Arc<Rendered>, String> {
        let requested = Instant::now();
        let mut last = Arc::clone(&self.last).lock_owned().await;
        if let Some(page) = last.upgrade().filter(|page| page.begun >= requested) {
            return Ok(page);
        }
        let this = Arc::clone(self);
        // Rendering a page of many series takes long. The thread holds the lock until the page is rendered, even if the
        // client is gone. Otherwise two pages could be rendered at a time.
        let page = blocking::spawn(move || {
            let page = Arc::new(this.render());
            *last = Arc::downgrade(&page);
            page
        });
        page.await.map_err(|error| error.to_string())
    }

    fn render(&self) -> Rendered {
        let begun = Instant::now();
        let series = self.series.read(begun);
        Rendered {
            begun,
            text: page::render(&series, &self.settings.resource),
            series,
        }
    }

    /// Records that a client got the whole page.
    async fn delivered(self: &Arc<Self>, page: Arc<Rendered>) {
        self.counters
            .delivered(page.series.len() as u64, 0, self.clock.now());
        let this = Arc::clone(self);
        let fetched = blocking::spawn(move || this.series.reader().fetched(&page.series));
        let _ = fetched.await;
    }
}

/// Waits until the server closes.
pub(super) async fn closed(closing: &mut watch::Receiver<bool>) {
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
