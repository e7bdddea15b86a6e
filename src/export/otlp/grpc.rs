//! OTLP over gRPC.
//!
//! A unary call is made directly on tonic's channel, which connects, multiplexes and reconnects. `tonic::client::Grpc`
//! is not used: it copies the request into another buffer, panics on an answer whose `grpc-status-details-bin` is not
//! base64, and reports a broken connection with a different code if some crate of the host enables tonic's feature
//! `server`.

use std::error::Error;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use ::http::header::{CONTENT_TYPE, HeaderValue, TE};
use ::http::{HeaderMap, Method, Request, Response, StatusCode, Uri, Version};
use bytes::Bytes;
use http_body::Frame;
use hyper_rustls::HttpsConnector;
use prost::Message;
use tokio::time::{Instant, timeout_at};
use tonic::body::Body;
use tonic::client::GrpcService;
use tonic::codegen::Service;
use tonic::transport::{Channel, Endpoint};

use super::connect::GRACE;
use super::messages::ExportResponse;
use super::route::{Proxy, Route};
use super::stream::ReadLimit;
use super::target::Target;
use super::{BuildError, MAX_ANSWER, USER_AGENT, grpc_status, gzip, http_status, renewal, words};
use crate::config::otlp::{Compression, OtlpConfig};
use crate::export::export_result::{ErrorKind, ExportError, ExportResult};
use crate::export::tls::{HTTP_2, Tls};
use crate::signal::Signal;

/// The initial HTTP/2 flow-control window for answers, in bytes. Answers are small.
const WINDOW: u32 = 65_535;

/// The length of the prefix of a gRPC message: the compression flag and the length of the message.
const PREFIX: usize = 5;

/// The gRPC transport.
pub(super) struct Grpc {
    connect: Connect,
    channel: Mutex<Channel>,
    path: Uri,
    compression: Compression,
    /// True after the first answer in HTTP/2. Before that, a broken connection may be caused by a wrong port.
    answered: AtomicBool,
}

impl Grpc {
    /// Creates the transport. Must be called inside a runtime, because the channel is a task of that runtime.
    pub(super) fn new(
        signal: Signal,
        config: &OtlpConfig,
        proxy: Option<&Arc<Proxy>>,
    ) -> Result<Self, BuildError> {
        let connect = Connect::new(config, proxy)?;
        Ok(Self {
            channel: Mutex::new(connect.lazily()),
            connect,
            path: Uri::from_static(path(signal)),
            compression: config.compression,
            answered: AtomicBool::new(false),
        })
    }

    /// Makes one attempt.
    pub(super) async fn send(
        &self,
        target: &Target,
        body: Bytes,
        deadline: Instant,
    ) -> ExportResult {
        let started = Instant::now();
        match timeout_at(deadline, self.attempt(target, body, deadline)).await {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(error)) if !timed_out(&*error) => {
                // A channel does not recover from every error: its worker may have panicked.
                self.reconnect();
                let error = self.explain(target, &*error);
                ExportResult::retry(self.renewed(error, deadline).await)
            }
            Ok(Err(_)) | Err(_) => {
                // The connection may be dead, or still being made. The next request must not wait for it again.
                self.reconnect();
                ExportResult::retry(target.no_answer(started, deadline))
            }
        }
    }

    /// Replaces the channel, so that the next request gets a new connection.
    fn reconnect(&self) {
        *self.channel.lock().unwrap_or_else(PoisonError::into_inner) = self.connect.lazily();
    }

    /// Reads the certificate files again after a failure that new certificates may fix. Reconnects if they have
    /// changed.
    async fn renewed(&self, error: ExportError, deadline: Instant) -> ExportError {
        let Some(tls) = &self.connect.tls else {
            return error;
        };
        let (error, changed) = renewal(tls, error, deadline).await;
        if changed {
            self.reconnect();
        }
        error
    }

    /// Makes the call. An error is one of the connection: no answer came, or only a part of it.
    async fn attempt(
        &self,
        target: &Target,
        body: Bytes,
        deadline: Instant,
    ) -> Result<ExportResult, tonic::codegen::StdError> {
        let request = self.request(target, body, deadline);
        let mut channel = self
            .channel
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        self.connect.limit.renew();
        std::future::poll_fn(|context| GrpcService::poll_ready(&mut channel, context)).await?;
        let response = GrpcService::call(&mut channel, request).await?;
        self.connect.limit.renew();
        self.answered.store(true, Ordering::Relaxed);
        if let Some(tls) = &self.connect.tls {
            tls.answered();
        }
        read(target, response).await
    }

    /// Describes why the connection failed, with a guess if the port may speak another protocol.
    fn explain(&self, target: &Target, error: &(dyn Error + 'static)) -> ExportError {
        let tls = self.connect.tls.as_ref();
        let failed = target.failed(tls, error);
        if failed.kind() != ErrorKind::Broken || self.answered.load(Ordering::Relaxed) {
            return failed;
        }
        // The answer of an HTTP/1 server looks like a frame of absurd size. Other HTTP/1 servers close the connection.
        let what = match words::flatten(error) {
            detail if detail.contains("frame with invalid size") => {
                format!("{} does not speak HTTP/2", target.name)
            }
            detail if detail.contains("http2 error") => return failed,
            _ => failed.to_string(),
        };
        ExportError::new(
            ErrorKind::Broken,
            match tls {
                Some(_) => format!("{what}: is it an OTLP/gRPC endpoint?"),
                None => format!("{what}: is it an OTLP/gRPC endpoint without TLS?"),
            },
        )
    }

    /// Builds the HTTP/2 request of a call with `body`.
    fn request(&self, target: &Target, body: Bytes, deadline: Instant) -> Request<Body> {
        let packed = gzip::packed(&body, self.compression);
        let compressed = packed.is_some();
        let message = RequestBody::new(compressed, packed.unwrap_or(body));
        let mut request = Request::new(Body::new(message));
        *request.method_mut() = Method::POST;
        *request.version_mut() = Version::HTTP_2;
        *request.uri_mut() = self.path.clone();
        let headers = request.headers_mut();
        *headers = target.headers.clone();
        headers.insert(TE, HeaderValue::from_static("trailers"));
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
        if compressed {
            headers.insert("grpc-encoding", HeaderValue::from_static("gzip"));
        }
        // Receivers compress their answers as the request is compressed.
        headers.insert(
            "grpc-accept-encoding",
            HeaderValue::from_static("identity,gzip"),
        );
        if let Ok(timeout) = grpc_timeout(deadline).parse() {
            headers.insert("grpc-timeout", timeout);
        }
        request
    }
}

