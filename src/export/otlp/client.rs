//! The client that sends the encoded requests of one signal to one endpoint.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use ::http::header::USER_AGENT;
use ::http::{HeaderValue, Method, Request, Uri};
use bytes::{Buf, Bytes};
use tokio::time::{Instant, timeout_at};

use super::AGENT;
use super::connector::Body;
use super::http_client::HttpClient;
use super::receiver::Receiver;
use super::tcp::Observed;
use super::url::{at_path, request_url};
use super::{grpc, gzip, http};
use crate::config::otlp::{Compression, OtlpConfig, Protocol};
use crate::config::path;
use crate::export::BoxFuture;
use crate::export::encode::encode;
use crate::export::export_result::{
    Accepted, Delivery, ErrorAnswer, ErrorKind, ExportError, ExportResult, FailureClass,
};
use crate::export::headers::Helper;
use crate::export::push_exporter::{MAX_BYTES, MAX_BYTES_OF_TEXT, PushExporter};
use crate::lock::lock;
use crate::signal::Signal;

/// A client that sends the encoded requests of one signal to one endpoint.
pub(crate) struct Client {
    receiver: Receiver,
    http: HttpClient,
    compression: Compression,
    url: Uri,
    /// The URL of the same receiver with OTLP's default path of the signal, if the configured URL has no path.
    standard: Option<Uri>,
    /// True after the receiver accepted a request at the standard URL, because it serves nothing at the configured one.
    uses_standard: AtomicBool,
    signal: Signal,
    protocol: Protocol,
    timeout: Duration,
    /// The user's command that prints headers, if there is one.
    helper: Option<Arc<Helper>>,
    /// The number of runs of the helper when this client last asked it for headers, so that a request waits for a newer
    /// result.
    seen_runs: AtomicU64,
}

impl Client {
    /// Creates a client for `signal`, which connects when it first sends. With a headers helper, no request is sent
    /// without its headers. The error is a sentence that says why the client cannot be built.
    ///
    /// Must be called inside the runtime that drives the client, because its connections are tasks of that runtime.
    pub(crate) fn new(
        signal: Signal,
        config: &OtlpConfig,
        helper: Option<Arc<Helper>>,
    ) -> Result<Self, String> {
        let url = request_url(config)?;
        let standard = match config.has_bare_url {
            true => at_path(&url, path(signal)),
            false => None,
        };
        let url = match config.protocol {
            Protocol::Grpc => at_path(&url, grpc::path(signal)).unwrap_or(url),
            Protocol::HttpProtobuf | Protocol::HttpJson => url,
        };
        Ok(Self {
            receiver: Receiver::new(config)?,
            http: HttpClient::new(config)?,
            compression: config.compression,
            url,
            standard,
            uses_standard: AtomicBool::new(false),
            signal,
            protocol: config.protocol,
            timeout: config.timeout,
            helper,
            seen_runs: AtomicU64::new(0),
        })
    }

    /// Makes one attempt to deliver `body`, which [`encode`](PushExporter::encode) returned.
    /// The attempt ends by `deadline`. Over HTTP, sets `accepted` as soon as the status of the response is a success.
    ///
    /// If the receiver rejects the headers of the helper, waits for new headers and sends the request once more. If the
    /// new headers are rejected too, returns a retryable outcome, so that the data is kept: the rejection may end as
    /// any outage does.
    pub(crate) async fn send(
        &self,
        body: Bytes,
        deadline: Instant,
        accepted: &Accepted,
    ) -> ExportResult {
        let name = &self.receiver.name;
        if deadline <= Instant::now() {
            let text = format!("no time left to send to {name}");
            return Err(ExportError::new(ErrorKind::Timeout, text));
        }
        let Some(helper) = &self.helper else {
            return self.attempt(&self.receiver, body, deadline, accepted).await;
        };
        let current = helper.headers(&self.seen_runs, deadline).await;
        let current = current.map_err(|why| {
            ExportError::new(
                ErrorKind::NoHeaders,
                format!("nothing is sent to {name}: {why}"),
            )
        })?;
        let receiver = self.receiver.with_headers(&current.headers);
        let mut outcome = self
            .attempt(&receiver, body.clone(), deadline, accepted)
            .await;
        if let Err(error) = &outcome
            && error.class() == FailureClass::Unauthenticated
        {
            let retryable = |error: ExportError, detail: &str| {
                error
                    .with_detail(detail)
                    .with_class(FailureClass::RETRYABLE)
            };
            let renewed = helper.renewed(&current, deadline).await;
            let renewed = renewed.map_err(|why| retryable(error.clone(), &why))?;
            let receiver = self.receiver.with_headers(&renewed.headers);
            outcome = self.attempt(&receiver, body, deadline, accepted).await;
            outcome = outcome.map_err(|error| match error.class() {
                FailureClass::Unauthenticated => retryable(
                    error,
                    "otelHeadersHelper ran again, and its new headers are refused too: check what it prints",
                ),
                _ => error,
            });
        }
        outcome.inspect(|_| helper.accepted())
    }

