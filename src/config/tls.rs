//! The certificates and keys that an OTLP exporter uses.
#![cfg_attr(
    not(any(feature = "grpc", feature = "http")),
    allow(dead_code, unused_imports, reason = "no exporter uses TLS")
)]

use super::problem::{Problem, TlsProblem};
use super::resolver::{Resolver, Unusable};
use super::setting::Setting;
use super::source::Layer;
use super::variables;

pub(crate) use super::pem::{FileError, IdentityFiles, Material, PemFile, TlsFiles, Trust};

/// The TLS configuration of one exporter.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct TlsConfig {
    pub(crate) files: TlsFiles,
    /// The content of the files when the configuration was resolved.
    pub(crate) material: Material,
}

/// Resolves the TLS configuration of one signal's exporter. An error is the reason why the exporter stays off.
pub(super) fn resolve<'v>(
    resolver: &mut Resolver<'v>,
    exporter: &'v Setting,
) -> Result<TlsConfig, Unusable<'v>> {
    let files = TlsFiles {
        trust: trust(resolver),
        identity: identity(resolver)?,
    };
    let values = resolver.values;
    let set = |error: &FileError| values.find(error.file.variable).unwrap_or(exporter);
    let material = files
        .read(&mut |error| resolver.warn(set(&error), Problem::ExtraAuthorities(error.problem)))
        .map_err(|error| (set(&error), Problem::Tls(error.problem)))?;
    Ok(TlsConfig { files, material })
}

/// Resolves the trusted authorities. The variables of OpenTelemetry take precedence over that of Node.js, unless only
/// that of Node.js is managed.
fn trust(resolver: &mut Resolver<'_>) -> Trust {
    let [specific, general] = resolver.pair(&variables::CERTIFICATE);
    let extra = resolver.values.non_empty(&variables::EXTRA_CA_CERTS);
    let specific = resolver.unless_managed(specific, extra);
    let set = specific.or_else(|| resolver.unless_managed(general, extra));
    match (set, extra) {
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
            if let Some(set) = resolver.values.non_empty(variable) {
                resolver.warn(set, Problem::CertificateWithoutTls);
            }
        }
    }
}

/// Resolves the client certificate and its key. Each may be set for the signal or for all signals, so that one key can
/// have several certificates; whether they match is checked when they are read. The variables of Claude Code count as a
/// pair, and only if those of OpenTelemetry are unset, or if only those of Claude Code are managed.
fn identity<'v>(resolver: &mut Resolver<'v>) -> Result<Option<IdentityFiles>, Unusable<'v>> {
    let certificates = &variables::OTLP_CLIENT_CERTIFICATE;
    let keys = &variables::OTLP_CLIENT_KEY;
    let pairs = [certificates, keys].map(|group| resolver.pair(group));
    let otel = pairs.map(|[specific, general]| specific.or(general));
    let (values, signal) = (resolver.values, resolver.signal);
    let claude_code =
        [&variables::CLIENT_CERT, &variables::CLIENT_KEY].map(|name| values.non_empty(name));
    let is_managed = |pair: [Option<&Setting>; 2]| {
        let mut set = pair.into_iter().flatten();
        set.any(|set| set.layer() == Layer::Managed)
    };
    let chosen = if is_managed(claude_code) && !is_managed(otel) {
        for set in pairs.into_iter().flatten().flatten() {
            let general = variables::CLIENT_CERT.name;
            resolver.warn(set, Problem::ManagedGeneral { general });
        }
        claude_code
    } else if otel.iter().all(Option::is_none) {
        claude_code
    } else {
        otel
    };
    let alone = match chosen {
        [None, None] => return Ok(None),
        [Some(certificate), Some(key)] => {
            return Ok(Some(IdentityFiles {
                certificate: file(certificate),
                key: file(key),
            }));
        }
        [Some(alone), None] | [None, Some(alone)] => alone,
    };
    let partners = [
        [certificates.of(signal).name, keys.of(signal).name],
        [certificates.general.name, keys.general.name],
        [variables::CLIENT_CERT.name, variables::CLIENT_KEY.name],
    ];
    let mut partners = partners.into_iter();
    let found = partners.find(|names| names.contains(&alone.name()));
    let [certificate, key] = found.unwrap_or_default();
    let problem = match key == alone.name() {
        true => TlsProblem::KeyAlone { certificate },
        false => TlsProblem::CertificateAlone { key },
    };
    Err((alone, Problem::Tls(problem)))
}

