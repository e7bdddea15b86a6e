//! The fixes for the failures of an OTLP exporter.

use super::trial::{Speaks, Trial};
use crate::config::otlp::{OtlpConfig, Protocol};
use crate::config::variables::{
    CERTIFICATE, CLIENT_CERT, CLIENT_KEY, ENDPOINT, EXTRA_CA_CERTS, HEADERS,
    OTLP_CLIENT_CERTIFICATE, OTLP_CLIENT_KEY, PROTOCOL, PerSignal, TIMEOUT,
};
use crate::config::{Config, path};
use crate::export::export_result::ErrorKind::{self, Answered, Tls};
use crate::export::export_result::{ErrorAnswer, ExportError, FailureClass, TlsFailure};
use crate::signal::Signal;

/// The configuration of an exporter, whose variables the fixes name.
pub(super) struct Configured<'a> {
    pub(super) signal: Signal,
    pub(super) config: &'a Config,
    pub(super) otlp: &'a OtlpConfig,
}

impl Configured<'_> {
    /// Returns the name of the variable of a group that applies to the signal. A managed general variable overrides a
    /// signal-specific one of a lower layer.
    pub(super) fn variable<T>(&self, group: &'static PerSignal<T>) -> &'static str {
        self.config.effective_variable(group, self.signal).name
    }

    /// Returns the name of the variable of the timeout. The signal-specific variable applies if it is set, also below a
    /// managed general one.
    fn timeout_variable(&self) -> &'static str {
        let specific = TIMEOUT.of(self.signal);
        match self.config.is_set(specific) {
            true => specific.name,
            false => TIMEOUT.general.name,
        }
    }

    /// Returns true if managed settings set the variable of a group that applies.
    fn is_managed<T>(&self, group: &'static PerSignal<T>) -> bool {
        let variable = self.config.effective_variable(group, self.signal);
        self.config.is_managed(variable)
    }

    /// Returns the variables that can name the authorities to trust, with `preposition` before each.
    fn authorities(&self, preposition: &str) -> String {
        let extra = EXTRA_CA_CERTS.name;
        if self.config.is_managed(&EXTRA_CA_CERTS) && !self.is_managed(&CERTIFICATE) {
            return format!("{preposition} {extra}");
        }
        let certificate = self.variable(&CERTIFICATE);
        format!(
            "{preposition} {certificate}, or {preposition} {extra} to trust the authorities of \
             this system too"
        )
    }

    /// Returns the variables that can name a client certificate and its key.
    fn identities(&self) -> String {
        let claude_code = format!("in {} and {}", CLIENT_CERT.name, CLIENT_KEY.name);
        let is_managed =
            self.config.is_managed(&CLIENT_CERT) || self.config.is_managed(&CLIENT_KEY);
        let has_managed_otlp =
            self.is_managed(&OTLP_CLIENT_CERTIFICATE) || self.is_managed(&OTLP_CLIENT_KEY);
        if is_managed && !has_managed_otlp {
            return claude_code;
        }
        let certificate = self.variable(&OTLP_CLIENT_CERTIFICATE);
        let key = self.variable(&OTLP_CLIENT_KEY);
        format!("in {certificate} and {key}, or {claude_code}")
    }

    /// Returns the fix for a failure; `None` where the problem's text names the variable to change.
    pub(super) fn remedy(&self, failure: ErrorKind, trial: &Trial) -> Option<String> {
        if let Some(speaks) = trial.speaks {
            return Some(self.protocol_remedy(speaks));
        }
        match failure {
            Answered(answer) => Some(self.answer_remedy(answer, trial)),
            Tls(failure) => self.tls_remedy(failure),
            _ => Some(self.connection_remedy(failure, trial)),
        }
    }

    /// Returns the fix for a port that speaks another protocol than the configured one.
    fn protocol_remedy(&self, speaks: Speaks) -> String {
        let endpoint = self.variable(&ENDPOINT);
        let protocol = self.variable(&PROTOCOL);
        match speaks {
            Speaks::Tls => {
                format!("this port speaks TLS: write https:// instead of http:// in {endpoint}")
            }
            Speaks::PlainText => format!(
                "this port speaks no TLS: write http:// instead of https:// in {endpoint}, \
                 if the way there is safe"
            ),
            Speaks::Other(Protocol::Grpc) => format!("this port speaks gRPC: set {protocol}=grpc"),
            Speaks::Other(_) => format!("this port speaks HTTP/1.1: set {protocol}=http/protobuf"),
        }
    }

    /// Returns the fix for a request that got no answer.
    fn connection_remedy(&self, failure: ErrorKind, trial: &Trial) -> String {
        let endpoint = self.variable(&ENDPOINT);
        let is_unresolved = trial.connection.addresses.is_empty();
        let is_unconnected = trial.connection.connected.is_none();
        let no_connection = matches!(
            failure,
            ErrorKind::Connect | ErrorKind::ConnectionRefused | ErrorKind::Timeout
        );
        if let Some(proxy) = self.otlp.proxy.as_ref().filter(|_| no_connection) {
            return format!(
                "requests go through the proxy of {}: correct that, or name the host of \
                 {endpoint} in NO_PROXY to go there directly",
                proxy.variable
            );
        }
        match failure {
            ErrorKind::Connect | ErrorKind::ConnectionRefused if is_unresolved => {
                format!(
                    "correct the host in {endpoint}, or look at the name service of this machine"
                )
            }
            ErrorKind::ConnectionRefused => format!(
                "nothing listens there: start the receiver, or correct host and port in {endpoint}"
            ),
            ErrorKind::Timeout if is_unconnected => format!(
                "the connection was not accepted: look at the network and its firewalls, or \
                 correct host and port in {endpoint}"
            ),
            ErrorKind::Timeout => format!(
                "it accepts connections and does not respond: correct host and port in \
                 {endpoint} if it is not an OTLP receiver, or raise {} if it is slow",
                self.timeout_variable()
            ),
            ErrorKind::NoHeaders => "nothing is sent without its headers: correct the command of \
                                     otelHeadersHelper; it prints one JSON object of strings"
                .to_owned(),
            ErrorKind::Broken => format!(
                "correct {endpoint} if it is not an OTLP receiver, and {} if it speaks \
                 another protocol",
                self.variable(&PROTOCOL)
            ),
            ErrorKind::Internal => {
                "raise the limit of threads (RLIMIT_NPROC, pids.max) if the system has no \
                 thread to give"
                    .to_owned()
            }
            ErrorKind::Connect | Answered(_) | Tls(_) => format!(
                "look at the network and its firewalls, or correct host and port in {endpoint}"
            ),
        }
    }

    /// Returns the fix for a TLS problem.
    fn tls_remedy(&self, failure: TlsFailure) -> Option<String> {
        let endpoint = self.variable(&ENDPOINT);
        Some(match failure {
            TlsFailure::UnknownAuthority => format!(
                "write the certificate of its authority into a PEM file and name that {}",
                self.authorities("in")
            ),
            TlsFailure::ClientCertificate => format!(
                "name a certificate that it accepts, and its key, {}",
                self.identities()
            ),
            TlsFailure::OtherNames => format!(
                "write one of those names in {endpoint}, or give the receiver a certificate \
                 for its name"
            ),
            TlsFailure::MarkedAsAuthority => format!(
                "write that certificate into the file {}, or make another without the mark: \
                 `openssl req -x509 -addext basicConstraints=CA:FALSE`",
                self.authorities("of")
            ),
            TlsFailure::OldVersion => {
                "give the receiver a certificate of version 3 for its name: `openssl x509 \
                 -req -extfile FILE`, with subjectAltName=DNS:NAME in FILE"
                    .to_owned()
            }
            TlsFailure::Certificate => "give the receiver another certificate".to_owned(),
            TlsFailure::NotTls | TlsFailure::Connection => return None,
        })
    }

    /// Returns the fix for a request that the receiver answered with an error.
    fn answer_remedy(&self, answer: ErrorAnswer, trial: &Trial) -> String {
        let endpoint = self.variable(&ENDPOINT);
        let headers = self.variable(&HEADERS);
        let path = path(self.signal);
        let has_own_endpoint = endpoint != ENDPOINT.general.name;
        let class = trial.outcome.as_ref().map_err(ExportError::class);
        let is_retryable = matches!(class, Err(FailureClass::Retryable { .. }));
        match answer {
            ErrorAnswer::Unauthenticated if self.config.headers_helper.is_some() => {
                "the receiver does not accept the headers: check what otelHeadersHelper prints"
                    .to_owned()
            }
            ErrorAnswer::Unauthenticated if self.otlp.headers.is_empty() => format!(
                "the receiver wants credentials: set {headers}, for example to \
                 authorization=Bearer%20TOKEN, or otelHeadersHelper in the settings"
            ),
            ErrorAnswer::Unauthenticated => {
                format!("the receiver does not accept the headers: check those of {headers}")
            }
            _ if is_retryable => {
                "the receiver responds, but accepts no request now: try again later, or look \
                 at its log"
                    .to_owned()
            }
            ErrorAnswer::NotFound if !has_own_endpoint => format!(
                "no OTLP receiver is at this path: {path} is appended to {endpoint}; correct \
                 the path before it"
            ),
            ErrorAnswer::NotFound if self.otlp.has_bare_url => format!(
                "no OTLP receiver is there, nor at {path}: write the whole path into {endpoint}"
            ),
            ErrorAnswer::NotFound => format!(
                "no OTLP receiver is at this path: write the whole path into {endpoint}, \
                 usually {path}"
            ),
            ErrorAnswer::Redirect => {
                format!("write the address to which it redirects into {endpoint}")
            }
            ErrorAnswer::Unimplemented => format!(
                "the receiver does not take this signal: turn it on there, or correct {endpoint}"
            ),
            ErrorAnswer::Other => {
                format!(
                    "look at the receiver's log, or correct {endpoint} if it is not an OTLP \
                     receiver"
                )
            }
        }
    }
}

