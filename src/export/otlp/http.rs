//! OTLP over HTTP, with protobuf and JSON.

mod client;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use ::http::header::{self, CONTENT_ENCODING, CONTENT_TYPE, HeaderValue, PROXY_AUTHORIZATION};
use ::http::{HeaderMap, Method, Request, Response, StatusCode, Uri};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy;
use prost::Message;
use serde_json::Value;
use tokio::time::{Instant, timeout_at};

use super::messages::{ExportResponse, PartialSuccess};
use super::route::{Proxy, Route};
use super::stream::ReadLimit;
use super::target::Target;
use super::{BuildError, MAX_ANSWER, USER_AGENT, gzip, http_status, renewal, words};
use crate::config::otlp::{Compression, OtlpConfig, Protocol};
use crate::config::path;
use crate::export::export_result::{Accepted, ErrorAnswer, ErrorKind, ExportError, ExportResult};
use crate::export::tls::{HTTP_1_1, Tls};
use crate::signal::Signal;

use client::Client;

const PROTOBUF: &str = "application/x-protobuf";
const JSON: &str = "application/json";

/// `google.rpc.Status`, with which receivers explain a rejection. Only the required field is declared.
#[derive(Clone, PartialEq, Message)]
struct Status {
    /// The message for the developer.
    #[prost(string, tag = "2")]
    message: String,
}

/// The HTTP transport.
pub(super) struct Http {
    client: Mutex<Client>,
    tls: Option<Tls>,
    proxy: Option<Arc<Proxy>>,
    timeout: Duration,
    limit: ReadLimit,
    /// True after the first answer. Before that, a broken connection may be caused by a wrong port.
    answered: AtomicBool,
    url: Uri,
    /// The URL of the same receiver with OTLP's path of the signal, if the configured URL has no path.
    standard: Option<Uri>,
    /// True after the receiver accepted a request at that path, because it serves nothing at the configured URL.
    uses_standard: AtomicBool,
    content_type: &'static str,
    compression: Compression,
    rejected: &'static str,
}

impl Http {
    /// Creates the transport. The configured endpoint is the complete URL. The signal decides how answers are read, and
    /// which path replaces a missing one.
    pub(super) fn new(
        signal: Signal,
        config: &OtlpConfig,
        proxy: Option<&Arc<Proxy>>,
    ) -> Result<Self, BuildError> {
        let refuse = |reason: String| BuildError::Endpoint {
            endpoint: config.endpoint.host().unwrap_or_default().to_owned(),
            reason,
        };
        let url = client::url(&config.endpoint).map_err(refuse)?;
        let standard = config.has_bare_url.then(|| at_path(&url, path(signal)));
        let tls = config.tls.as_ref().map(|tls| Tls::new(tls, HTTP_1_1));
        let tls = tls.transpose().map_err(BuildError::Tls)?;
        let (timeout, limit) = (config.timeout, ReadLimit::new());
        let client = Client::new(tls.as_ref(), Route::new(proxy, timeout, &limit));
        Ok(Self {
            client: Mutex::new(client),
            tls,
            proxy: proxy.cloned(),
            timeout,
            limit,
            answered: AtomicBool::new(false),
            url,
            standard: standard.flatten(),
            uses_standard: AtomicBool::new(false),
            content_type: match config.protocol {
                Protocol::HttpJson => JSON,
                Protocol::HttpProtobuf | Protocol::Grpc => PROTOBUF,
            },
            compression: config.compression,
            rejected: match signal {
                Signal::Metrics => "rejectedDataPoints",
                Signal::Logs => "rejectedLogRecords",
                Signal::Traces => "rejectedSpans",
            },
        })
    }

    /// Makes one attempt, of at most two requests. If the URL has no path and the receiver serves nothing there, sends
    /// the request once more, to OTLP's path of the signal.
    pub(super) async fn send(
        &self,
        target: &Target,
        body: Bytes,
        deadline: Instant,
        accepted: &Accepted,
    ) -> ExportResult {
        let packed = gzip::packed(&body, self.compression);
        let message = (packed.is_some(), packed.unwrap_or(body));
        let standard = self.standard.as_ref();
        if let Some(url) = standard.filter(|_| self.uses_standard()) {
            return self.post(target, url, message, deadline, accepted).await.1;
        }
        let answer = self.post(target, &self.url, message.clone(), deadline, accepted);
        let (status, outcome) = answer.await;
        let is_unknown = matches!(
            status,
            Some(StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED)
        );
        let (Some(url), true, ExportResult::Rejected { error: first }) =
            (standard, is_unknown, &outcome)
        else {
            return outcome;
        };
        let (_, second) = self.post(target, url, message, deadline, accepted).await;
        // A path that exists may be unavailable for a while: the data must not be lost.
        let both = |error| first.clone().and(&format!("at {}: {error}", url.path()));
        match second {
            ExportResult::Delivered { .. } => second,
            ExportResult::Rejected { .. } => outcome,
            ExportResult::Retryable { after, error } => ExportResult::Retryable {
                after,
                error: both(error),
            },
            ExportResult::Unauthenticated { error } => {
                ExportResult::Unauthenticated { error: both(error) }
            }
            ExportResult::TooLarge { error } => ExportResult::TooLarge { error: both(error) },
        }
    }

