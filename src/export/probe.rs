//! A probe that sends one empty request to a receiver and reports its observations.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use bytes::Bytes;
use rustls::ProtocolVersion;
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};
use tokio_rustls::TlsConnector;

use super::blocking;
use super::encode::encode;
use super::export_result::{Accepted, ErrorAnswer, ErrorKind, ExportError, ExportResult};
use super::headers::Helper;
use super::otlp::Client;
use super::otlp::connect::connect_to_any;
use super::otlp::resolve::resolve;
use super::tls::{HTTP_1_1, HTTP_2, Tls};
use crate::config::otlp::{OtlpConfig, Protocol};
use crate::config::pem::Material;
use crate::config::tls::{TlsConfig, TlsFiles, Trust};
use crate::signal::Signal;

/// The longest time to find out what else a port may speak.
const SECOND_LOOK: Duration = Duration::from_secs(2);

/// The result of a probe.
pub(crate) struct Seen {
    /// The addresses of the host name.
    pub(crate) addresses: Vec<SocketAddr>,
    /// The address that was connected to.
    pub(crate) connected: Option<SocketAddr>,
    /// A description of the TLS connection.
    pub(crate) tls: Option<String>,
    pub(crate) answer: Answer,
    /// The path at which the receiver accepts requests, because it serves nothing at the configured URL, which has no
    /// path.
    pub(crate) standard_path: Option<String>,
    /// The duration of the request, until the answer or the failure.
    pub(crate) took: Duration,
    /// The protocol that the port speaks instead of the configured one.
    pub(crate) speaks: Option<Speaks>,
}

/// The answer to the request.
pub(crate) enum Answer {
    /// The receiver accepted the request, perhaps with a warning.
    Taken(Option<String>),
    /// The headers are missing, or were rejected.
    Unauthenticated(ExportError),
    /// The request failed, and may succeed later.
    NotNow(ExportError),
    Failed(ExportError),
}

/// The protocol that a port turned out to speak.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Speaks {
    Tls,
    PlainText,
    Other(Protocol),
}

/// Sends an empty request as the exporter of `signal` would, within its timeout. The error says why the exporter cannot
/// be built.
pub(crate) async fn probe(
    signal: Signal,
    config: &OtlpConfig,
    helper: Option<Arc<Helper>>,
    last: Instant,
) -> Result<Seen, String> {
    let held = match &helper {
        None => None,
        Some(helper) => helper.headers(&AtomicU64::new(0), last).await.err(),
    };
    let build = {
        let config = config.clone();
        blocking::spawn(move || Client::new(signal, &config))
    };
    let client = build
        .await
        .map_err(|error| error.to_string())?
        .map_err(|error| error.to_string())?;
    let client = client.with_helper(helper);
    let deadline = last.min(Instant::now() + config.timeout);
    let request = async {
        let started = Instant::now();
        let answer = match held {
            Some(why) => Answer::Failed(ExportError::new(ErrorKind::Held, why)),
            None => {
                send(
                    &client,
                    encode(config.protocol, signal, Bytes::new()),
                    deadline,
                )
                .await
            }
        };
        (answer, started.elapsed())
    };
    let (way, (answer, took)) = tokio::join!(look(config, deadline), request);
    let speaks = match &answer {
        Answer::Failed(error) | Answer::NotNow(error) => {
            let last = last.min(Instant::now() + SECOND_LOOK);
            second_look(signal, config, error, &way, last).await
        }
        _ => None,
    };
    let Way {
        addresses,
        connected,
        tls,
        ..
    } = way;
    Ok(Seen {
        addresses,
        connected,
        tls,
        answer,
        standard_path: client.standard_path().map(str::to_owned),
        took,
        speaks,
    })
}

async fn send(client: &Client, body: Bytes, deadline: Instant) -> Answer {
    let accepted = Accepted::new(false);
    match client.send(body, deadline, &accepted).await {
        ExportResult::Delivered { message, .. } => Answer::Taken(message),
        ExportResult::Unauthenticated { error } => Answer::Unauthenticated(error),
        // With a headers helper, the exporter would keep the data and wait for other headers.
        ExportResult::Retryable { error, .. } => match error.kind() {
            ErrorKind::Answered(ErrorAnswer::Unauthenticated) => Answer::Unauthenticated(error),
            ErrorKind::Answered(_) => Answer::NotNow(error),
            _ => Answer::Failed(error),
        },
        ExportResult::Rejected { error } | ExportResult::TooLarge { error } => {
            Answer::Failed(error)
        }
    }
}