/// Returns the path of the gRPC method of a signal.
fn path(signal: Signal) -> &'static str {
    match signal {
        Signal::Metrics => "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export",
        Signal::Logs => "/opentelemetry.proto.collector.logs.v1.LogsService/Export",
        Signal::Traces => "/opentelemetry.proto.collector.trace.v1.TraceService/Export",
    }
}

/// The parameters of connections to one receiver.
struct Connect {
    endpoint: Endpoint,
    tls: Option<Tls>,
    /// The receiver, with the scheme.
    uri: Uri,
    timeout: Duration,
    /// The proxy. It is used with TLS only, because proxies do not forward HTTP/2 without TLS.
    proxy: Option<Arc<Proxy>>,
    limit: ReadLimit,
}

impl Connect {
    fn new(config: &OtlpConfig, proxy: Option<&Arc<Proxy>>) -> Result<Self, BuildError> {
        let refuse = |reason: String| BuildError::Endpoint {
            endpoint: config.endpoint.host().unwrap_or_default().to_owned(),
            reason,
        };
        let tls = config.tls.as_ref().map(|tls| Tls::new(tls, HTTP_2));
        let tls = tls.transpose().map_err(BuildError::Tls)?;
        // Only the scheme, host and port are used: user information would be sent as a part of `:authority`.
        let host = config.endpoint.host().unwrap_or_default();
        let port = config.endpoint.port_u16().map(|port| format!(":{port}"));
        let address = format!("{host}{}", port.unwrap_or_default());
        let scheme = if tls.is_some() { "https" } else { "http" };
        let uri = format!("{scheme}://{address}");
        let uri: Uri = uri
            .parse()
            .map_err(|error: ::http::uri::InvalidUri| refuse(error.to_string()))?;
        let endpoint = || {
            // tonic gets no `https` URL: it would require its own TLS if some crate of the host enables that.
            Ok(Endpoint::from_shared(format!("http://{address}"))?
                .origin(uri.clone())
                .user_agent(USER_AGENT)?
                .connect_timeout(config.timeout + GRACE)
                .initial_stream_window_size(WINDOW)
                .initial_connection_window_size(WINDOW))
        };
        let endpoint =
            endpoint().map_err(|error: tonic::transport::Error| refuse(words::flatten(&error)))?;
        Ok(Self {
            endpoint,
            tls,
            uri,
            timeout: config.timeout,
            proxy: proxy.cloned(),
            limit: ReadLimit::new(),
        })
    }

    /// Creates a channel that connects when it is first used.
    fn lazily(&self) -> Channel {
        let uri = self.uri.clone();
        let route = |proxy| Route::new(proxy, self.timeout, &self.limit);
        match &self.tls {
            None => self.endpoint.connect_with_connector_lazy(To {
                uri,
                connector: route(None),
            }),
            Some(tls) => self.endpoint.connect_with_connector_lazy(To {
                uri,
                connector: HttpsConnector::from((route(self.proxy.as_ref()), tls.client())),
            }),
        }
    }
}

/// A connector to one receiver, whatever URL the channel has.
struct To<C> {
    uri: Uri,
    connector: C,
}

