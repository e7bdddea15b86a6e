//! A receiver: a listener on a dedicated thread that records requests and sends scripted responses.

use std::net::TcpListener;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use ::http::Response;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tonic::Code;

use super::answer::Answer;
use super::received::{Message, Received, Request};
use super::server::Server;
use super::unresponsive::{ReservedPort, refused_port};
use super::{grpc, http};

type BoxError = Box<dyn std::error::Error + Send + Sync>;
type Script = Arc<dyn Fn(usize, &Request) -> Answer + Send + Sync>;

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Grpc,
    Http,
}

/// An OTLP server on a free port.
pub struct Receiver {
    kind: Kind,
    shared: Arc<Shared>,
    /// Keeps the port while the server is stopped: another test of the process must not get it.
    port: ReservedPort,
    server: Option<Server>,
}

struct Shared {
    state: Mutex<ReceiverState>,
    arrived: Condvar,
    connections: AtomicUsize,
}

struct ReceiverState {
    received: Received,
    script: Script,
    /// The number of requests since the script was set.
    step: usize,
}

impl Receiver {
    /// Starts a receiver of OTLP over gRPC (HTTP/2 without TLS).
    pub fn grpc() -> Self {
        Self::new(Kind::Grpc)
    }

    /// Starts a receiver of OTLP over HTTP/1.1, as protobuf and as JSON.
    pub fn http() -> Self {
        Self::new(Kind::Http)
    }

    fn new(kind: Kind) -> Self {
        let shared = Arc::new(Shared {
            state: Mutex::new(ReceiverState {
                received: Received::default(),
                script: Arc::new(|_, _| Answer::Ok),
                step: 0,
            }),
            arrived: Condvar::new(),
            connections: AtomicUsize::new(0),
        });
        let mut receiver = Self {
            kind,
            shared,
            port: refused_port(),
            server: None,
        };
        receiver.restart();
        receiver
    }

    /// Returns the base URL, `http://127.0.0.1:port`.
    pub fn endpoint(&self) -> String {
        self.port.endpoint()
    }

    /// Returns the endpoint with a path appended.
    pub fn url(&self, path: &str) -> String {
        format!("{}{path}", self.endpoint())
    }

    /// Returns the port, which stays the same after a restart.
    pub fn port(&self) -> u16 {
        self.port.address().port()
    }

    /// Returns the number of connections accepted so far.
    pub fn connections(&self) -> usize {
        self.shared.connections.load(Ordering::SeqCst)
    }

    /// Responds to the n-th request from now on, counted from 0, with `script(n)`. The response to a request that
    /// cannot be decoded is never a success.
    pub fn answer(&self, script: impl Fn(usize) -> Answer + Send + Sync + 'static) {
        self.answer_by(move |n, _| script(n));
    }

    /// Responds to the n-th request from now on, counted from 0, with `script(n, request)`.
    pub fn answer_by(&self, script: impl Fn(usize, &Request) -> Answer + Send + Sync + 'static) {
        let mut state = self.shared.state.lock().unwrap();
        state.script = Arc::new(script);
        state.step = 0;
    }

    /// Returns all requests so far.
    pub fn received(&self) -> Received {
        self.shared.state.lock().unwrap().received.clone()
    }

    /// Discards all requests so far.
    pub fn clear(&self) {
        self.shared.state.lock().unwrap().received.requests.clear();
    }

    /// Waits until the requests satisfy `enough`, checking after each arrival, and returns them. Panics after
    /// `within`.
    #[track_caller]
    pub fn wait_until(
        &self,
        within: Duration,
        mut enough: impl FnMut(&Received) -> bool,
    ) -> Received {
        let deadline = Instant::now() + within;
        let mut state = self.shared.state.lock().unwrap();
        loop {
            if enough(&state.received) {
                return state.received.clone();
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                let received = state.received.clone();
                drop(state);
                panic!("the condition was not met within {within:?}; received: {received:#?}");
            }
            state = self.shared.arrived.wait_timeout(state, left).unwrap().0;
        }
    }