    /// Returns true if requests go to OTLP's path of the signal, because the receiver serves nothing at the configured
    /// URL.
    fn uses_standard(&self) -> bool {
        self.uses_standard.load(Ordering::Relaxed)
    }

    /// Returns the path that requests go to instead of that of the configured URL; `None` while they go to the
    /// configured URL.
    pub(super) fn standard_path(&self) -> Option<&str> {
        let standard = self.standard.as_ref().filter(|_| self.uses_standard());
        standard.map(Uri::path)
    }

    /// Sends one request. Returns the status of the answer and the outcome. `message` is a flag, true if the body is
    /// compressed, and the body.
    async fn post(
        &self,
        target: &Target,
        url: &Uri,
        message: (bool, Bytes),
        deadline: Instant,
        accepted: &Accepted,
    ) -> (Option<StatusCode>, ExportResult) {
        let started = Instant::now();
        let request = self.http_request(target, url, message);
        let client = self
            .client
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        self.limit.renew();
        match timeout_at(deadline, client.request(request)).await {
            Ok(Ok(response)) => {
                self.limit.renew();
                self.answered.store(true, Ordering::Relaxed);
                if let Some(tls) = &self.tls {
                    tls.answered();
                }
                let status = response.status();
                if status.is_success() {
                    accepted.send_replace(true);
                    // This is recorded before the rest of the answer is read, which may never arrive.
                    let is_standard = self.standard.as_ref() == Some(url);
                    self.uses_standard.store(is_standard, Ordering::Relaxed);
                }
                (Some(status), self.read(target, response, deadline).await)
            }
            Ok(Err(error)) => {
                let error = self.explain(target, &error);
                (
                    None,
                    ExportResult::retry(self.renewed(error, deadline).await),
                )
            }
            Err(_) => (
                None,
                ExportResult::retry(target.no_answer(started, deadline)),
            ),
        }
    }

    /// Returns the proxy that sees the requests, if there is one. A proxy with a tunnel does not see them.
    fn forwards(&self) -> Option<&Proxy> {
        self.proxy.as_deref().filter(|_| self.tls.is_none())
    }

