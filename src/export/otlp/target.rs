//! The receiver of a client: its name in errors, its headers, and the secrets that errors must not show.

use std::sync::Arc;

use ::http::{HeaderMap, HeaderName, HeaderValue, Uri};
use tokio::time::Instant;

use super::route::{Proxy, ProxyError};
use super::secrets::Secrets;
use super::{BuildError, tls_words, words};
use crate::config::otlp::{OtlpConfig, Protocol};
use crate::config::pairs::is_reserved;
use crate::export::export_result::{ErrorAnswer, ErrorKind, ExportError};
use crate::export::headers::Headers;
use crate::export::tls::Tls;

/// A receiver.
pub(super) struct Target {
    /// The host and port, and the proxy if there is one, as every error names them.
    pub(super) name: String,
    /// The configured headers.
    pub(super) headers: HeaderMap,
    /// True when requests go over gRPC.
    grpc: bool,
    /// The name without the proxy.
    receiver: String,
    /// The proxy through which the receiver is reached.
    pub(super) proxy: Option<Arc<Proxy>>,
    /// The texts that must not be shown, even if the receiver repeats them.
    secrets: Secrets,
}

impl Target {
    /// Creates the receiver of a configuration.
    pub(super) fn new(config: &OtlpConfig) -> Result<Self, BuildError> {
        let receiver = name(&config.endpoint);
        let mut name = receiver.clone();
        if config.endpoint.host().is_none_or(str::is_empty) {
            let reason = "it names no host".to_owned();
            return Err(BuildError::Endpoint {
                endpoint: name,
                reason,
            });
        }
        // The TLS configuration decides the scheme: `https` must not fall back to plain text.
        let scheme = if config.tls.is_some() {
            "https"
        } else {
            "http"
        };
        if config.endpoint.scheme_str() != Some(scheme) {
            let reason = format!("only {scheme}:// is possible with this configuration");
            return Err(BuildError::Endpoint {
                endpoint: name,
                reason,
            });
        }
        let mut headers = HeaderMap::new();
        let mut secrets = Secrets::default();
        if let Some(query) = config.endpoint.query() {
            secrets.add_query(query);
        }
        for (key, value) in &config.headers {
            let header = HeaderName::from_bytes(key.as_bytes())
                .map_err(|_| BuildError::HeaderName(words::sanitise(key)))?;
            let mut content = HeaderValue::from_bytes(value.expose().as_bytes())
                .map_err(|_| BuildError::HeaderValue(words::sanitise(key)))?;
            content.set_sensitive(true);
            secrets.add_header(value);
            if !is_reserved(header.as_str()) {
                headers.insert(header, content);
            }
        }
        let proxy = config.proxy.as_deref().map(Proxy::new).map(Arc::new);
        if let Some(proxy) = &proxy {
            name.push_str(" through ");
            name.push_str(&proxy.name);
        }
        if let Some(authorization) = config.proxy.as_ref().and_then(|p| p.authorization.as_ref()) {
            secrets.add_header(authorization);
        }
        Ok(Self {
            name,
            headers,
            grpc: config.protocol == Protocol::Grpc,
            receiver,
            proxy,
            secrets,
        })
    }

    /// Returns the same receiver with the headers of the helper, which take precedence.
    pub(super) fn with(&self, dynamic: &Headers) -> Self {
        let mut headers = self.headers.clone();
        let mut secrets = self.secrets.clone();
        for header in dynamic.iter() {
            secrets.add_header(&header.secret);
        }
        for header in dynamic.sendable(self.grpc) {
            headers.insert(header.name.clone(), header.value.clone());
        }
        Self {
            name: self.name.clone(),
            headers,
            grpc: self.grpc,
            receiver: self.receiver.clone(),
            proxy: self.proxy.clone(),
            secrets,
        }
    }

    /// Returns a receiver's message that is safe to display; `None` if the message is empty.
    pub(super) fn said(&self, message: &str) -> Option<String> {
        let message = words::sanitise(&self.secrets.hide_in_quoted(message));
        (!message.is_empty()).then_some(message)
    }

    /// Creates the error of an answer: `what` happened, and what the receiver `said`.
    pub(super) fn answered(&self, answer: ErrorAnswer, what: &str, said: &str) -> ExportError {
        let text = match self.said(said) {
            Some(said) => format!("{what} from {}: {said}", self.name),
            None => format!("{what} from {}", self.name),
        };
        ExportError::new(ErrorKind::Answered(answer), text)
    }