#[cfg(all(test, feature = "http"))]
mod tests {
    use super::*;
    use crate::config::SettingsFiles;

    /// Calls `check` with the configuration of events for these managed variables and those of the environment. Names
    /// that begin with `OTLP_` are without `OTEL_EXPORTER_`.
    fn check_events(managed: &[&str], environment: &[&str], check: impl Fn(&Configured<'_>)) {
        let set = |list: &[&str]| {
            let set = list.iter().map(|name| {
                let value = match name.rsplit_once('_') {
                    Some((_, "ENDPOINT")) => "http://localhost:1",
                    Some((_, "PROTOCOL")) => "http/json",
                    Some((_, "HEADERS")) => "a=1",
                    Some((_, "TIMEOUT")) => "1000",
                    _ => "/nowhere",
                };
                (name.replace("OTLP_", "OTEL_EXPORTER_OTLP_"), value)
            });
            set.collect::<Vec<_>>()
        };
        let on = [
            ("CLAUDE_CODE_ENABLE_TELEMETRY".to_owned(), "1"),
            ("OTEL_LOGS_EXPORTER".to_owned(), "otlp"),
        ];
        let folder = tempfile::tempdir().unwrap();
        let settings = set(managed).into_iter();
        let settings = settings.map(|(name, value)| format!(r#""{name}": "{value}""#));
        let settings = settings.collect::<Vec<_>>().join(", ");
        let file = folder.path().join("managed-settings.json");
        std::fs::write(file, format!(r#"{{"env": {{{settings}}}}}"#)).unwrap();
        let files = SettingsFiles::none().managed_folder(folder.path());
        let config = Config::builder()
            .environment(set(environment).into_iter().chain(on))
            .settings_files(files)
            .build();
        check(&Configured {
            signal: Signal::Logs,
            config: &config,
            otlp: config.events.otlp.as_ref().unwrap(),
        });
    }

    #[test]
    fn variables_of_fixes_are_those_that_apply() {
        /// The variable of a fix, and its group.
        type Group = (fn(&Configured<'_>) -> &'static str, &'static str);
        let groups: [Group; 6] = [
            (|events| events.variable(&ENDPOINT), "ENDPOINT"),
            (|events| events.variable(&PROTOCOL), "PROTOCOL"),
            (|events| events.variable(&HEADERS), "HEADERS"),
            (|events| events.variable(&CERTIFICATE), "CERTIFICATE"),
            (
                |events| events.variable(&OTLP_CLIENT_CERTIFICATE),
                "CLIENT_CERTIFICATE",
            ),
            (|events| events.variable(&OTLP_CLIENT_KEY), "CLIENT_KEY"),
        ];
        for (variable, group) in groups {
            let (general, specific) = (format!("OTLP_{group}"), format!("OTLP_LOGS_{group}"));
            let (general, specific) = (general.as_str(), specific.as_str());
            // Managed credentials require a managed endpoint.
            let endpoint = "OTLP_ENDPOINT";
            for (managed, environment, expected) in [
                (vec![], vec![], general),
                (vec![], vec![general], general),
                (vec![], vec![general, specific], specific),
                (vec![endpoint, general], vec![specific], general),
                (vec![endpoint, specific], vec![general], specific),
                (vec![endpoint, specific, general], vec![], specific),
            ] {
                let expected = expected.replace("OTLP_", "OTEL_EXPORTER_OTLP_");
                check_events(&managed, &environment, |events| {
                    assert_eq!(variable(events), expected, "{managed:?} {environment:?}");
                });
            }
        }
        check_events(&["OTLP_TIMEOUT"], &["OTLP_LOGS_TIMEOUT"], |events| {
            let specific = "OTEL_EXPORTER_OTLP_LOGS_TIMEOUT";
            assert_eq!(events.timeout_variable(), specific);
        });
    }

    #[test]
    fn fixes_name_no_variable_that_a_managed_certificate_removes() {
        let extra = "NODE_EXTRA_CA_CERTS";
        let specific =
            "OTEL_EXPORTER_OTLP_LOGS_CERTIFICATE, or in NODE_EXTRA_CA_CERTS to trust the";
        let general = "OTEL_EXPORTER_OTLP_CERTIFICATE, or in NODE_EXTRA_CA_CERTS to trust the";
        for (managed, environment, expected) in [
            (vec![], vec![extra], general),
            (vec![], vec!["OTLP_LOGS_CERTIFICATE"], specific),
            (vec![extra], vec!["OTLP_LOGS_CERTIFICATE"], extra),
            (vec![extra], vec![], extra),
            (vec![extra, "OTLP_CERTIFICATE"], vec![], general),
        ] {
            check_events(&managed, &environment, |events| {
                let is_only = expected == extra;
                let fix = events.tls_remedy(TlsFailure::UnknownAuthority).unwrap();
                assert!(fix.contains(&format!("name that in {expected}")), "{fix}");
                assert_eq!(fix.ends_with(extra), is_only, "{fix}");
                let fix = events.tls_remedy(TlsFailure::MarkedAsAuthority).unwrap();
                let expected = expected.replace(" in ", " of ");
                assert!(fix.contains(&format!("the file of {expected}")), "{fix}");
                let alone = format!("{extra}, or make another");
                assert_eq!(fix.contains(&alone), is_only, "{fix}");
            });
        }
        // Managed credentials require a managed endpoint.
        let endpoint = "OTLP_ENDPOINT";
        let claude_code = "in CLAUDE_CODE_CLIENT_CERT and CLAUDE_CODE_CLIENT_KEY";
        let otlp = "in OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE and OTEL_EXPORTER_OTLP_CLIENT_KEY, or";
        for (managed, expected) in [
            (vec![], otlp),
            (vec![endpoint, "CLAUDE_CODE_CLIENT_KEY"], claude_code),
            (
                vec![
                    endpoint,
                    "CLAUDE_CODE_CLIENT_KEY",
                    "OTLP_CLIENT_CERTIFICATE",
                ],
                otlp,
            ),
        ] {
            check_events(&managed, &[], |events| {
                let fix = events.tls_remedy(TlsFailure::ClientCertificate).unwrap();
                let expected = format!("and its key, {expected}");
                assert!(fix.contains(&expected), "{fix}");
                assert!(fix.ends_with(claude_code), "{fix}");
            });
        }
    }
}
