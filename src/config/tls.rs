//! The certificates and keys that an OTLP exporter uses.
#![cfg_attr(
    not(any(feature = "grpc", feature = "http")),
    allow(dead_code, reason = "no exporter uses TLS")
)]

use std::fmt;
use std::path::PathBuf;

use super::pem::Material;
use super::resolve::Resolver;
use super::source::Layer;
use super::values::SetVariable;
use super::variables::{self, PEM_BEGIN};
use super::warnings::{Problem, Warning};

/// The TLS configuration of one exporter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TlsConfig {
    pub(crate) files: TlsFiles,
    /// The content of the files when the configuration was resolved.
    pub(crate) material: Material,
}

/// The paths of certificates and keys. The files are read again when a connection fails, because they may have been
/// renewed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TlsFiles {
    pub(crate) trust: Trust,
    pub(crate) identity: Option<IdentityFiles>,
}

/// The authorities that may sign the certificate of a receiver.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Trust {
    /// The authorities that the platform trusts.
    Platform,
    /// The authorities of the platform and of this file, as in Node.js.
    PlatformAnd(PemFile),
    /// Only the authorities of this file, as in OpenTelemetry.
    Only(PemFile),
}

/// The client certificate and its key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct IdentityFiles {
    pub(crate) certificate: PemFile,
    pub(crate) key: PemFile,
}

/// A file that a variable names.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct PemFile {
    pub(crate) variable: &'static str,
    pub(crate) path: PathBuf,
}

/// A problem with a file. No message shows a part of its content.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum TlsProblem {
    #[error("the file cannot be read ({0}); correct the path or the permissions")]
    Unreadable(String),
    #[error("it names no regular file of at most 4 MiB; write the path of a PEM file")]
    NoFile,
    #[error("it holds PEM itself; write the path of a file that holds it")]
    Pasted,
    #[error(
        "the file is not in PEM format, because no line begins with {PEM_BEGIN}; write the path of a PEM file with {PEM_BEGIN} {label}-----"
    )]
    NotPem { label: &'static str },
    #[error(
        "the file is in DER format, and PEM is needed; convert it with `openssl {command} -inform DER -in FILE -out COPY` and write the path of the copy"
    )]
    Der { command: &'static str },
    #[error(
        "the file is a PKCS#12 store, and PEM is needed; convert it with `openssl pkcs12 -nodes -in FILE -out COPY` and write the path of the copy"
    )]
    Pkcs12,
    #[error(
        "the file holds {holds}, and no {wanted}; write the path of a PEM file with {PEM_BEGIN} {label}-----"
    )]
    OtherContent {
        /// The name of the first section.
        holds: &'static str,
        wanted: &'static str,
        label: &'static str,
    },
    #[error(
        "the {wanted} in the file cannot be read, because it is cut off or damaged; write the file again"
    )]
    Damaged { wanted: &'static str },
    #[error(
        "the key is encrypted, and there is nobody to ask for its password; write a decrypted copy with `openssl pkey -in KEY -out COPY` and name that"
    )]
    EncryptedKey,
    #[error("the key is of an unsupported kind; use RSA, ECDSA with P-256 or P-384, or Ed25519")]
    UnsupportedKey,
    #[error("the key does not belong to the certificate of {certificate}; set the two together")]
    Mismatch { certificate: &'static str },
    #[error("a certificate without its key; set {key} too")]
    CertificateAlone { key: &'static str },
    #[error("a key without its certificate; set {certificate} too")]
    KeyAlone { certificate: &'static str },
}

/// A problem with the file of a variable.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{file:?}: {problem}")]
pub(crate) struct FileError {
    pub(crate) file: PemFile,
    pub(crate) problem: TlsProblem,
}

impl PemFile {
    pub(super) fn error(&self, problem: TlsProblem) -> FileError {
        FileError {
            file: self.clone(),
            problem,
        }
    }
}

/// Hides a path that contains PEM: it may be a key pasted instead of its path.
impl fmt::Debug for PemFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.path.to_string_lossy();
        let shown = if path.contains(PEM_BEGIN) {
            variables::HIDDEN.into()
        } else {
            path
        };
        write!(f, "{}={shown:?}", self.variable)
    }
}

/// Resolves the TLS configuration of one signal's exporter. An error is the reason why the exporter stays off.
pub(super) fn resolve(resolver: &mut Resolver<'_>) -> Result<TlsConfig, Box<Warning>> {
    let trust = trust(resolver);
    let identity = identity(resolver)?;
    let files = TlsFiles { trust, identity };
    let values = resolver.values;
    let warning = |error: &FileError, problem| {
        let set = variables::find(error.file.variable).and_then(|known| values.set(known));
        match set {
            Some(set) => set.warning(problem),
            None => Warning::overall(problem),
        }
    };
    let material = files
        .read(&mut |error| {
            resolver.report.warn(warning(
                &error,
                Problem::ExtraAuthorities(error.problem.clone()),
            ));
        })
        .map_err(|error| Box::new(warning(&error, Problem::Tls(error.problem.clone()))))?;
    Ok(TlsConfig { files, material })
}