/// The observations about the connection to a receiver.
#[derive(Default)]
struct Way {
    addresses: Vec<SocketAddr>,
    connected: Option<SocketAddr>,
    tls: Option<String>,
}

/// Observes a separate connection, because the connections of the exporters give no details. The request itself reports
/// why a connection fails.
async fn look(config: &OtlpConfig, deadline: Instant) -> Way {
    let mut way = Way::default();
    // The connection behind a proxy cannot be observed from here.
    if config.proxy.is_some() {
        return way;
    }
    let Some(stream) = connect(config, &mut way, deadline).await else {
        return way;
    };
    let Some(tls) = config.tls.clone() else {
        return way;
    };
    let alpn = alpn(config.protocol);
    let tls = blocking::spawn(move || Tls::new(&tls, alpn));
    if let Ok(Ok(tls)) = tls.await {
        way.tls = handshake(config, &tls, stream, deadline).await.ok();
    }
    way
}

/// Connects as the exporters do.
async fn connect(config: &OtlpConfig, way: &mut Way, deadline: Instant) -> Option<TcpStream> {
    let found = timeout_at(deadline, resolve(host(config), port(config))).await;
    way.addresses = found.ok()?.ok()?;
    let left = deadline.saturating_duration_since(Instant::now());
    let stream = connect_to_any(&way.addresses, left).await.ok()?;
    way.connected = stream.peer_addr().ok();
    Some(stream)
}

fn host(config: &OtlpConfig) -> &str {
    let host = config.endpoint.host().unwrap_or_default();
    host.trim_start_matches('[').trim_end_matches(']')
}

fn port(config: &OtlpConfig) -> u16 {
    let usual = if config.tls.is_some() { 443 } else { 80 };
    config.endpoint.port_u16().unwrap_or(usual)
}

fn alpn(protocol: Protocol) -> &'static [u8] {
    match protocol {
        Protocol::Grpc => HTTP_2,
        Protocol::HttpProtobuf | Protocol::HttpJson => HTTP_1_1,
    }
}

/// Makes the TLS handshake and describes the result. The error is true if the other side speaks TLS at all.
async fn handshake(
    config: &OtlpConfig,
    tls: &Tls,
    stream: TcpStream,
    deadline: Instant,
) -> Result<String, bool> {
    let name = ServerName::try_from(host(config).to_owned()).map_err(|_| false)?;
    let connector = TlsConnector::from(Arc::new(tls.client()));
    let stream = match timeout_at(deadline, connector.connect(name, stream)).await {
        Ok(Ok(stream)) => stream,
        Ok(Err(error)) => {
            let cause = error.get_ref().and_then(|cause| cause.downcast_ref());
            return Err(matches!(
                cause,
                Some(rustls::Error::InvalidCertificate(_) | rustls::Error::AlertReceived(_))
            ));
        }
        Err(_) => return Err(false),
    };
    let version = match stream.get_ref().1.protocol_version() {
        Some(ProtocolVersion::TLSv1_3) => "TLS 1.3",
        Some(ProtocolVersion::TLSv1_2) => "TLS 1.2",
        _ => "TLS",
    };
    let trust = match tls.trust() {
        Some(variable) => format!("the authorities of {variable}"),
        None => "the authorities of this system".to_owned(),
    };
    let client = match (tls.was_asked(), tls.identity()) {
        (true, Some(variable)) => format!("; the client certificate of {variable} was asked for"),
        (true, None) => "; a client certificate was asked for, and there is none".to_owned(),
        (false, _) => String::new(),
    };
    Ok(format!(
        "{version}, certificate accepted by {trust}{client}"
    ))
}

