//! The description of a probe's findings, and the fixes.

use super::probe::Probe;
use super::trial::{Speaks, Trial};
use crate::config::otlp::{OtlpConfig, Protocol};
use crate::config::variables::{self, PerSignal};
use crate::config::{Config, path};
use crate::export::export_result::{ErrorAnswer, ErrorKind, ExportError, FailureClass, TlsFailure};
use crate::signal::Signal;

/// Returns the probe with the description of its result.
pub(super) fn describe(
    probe: Probe,
    config: &Config,
    otlp: &OtlpConfig,
    trial: Result<Trial, String>,
) -> Probe {
    let about = About {
        signal: probe.signal,
        config,
        otlp,
    };
    let note = about.path_note();
    let trial = match trial {
        Ok(trial) => trial,
        Err(why) => {
            return Probe {
                problem: Some(why),
                note,
                ..probe
            };
        }
    };
    let note = match &trial.standard_path {
        Some(path) => Some(format!(
            "the receiver takes no requests at the URL of {endpoint}, which has no path, and takes them at {path}: add \
             {path} to {endpoint}",
            endpoint = about.endpoint(),
        )),
        None => note,
    };
    let kind = match otlp.protocol {
        Protocol::Grpc => "gRPC OK",
        Protocol::HttpProtobuf | Protocol::HttpJson => "HTTP success",
    };
    let answer = trial.outcome.as_ref().ok();
    let answer = answer.map(|delivery| match &delivery.message {
        Some(said) => format!("{kind}, with a warning: {said}"),
        None => kind.to_owned(),
    });
    let error = trial.outcome.as_ref().err();
    Probe {
        answer,
        problem: error.map(ToString::to_string),
        remedy: error.and_then(|error| about.remedy(error.kind(), &trial)),
        addresses: trial.connection.addresses,
        connected: trial.connection.connected,
        tls: trial.connection.tls,
        latency: Some(trial.took),
        note,
        ..probe
    }
}

/// The exporter under test.
struct About<'a> {
    signal: Signal,
    config: &'a Config,
    otlp: &'a OtlpConfig,
}