    /// Closes the listener and all connections. The port refuses connections until the restart.
    pub fn stop(&mut self) {
        if let Some(server) = self.server.take() {
            server.stop();
        }
    }

    /// Listens again on the same port with the same script, and continues recording.
    pub fn restart(&mut self) {
        self.stop();
        self.server = Some(start(
            self.kind,
            self.port.listen(),
            Arc::clone(&self.shared),
        ));
    }
}

fn start(kind: Kind, listener: TcpListener, shared: Arc<Shared>) -> Server {
    Server::start(listener, move |stream| {
        shared.connections.fetch_add(1, Ordering::SeqCst);
        tokio::spawn(serve(kind, stream, Arc::clone(&shared)));
    })
}

/// Serves a connection until it ends or a scripted reset.
async fn serve(kind: Kind, stream: TcpStream, shared: Arc<Shared>) {
    stream.set_nodelay(true).unwrap();
    let stream = stream.into_std().unwrap();
    // A second handle of the same socket, because hyper owns the first one.
    let twin = stream.try_clone().unwrap();
    let io = TokioIo::new(TcpStream::from_std(stream).unwrap());
    let reset = Arc::new(Notify::new());
    let reset_signal = Arc::clone(&reset);
    let service = service_fn(move |request| {
        handle(
            kind,
            request,
            Arc::clone(&shared),
            Arc::clone(&reset_signal),
        )
    });
    // Errors of a connection are asserted on the client's side.
    let connection = async {
        match kind {
            Kind::Http => {
                let _ = hyper::server::conn::http1::Builder::new()
                    .serve_connection(io, service)
                    .await;
            }
            Kind::Grpc => {
                let _ = hyper::server::conn::http2::Builder::new(TokioExecutor::new())
                    .serve_connection(io, service)
                    .await;
            }
        }
    };
    tokio::select! {
        () = connection => {}
        () = reset.notified() => {
            // With a linger time of zero, closing the socket sends RST instead of FIN.
            TcpStream::from_std(twin).unwrap().set_zero_linger().unwrap();
        }
    }
}

/// Reads and records a request, and responds to it.
async fn handle(
    kind: Kind,
    request: ::http::Request<Incoming>,
    shared: Arc<Shared>,
    reset: Arc<Notify>,
) -> Result<Response<http::Body>, BoxError> {
    let (head, body) = request.into_parts();
    let body = body.collect().await?.to_bytes();
    let path = head.uri.path_and_query().unwrap().as_str().to_owned();
    let message = match kind {
        Kind::Grpc => grpc::read(&path, &head.headers, &body),
        Kind::Http => http::read(&path, &head.headers, &body),
    };
    let text = |value: &::http::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    let mut request = Request {
        path,
        headers: head
            .headers
            .iter()
            .map(|(name, value)| (name.to_string(), text(value)))
            .collect(),
        body,
        at: Instant::now(),
        message,
        answer: Answer::Ok,
    };
    {
        let mut state = shared.state.lock().unwrap();
        request.answer = (state.script)(state.step, &request);
        if let (Message::Unreadable(why), true) = (&request.message, request.answer.is_success()) {
            request.answer = match kind {
                Kind::Grpc => Answer::code(Code::InvalidArgument, why),
                Kind::Http => Answer::status(400).body("text/plain", why.as_str()),
            };
        }
        state.step += 1;
        state.received.requests.push(request.clone());
    }
    shared.arrived.notify_all();
    match (&request.answer, kind) {
        (Answer::Hang, _) => std::future::pending().await,
        (Answer::Reset, _) => {
            reset.notify_one();
            std::future::pending().await
        }
        (answer, Kind::Grpc) => Ok(grpc::respond(&request.message, &head.headers, answer)),
        (answer, Kind::Http) => Ok(http::respond(&request.message, &head.headers, answer)),
    }
}
