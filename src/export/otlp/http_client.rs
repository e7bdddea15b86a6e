//! The HTTP client of an exporter: HTTP/2 for gRPC, HTTP/1.1 for OTLP over HTTP.
//!
//! The client is built on hyper and not on a larger HTTP client such as reqwest. Cargo unifies features, so that would
//! change the features of the host's own HTTP client. The client reads nothing from the process environment and follows
//! no redirects, so that credentials are sent only to the configured receiver.

use std::error::Error;
use std::future::Future;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use ::http::header::PROXY_AUTHORIZATION;
use ::http::response::Parts;
use ::http::{Request, StatusCode};
use bytes::Bytes;
use http_body_util::{BodyExt, Collected};
use hyper_util::client::legacy;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use tokio::time::{Instant, timeout_at};

use super::connector::{Body, Connector, proxy_authorization, refused};
use super::error::flatten;
use super::receiver::Receiver;
use crate::config::otlp::{OtlpConfig, Protocol};
use crate::export::export_result::{Accepted, ErrorKind, ExportError};
use crate::export::tls::{HTTP_1_1, HTTP_2};
use crate::lock::lock;

/// The longest wait for the body of a success after its head. The status decides, and the body only adds details.
const BODY_TIMEOUT: Duration = Duration::from_secs(1);

/// A pool of connections.
type Connections = legacy::Client<Connector, Body>;

/// A client that connects when it is first used, and keeps its connections alive.
pub(super) struct HttpClient {
    pub(super) connector: Connector,
    /// The pool, which is replaced after a failure.
    connections: Mutex<Connections>,
    is_http_2: bool,
    /// True after the first response. Before that, a broken connection may be caused by a wrong port.
    answered: AtomicBool,
}

/// A response with its whole body, or the reason why the body is incomplete.
pub(super) struct Answer {
    pub(super) head: Parts,
    pub(super) body: Result<Collected<Bytes>, ExportError>,
}

impl HttpClient {
    pub(super) fn new(config: &OtlpConfig) -> Result<Self, String> {
        let is_http_2 = config.protocol == Protocol::Grpc;
        let connector = Connector::new(config, if is_http_2 { HTTP_2 } else { HTTP_1_1 })?;
        Ok(Self {
            connections: Mutex::new(connections(&connector, is_http_2)),
            connector,
            is_http_2,
            answered: AtomicBool::new(false),
        })
    }

    /// Sends a request and waits for the response until `deadline`. Over HTTP, sets `accepted` as soon as the head of a
    /// response reports success, before its body is read. The error is that of the connection or of the proxy.
    ///
    /// The request is sent a second time only if a kept connection turned out to be closed before any byte of the
    /// request was written. Dropping the future cancels the request.
    pub(super) async fn exchange(
        &self,
        receiver: &Receiver,
        mut request: Request<Body>,
        deadline: Instant,
        accepted: &Accepted,
    ) -> Result<Answer, ExportError> {
        let started = Instant::now();
        let forwarder = self.connector.forwarder();
        if let Some(authorization) = forwarder.and_then(proxy_authorization) {
            let headers = request.headers_mut();
            headers.insert(PROXY_AUTHORIZATION, authorization);
        }
        let url = request.uri().clone();
        let connections = lock(&self.connections).clone();
        self.connector.limit.reset();
        let response = self
            .wait(receiver, started, deadline, connections.request(request))
            .await?;
        self.connector.limit.reset();
        self.answered.store(true, Ordering::Relaxed);
        if let Some(tls) = &self.connector.tls {
            tls.answered();
        }
        let (head, body) = response.into_parts();
        if let Some(proxy) = forwarder
            && head.status == StatusCode::PROXY_AUTHENTICATION_REQUIRED
        {
            return Err(refused(proxy, head.status, &url));
        }
        let mut deadline = deadline;
        // The status of a gRPC call is at the end of its response.
        if !self.is_http_2 && head.status.is_success() {
            accepted.store(true, Ordering::Relaxed);
            deadline = deadline.min(Instant::now() + BODY_TIMEOUT);
        }
        let body = self.wait(receiver, started, deadline, body.collect()).await;
        Ok(Answer { head, body })
    }

