//! The receiver of a client: its name in errors, its headers, and the secrets that errors must not show.

use std::error::Error;

use ::http::{HeaderMap, HeaderName, HeaderValue, Uri};
use tokio::time::Instant;

use super::error::{chain, connection_error, duration, sanitize};
use super::secrets::Secrets;
use super::tls_error;
use crate::config::otlp::{Header, OtlpConfig, Protocol};
use crate::config::pairs::is_reserved;
use crate::config::proxy::ProxyConfig;
use crate::export::export_result::{ErrorAnswer, ErrorKind, ExportError, FailureClass};
use crate::export::headers::Headers;
use crate::export::tls::Tls;

/// An OTLP receiver, as a client addresses it and errors name it.
#[derive(Clone)]
pub(super) struct Receiver {
    /// The host and port, and the proxy if there is one, as every error names them.
    pub(super) name: String,
    /// The headers of requests.
    pub(super) headers: HeaderMap,
    /// True when requests go over gRPC.
    is_grpc: bool,
    /// The texts that must not be shown, even if the receiver repeats them.
    secrets: Secrets,
}

impl Receiver {
    /// Creates the receiver of a configuration. The error is a sentence that says what is wrong with it.
    pub(super) fn new(config: &OtlpConfig) -> Result<Self, String> {
        let mut receiver = Self {
            name: host_and_port(&config.endpoint),
            headers: HeaderMap::new(),
            is_grpc: config.protocol == Protocol::Grpc,
            secrets: Secrets::default(),
        };
        if let Some(query) = config.endpoint.query() {
            receiver.secrets.add_query(query);
        }
        for (key, Header { value, .. }) in &config.headers {
            let key = sanitize(key);
            let name = HeaderName::from_bytes(key.as_bytes())
                .map_err(|_| format!("{key:?} cannot be a header's name"))?;
            let mut content = HeaderValue::from_bytes(value.expose().as_bytes())
                .map_err(|_| format!("the value of the header {key} cannot be sent"))?;
            content.set_sensitive(true);
            receiver.secrets.add_header(value.expose());
            // The protocol sets reserved headers itself.
            if !is_reserved(name.as_str()) {
                receiver.headers.insert(name, content);
            }
        }
        if let Some(proxy) = &config.proxy {
            receiver.name += " through ";
            receiver.name += &proxy_name(proxy);
            if let Some(authorization) = &proxy.authorization {
                receiver.secrets.add_header(authorization.expose());
            }
        }
        Ok(receiver)
    }

    /// Returns the same receiver with the headers of the helper, which take precedence.
    pub(super) fn with_headers(&self, dynamic: &Headers) -> Self {
        let mut receiver = self.clone();
        for header in dynamic.iter() {
            receiver.secrets.add_header(header.text());
        }
        for header in dynamic.sendable(self.is_grpc) {
            let (name, value) = (header.name.clone(), header.value.clone());
            receiver.headers.insert(name, value);
        }
        receiver
    }

    /// Returns a text of the receiver that is safe to display: without secrets, on one line, and of limited length.
    pub(super) fn quote(&self, text: &str) -> String {
        sanitize(&self.secrets.hide_in(text))
    }

    /// Creates the error of a response: `what` happened, and the `message` of the receiver.
    pub(super) fn answered(
        &self,
        answer: ErrorAnswer,
        class: FailureClass,
        what: &str,
        message: &str,
    ) -> ExportError {
        let text = match &*self.quote(message) {
            "" => format!("{what} from {}", self.name),
            message => format!("{what} from {}: {message}", self.name),
        };
        ExportError::new(ErrorKind::Answered(answer), text).with_class(class)
    }

    /// Creates the error of a request that got no response between `started` and `deadline`.
    pub(super) fn no_answer(&self, started: Instant, deadline: Instant) -> ExportError {
        let within = duration(deadline.saturating_duration_since(started));
        let text = format!("no answer from {} within {within}", self.name);
        ExportError::new(ErrorKind::Timeout, text)
    }

    /// Creates the error of a connection that failed or could not be made.
    pub(super) fn failed(&self, tls: Option<&Tls>, error: &(dyn Error + 'static)) -> ExportError {
        // The connector has explained its own errors.
        if let Some(known) = chain(error).find_map(|cause| cause.downcast_ref::<ExportError>()) {
            return known.clone();
        }
        // HTTP/2 errors repeat what the receiver said.
        let failure = connection_error(&self.name, error, |detail| self.quote(detail));
        match tls {
            Some(tls) if failure.kind() == ErrorKind::Broken => {
                let quote = |text: &str| self.quote(text);
                tls_error::explain(&self.name, tls, error, quote).unwrap_or(failure)
            }
            _ => failure,
        }
    }
}

/// Returns the host and port of a URL, without user information, path and query, which may contain credentials.
pub(super) fn host_and_port(url: &Uri) -> String {
    let host = url.host().unwrap_or_default();
    match url.port_u16() {
        Some(port) => format!("{host}:{port}"),
        None => host.to_owned(),
    }
}

/// Returns the host and port of a proxy and the variable that configures it, as every error names them.
pub(super) fn proxy_name(config: &ProxyConfig) -> String {
    format!("the proxy {} ({})", config.name(), config.variable)
}