fn file(set: &Setting) -> PemFile {
    PemFile {
        variable: set.variable.name,
        path: set.text().into(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::explain::Explanation;
    use super::super::source::{Assignment, Provenance};
    use super::super::values::Values;
    use super::*;
    use crate::signal::Signal;

    /// Returns the variables that apply to events, and the problems. The prefix `M:` puts a variable into managed
    /// settings.
    fn chosen(set: &[&str]) -> (String, Vec<Problem>) {
        let mut report = Explanation::default();
        let assignments = set.iter().map(|name| {
            let (layer, name) = match name.strip_prefix("M:") {
                Some(name) => (Layer::Managed, name),
                None => (Layer::Environment, *name),
            };
            let name = name.replace("OTLP_", "OTEL_EXPORTER_OTLP_");
            Assignment::new(Provenance::new(layer), &name, &format!("/{name}"))
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
            Err((set, problem)) => {
                resolver.warn(set, problem);
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
        let none = Vec::new;
        let table: Vec<(&[&str], &str, Vec<Problem>)> = vec![
            (&[], "platform", none()),
            (&["OTLP_METRICS_CERTIFICATE"], "platform", none()),
            (
                &["NODE_EXTRA_CA_CERTS"],
                "platform+NODE_EXTRA_CA_CERTS",
                none(),
            ),
            (
                &["NODE_EXTRA_CA_CERTS", "OTLP_CERTIFICATE"],
                "OTLP_CERTIFICATE",
                none(),
            ),
            (
                &["OTLP_LOGS_CERTIFICATE", "OTLP_CERTIFICATE"],
                "OTLP_LOGS_CERTIFICATE",
                none(),
            ),
            (
                &["OTLP_LOGS_CERTIFICATE", "M:OTLP_CERTIFICATE"],
                "OTLP_CERTIFICATE",
                vec![managed("OTEL_EXPORTER_OTLP_CERTIFICATE")],
            ),
            (
                &["M:NODE_EXTRA_CA_CERTS", "OTLP_LOGS_CERTIFICATE"],
                "platform+NODE_EXTRA_CA_CERTS",
                vec![managed("NODE_EXTRA_CA_CERTS")],
            ),
            (
                &["M:NODE_EXTRA_CA_CERTS", "M:OTLP_CERTIFICATE"],
                "OTLP_CERTIFICATE",
                none(),
            ),
            // Each removed certificate causes a warning.
            (
                &[
                    "M:NODE_EXTRA_CA_CERTS",
                    "OTLP_LOGS_CERTIFICATE",
                    "OTLP_CERTIFICATE",
                ],
                "platform+NODE_EXTRA_CA_CERTS",
                vec![managed("NODE_EXTRA_CA_CERTS"); 2],
            ),
            // The managed certificate of the signal overrides the general one.
            (
                &[
                    "M:NODE_EXTRA_CA_CERTS",
                    "M:OTLP_LOGS_CERTIFICATE",
                    "OTLP_CERTIFICATE",
                ],
                "OTLP_LOGS_CERTIFICATE",
                none(),
            ),
            (
                &["OTLP_CLIENT_CERTIFICATE", "OTLP_CLIENT_KEY"],
                "platform OTLP_CLIENT_CERTIFICATE+OTLP_CLIENT_KEY",
                none(),
            ),
            (
                &[
                    "OTLP_LOGS_CLIENT_CERTIFICATE",
                    "OTLP_CLIENT_CERTIFICATE",
                    "OTLP_CLIENT_KEY",
                ],
                "platform OTLP_LOGS_CLIENT_CERTIFICATE+OTLP_CLIENT_KEY",
                none(),
            ),
            (
                &["CLAUDE_CODE_CLIENT_CERT", "CLAUDE_CODE_CLIENT_KEY"],
                "platform CLAUDE_CODE_CLIENT_CERT+CLAUDE_CODE_CLIENT_KEY",
                none(),
            ),
            (
                &[
                    "CLAUDE_CODE_CLIENT_CERT",
                    "CLAUDE_CODE_CLIENT_KEY",
                    "OTLP_CLIENT_CERTIFICATE",
                    "OTLP_LOGS_CLIENT_KEY",
                ],
                "platform OTLP_CLIENT_CERTIFICATE+OTLP_LOGS_CLIENT_KEY",
                none(),
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
                    "M:CLAUDE_CODE_CLIENT_CERT",
                    "M:CLAUDE_CODE_CLIENT_KEY",
                    "OTLP_LOGS_CLIENT_CERTIFICATE",
                    "OTLP_CLIENT_CERTIFICATE",
                    "OTLP_CLIENT_KEY",
                ],
                "platform CLAUDE_CODE_CLIENT_CERT+CLAUDE_CODE_CLIENT_KEY",
                vec![managed("CLAUDE_CODE_CLIENT_CERT"); 3],
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