    /// Builds the request to `url` with a body, which may be compressed.
    fn http_request(
        &self,
        target: &Target,
        url: &Uri,
        (compressed, body): (bool, Bytes),
    ) -> Request<Full<Bytes>> {
        let mut request = Request::new(Full::new(body));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = url.clone();
        let headers = request.headers_mut();
        *headers = target.headers.clone();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(self.content_type));
        if compressed {
            headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        }
        if let Some(authorization) = self
            .forwards()
            .and_then(|proxy| proxy.authorization.clone())
        {
            headers.insert(PROXY_AUTHORIZATION, authorization);
        }
        // Configured headers take precedence.
        for (name, value) in [(header::ACCEPT, "*/*"), (header::USER_AGENT, USER_AGENT)] {
            headers
                .entry(name)
                .or_insert(HeaderValue::from_static(value));
        }
        request
    }

    /// Reads the certificate files again after a failure that new certificates may fix. Replaces the client if they
    /// have changed.
    async fn renewed(&self, error: ExportError, deadline: Instant) -> ExportError {
        let Some(tls) = &self.tls else {
            return error;
        };
        let (error, changed) = renewal(tls, error, deadline).await;
        if changed {
            let route = Route::new(self.proxy.as_ref(), self.timeout, &self.limit);
            let client = Client::new(Some(tls), route);
            *self.client.lock().unwrap_or_else(PoisonError::into_inner) = client;
        }
        error
    }

    /// Describes why the connection failed, with a guess if the port speaks another protocol.
    fn explain(&self, target: &Target, error: &legacy::Error) -> ExportError {
        let failed = target.failed(self.tls.as_ref(), error);
        if failed.kind() != ErrorKind::Broken {
            return failed;
        }
        let detail = words::flatten(error);
        // An HTTP/2 server speaks first, and its first bytes are not those of an HTTP/1.1 answer.
        let is_other =
            detail.contains("invalid HTTP version") || detail.contains("unexpected message");
        let secure = self.tls.is_some();
        match (is_other, secure) {
            (true, true) => target.broken("does not speak HTTP/1.1: is it an OTLP/gRPC endpoint?"),
            (true, false) => {
                target.broken("does not speak HTTP/1.1: is it an OTLP/gRPC or https:// endpoint?")
            }
            (false, false) if !self.answered.load(Ordering::Relaxed) => {
                let text = format!("{failed}: is it an https:// endpoint?");
                ExportError::new(ErrorKind::Broken, text)
            }
            (false, _) => failed,
        }
    }

    /// Reads an answer and returns its outcome. The status decides; a body that is broken, too long or late adds
    /// nothing.
    async fn read(
        &self,
        target: &Target,
        response: Response<impl BodyExt<Data = Bytes> + Unpin>,
        deadline: Instant,
    ) -> ExportResult {
        let (head, mut answer) = response.into_parts();
        let mut body = Vec::new();
        let reading = async {
            while let Some(frame) = answer.frame().await {
                let Ok(frame) = frame else {
                    body.clear();
                    break;
                };
                let Ok(chunk) = frame.into_data() else {
                    continue;
                };
                if body.len() + chunk.len() > MAX_ANSWER {
                    body.clear();
                    break;
                }
                body.extend_from_slice(&chunk);
            }
        };
        if timeout_at(deadline, reading).await.is_err() {
            body.clear();
        }
        let (status, headers) = (head.status, &head.headers);
        if status.is_success() {
            return self
                .response(headers, &body)
                .map_or(ExportResult::DELIVERED, |response| response.outcome(target));
        }
        if status == StatusCode::PROXY_AUTHENTICATION_REQUIRED && self.forwards().is_some() {
            return ExportResult::retry(target.refused_on_the_way(status.as_u16()));
        }
        if status.is_redirection() {
            return ExportResult::Rejected {
                error: redirected(target, status),
            };
        }
        http_status::outcome(target, status, headers, &message(headers, &body))
    }

    /// Parses the message of a successful answer.
    fn response(&self, headers: &HeaderMap, body: &[u8]) -> Option<ExportResponse> {
        match content_type(headers) {
            PROTOBUF => ExportResponse::decode(body).ok(),
            JSON => {
                let body: Value = serde_json::from_slice(body).ok()?;
                let partial = body.get("partialSuccess")?;
                // OTLP/JSON encodes 64-bit numbers as text, but not every receiver does so.
                let rejected = partial.get(self.rejected).and_then(|count| match count {
                    Value::String(count) => count.parse().ok(),
                    count => count.as_i64(),
                });
                let said = partial.get("errorMessage").and_then(Value::as_str);
                Some(ExportResponse {
                    partial_success: Some(PartialSuccess {
                        rejected: rejected.unwrap_or(0),
                        error_message: said.unwrap_or_default().to_owned(),
                    }),
                })
            }
            _ => None,
        }
    }
}

/// Returns the URL with another path.
fn at_path(url: &Uri, path: &str) -> Option<Uri> {
    let mut parts = url.clone().into_parts();
    let path = match url.query() {
        Some(query) => format!("{path}?{query}"),
        None => path.to_owned(),
    };
    parts.path_and_query = Some(path.parse().ok()?);
    Uri::from_parts(parts).ok()
}

/// Returns the media type of an answer without its parameters.
fn content_type(headers: &HeaderMap) -> &str {
    headers
        .get(CONTENT_TYPE)
        .and_then(|kind| kind.to_str().ok())
        .and_then(|kind| kind.split(';').next())
        .unwrap_or_default()
        .trim()
}

/// Returns the error message in the body of an answer without success. HTML pages are left out.
fn message(headers: &HeaderMap, body: &[u8]) -> String {
    match content_type(headers) {
        PROTOBUF => Status::decode(body)
            .map(|status| status.message)
            .unwrap_or_default(),
        JSON => serde_json::from_slice::<Value>(body)
            .ok()
            .and_then(|body| {
                let said = body.get("message").or_else(|| body.get("error"));
                Some(said?.as_str()?.to_owned())
            })
            .unwrap_or_default(),
        "text/plain" => String::from_utf8_lossy(body).into_owned(),
        _ => String::new(),
    }
}

/// Creates the error of a redirect. Redirects are not followed: the configured endpoint must be corrected.
fn redirected(target: &Target, status: StatusCode) -> ExportError {
    let what = format!("HTTP {} (redirects are not followed)", status.as_u16());
    target.answered(ErrorAnswer::Redirect, &what, "")
}