/// Resolves the trusted authorities. The variables of OpenTelemetry take precedence over that of Node.js.
fn trust(resolver: &mut Resolver<'_>) -> Trust {
    let [specific, general] = resolver.pair(&variables::CERTIFICATE);
    let extra = resolver.values.set(&variables::EXTRA_CA_CERTS);
    match (specific.or(general), extra) {
        (Some(set), _) => Trust::Only(file(set)),
        (None, Some(set)) => Trust::PlatformAnd(file(set)),
        (None, None) => Trust::Platform,
    }
}

/// Warns about certificates for an endpoint without TLS, which are probably a mistake. Variables that other programs
/// use too cause no warning.
pub(super) fn warn_of_no_effect(resolver: &mut Resolver<'_>) {
    for group in [
        &variables::CERTIFICATE,
        &variables::OTLP_CLIENT_CERTIFICATE,
        &variables::OTLP_CLIENT_KEY,
    ] {
        for variable in [group.of(resolver.signal), &group.general] {
            if let Some(set) = resolver.values.set(variable) {
                resolver
                    .report
                    .warn(set.warning(Problem::CertificateWithoutTls));
            }
        }
    }
}

/// Resolves the client certificate and its key. Each may be set for the signal or for all signals, so that one key can
/// have several certificates; whether they match is checked when they are read. The variables of Claude Code count as a
/// pair, and only if those of OpenTelemetry are unset, or if only those of Claude Code are managed.
fn identity(resolver: &mut Resolver<'_>) -> Result<Option<IdentityFiles>, Box<Warning>> {
    let certificates = &variables::OTLP_CLIENT_CERTIFICATE;
    let keys = &variables::OTLP_CLIENT_KEY;
    let own = [certificates, keys].map(|group| {
        let [specific, general] = resolver.pair(group);
        specific.or(general)
    });
    let (values, signal) = (resolver.values, resolver.signal);
    let other = [&variables::CLIENT_CERT, &variables::CLIENT_KEY].map(|name| values.set(name));
    let chosen = if is_managed(&other) && !is_managed(&own) {
        for set in own.into_iter().flatten() {
            let general = variables::CLIENT_CERT.name;
            let problem = Problem::ManagedGeneral { general };
            resolver.report.warn(set.warning(problem));
        }
        other
    } else if own.iter().all(Option::is_none) {
        other
    } else {
        own
    };
    match chosen {
        [None, None] => Ok(None),
        [Some(certificate), Some(key)] => Ok(Some(IdentityFiles {
            certificate: file(certificate),
            key: file(key),
        })),
        [Some(alone), None] | [None, Some(alone)] => {
            let partners = [
                [certificates.of(signal).name, keys.of(signal).name],
                [certificates.general.name, keys.general.name],
                [variables::CLIENT_CERT.name, variables::CLIENT_KEY.name],
            ];
            let mut partners = partners.into_iter();
            let found = partners.find(|names| names.contains(&alone.variable.name));
            let [certificate, key] = found.unwrap_or_default();
            let problem = match key == alone.variable.name {
                true => TlsProblem::KeyAlone { certificate },
                false => TlsProblem::CertificateAlone { key },
            };
            Err(Box::new(alone.warning(Problem::Tls(problem))))
        }
    }
}

fn is_managed(sets: &[Option<&SetVariable>]) -> bool {
    sets.iter()
        .flatten()
        .any(|set| set.layer() == Layer::Managed)
}