    /// Creates the error of a request that got no answer between `started` and `deadline`.
    pub(super) fn no_answer(&self, started: Instant, deadline: Instant) -> ExportError {
        let within = words::duration(deadline.saturating_duration_since(started));
        let text = format!("no answer from {} within {within}", self.name);
        ExportError::new(ErrorKind::Timeout, text)
    }

    /// Creates the error of a request that was not sent, because there are no headers for it.
    pub(super) fn held_back(&self, why: &str) -> ExportError {
        let text = format!("nothing is sent to {}: {why}", self.name);
        ExportError::new(ErrorKind::Held, text)
    }

    /// Creates the error of a request whose deadline had passed before anything was sent.
    pub(super) fn no_time(&self) -> ExportError {
        let text = format!("no time left to send to {}", self.name);
        ExportError::new(ErrorKind::Timeout, text)
    }

    /// Creates the error of a connection that failed or could not be made.
    pub(super) fn failed(
        &self,
        tls: Option<&Tls>,
        error: &(dyn std::error::Error + 'static),
    ) -> ExportError {
        if let Some(error) = self.failed_on_the_way(error) {
            return error;
        }
        let hide = |said: &str| self.secrets.hide_in_quoted(said);
        let (kind, text) = words::connection(&self.name, error, hide);
        let secure = tls.filter(|_| kind == ErrorKind::Broken);
        let (kind, text) = secure
            .and_then(|tls| tls_words::explain(&self.name, tls, error))
            .map_or((kind, text), |(failure, text)| {
                (ErrorKind::Tls(failure), text)
            });
        ExportError::new(kind, self.without_secrets(&text))
    }

    /// Creates the error of a proxy that did not connect to the receiver; `None` if the failure is not one of the
    /// proxy.
    fn failed_on_the_way(&self, error: &(dyn std::error::Error + 'static)) -> Option<ExportError> {
        let error = words::chain(error).find_map(|cause| cause.downcast_ref::<ProxyError>())?;
        let hide = |said: &str| self.secrets.hide_in_quoted(said);
        Some(match error {
            ProxyError::Refused(status) => self.refused_on_the_way(*status),
            ProxyError::Connect(cause) => {
                self.through(|proxy| words::connection(proxy, cause, hide).1)
            }
            ProxyError::Broken(cause) => {
                self.through(|proxy| words::connection(proxy, cause, hide).1)
            }
            ProxyError::NotHttp => {
                self.through(|proxy| format!("{proxy} does not speak HTTP/1: is it a proxy?"))
            }
        })
    }

    /// Creates the error of a status that comes from the proxy and not from the receiver.
    pub(super) fn refused_on_the_way(&self, status: u16) -> ExportError {
        let known = self
            .proxy
            .as_ref()
            .is_some_and(|proxy| proxy.authorization.is_some());
        self.through(|proxy| match (status, known) {
            (407, false) => format!(
                "{proxy} wants user and password (HTTP 407): write them into the variable, as http://user:password@host:port"
            ),
            (407, true) => {
                format!("{proxy} does not accept the user and password in the variable (HTTP 407)")
            }
            _ => format!("{proxy} does not connect to {}: HTTP {status}", self.receiver),
        })
    }

    fn through(&self, text: impl FnOnce(&str) -> String) -> ExportError {
        let proxy = self.proxy.as_ref().map_or("a proxy", |proxy| &proxy.name);
        ExportError::new(ErrorKind::Connect, self.without_secrets(&text(proxy)))
    }

    /// Returns a message of this crate that is safe to display.
    fn without_secrets(&self, text: &str) -> String {
        words::sanitise(&self.secrets.hide_in(text))
    }

    /// Creates the error of a peer that answers in an unexpected way.
    pub(super) fn broken(&self, what: &str) -> ExportError {
        ExportError::new(ErrorKind::Broken, format!("{} {what}", self.name))
    }
}

/// Returns the host and port, without user information, path and query, which may contain credentials.
fn name(endpoint: &Uri) -> String {
    let host = endpoint.host().unwrap_or_default();
    match endpoint.port_u16() {
        Some(port) => format!("{host}:{port}"),
        None => host.to_owned(),
    }
}