/// Finds out what the port speaks if it does not speak the configured protocol.
async fn second_look(
    signal: Signal,
    config: &OtlpConfig,
    error: &ExportError,
    way: &Way,
    deadline: Instant,
) -> Option<Speaks> {
    if way.connected.is_none() || !matches!(error.kind(), ErrorKind::Broken | ErrorKind::Tls(_)) {
        return None;
    }
    match &config.tls {
        // The checks run concurrently, because each may take all the available time.
        None => match tokio::join!(
            speaks_tls(config, deadline),
            speaks_other(signal, config, deadline)
        ) {
            (true, _) => Some(Speaks::Tls),
            (false, other) => other,
        },
        Some(_) if way.tls.is_some() => speaks_other(signal, config, deadline).await,
        Some(_) => match tokio::join!(
            answers(signal, plain(config), deadline),
            speaks_other(signal, config, deadline)
        ) {
            (true, _) => Some(Speaks::PlainText),
            (false, other) => other,
        },
    }
}

/// Returns the other protocol if the port speaks it.
async fn speaks_other(signal: Signal, config: &OtlpConfig, deadline: Instant) -> Option<Speaks> {
    let other = other(signal, config)?;
    let protocol = other.protocol;
    answers(signal, other, deadline)
        .await
        .then_some(Speaks::Other(protocol))
}

/// Returns true if the port speaks TLS, whatever certificate it presents.
async fn speaks_tls(config: &OtlpConfig, deadline: Instant) -> bool {
    let trust = Trust::Platform;
    let files = TlsFiles {
        trust,
        identity: None,
    };
    let tls = TlsConfig {
        files,
        material: Material::new(Vec::new(), None),
    };
    let alpn = alpn(config.protocol);
    let tls = blocking::spawn(move || Tls::new(&tls, alpn));
    let Ok(Ok(tls)) = tls.await else {
        return false;
    };
    let Some(stream) = connect(config, &mut Way::default(), deadline).await else {
        return false;
    };
    match handshake(config, &tls, stream, deadline).await {
        Ok(_) => true,
        Err(spoke) => spoke,
    }
}

/// Returns true if a receiver answers at all, whatever its answer is.
async fn answers(signal: Signal, config: OtlpConfig, deadline: Instant) -> bool {
    let protocol = config.protocol;
    let build = blocking::spawn(move || Client::new(signal, &config));
    let Ok(Ok(client)) = build.await else {
        return false;
    };
    // The request is sent without the helper's headers: a rejection is an answer too.
    match send(&client, encode(protocol, signal, Bytes::new()), deadline).await {
        Answer::Taken(_) | Answer::Unauthenticated(_) | Answer::NotNow(_) => true,
        Answer::Failed(error) => matches!(error.kind(), ErrorKind::Answered(_)),
    }
}

/// Returns the configuration of the same receiver without TLS. It has no headers, because some are secret.
fn plain(config: &OtlpConfig) -> OtlpConfig {
    let mut parts = config.endpoint.clone().into_parts();
    parts.scheme = Some(http::uri::Scheme::HTTP);
    // The port stays the same, even if it is the default port.
    let host = config.endpoint.host().unwrap_or_default();
    parts.authority = format!("{host}:{}", port(config)).parse().ok();
    OtlpConfig {
        endpoint: http::Uri::from_parts(parts).unwrap_or_default(),
        has_bare_url: false,
        headers: Vec::new(),
        tls: None,
        ..config.clone()
    }
}

/// Returns the configuration of the same receiver with the other protocol; `None` if that protocol is not compiled in.
fn other(signal: Signal, config: &OtlpConfig) -> Option<OtlpConfig> {
    let (protocol, path) = match config.protocol {
        Protocol::Grpc if cfg!(feature = "http") => {
            (Protocol::HttpProtobuf, crate::config::path(signal))
        }
        Protocol::HttpProtobuf | Protocol::HttpJson if cfg!(feature = "grpc") => {
            (Protocol::Grpc, "/")
        }
        _ => return None,
    };
    let mut parts = config.endpoint.clone().into_parts();
    parts.path_and_query = Some(http::uri::PathAndQuery::from_static(path));
    Some(OtlpConfig {
        protocol,
        endpoint: http::Uri::from_parts(parts).ok()?,
        has_bare_url: false,
        ..config.clone()
    })
}
