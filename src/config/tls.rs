//! The certificates and keys that an OTLP exporter uses.
#![cfg_attr(
    not(any(feature = "grpc", feature = "http")),
    allow(dead_code, unused_imports, reason = "no exporter uses TLS")
)]

use super::problem::{Problem, TlsProblem};
use super::resolver::Resolver;
use super::source::Layer;
use super::values::SetVariable;
use super::variables;
use super::warnings::Warning;

pub(crate) use super::pem::{FileError, IdentityFiles, Material, PemFile, TlsFiles, Trust};

/// The TLS configuration of one exporter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TlsConfig {
    pub(crate) files: TlsFiles,
    /// The content of the files when the configuration was resolved.
    pub(crate) material: Material,
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
