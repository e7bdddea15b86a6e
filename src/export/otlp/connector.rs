//! The connector of an exporter: TCP, directly or through a proxy, and TLS.
//!
//! For an `https://` receiver the proxy opens a tunnel (`CONNECT`): TLS is end to end, and the proxy sees neither
//! headers nor content. For an `http://` receiver the proxy forwards the requests, whose request lines then contain the
//! whole URL.

use std::error::Error;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use ::http::header::{HOST, PROXY_AUTHORIZATION, USER_AGENT};
use ::http::{HeaderValue, Request, StatusCode, Uri};
use bytes::Bytes;
use bytes::buf::Chain;
use http_body_util::Full;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use tokio_rustls::TlsConnector;
use tower_service::Service;

use super::AGENT;
use super::error::{connection_error, sanitize};
use super::receiver::{host_and_port, proxy_name};
use super::stream::{ReadLimit, Stream};
use super::tcp::{Observed, connect};
use crate::config::endpoint::{port, without_brackets};
use crate::config::otlp::OtlpConfig;
use crate::config::proxy::ProxyConfig;
use crate::export::export_result::{ErrorKind, ExportError};
use crate::export::tls::Tls;
use crate::lock::lock;

/// The most bytes of the head of a response to `CONNECT` that are read.
const MAX_HEAD: usize = 16 * 1024;

/// The body of a request: the prefix of a gRPC message, and the message. Neither is copied.
pub(super) type Body = Full<Chain<Bytes, Bytes>>;

type BoxError = Box<dyn Error + Send + Sync>;

/// A connector to one receiver.
#[derive(Clone)]
pub(super) struct Connector {
    pub(super) tls: Option<Arc<Tls>>,
    proxy: Option<Arc<ProxyConfig>>,
    pub(super) limit: ReadLimit,
    /// The latest direct connection, for the diagnosis of the configuration (`Config::diagnose`). A connection through a
    /// proxy is not recorded.
    pub(super) observed: Arc<Mutex<Observed>>,
}

impl Connector {
    pub(super) fn new(config: &OtlpConfig, alpn: &'static [u8]) -> Result<Self, String> {
        let tls = config.tls.as_ref().map(|tls| Tls::new(tls, alpn));
        Ok(Self {
            tls: tls.transpose()?.map(Arc::new),
            proxy: config.proxy.clone().map(Arc::from),
            limit: ReadLimit::new(),
            observed: Arc::default(),
        })
    }

    /// Returns the proxy if it forwards requests, and so sees them. A proxy with a tunnel does not see them.
    pub(super) fn forwarder(&self) -> Option<&ProxyConfig> {
        self.proxy.as_deref().filter(|_| self.tls.is_none())
    }

    /// Makes a connection to the receiver.
    pub(super) async fn connect(self, receiver: Uri) -> Result<TokioIo<Stream>, BoxError> {
        let unobserved = Mutex::default();
        let tcp = match &self.proxy {
            None => connect(&receiver, &host_and_port(&receiver), &self.observed).await?,
            Some(proxy) => connect(&proxy.url, &proxy_name(proxy), &unobserved)
                .await
                .map_err(|error| proxy_error(&error))?,
        };
        let mut stream = Stream::new(tcp, Some(self.limit.clone()));
        let Some(tls) = &self.tls else {
            stream.is_forwarded = self.proxy.is_some();
            return Ok(TokioIo::new(stream));
        };
        if let Some(proxy) = &self.proxy {
            stream = tunnel(proxy, stream, &receiver).await?;
        }
        let host = without_brackets(receiver.host().unwrap_or_default());
        let host = ServerName::try_from(host.to_owned())?;
        let connector = TlsConnector::from(tls.client_config());
        let stream = connector.connect(host, stream).await?;
        if self.proxy.is_none() {
            let version = stream.get_ref().1.protocol_version();
            lock(&self.observed).tls = Some(tls.describe(version));
        }
        // The stream below TLS counts the bytes for the limit.
        Ok(TokioIo::new(Stream::new(stream, None)))
    }
}

impl Service<Uri> for Connector {
    type Response = TokioIo<Stream>;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, BoxError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, receiver: Uri) -> Self::Future {
        Box::pin(self.clone().connect(receiver))
    }
}

/// Returns the value of `Proxy-Authorization`.
pub(super) fn proxy_authorization(proxy: &ProxyConfig) -> Option<HeaderValue> {
    let secret = proxy.authorization.as_ref()?;
    let mut value = HeaderValue::from_str(secret.expose()).ok()?;
    value.set_sensitive(true);
    Some(value)
}

/// Opens a tunnel to the receiver through the proxy (`CONNECT`).
async fn tunnel(
    proxy: &ProxyConfig,
    stream: Stream,
    receiver: &Uri,
) -> Result<Stream, ExportError> {
    let failed = |error: hyper::Error| {
        let name = proxy_name(proxy);
        match error.is_parse() {
            true => proxy_error(&format!("{name} does not speak HTTP/1: is it a proxy?")),
            false => proxy_error(&connection_error(&name, &error, sanitize)),
        }
    };
    let host = receiver.host().unwrap_or_default();
    let authority = format!("{host}:{}", port(receiver));
    let mut request = Request::connect(&authority)
        .header(HOST, &authority)
        .header(USER_AGENT, AGENT)
        .body(Body::default())
        .map_err(|error| proxy_error(&error))?;
    if let Some(authorization) = proxy_authorization(proxy) {
        request
            .headers_mut()
            .insert(PROXY_AUTHORIZATION, authorization);
    }
    let (mut sender, connection) = http1::Builder::new()
        .max_buf_size(MAX_HEAD)
        .handshake(TokioIo::new(stream))
        .await
        .map_err(failed)?;
    let accepted = async {
        let answer = sender.send_request(request).await.map_err(failed)?;
        match answer.status() {
            status if status.is_success() => Ok(()),
            status => Err(refused(proxy, status, receiver)),
        }
    };
    let opened = async { connection.without_shutdown().await.map_err(failed) };
    let ((), opened) = tokio::try_join!(accepted, opened)?;
    Ok(opened.io.into_inner())
}

/// Creates the error of a status that comes from the proxy and not from the receiver.
pub(super) fn refused(proxy: &ProxyConfig, status: StatusCode, receiver: &Uri) -> ExportError {
    let name = proxy_name(proxy);
    let status = status.as_u16();
    proxy_error(&match (status, &proxy.authorization) {
        (407, None) => format!(
            "{name} wants user and password (HTTP 407): write them into the variable, as http://user:password@host:port"
        ),
        (407, Some(_)) => {
            format!("{name} does not accept the user and password in the variable (HTTP 407)")
        }
        _ => format!(
            "{name} does not connect to {}: HTTP {status}",
            host_and_port(receiver)
        ),
    })
}

fn proxy_error(text: &dyn std::fmt::Display) -> ExportError {
    ExportError::new(ErrorKind::Connect, text.to_string())
}
