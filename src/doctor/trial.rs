//! A trial of an OTLP exporter: one empty request, and a search for the protocol that the port speaks if that fails.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use bytes::Bytes;
use tokio::time::Instant;

use crate::config::endpoint::port;
use crate::config::otlp::{OtlpConfig, Protocol};
use crate::config::path;
use crate::export::PushExporter;
use crate::export::blocking;
use crate::export::export_result::{Accepted, ErrorKind, ExportError, ExportResult, TlsFailure};
use crate::export::headers::Helper;
use crate::export::otlp::{Client, Observed};
use crate::signal::Signal;

/// The longest time of the search for the protocol of a port.
const SEARCH: Duration = Duration::from_secs(2);

/// The result of an empty request.
pub(super) struct Trial {
    pub(super) outcome: ExportResult,
    pub(super) connection: Observed,
    /// The duration of the request, until the response or the failure.
    pub(super) took: Duration,
    /// The protocol that the port speaks instead of the configured one.
    pub(super) speaks: Option<Speaks>,
}

/// The protocol that a port turned out to speak.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Speaks {
    Tls,
    PlainText,
    Other(Protocol),
}

impl Trial {
    /// Sends an empty request as the exporter of `signal` would, within its timeout and until `deadline`. The error
    /// says why the exporter cannot be built.
    pub(super) async fn run(
        signal: Signal,
        config: &OtlpConfig,
        helper: Option<Arc<Helper>>,
        deadline: Instant,
    ) -> Result<Self, String> {
        let no_headers = match &helper {
            None => None,
            Some(helper) => helper.headers(&AtomicU64::new(0), deadline).await.err(),
        };
        let limit = config.timeout;
        let mut trial =
            Self::send(signal, config.clone(), helper, no_headers, deadline, limit).await?;
        if let Err(error) = &trial.outcome {
            let deadline = deadline.min(Instant::now() + SEARCH);
            trial.speaks = trial.search(signal, config, error.kind(), deadline).await;
        }
        Ok(trial)
    }

    /// Sends an empty request within `limit`. If the helper has given no headers, only connects: `no_headers` is the
    /// reason.
    async fn send(
        signal: Signal,
        config: OtlpConfig,
        helper: Option<Arc<Helper>>,
        no_headers: Option<String>,
        deadline: Instant,
        limit: Duration,
    ) -> Result<Self, String> {
        let client = blocking::spawn(move || Client::new(signal, &config, helper)).await;
        let client = client.map_err(|error| error.to_string())??;
        let started = Instant::now();
        let deadline = deadline.min(started + limit);
        let outcome = match no_headers {
            None => {
                let body = client.encode(Bytes::new());
                client.send(body, deadline, &Accepted::default()).await
            }
            Some(why) => {
                client.connect(deadline).await;
                Err(ExportError::new(ErrorKind::NoHeaders, why))
            }
        };
        Ok(Self {
            outcome,
            connection: client.observed(),
            took: started.elapsed(),
            speaks: None,
        })
    }

    /// Finds out what the port speaks if it does not speak the configured protocol. The requests have no headers that
    /// the helper makes: a rejection is a response too.
    async fn search(
        &self,
        signal: Signal,
        config: &OtlpConfig,
        failure: ErrorKind,
        deadline: Instant,
    ) -> Option<Speaks> {
        if self.connection.connected.is_none()
            || !matches!(failure, ErrorKind::Broken | ErrorKind::Tls(_))
        {
            return None;
        }
        let attempt = async |(speaks, config): (Speaks, OtlpConfig)| {
            let trial = Self::send(signal, config, None, None, deadline, SEARCH)
                .await
                .ok()?;
            let is_right = match speaks {
                Speaks::Tls => trial.speaks_tls(),
                Speaks::PlainText | Speaks::Other(_) => trial.is_answered(),
            };
            is_right.then_some(speaks)
        };
        let encryption = match (&config.tls, &self.connection.tls) {
            (None, _) => Some((Speaks::Tls, with_tls(config, true))),
            (Some(_), None) => Some((Speaks::PlainText, with_tls(config, false))),
            (Some(_), Some(_)) => None,
        };
        let protocol = with_other_protocol(signal, config);
        // The requests are sent at the same time, because each may take all the time that is left.
        let (encryption, protocol) = tokio::join!(async { attempt(encryption?).await }, async {
            attempt(protocol?).await
        },);
        encryption.or(protocol)
    }

    /// Returns true if the receiver responded at all, whatever its response is.
    fn is_answered(&self) -> bool {
        let error = self.outcome.as_ref().err();
        error.is_none_or(|error| matches!(error.kind(), ErrorKind::Answered(_)))
    }

    /// Returns true if the port speaks TLS, whatever certificate it presents.
    fn speaks_tls(&self) -> bool {
        let failure = self.outcome.as_ref().err().map(ExportError::kind);
        self.connection.tls.is_some()
            || matches!(failure, Some(ErrorKind::Tls(failure)) if failure != TlsFailure::NotTls)
    }
}

/// Returns the configuration of the same receiver with TLS, or without. It has no headers, because some are secret.
fn with_tls(config: &OtlpConfig, is_secure: bool) -> OtlpConfig {
    let scheme = if is_secure { "https" } else { "http" };
    let endpoint = &config.endpoint;
    // The port stays the same, even if it is the default port.
    let port = port(endpoint);
    let host = endpoint.host().unwrap_or_default();
    let path = endpoint.path_and_query().map_or("/", |path| path.as_str());
    OtlpConfig {
        endpoint: format!("{scheme}://{host}:{port}{path}")
            .parse()
            .unwrap_or_default(),
        has_bare_url: false,
        headers: Vec::new(),
        tls: is_secure.then(Box::default),
        ..config.clone()
    }
}

/// Returns the configuration of the same receiver with the other protocol; `None` if that protocol is not compiled in.
fn with_other_protocol(signal: Signal, config: &OtlpConfig) -> Option<(Speaks, OtlpConfig)> {
    let (protocol, path) = match config.protocol {
        Protocol::Grpc if cfg!(feature = "http") => (Protocol::HttpProtobuf, path(signal)),
        Protocol::HttpProtobuf | Protocol::HttpJson if cfg!(feature = "grpc") => {
            (Protocol::Grpc, "/")
        }
        _ => return None,
    };
    let mut parts = config.endpoint.clone().into_parts();
    parts.path_and_query = Some(http::uri::PathAndQuery::from_static(path));
    let config = OtlpConfig {
        protocol,
        endpoint: http::Uri::from_parts(parts).ok()?,
        has_bare_url: false,
        ..config.clone()
    };
    Some((Speaks::Other(protocol), config))
}