impl About<'_> {
    /// Returns the variable that applies: that of the signal if it is set, else the general one.
    fn variable<T>(&self, group: &'static PerSignal<T>) -> &'static str {
        let specific = group.of(self.signal).name;
        match self.is_set(specific) {
            true => specific,
            false => group.general.name,
        }
    }

    fn is_set(&self, name: &str) -> bool {
        let settings = self.config.explain().settings();
        let set = settings.iter().find(|setting| setting.name() == name);
        set.is_some_and(|setting| !setting.value().trim().is_empty())
    }

    fn endpoint(&self) -> &'static str {
        self.variable(&variables::ENDPOINT)
    }

    /// Returns a note for an endpoint without a path: requests are posted to the root, because the endpoint of a signal
    /// is used as it is.
    fn path_note(&self) -> Option<String> {
        let endpoint = self.endpoint();
        let is_bare = self.otlp.protocol != Protocol::Grpc && self.otlp.endpoint.path() == "/";
        is_bare.then(|| {
            format!(
                "{endpoint} has no path and is used as it is; a receiver that answers 404 or 405 there gets its requests at {}",
                path(self.signal)
            )
        })
    }

    fn credentials(&self) -> String {
        let headers = self.variable(&variables::HEADERS);
        match (&self.config.headers_helper, self.otlp.headers.is_empty()) {
            (Some(_), _) => {
                "the receiver does not accept the headers: check what otelHeadersHelper prints"
                    .to_owned()
            }
            (None, false) => {
                format!("the receiver does not accept the headers: check those of {headers}")
            }
            (None, true) => format!(
                "the receiver wants credentials: set {headers}, for example to authorization=Bearer%20TOKEN, or otelHeadersHelper in the settings"
            ),
        }
    }

    /// Returns the fix for a failure; `None` where the problem's text names the variable to change.
    fn remedy(&self, failure: ErrorKind, trial: &Trial) -> Option<String> {
        let endpoint = self.endpoint();
        if let Some(speaks) = trial.speaks {
            return Some(self.what_it_speaks(speaks));
        }
        let connection = &trial.connection;
        let no_connection = matches!(
            failure,
            ErrorKind::Connect | ErrorKind::ConnectionRefused | ErrorKind::Timeout
        );
        if let Some(proxy) = self.otlp.proxy.as_ref().filter(|_| no_connection) {
            return Some(format!(
                "requests go through the proxy of {}: correct that, or name the host of {endpoint} in NO_PROXY to go there directly",
                proxy.variable
            ));
        }
        let class = trial.outcome.as_ref().map_err(ExportError::class);
        let is_retryable = matches!(class, Err(FailureClass::Retryable { .. }));
        Some(match failure {
            ErrorKind::Answered(ErrorAnswer::Unauthenticated) => self.credentials(),
            ErrorKind::Answered(_) if is_retryable => {
                "the receiver answers, but takes nothing now: try again later, or look at its log"
                    .to_owned()
            }
            ErrorKind::Connect | ErrorKind::ConnectionRefused if connection.addresses.is_empty() => {
                format!("correct the host in {endpoint}, or look at the name service of this machine")
            }
            ErrorKind::ConnectionRefused => {
                format!("nothing listens there: start the receiver, or correct host and port in {endpoint}")
            }
            ErrorKind::Connect => {
                format!("look at the network and its firewalls, or correct host and port in {endpoint}")
            }
            ErrorKind::Timeout if connection.connected.is_none() => format!(
                "nobody takes the connection: look at the network and its firewalls, or correct host and port in {endpoint}"
            ),
            ErrorKind::Timeout => format!(
                "it takes connections and does not answer: correct host and port in {endpoint} if it is no OTLP receiver, or raise {} if it is slow",
                self.variable(&variables::TIMEOUT)
            ),
            ErrorKind::Tls(failure) => return self.certificates(failure),
            ErrorKind::Held => "nothing is sent without its headers: correct the command of otelHeadersHelper; it prints one JSON object of texts".to_owned(),
            ErrorKind::Broken => format!(
                "correct {endpoint} if it is no OTLP receiver, and {} if it speaks another protocol",
                self.variable(&variables::PROTOCOL)
            ),
            ErrorKind::Answered(answer) => self.refused(answer),
            ErrorKind::Internal => {
                "raise the limit of threads (RLIMIT_NPROC, pids.max) if the system has no thread to give".to_owned()
            }
        })
    }

    fn what_it_speaks(&self, speaks: Speaks) -> String {
        let endpoint = self.endpoint();
        let protocol = self.variable(&variables::PROTOCOL);
        match speaks {
            Speaks::Tls => {
                format!("this port speaks TLS: write https:// instead of http:// in {endpoint}")
            }
            Speaks::PlainText => format!(
                "this port speaks no TLS: write http:// instead of https:// in {endpoint}, if the way there is safe"
            ),
            Speaks::Other(Protocol::Grpc) => format!("this port speaks gRPC: set {protocol}=grpc"),
            Speaks::Other(_) => format!("this port speaks HTTP/1.1: set {protocol}=http/protobuf"),
        }
    }

    /// Returns the fix for a TLS problem.
    fn certificates(&self, failure: TlsFailure) -> Option<String> {
        let endpoint = self.endpoint();
        let authorities = self.variable(&variables::CERTIFICATE);
        let certificate = self.variable(&variables::OTLP_CLIENT_CERTIFICATE);
        let key = self.variable(&variables::OTLP_CLIENT_KEY);
        Some(match failure {
            TlsFailure::UnknownAuthority => format!(
                "write the certificate of its authority into a PEM file and name that in {authorities}, or in NODE_EXTRA_CA_CERTS to trust the authorities of this system too"
            ),
            TlsFailure::ClientCertificate => format!(
                "name a certificate that it accepts, and its key, in {certificate} and {key}, or in CLAUDE_CODE_CLIENT_CERT and CLAUDE_CODE_CLIENT_KEY"
            ),
            TlsFailure::OtherNames => format!(
                "write one of those names in {endpoint}, or give the receiver a certificate for its name"
            ),
            TlsFailure::MarkedAsAuthority => format!(
                "write that certificate into the file of {authorities}, or of NODE_EXTRA_CA_CERTS to trust the authorities of this system too, or make another without the mark: `openssl req -x509 -addext basicConstraints=CA:FALSE`"
            ),
            TlsFailure::OldVersion => {
                "give the receiver a certificate of version 3 for its name: `openssl x509 -req -extfile FILE`, with subjectAltName=DNS:NAME in FILE"
                    .to_owned()
            }
            TlsFailure::Certificate => "give the receiver another certificate".to_owned(),
            TlsFailure::NotTls | TlsFailure::Connection => return None,
        })
    }

    /// Returns the fix for a request that the receiver understood and rejected.
    fn refused(&self, answer: ErrorAnswer) -> String {
        let endpoint = self.endpoint();
        let path = path(self.signal);
        match answer {
            ErrorAnswer::NotFound => match self.is_set(variables::ENDPOINT.of(self.signal).name) {
                true if self.otlp.has_bare_url => format!(
                    "nobody takes OTLP there, nor at {path}: the whole path belongs into {endpoint}"
                ),
                true => format!(
                    "nobody takes OTLP at this path: the whole path belongs into {endpoint}, usually {path}"
                ),
                false => format!(
                    "nobody takes OTLP at this path: {path} is appended to {endpoint}; correct what stands before it"
                ),
            },
            ErrorAnswer::Redirect => {
                format!("write the address to which it redirects into {endpoint}")
            }
            ErrorAnswer::Unimplemented => format!(
                "the receiver does not take this signal: turn it on there, or correct {endpoint}"
            ),
            ErrorAnswer::Unauthenticated | ErrorAnswer::Other => format!(
                "look at the receiver's log, or correct {endpoint} if it is no OTLP receiver"
            ),
        }
    }
}
