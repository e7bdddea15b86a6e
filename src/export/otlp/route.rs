//! Connections of an exporter: direct, or through a proxy.
//!
//! For an `https://` receiver the proxy opens a tunnel (`CONNECT`): TLS is end to end, and the proxy sees neither
//! headers nor content. For an `http://` receiver the proxy forwards the requests, whose request lines then contain the
//! whole URL.

use std::error::Error;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use ::http::{HeaderValue, Uri};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tower_service::Service;

use super::USER_AGENT;
use super::connect::{ConnectError, connect};
use super::stream::{ReadLimit, Stream};
use crate::config::proxy::ProxyConfig;

/// The most bytes of the head of an answer to `CONNECT` that are read.
const MAX_HEAD: usize = 16 * 1024;

/// The end of the head of an answer.
const END: &[u8] = b"\r\n\r\n";

type BoxError = Box<dyn Error + Send + Sync>;

/// The proxy of an exporter.
#[derive(Debug)]
pub(super) struct Proxy {
    /// The URL that is connected to.
    url: Uri,
    /// The host and port, and the variable that configures the proxy, as every error names them.
    pub(super) name: String,
    /// `Proxy-Authorization`
    pub(super) authorization: Option<HeaderValue>,
}

impl Proxy {
    pub(super) fn new(config: &ProxyConfig) -> Self {
        let authorization = config.authorization.as_ref().and_then(|secret| {
            let mut value = HeaderValue::from_str(secret.expose()).ok()?;
            value.set_sensitive(true);
            Some(value)
        });
        Self {
            url: config.url.clone(),
            name: format!("the proxy {} ({})", config.name(), config.variable),
            authorization,
        }
    }
}

/// The reason why a proxy did not connect to the receiver.
#[derive(Debug, thiserror::Error)]
pub(super) enum ProxyError {
    /// No connection to the proxy can be made.
    #[error("no connection to the proxy")]
    Connect(#[source] ConnectError),
    /// The connection broke before the proxy answered.
    #[error("the connection to the proxy broke")]
    Broken(#[source] io::Error),
    /// The proxy refused with this HTTP status.
    #[error("the proxy answered {0}")]
    Refused(u16),
    /// The proxy's answer is not HTTP.
    #[error("the proxy does not speak HTTP/1")]
    NotHttp,
}

/// A connector to one receiver. The receiver's TLS is layered on top of its connections.
#[derive(Clone)]
pub(super) struct Route {
    proxy: Option<Arc<Proxy>>,
    /// The time limit for making a connection.
    timeout: Duration,
    limit: ReadLimit,
}

impl Route {
    pub(super) fn new(proxy: Option<&Arc<Proxy>>, timeout: Duration, limit: &ReadLimit) -> Self {
        Self {
            proxy: proxy.map(Arc::clone),
            timeout,
            limit: limit.clone(),
        }
    }

    async fn connect(self, receiver: Uri) -> Result<TokioIo<Stream>, BoxError> {
        let (tcp, forwards) = match &self.proxy {
            None => (connect(&receiver, self.timeout).await?, false),
            Some(proxy) => {
                let connected = connect(&proxy.url, self.timeout).await;
                let mut tcp = connected.map_err(ProxyError::Connect)?;
                let tunnels = receiver.scheme_str() == Some("https");
                if tunnels {
                    tunnel(&mut tcp, &receiver, proxy.authorization.as_ref()).await?;
                }
                (tcp, !tunnels)
            }
        };
        let limit = self.limit;
        Ok(TokioIo::new(Stream {
            tcp,
            forwards,
            limit,
        }))
    }
}

impl Service<Uri> for Route {
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

/// Asks a proxy for a connection to the receiver.
async fn tunnel(
    tcp: &mut TcpStream,
    receiver: &Uri,
    authorization: Option<&HeaderValue>,
) -> Result<(), ProxyError> {
    let host = receiver.host().unwrap_or_default();
    let port = receiver.port_u16().unwrap_or(443);
    let mut request = format!(
        "CONNECT {host}:{port} HTTP/1.1\r\nHost: {host}:{port}\r\nUser-Agent: {USER_AGENT}\r\n"
    )
    .into_bytes();
    if let Some(authorization) = authorization {
        request.extend_from_slice(b"Proxy-Authorization: ");
        request.extend_from_slice(authorization.as_bytes());
        request.extend_from_slice(b"\r\n");
    }
    request.extend_from_slice(b"\r\n");
    tcp.write_all(&request).await.map_err(ProxyError::Broken)?;

    let mut head = Vec::new();
    loop {
        let read = tcp.read_buf(&mut head).await.map_err(ProxyError::Broken)?;
        match status(&head) {
            // The rest of a refusal is not needed.
            Some(status) if !(200..300).contains(&status) => {
                return Err(ProxyError::Refused(status));
            }
            Some(_) if head.ends_with(END) => return Ok(()),
            None if !b"HTTP/1.".starts_with(head.get(..7).unwrap_or(&head)) => {
                return Err(ProxyError::NotHttp);
            }
            _ if read == 0 => return Err(ProxyError::Broken(io::ErrorKind::UnexpectedEof.into())),
            // The receiver waits for the client's first bytes, so no byte of the receiver can follow the head yet.
            _ if head.len() > MAX_HEAD || head.windows(END.len()).any(|four| four == END) => {
                return Err(ProxyError::NotHttp);
            }
            _ => {}
        }
    }
}

/// Returns the status of an answer as soon as its first line is complete.
fn status(head: &[u8]) -> Option<u16> {
    let end = head.windows(2).position(|two| two == b"\r\n")?;
    let line = std::str::from_utf8(head.get(..end)?).ok()?;
    let rest = line.strip_prefix("HTTP/1.")?;
    rest.get(1..)?.split_whitespace().next()?.parse().ok()
}
