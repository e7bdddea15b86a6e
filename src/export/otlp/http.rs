//! OTLP over HTTP, as protobuf and as JSON.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use ::http::header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderValue};
use ::http::{HeaderMap, StatusCode};
use bytes::Bytes;
use prost::Message;
use reqwest::redirect::Policy;
use reqwest::{Response, Url};
use serde_json::Value;
use tokio::time::{Instant, timeout_at};

use super::messages::{ExportResponse, PartialSuccess};
use super::target::Target;
use super::{BuildError, MAX_ANSWER, USER_AGENT, gzip, http_status, renewal, words};
use crate::config::otlp::{Compression, OtlpConfig, Protocol};
use crate::export::outcome::{ErrorKind, ExportError, Outcome};
use crate::export::tls::{HTTP_1_1, Tls, trusting_nobody};
use crate::signal::Signal;

const PROTOBUF: &str = "application/x-protobuf";
const JSON: &str = "application/json";

/// `google.rpc.Status`, with which receivers explain a refusal. Only what is needed is declared.
#[derive(Clone, PartialEq, Message)]
struct Status {
    /// For the developer.
    #[prost(string, tag = "2")]
    message: String,
}

/// The HTTP transport.
pub(super) struct Http {
    client: Mutex<reqwest::Client>,
    tls: Option<Tls>,
    /// Whether anything was ever answered. Until then, a connection that breaks may well be a wrong port.
    answered: AtomicBool,
    url: Url,
    content_type: &'static str,
    compression: Compression,
    rejected: &'static str,
}

impl Http {
    /// The configured endpoint is the whole URL; the signal only decides how answers are read.
    pub(super) fn new(signal: Signal, config: &OtlpConfig) -> Result<Self, BuildError> {
        let refuse = |reason: String| BuildError::Endpoint {
            endpoint: config.endpoint.host().unwrap_or_default().to_owned(),
            reason,
        };
        let url =
            Url::parse(&config.endpoint.to_string()).map_err(|error| refuse(error.to_string()))?;
        let tls = config.tls.as_ref().map(|tls| Tls::new(tls, HTTP_1_1));
        let tls = tls.transpose().map_err(BuildError::Tls)?;
        let config_of_tls = match &tls {
            Some(tls) => tls.client(),
            None => trusting_nobody().map_err(BuildError::Tls)?,
        };
        let client = client(config_of_tls, tls.is_some())
            .map_err(|error| refuse(words::flatten(&error.without_url())))?;
        Ok(Self {
            client: Mutex::new(client),
            tls,
            answered: AtomicBool::new(false),
            url,
            content_type: match config.protocol {
                Protocol::HttpJson => JSON,
                Protocol::HttpProtobuf | Protocol::Grpc => PROTOBUF,
            },
            compression: config.compression,
            rejected: match signal {
                Signal::Metrics => "rejectedDataPoints",
                Signal::Events => "rejectedLogRecords",
                Signal::Spans => "rejectedSpans",
            },
        })
    }

    /// One attempt.
    pub(super) async fn send(&self, target: &Target, body: Bytes, deadline: Instant) -> Outcome {
        let started = Instant::now();
        let mut headers = target.headers.clone();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(self.content_type));
        let packed = match self.compression {
            Compression::Gzip => gzip::compress(&body),
            Compression::None => None,
        };
        if packed.is_some() {
            headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        }
        let client = self
            .client
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        let request = client
            .post(self.url.clone())
            .headers(headers)
            .body(packed.unwrap_or(body));
        match timeout_at(deadline, request.send()).await {
            Ok(Ok(response)) => {
                self.answered.store(true, Ordering::Relaxed);
                if let Some(tls) = &self.tls {
                    tls.answered();
                }
                self.read(target, response, deadline).await
            }
            Ok(Err(error)) => {
                let error = self.explain(target, error);
                Outcome::retry(self.renewed(error, deadline).await)
            }
            Err(_) => Outcome::retry(target.no_answer(started, deadline)),
        }
    }

    /// After a failure that new certificates may mend, uses those.
    async fn renewed(&self, error: ExportError, deadline: Instant) -> ExportError {
        let Some(tls) = &self.tls else {
            return error;
        };
        let (error, changed) = renewal(tls, error, deadline).await;
        if changed && let Ok(client) = client(tls.client(), true) {
            *self.client.lock().unwrap_or_else(PoisonError::into_inner) = client;
        }
        error
    }

    /// Why the connection failed, with a guess where the port speaks something else.
    fn explain(&self, target: &Target, error: reqwest::Error) -> ExportError {
        let error = error.without_url();
        let failed = target.failed(self.tls.as_ref(), &error);
        if failed.kind() != ErrorKind::Broken {
            return failed;
        }
        let detail = words::flatten(&error);
        // An HTTP/2 server speaks first, and what it says does not begin like an answer.
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

    /// The outcome that an answer tells. Its status decides; a body that is broken, too long or late adds nothing.
    async fn read(&self, target: &Target, mut response: Response, deadline: Instant) -> Outcome {
        let mut body = Vec::new();
        let reading = async {
            while let Ok(Some(chunk)) = response.chunk().await {
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
        let (status, headers) = (response.status(), response.headers());
        if status.is_success() {
            return self
                .response(headers, &body)
                .map_or(Outcome::DELIVERED, |response| response.outcome(target));
        }
        if status.is_redirection() {
            return Outcome::Refused {
                error: redirected(target, status),
            };
        }
        http_status::outcome(target, status, headers, &message(headers, &body))
    }

    /// The message of a success.
    fn response(&self, headers: &HeaderMap, body: &[u8]) -> Option<ExportResponse> {
        match content_type(headers) {
            PROTOBUF => ExportResponse::decode(body).ok(),
            JSON => {
                let body: Value = serde_json::from_slice(body).ok()?;
                let partial = body.get("partialSuccess")?;
                // 64-bit numbers are text in OTLP/JSON; not every receiver knows.
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

/// A client that takes nothing from the process environment, and nothing from features of reqwest that some other
/// crate of the host enables.
fn client(tls: rustls::ClientConfig, only: bool) -> reqwest::Result<reqwest::Client> {
    reqwest::Client::builder()
        .tls_backend_preconfigured(tls)
        .https_only(only)
        .user_agent(USER_AGENT)
        .no_proxy()
        // Credentials go where they were meant to go.
        .redirect(Policy::none())
        .referer(false)
        // One attempt is one request.
        .retry(reqwest::retry::never())
        .http1_only()
        .no_gzip()
        .no_brotli()
        .no_zstd()
        .no_deflate()
        .no_hickory_dns()
        .build()
}

/// The media type of an answer without its parameters.
fn content_type(headers: &HeaderMap) -> &str {
    headers
        .get(CONTENT_TYPE)
        .and_then(|kind| kind.to_str().ok())
        .and_then(|kind| kind.split(';').next())
        .unwrap_or_default()
        .trim()
}

/// What an answer that is no success says for itself. Pages for browsers are left out.
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

/// Redirects are not followed: the endpoint is to be corrected.
fn redirected(target: &Target, status: StatusCode) -> ExportError {
    let what = format!("HTTP {} (redirects are not followed)", status.as_u16());
    target.answered(&what, "")
}