    /// Waits for a part of a response until the deadline. After a failure, the next request gets a new connection: the
    /// old one may be dead, or still being made.
    async fn wait<T, E: Error + 'static>(
        &self,
        receiver: &Receiver,
        started: Instant,
        deadline: Instant,
        part: impl Future<Output = Result<T, E>>,
    ) -> Result<T, ExportError> {
        let waited = timeout_at(deadline, part).await;
        if !matches!(waited, Ok(Ok(_))) {
            *lock(&self.connections) = connections(&self.connector, self.is_http_2);
        }
        match waited {
            Ok(Ok(part)) => Ok(part),
            Ok(Err(error)) => {
                let error = self.explain(receiver, &error);
                Err(self.renew_certificates(error, deadline).await)
            }
            Err(_) => Err(receiver.no_answer(started, deadline)),
        }
    }

    /// Describes why the connection failed, with a guess if the port may speak another protocol.
    fn explain(&self, receiver: &Receiver, error: &(dyn Error + 'static)) -> ExportError {
        let failed = receiver.failed(self.connector.tls.as_deref(), error);
        // A receiver that has responded speaks the configured protocol.
        if failed.kind() != ErrorKind::Broken || self.answered.load(Ordering::Relaxed) {
            return failed;
        }
        let detail = flatten(error);
        // To an HTTP/2 client, the response of an HTTP/1 server looks like a frame of absurd size. An HTTP/2 server
        // speaks first, and its first bytes are not those of an HTTP/1.1 response.
        let signs = [
            "frame with invalid size",
            "invalid HTTP version",
            "unexpected message",
        ];
        let is_other_protocol = signs.iter().any(|sign| detail.contains(sign));
        let version = if self.is_http_2 { "HTTP/2" } else { "HTTP/1.1" };
        let what = match is_other_protocol {
            true => format!("{} does not speak {version}", receiver.name),
            // Other servers close the connection.
            false => failed.to_string(),
        };
        let is_secure = self.connector.tls.is_some();
        let guess = match (self.is_http_2, is_other_protocol) {
            // The receiver speaks HTTP/2.
            (true, false) if detail.contains("http2 error") => return failed,
            (true, _) if is_secure => "an OTLP/gRPC endpoint",
            (true, _) => "an OTLP/gRPC endpoint without TLS",
            (false, true) if is_secure => "an OTLP/gRPC endpoint",
            (false, true) => "an OTLP/gRPC or https:// endpoint",
            (false, false) if is_secure => return failed,
            (false, false) => "an https:// endpoint",
        };
        ExportError::new(ErrorKind::Broken, format!("{what}: is it {guess}?"))
    }

    /// Reads the certificate files again after a failure that new certificates may fix. The next connection uses them.
    async fn renew_certificates(&self, error: ExportError, deadline: Instant) -> ExportError {
        let (Some(tls), ErrorKind::Tls(_) | ErrorKind::Broken) =
            (&self.connector.tls, error.kind())
        else {
            return error;
        };
        match timeout_at(deadline, tls.renew()).await {
            Ok(Err(file)) => {
                let text = format!("{error}. Read again: {file}");
                ExportError::new(error.kind(), text)
            }
            Ok(Ok(())) | Err(_) => error,
        }
    }
}

/// Creates an empty pool of connections, which keeps idle connections for 90 seconds.
#[cfg_attr(not(feature = "grpc"), allow(unused_variables))]
fn connections(connector: &Connector, is_http_2: bool) -> Connections {
    let mut builder = legacy::Client::builder(TokioExecutor::new());
    builder.pool_timer(TokioTimer::new());
    #[cfg(feature = "grpc")]
    builder.http2_only(is_http_2);
    builder.build(connector.clone())
}
