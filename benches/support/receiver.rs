//! A receiver that accepts and discards all data, in a separate process, so that its CPU time is not measured.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpListener;

const ROLE: &str = "--receiver";

/// The child process of the receiver. Dropping it ends the process.
pub struct Receiver {
    child: Child,
    stdin: Option<ChildStdin>,
    out: BufReader<std::process::ChildStdout>,
    port: u16,
}

impl Receiver {
    /// Starts a receiver for an OTLP protocol: `grpc`, `http/protobuf` or `http/json`.
    pub fn start(protocol: &str) -> Self {
        let kind = if protocol == "grpc" { "grpc" } else { "http" };
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args([ROLE, kind])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut out = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        out.read_line(&mut line).unwrap();
        Self {
            stdin: child.stdin.take(),
            port: line.trim().parse().unwrap(),
            child,
            out,
        }
    }

    pub fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Returns the size of all request bodies in bytes, and the number of requests.
    pub fn received(&mut self) -> (u64, u64) {
        let stdin = self.stdin.as_mut().unwrap();
        stdin.write_all(b"?\n").unwrap();
        stdin.flush().unwrap();
        let mut line = String::new();
        self.out.read_line(&mut line).unwrap();
        let (bytes, requests) = line.trim().split_once(' ').unwrap();
        (bytes.parse().unwrap(), requests.parse().unwrap())
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        drop(self.stdin.take());
        let _ = self.child.wait();
    }
}

/// Runs the receiver if this process was started as a receiver. In that case, ends the process and never returns.
pub fn run_receiver_if_child() {
    let arguments: Vec<String> = std::env::args().collect();
    if arguments.get(1).is_none_or(|role| role != ROLE) {
        return;
    }
    let is_grpc = arguments.get(2).is_some_and(|kind| kind == "grpc");
    let received = Arc::new((AtomicU64::new(0), AtomicU64::new(0)));
    let counts = Arc::clone(&received);
    std::thread::spawn(move || serve(is_grpc, counts));
    // Each line asks for the counts. The end of the input ends the process.
    for line in std::io::stdin().lines() {
        if line.is_err() {
            break;
        }
        let (bytes, requests) = &*received;
        println!(
            "{} {}",
            bytes.load(Ordering::Relaxed),
            requests.load(Ordering::Relaxed)
        );
    }
    std::process::exit(0);
}

fn serve(is_grpc: bool, received: Arc<(AtomicU64, AtomicU64)>) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        println!("{}", listener.local_addr().unwrap().port());
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let received = Arc::clone(&received);
            let service =
                service_fn(move |request| respond(is_grpc, request, Arc::clone(&received)));
            tokio::spawn(async move {
                let stream = TokioIo::new(stream);
                if is_grpc {
                    let http = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
                    let _ = http.serve_connection(stream, service).await;
                } else {
                    let http = hyper::server::conn::http1::Builder::new();
                    let _ = http.serve_connection(stream, service).await;
                }
            });
        }
    });
}

type Answer = http_body_util::combinators::BoxBody<Bytes, std::convert::Infallible>;

async fn respond(
    is_grpc: bool,
    request: Request<hyper::body::Incoming>,
    received: Arc<(AtomicU64, AtomicU64)>,
) -> Result<Response<Answer>, hyper::Error> {
    let mut body = request.into_body();
    while let Some(frame) = body.frame().await {
        if let Some(data) = frame?.data_ref() {
            received.0.fetch_add(data.len() as u64, Ordering::Relaxed);
        }
    }
    received.1.fetch_add(1, Ordering::Relaxed);
    if !is_grpc {
        let mut response = Response::new(Full::new(Bytes::new()).boxed());
        let kind = http::HeaderValue::from_static("application/x-protobuf");
        response
            .headers_mut()
            .insert(http::header::CONTENT_TYPE, kind);
        return Ok(response);
    }
    // An empty gRPC message: not compressed, with the length 0.
    let body = Full::new(Bytes::from_static(&[0; 5])).with_trailers(async {
        let mut trailers = http::HeaderMap::new();
        trailers.insert("grpc-status", http::HeaderValue::from_static("0"));
        Some(Ok(trailers))
    });
    let mut response = Response::new(body.boxed());
    response.headers_mut().insert(
        http::header::CONTENT_TYPE,
        http::HeaderValue::from_static("application/grpc"),
    );
    Ok(response)
}