fn file(set: &SetVariable) -> PemFile {
    PemFile {
        variable: set.variable.name,
        path: set.winner.value.trim().into(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::source::{Assignment, Provenance};
    use super::super::values::Values;
    use super::super::warnings::Report;
    use super::*;
    use crate::signal::Signal;

    /// Returns the variables that apply to events, and the problems. The prefix `M:` puts a variable into managed
    /// settings.
    fn chosen(set: &[&str]) -> (String, Vec<Problem>) {
        let mut report = Report::default();
        let assignments = set.iter().map(|name| {
            let (layer, name) = match name.strip_prefix("M:") {
                Some(name) => (Layer::Managed, name),
                None => (Layer::Environment, *name),
            };
            let name = name.replace("OTLP_", "OTEL_EXPORTER_OTLP_");
            Assignment {
                origin: Provenance::new(layer),
                value: format!("/{name}"),
                name,
            }
        });
        let values = Values::new(assignments.collect(), &mut report);
        let mut resolver = Resolver::of(Signal::Logs, &values, &mut report);
        let trust = match trust(&mut resolver) {
            Trust::Platform => "platform".to_owned(),
            Trust::PlatformAnd(file) => format!("platform+{}", file.variable),
            Trust::Only(file) => file.variable.to_owned(),
        };
        let identity = match identity(&mut resolver) {
            Ok(None) => String::new(),
            Ok(Some(pair)) => format!(" {}+{}", pair.certificate.variable, pair.key.variable),
            Err(why) => {
                report.warn(*why);
                " off".to_owned()
            }
        };
        let problems = report.warnings.iter().map(|w| w.problem().clone());
        let shown = format!("{trust}{identity}").replace("OTEL_EXPORTER_OTLP_", "OTLP_");
        (shown, problems.collect())
    }

    #[test]
    fn signal_specific_and_managed_variables_are_chosen() {
        let managed = |general| Problem::ManagedGeneral { general };
        let certificate = "OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE";
        let no = Vec::new;
        let table: Vec<(&[&str], &str, Vec<Problem>)> = vec![
            (&[], "platform", no()),
            (&["OTLP_METRICS_CERTIFICATE"], "platform", no()),
            (
                &["NODE_EXTRA_CA_CERTS"],
                "platform+NODE_EXTRA_CA_CERTS",
                no(),
            ),
            (
                &["NODE_EXTRA_CA_CERTS", "OTLP_CERTIFICATE"],
                "OTLP_CERTIFICATE",
                no(),
            ),
            (
                &["OTLP_LOGS_CERTIFICATE", "OTLP_CERTIFICATE"],
                "OTLP_LOGS_CERTIFICATE",
                no(),
            ),
            (
                &["OTLP_LOGS_CERTIFICATE", "M:OTLP_CERTIFICATE"],
                "OTLP_CERTIFICATE",
                vec![managed("OTEL_EXPORTER_OTLP_CERTIFICATE")],
            ),
            (
                &["OTLP_CLIENT_CERTIFICATE", "OTLP_CLIENT_KEY"],
                "platform OTLP_CLIENT_CERTIFICATE+OTLP_CLIENT_KEY",
                no(),
            ),
            (
                &[
                    "OTLP_LOGS_CLIENT_CERTIFICATE",
                    "OTLP_CLIENT_CERTIFICATE",
                    "OTLP_CLIENT_KEY",
                ],
                "platform OTLP_LOGS_CLIENT_CERTIFICATE+OTLP_CLIENT_KEY",
                no(),
            ),
            (
                &["CLAUDE_CODE_CLIENT_CERT", "CLAUDE_CODE_CLIENT_KEY"],
                "platform CLAUDE_CODE_CLIENT_CERT+CLAUDE_CODE_CLIENT_KEY",
                no(),
            ),
            (
                &[
                    "CLAUDE_CODE_CLIENT_CERT",
                    "CLAUDE_CODE_CLIENT_KEY",
                    "OTLP_CLIENT_CERTIFICATE",
                    "OTLP_LOGS_CLIENT_KEY",
                ],
                "platform OTLP_CLIENT_CERTIFICATE+OTLP_LOGS_CLIENT_KEY",
                no(),
            ),
            // Certificate and key of different kinds of variables do not form a pair.
            (
                &["CLAUDE_CODE_CLIENT_CERT", "OTLP_CLIENT_KEY"],
                "platform off",
                vec![Problem::Tls(TlsProblem::KeyAlone { certificate })],
            ),
            (
                &[
                    "M:CLAUDE_CODE_CLIENT_CERT",
                    "M:CLAUDE_CODE_CLIENT_KEY",
                    "OTLP_CLIENT_CERTIFICATE",
                    "OTLP_CLIENT_KEY",
                ],
                "platform CLAUDE_CODE_CLIENT_CERT+CLAUDE_CODE_CLIENT_KEY",
                vec![managed("CLAUDE_CODE_CLIENT_CERT"); 2],
            ),
            (
                &[
                    "M:OTLP_CLIENT_CERTIFICATE",
                    "M:OTLP_CLIENT_KEY",
                    "OTLP_LOGS_CLIENT_CERTIFICATE",
                    "OTLP_LOGS_CLIENT_KEY",
                ],
                "platform OTLP_CLIENT_CERTIFICATE+OTLP_CLIENT_KEY",
                vec![
                    managed(certificate),
                    managed("OTEL_EXPORTER_OTLP_CLIENT_KEY"),
                ],
            ),
        ];
        for (set, expected, problems) in table {
            assert_eq!(chosen(set), (expected.to_owned(), problems), "{set:?}");
        }
    }
}
