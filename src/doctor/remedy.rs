//! The description of a probe's findings, and the fixes.

use super::probe::Probe;
use super::trial::{Speaks, Trial};
use crate::config::otlp::{OtlpConfig, Protocol};
use crate::config::variables::{self, PerSignal};
use crate::config::{Config, path};
use crate::export::export_result::ErrorKind::{self, Answered, Tls};
use crate::export::export_result::{ErrorAnswer, ExportError, FailureClass, TlsFailure};

/// Adds the result of a trial to a probe.
pub(super) fn describe(
    probe: &mut Probe,
    config: &Config,
    otlp: &OtlpConfig,
    trial: Result<Trial, String>,
) {
    probe.is_tried = true;
    let (endpoint, path) = (
        variable(probe, config, &variables::ENDPOINT),
        path(probe.signal),
    );
    // Requests are posted to the root, because the endpoint of a signal is used as it is.
    if otlp.protocol != Protocol::Grpc && otlp.endpoint.path() == "/" {
        probe.note = Some(format!(
            "{endpoint} has no path and is used as it is; a receiver that responds with 404 or 405 there gets its requests at {path}"
        ));
    }
    let trial = match trial {
        Ok(trial) => trial,
        Err(why) => {
            probe.problem = Some(why);
            return;
        }
    };
    if let Some(path) = &trial.standard_path {
        probe.note = Some(format!(
            "the receiver takes no requests at the URL of {endpoint}, which has no path, and takes them at {path}: add \
             {path} to {endpoint}"
        ));
    }
    if let Ok(delivery) = &trial.outcome {
        let kind = match otlp.protocol {
            Protocol::Grpc => "gRPC OK",
            Protocol::HttpProtobuf | Protocol::HttpJson => "HTTP success",
        };
        probe.answer = Some(match &delivery.message {
            Some(message) => format!("{kind}, with a warning: {message}"),
            None => kind.to_owned(),
        });
    }
    if let Err(error) = &trial.outcome {
        probe.problem = Some(error.to_string());
        probe.remedy = remedy(probe, config, otlp, error.kind(), &trial);
    }
    probe.addresses = trial.connection.addresses;
    probe.connected = trial.connection.connected;
    probe.tls = trial.connection.tls;
    probe.latency = Some(trial.took);
}