    /// Sends the request. If the URL has no path and the receiver serves nothing there, sends the request once more, to
    /// OTLP's path of the signal.
    async fn attempt(
        &self,
        receiver: &Receiver,
        body: Bytes,
        deadline: Instant,
        accepted: &Accepted,
    ) -> ExportResult {
        let post = |url, body| self.post(receiver, url, body, deadline, accepted);
        let Some(standard) = &self.standard else {
            return post(&self.url, body).await;
        };
        if self.uses_standard.load(Ordering::Relaxed) {
            return post(standard, body).await;
        }
        let outcome = post(&self.url, body.clone()).await;
        let Err(first) = &outcome else {
            return outcome;
        };
        let not_found = ErrorKind::Answered(ErrorAnswer::NotFound);
        if (first.kind(), first.class()) != (not_found, FailureClass::Rejected) {
            return outcome;
        }
        match post(standard, body).await {
            Ok(delivery) => {
                self.uses_standard.store(true, Ordering::Relaxed);
                let standard_path = Some(standard.path().to_owned());
                Ok(Delivery {
                    standard_path,
                    ..delivery
                })
            }
            Err(error) if error.class() == FailureClass::Rejected => outcome,
            // A path that exists may be unavailable for a while: the data must not be lost.
            Err(error) => {
                let text = format!("at {}: {error}", standard.path());
                Err(first.clone().with_detail(&text).with_class(error.class()))
            }
        }
    }

    /// Sends one request and returns its outcome.
    async fn post(
        &self,
        receiver: &Receiver,
        url: &Uri,
        body: Bytes,
        deadline: Instant,
        accepted: &Accepted,
    ) -> ExportResult {
        let is_gzip = self.compression == Compression::Gzip;
        let mut headers = receiver.headers.clone();
        // A configured user agent takes precedence.
        headers
            .entry(USER_AGENT)
            .or_insert(HeaderValue::from_static(AGENT));
        let prefix = match self.protocol {
            Protocol::Grpc => grpc::prepare(&mut headers, is_gzip, body.len(), deadline),
            Protocol::HttpProtobuf | Protocol::HttpJson => {
                http::prepare(self.protocol, &mut headers, is_gzip);
                Bytes::new()
            }
        };
        let mut request = Request::new(Body::new(prefix.chain(body)));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = url.clone();
        *request.headers_mut() = headers;
        let answer = self
            .http
            .exchange(receiver, request, deadline, accepted)
            .await?;
        match self.protocol {
            Protocol::Grpc => grpc::outcome(receiver, answer),
            Protocol::HttpProtobuf | Protocol::HttpJson => http::outcome(receiver, answer),
        }
    }

    /// Connects to the receiver without sending a request.
    pub(crate) async fn connect(&self, deadline: Instant) {
        let connector = self.http.connector.clone();
        let _ = timeout_at(deadline, connector.connect(self.url.clone())).await;
    }

    /// Returns the properties of the latest connection.
    pub(crate) fn observed(&self) -> Observed {
        lock(&self.http.connector.observed).clone()
    }
}

impl PushExporter for Client {
    fn max_bytes(&self) -> usize {
        match self.protocol {
            Protocol::Grpc | Protocol::HttpProtobuf => MAX_BYTES,
            Protocol::HttpJson => MAX_BYTES_OF_TEXT,
        }
    }

    fn timeout(&self) -> Duration {
        self.timeout
    }

    fn encode(&self, request: Bytes) -> Bytes {
        let body = encode(self.protocol, self.signal, request);
        match self.compression {
            Compression::None => body,
            Compression::Gzip => gzip::compress(&body),
        }
    }

    fn export<'a>(
        &'a self,
        body: Bytes,
        deadline: Instant,
        accepted: &'a Accepted,
    ) -> BoxFuture<'a, ExportResult> {
        Box::pin(self.send(body, deadline, accepted))
    }
}