impl<C: Service<Uri>> Service<Uri> for To<C> {
    type Response = C::Response;
    type Error = C::Error;
    type Future = C::Future;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.connector.poll_ready(context)
    }

    fn call(&mut self, _: Uri) -> Self::Future {
        self.connector.call(self.uri.clone())
    }
}

/// Returns the time until `deadline` as a `grpc-timeout` of at most eight digits. The time is rounded up, so that the
/// receiver does not give up first.
fn grpc_timeout(deadline: Instant) -> String {
    let left = deadline.saturating_duration_since(Instant::now());
    match left.as_millis() + 1 {
        millis @ ..100_000_000 => format!("{millis}m"),
        _ => format!("{}S", left.as_secs().min(99_999_999)),
    }
}

/// Reads an answer and returns its outcome.
async fn read(
    target: &Target,
    response: Response<Body>,
) -> Result<ExportResult, tonic::codegen::StdError> {
    let (head, mut body) = response.into_parts();
    // A rejection may arrive in the headers, without a body.
    if head.headers.contains_key("grpc-status") {
        return Ok(grpc_status::outcome(target, &head.headers).unwrap_or(ExportResult::DELIVERED));
    }
    if head.status != StatusCode::OK {
        return Ok(http_status::outcome(target, head.status, &head.headers, ""));
    }
    let is_grpc = head
        .headers
        .get(CONTENT_TYPE)
        .is_some_and(|kind| kind.as_bytes().starts_with(b"application/grpc"));
    if !is_grpc {
        let error = target.broken("answers, but not in gRPC: is it an OTLP/gRPC endpoint?");
        return Ok(ExportResult::Rejected { error });
    }
    let mut message = Vec::new();
    let mut trailers = None;
    while let Some(frame) = next_frame(&mut body).await {
        match frame?.into_data() {
            // A message that is too long is ignored, but the status after it counts.
            Ok(data) if message.len() + data.len() <= MAX_ANSWER => message.extend(data),
            Ok(_) => {}
            Err(frame) => trailers = frame.into_trailers().ok(),
        }
    }
    let Some(trailers) = trailers.filter(|trailers| trailers.contains_key("grpc-status")) else {
        return Ok(ExportResult::retry(
            target.broken("ended its answer without a gRPC status"),
        ));
    };
    Ok(grpc_status::outcome(target, &trailers)
        .unwrap_or_else(|| success(target, &head.headers, &message)))
}

/// Returns the next frame of a body.
async fn next_frame(body: &mut Body) -> Option<Result<Frame<Bytes>, tonic::Status>> {
    std::future::poll_fn(|context| http_body::Body::poll_frame(Pin::new(&mut *body), context)).await
}

/// Returns the outcome of a call that succeeded. An answer that cannot be read does not change that.
fn success(target: &Target, headers: &HeaderMap, answer: &[u8]) -> ExportResult {
    let Some((prefix, message)) = answer.split_at_checked(PREFIX) else {
        return ExportResult::DELIVERED;
    };
    let is_gzip = headers
        .get("grpc-encoding")
        .is_some_and(|encoding| encoding == "gzip");
    let unpacked;
    let message = match prefix {
        [0, ..] => message,
        [1, ..] if is_gzip => {
            unpacked = gzip::decompress(message, MAX_ANSWER).unwrap_or_default();
            &unpacked
        }
        _ => return ExportResult::DELIVERED,
    };
    match ExportResponse::decode(message) {
        Ok(response) => response.outcome(target),
        Err(_) => ExportResult::DELIVERED,
    }
}

/// Returns true if the timeout of the channel, which `grpc-timeout` sets, was the first to expire.
fn timed_out(error: &(dyn Error + 'static)) -> bool {
    words::chain(error).any(|cause| cause.is::<tonic::TimeoutExpired>())
}

/// The single message of a request: prefix and payload, both without a copy.
struct RequestBody {
    chunks: [Option<Bytes>; 2],
}

impl RequestBody {
    /// Creates a body with one message.
    fn new(compressed: bool, payload: Bytes) -> Self {
        // A message of 4 GiB cannot occur, because the limit on batches is a thousand times lower.
        let length = u32::try_from(payload.len()).unwrap_or(u32::MAX);
        let mut prefix = [0; PREFIX];
        prefix[0] = u8::from(compressed);
        prefix[1..].copy_from_slice(&length.to_be_bytes());
        let prefix = Bytes::copy_from_slice(&prefix);
        let payload = Some(payload).filter(|payload| !payload.is_empty());
        Self {
            chunks: [Some(prefix), payload],
        }
    }
}

impl http_body::Body for RequestBody {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let chunk = self.chunks.iter_mut().find_map(Option::take);
        Poll::Ready(chunk.map(|chunk| Ok(Frame::data(chunk))))
    }

    fn is_end_stream(&self) -> bool {
        self.chunks.iter().all(Option::is_none)
    }
}