/// Returns the variable that applies: that of the signal if it is set, else the general one.
fn variable<T>(probe: &Probe, config: &Config, group: &'static PerSignal<T>) -> &'static str {
    let specific = group.of(probe.signal).name;
    match is_set(config, specific) {
        true => specific,
        false => group.general.name,
    }
}

fn is_set(config: &Config, name: &str) -> bool {
    let settings = config.explain().settings();
    let set = settings.iter().find(|setting| setting.name() == name);
    set.is_some_and(|setting| !setting.value().trim().is_empty())
}

/// Returns the fix for a failure; `None` where the problem's text names the variable to change.
fn remedy(
    probe: &Probe,
    config: &Config,
    otlp: &OtlpConfig,
    failure: ErrorKind,
    trial: &Trial,
) -> Option<String> {
    let endpoint = variable(probe, config, &variables::ENDPOINT);
    let protocol = variable(probe, config, &variables::PROTOCOL);
    let headers = variable(probe, config, &variables::HEADERS);
    let timeout = variable(probe, config, &variables::TIMEOUT);
    let authorities = variable(probe, config, &variables::CERTIFICATE);
    let certificate = variable(probe, config, &variables::OTLP_CLIENT_CERTIFICATE);
    let key = variable(probe, config, &variables::OTLP_CLIENT_KEY);
    let path = path(probe.signal);

    let unresolved = trial.connection.addresses.is_empty();
    let unconnected = trial.connection.connected.is_none();
    let class = trial.outcome.as_ref().map_err(ExportError::class);
    let is_retryable = matches!(class, Err(FailureClass::Retryable { .. }));
    let has_own_endpoint = is_set(config, variables::ENDPOINT.of(probe.signal).name);
    let no_connection = matches!(
        failure,
        ErrorKind::Connect | ErrorKind::ConnectionRefused | ErrorKind::Timeout
    );
    if let Some(speaks) = trial.speaks {
        return Some(match speaks {
            Speaks::Tls => {
                format!("this port speaks TLS: write https:// instead of http:// in {endpoint}")
            }
            Speaks::PlainText => format!(
                "this port speaks no TLS: write http:// instead of https:// in {endpoint}, if the way there is safe"
            ),
            Speaks::Other(Protocol::Grpc) => format!("this port speaks gRPC: set {protocol}=grpc"),
            Speaks::Other(_) => format!("this port speaks HTTP/1.1: set {protocol}=http/protobuf"),
        });
    }
    if let Some(proxy) = otlp.proxy.as_ref().filter(|_| no_connection) {
        return Some(format!(
            "requests go through the proxy of {}: correct that, or name the host of {endpoint} in NO_PROXY to go there directly",
            proxy.variable
        ));
    }
    Some(match failure {
        Answered(ErrorAnswer::Unauthenticated) if config.headers_helper.is_some() => {
            "the receiver does not accept the headers: check what otelHeadersHelper prints".to_owned()
        }
        Answered(ErrorAnswer::Unauthenticated) if otlp.headers.is_empty() => format!(
            "the receiver wants credentials: set {headers}, for example to authorization=Bearer%20TOKEN, or otelHeadersHelper in the settings"
        ),
        Answered(ErrorAnswer::Unauthenticated) => format!(
            "the receiver does not accept the headers: check those of {headers}"
        ),
        Answered(_) if is_retryable => {
            "the receiver responds, but accepts no request now: try again later, or look at its log".to_owned()
        }
        ErrorKind::Connect | ErrorKind::ConnectionRefused if unresolved => format!(
            "correct the host in {endpoint}, or look at the name service of this machine"
        ),
        ErrorKind::ConnectionRefused => format!(
            "nothing listens there: start the receiver, or correct host and port in {endpoint}"
        ),
        ErrorKind::Connect => format!(
            "look at the network and its firewalls, or correct host and port in {endpoint}"
        ),
        ErrorKind::Timeout if unconnected => format!(
            "the connection was not accepted: look at the network and its firewalls, or correct host and port in {endpoint}"
        ),
        ErrorKind::Timeout => format!(
            "it accepts connections and does not respond: correct host and port in {endpoint} if it is not an OTLP receiver, or raise {timeout} if it is slow"
        ),
        ErrorKind::Held => {
            "nothing is sent without its headers: correct the command of otelHeadersHelper; it prints one JSON object of strings".to_owned()
        }
        ErrorKind::Broken => format!(
            "correct {endpoint} if it is not an OTLP receiver, and {protocol} if it speaks another protocol"
        ),
        ErrorKind::Internal => {
            "raise the limit of threads (RLIMIT_NPROC, pids.max) if the system has no thread to give".to_owned()
        }
        Tls(TlsFailure::UnknownAuthority) => format!(
            "write the certificate of its authority into a PEM file and name that in {authorities}, or in NODE_EXTRA_CA_CERTS to trust the authorities of this system too"
        ),
        Tls(TlsFailure::ClientCertificate) => format!(
            "name a certificate that it accepts, and its key, in {certificate} and {key}, or in CLAUDE_CODE_CLIENT_CERT and CLAUDE_CODE_CLIENT_KEY"
        ),
        Tls(TlsFailure::OtherNames) => format!(
            "write one of those names in {endpoint}, or give the receiver a certificate for its name"
        ),
        Tls(TlsFailure::MarkedAsAuthority) => format!(
            "write that certificate into the file of {authorities}, or of NODE_EXTRA_CA_CERTS to trust the authorities of this system too, or make another without the mark: `openssl req -x509 -addext basicConstraints=CA:FALSE`"
        ),
        Tls(TlsFailure::OldVersion) => {
            "give the receiver a certificate of version 3 for its name: `openssl x509 -req -extfile FILE`, with subjectAltName=DNS:NAME in FILE".to_owned()
        }
        Tls(TlsFailure::Certificate) => "give the receiver another certificate".to_owned(),
        Tls(TlsFailure::NotTls | TlsFailure::Connection) => return None,
        Answered(ErrorAnswer::NotFound) if !has_own_endpoint => format!(
            "no OTLP receiver is at this path: {path} is appended to {endpoint}; correct the path before it"
        ),
        Answered(ErrorAnswer::NotFound) if otlp.has_bare_url => format!(
            "no OTLP receiver is there, nor at {path}: write the whole path into {endpoint}"
        ),
        Answered(ErrorAnswer::NotFound) => format!(
            "no OTLP receiver is at this path: write the whole path into {endpoint}, usually {path}"
        ),
        Answered(ErrorAnswer::Redirect) => format!(
            "write the address to which it redirects into {endpoint}"
        ),
        Answered(ErrorAnswer::Unimplemented) => format!(
            "the receiver does not take this signal: turn it on there, or correct {endpoint}"
        ),
        Answered(ErrorAnswer::Other) => format!(
            "look at the receiver's log, or correct {endpoint} if it is not an OTLP receiver"
        ),
    })
}
