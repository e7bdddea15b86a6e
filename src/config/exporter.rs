//! Resolution of the OTLP variables to the exporter of one signal.

use std::time::Duration;

use super::endpoint::{Endpoint, EndpointProblem};
use super::headers;
use super::otlp::{Compression, OtlpConfig, Protocol};
use super::proxy::{self, Route};
use super::resolve::Features;
use super::source::Layer;
use super::tls;
use super::values::{SetVariable, Values};
use super::variables::{self, PerSignal, shown_url};
use super::warnings::{Problem, Report, Warning};
use crate::signal::Signal;

/// Resolves the OTLP exporter of a signal whose `exporter` variable lists it. An error is the reason why the exporter
/// stays off.
pub(super) fn resolve(
    values: &Values,
    signal: Signal,
    exporter: &SetVariable,
    features: Features,
    report: &mut Report,
) -> Result<OtlpConfig, Box<Warning>> {
    let chosen = choose(values, signal, report);
    let (given, general) = match endpoint(values, signal, report) {
        EndpointChoice::Given { set, general } => (Some(set), general),
        EndpointChoice::Default => (None, true),
        EndpointChoice::Refused => {
            return Err(Box::new(exporter.warning(Problem::NoManagedEndpoint)));
        }
    };
    let text = match given {
        Some(set) => set.winner.value.trim(),
        None if chosen == Some(Protocol::Grpc) => "http://localhost:4317",
        None => "http://localhost:4318",
    };
    let about = |problem| given.unwrap_or(exporter).warning(problem);
    let unusable = |problem| Box::new(about(Problem::Endpoint(problem)));

    let parsed = Endpoint::parse(text, insecure(values, signal)).map_err(unusable)?;
    let protocol = chosen.unwrap_or(match parsed.port() {
        Some(4317) => Protocol::Grpc,
        _ => Protocol::HttpProtobuf,
    });
    if let Some(problem) = features.missing(protocol) {
        return Err(Box::new(exporter.warning(problem)));
    }
    let endpoint = request_url(&parsed, protocol, signal, general, &mut |problem| {
        report.warn(about(problem));
    })
    .map_err(unusable)?;
    let tls = if parsed.is_https() {
        Some(Box::new(tls::resolve(values, signal, report)?))
    } else {
        tls::warn_of_no_effect(values, signal, report);
        None
    };

    let why = match (chosen, given) {
        (Some(_), _) => "",
        (None, Some(_)) if protocol == Protocol::Grpc => ", chosen because the port is 4317",
        (None, Some(_)) => ", chosen because the port is not 4317",
        (None, None) => ", chosen because neither protocol nor endpoint is set",
    };
    let in_url = parsed.authorization.as_ref().and(given);
    let guarded = has_managed_credentials(values, signal)
        || in_url.is_some_and(|set| set.layer() == Layer::Managed);
    let route = proxy::resolve(values, &parsed, protocol, guarded, report);
    let (proxy, through) = match route {
        Route::Direct => (None, String::new()),
        Route::Exempt(why) => (None, format!(", {why}")),
        Route::Through(proxy) => {
            let through = format!(", through the proxy {} of {}", proxy.name(), proxy.variable);
            (Some(proxy), through)
        }
    };
    report.fact(format!(
        "{}: OTLP to {} ({}{why}){through}",
        name(signal),
        shown_url(&endpoint.to_string()),
        protocol.as_str(),
    ));
    let has_bare_url = protocol != Protocol::Grpc && !general && parsed.path() == "/";
    let from_url = parsed.authorization.zip(given);
    let (headers, header_sources) = headers::resolve(values, signal, protocol, from_url, report);
    Ok(OtlpConfig {
        protocol,
        has_bare_url,
        endpoint,
        headers,
        header_sources,
        timeout: Duration::from_millis(values.number_of(&variables::TIMEOUT, signal)),
        compression: compression(values, signal),
        tls,
        proxy,
    })
}

/// Returns the name of a signal in OTLP's names and paths.
pub(super) fn name(signal: Signal) -> &'static str {
    match signal {
        Signal::Metrics => "metrics",
        Signal::Logs => "logs",
        Signal::Traces => "traces",
    }
}

/// Returns the default path of a signal for OTLP over HTTP.
pub(crate) fn path(signal: Signal) -> &'static str {
    match signal {
        Signal::Metrics => "/v1/metrics",
        Signal::Logs => "/v1/logs",
        Signal::Traces => "/v1/traces",
    }
}

/// Returns the URL of the requests. Warns about a path that is probably a mistake.
fn request_url(
    endpoint: &Endpoint,
    protocol: Protocol,
    signal: Signal,
    general: bool,
    warn: &mut dyn FnMut(Problem),
) -> Result<http::Uri, EndpointProblem> {
    let path = path(signal);
    if protocol != Protocol::Grpc && !endpoint.has_scheme {
        return Err(EndpointProblem::NoScheme);
    }
    if protocol == Protocol::Grpc {
        if endpoint.path() != "/" {
            warn(Problem::PathIgnored);
        }
        endpoint.without_path()
    } else if general {
        if endpoint.path().trim_end_matches('/').ends_with(path) {
            warn(Problem::PathTwice { path });
        }
        endpoint.appended(path)
    } else {
        if endpoint.path() == "/" {
            warn(Problem::PathMissing { path });
        }
        endpoint.as_given()
    }
}

/// Returns the signal-specific variable that applies, and the general one. A managed general variable overrides a
/// specific one of a lower layer: otherwise a user could redirect telemetry that an organization sends.
pub(super) fn pair<'v>(
    values: &'v Values,
    group: &'static PerSignal,
    signal: Signal,
    report: &mut Report,
) -> (Option<&'v SetVariable>, Option<&'v SetVariable>) {
    let general = values.get(&group.general).map(|(set, _)| set);
    let specific = values.get(group.of(signal)).map(|(set, _)| set);
    if let (Some(lower), Some(managed)) = (specific, general)
        && managed.layer() == Layer::Managed
        && lower.layer() != Layer::Managed
    {
        let general = group.general.name;
        report.warn(lower.warning(Problem::ManagedGeneral { general }));
        return (None, Some(managed));
    }
    (specific, general)
}

/// Returns the configured protocol. An invalid value counts as unset.
fn choose(values: &Values, signal: Signal, report: &mut Report) -> Option<Protocol> {
    let (specific, general) = pair(values, &variables::PROTOCOL, signal, report);
    let word = |set: Option<&SetVariable>| values.word(set?.variable);
    word(specific)
        .or_else(|| word(general))
        .map(Protocol::from_word)
}

enum EndpointChoice<'v> {
    Given {
        set: &'v SetVariable,
        general: bool,
    },
    Default,
    /// An endpoint is set, but managed credentials must not be sent to it.
    Refused,
}

fn endpoint<'v>(values: &'v Values, signal: Signal, report: &mut Report) -> EndpointChoice<'v> {
    let (specific, general) = pair(values, &variables::ENDPOINT, signal, report);
    let only_managed = has_managed_credentials(values, signal);
    let mut refused = false;
    for (set, general) in [(specific, false), (general, true)] {
        match set {
            Some(set) if only_managed && set.layer() != Layer::Managed => {
                report.warn(set.warning(Problem::ManagedCredentials));
                refused = true;
            }
            Some(set) => return EndpointChoice::Given { set, general },
            None => {}
        }
    }
    if refused {
        EndpointChoice::Refused
    } else {
        EndpointChoice::Default
    }
}

fn has_managed_credentials(values: &Values, signal: Signal) -> bool {
    let groups = [
        &variables::HEADERS,
        &variables::OTLP_CLIENT_KEY,
        &variables::OTLP_CLIENT_CERTIFICATE,
    ];
    let single = [
        &variables::HEADERS_HELPER,
        &variables::CLIENT_CERT,
        &variables::CLIENT_KEY,
    ];
    groups
        .into_iter()
        .flat_map(|group| [&group.general, group.of(signal)])
        .chain(single)
        .filter_map(|variable| values.get(variable))
        .any(|(set, _)| set.layer() == Layer::Managed)
}

fn insecure(values: &Values, signal: Signal) -> bool {
    let group = &variables::INSECURE;
    values
        .boolean_if_set(group.of(signal))
        .unwrap_or_else(|| values.boolean(&group.general))
}

fn compression(values: &Values, signal: Signal) -> Compression {
    let group = &variables::COMPRESSION;
    let word = values.word(group.of(signal));
    match word.or_else(|| values.word(&group.general)) {
        Some("gzip") => Compression::Gzip,
        _ => Compression::None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::endpoint::EndpointProblem;
    use super::super::secret::Secret;
    use super::super::source::{Assignment, Provenance};
    use super::*;

    const ALL: Features = Features::ALL;

    /// Resolves one signal. Names are without `OTEL_EXPORTER_OTLP_`; the prefix `M:` puts a variable into managed
    /// settings instead of the environment.
    fn otlp(
        signal: Signal,
        features: Features,
        set: &[(&str, &str)],
    ) -> (Option<OtlpConfig>, Vec<Problem>) {
        let mut report = Report::default();
        let exporter = [
            "OTEL_METRICS_EXPORTER",
            "OTEL_LOGS_EXPORTER",
            "OTEL_TRACES_EXPORTER",
        ];
        let exporters = exporter.map(|name| (Layer::Environment, name.to_owned(), "otlp"));
        let set = set.iter().map(|(name, value)| {
            let (layer, name) = match name.strip_prefix("M:") {
                Some(name) => (Layer::Managed, name),
                None => (Layer::Environment, *name),
            };
            (layer, format!("OTEL_EXPORTER_OTLP_{name}"), *value)
        });
        let assignments = set.chain(exporters).map(|(layer, name, value)| Assignment {
            origin: Provenance::new(layer),
            name,
            value: value.to_owned(),
        });
        let values = Values::new(assignments.collect(), &mut report);
        let exporter = values.get(variables::find(exporter[signal as usize]).unwrap());
        let config = resolve(&values, signal, exporter.unwrap().0, features, &mut report)
            .map_err(|why| report.warn(*why))
            .ok();
        let problems = report.warnings.iter().map(|w| w.problem().clone());
        (config, problems.collect())
    }

    /// Returns protocol and URL as text.
    fn shown(config: &Option<OtlpConfig>) -> String {
        let show = |c: &OtlpConfig| format!("{} {}", c.protocol.as_str(), c.endpoint);
        config.as_ref().map_or("off".to_owned(), show)
    }

    #[test]
    fn protocol_and_endpoint_are_chosen() {
        const G: &str = "ENDPOINT";
        const S: &str = "LOGS_ENDPOINT";
        let grpc = ("PROTOCOL", "grpc");
        let json = ("LOGS_PROTOCOL", "http/json");
        let insecure = ("INSECURE", "true");
        let path = "/v1/logs";
        let off = |problem| vec![Problem::Endpoint(problem)];
        let no = Vec::new;
        type Row<'a> = (Vec<(&'a str, &'a str)>, &'a str, Vec<Problem>);
        let table: Vec<Row<'_>> = vec![
            (vec![], "http/protobuf http://localhost:4318/v1/logs", no()),
            (vec![grpc], "grpc http://localhost:4317/", no()),
            (
                vec![grpc, json],
                "http/json http://localhost:4318/v1/logs",
                no(),
            ),
            (
                vec![("METRICS_PROTOCOL", "grpc")],
                "http/protobuf http://localhost:4318/v1/logs",
                no(),
            ),
            (vec![(G, "http://h:4317")], "grpc http://h:4317/", no()),
            (
                vec![(G, "http://h")],
                "http/protobuf http://h/v1/logs",
                no(),
            ),
            (
                vec![(G, "http://h:4317"), json],
                "http/json http://h:4317/v1/logs",
                no(),
            ),
            (
                vec![(G, "http://h/base/")],
                "http/protobuf http://h/base/v1/logs",
                no(),
            ),
            (
                vec![(G, "http://h"), (S, "http://s/x")],
                "http/protobuf http://s/x",
                no(),
            ),
            (
                vec![(G, "http://h"), ("METRICS_ENDPOINT", "http://m/x")],
                "http/protobuf http://h/v1/logs",
                no(),
            ),
            (
                vec![(S, "http://s:4318")],
                "http/protobuf http://s:4318/",
                vec![Problem::PathMissing { path }],
            ),
            (vec![(S, "http://s:4317")], "grpc http://s:4317/", no()),
            (
                vec![(G, "http://h/v1/logs")],
                "http/protobuf http://h/v1/logs/v1/logs",
                vec![Problem::PathTwice { path }],
            ),
            (
                vec![(G, "http://h/x"), grpc],
                "grpc http://h/",
                vec![Problem::PathIgnored],
            ),
            (vec![(G, "h:4317"), insecure], "grpc http://h:4317/", no()),
            (vec![(G, "h:4317")], "grpc https://h:4317/", no()),
            (
                vec![(G, "h:4317"), insecure, ("LOGS_INSECURE", "false")],
                "grpc https://h:4317/",
                no(),
            ),
            (
                vec![(G, "h:4317"), ("LOGS_INSECURE", "1")],
                "grpc http://h:4317/",
                no(),
            ),
            (
                vec![(G, "h:4318"), insecure],
                "off",
                off(EndpointProblem::NoScheme),
            ),
            (
                vec![(G, "https://h"), grpc, insecure],
                "grpc https://h/",
                no(),
            ),
            (
                vec![(G, "http://h"), (S, "nonsense://s")],
                "off",
                off(EndpointProblem::UnknownScheme),
            ),
        ];
        for (set, expected, problems) in table {
            let (config, found) = otlp(Signal::Logs, ALL, &set);
            assert_eq!(shown(&config), expected, "{set:?}");
            assert_eq!(found, problems, "{set:?}");
        }
    }

    #[test]
    fn headers_are_merged() {
        let table: [(&[(&str, &str)], &str); 5] = [
            (&[("HEADERS", "a=1,b=2")], "a=1 b=2"),
            (
                &[("HEADERS", "a=1,b=2"), ("LOGS_HEADERS", "A=3,c=4")],
                "a=3 b=2 c=4",
            ),
            (&[("HEADERS", "a=1"), ("METRICS_HEADERS", "a=2")], "a=1"),
            (&[("ENDPOINT", "http://u:p@h")], "authorization=Basic dTpw"),
            (
                &[("ENDPOINT", "http://u:p@h"), ("HEADERS", "Authorization=x")],
                "authorization=x",
            ),
        ];
        for (set, expected) in table {
            for protocol in ["grpc", "http/protobuf", "http/json"] {
                let set: Vec<_> = set
                    .iter()
                    .copied()
                    .chain([("PROTOCOL", protocol)])
                    .collect();
                let headers = otlp(Signal::Logs, ALL, &set).0.unwrap().headers;
                let shown: Vec<_> = headers
                    .iter()
                    .map(|(n, v)| format!("{n}={}", v.expose()))
                    .collect();
                assert_eq!(shown.join(" "), expected, "{set:?}");
            }
        }
    }

    #[test]
    fn missing_features_are_named() {
        for (protocol, feature, features) in [
            ("grpc", "grpc", Features { grpc: false, ..ALL }),
            ("http/protobuf", "http", Features { http: false, ..ALL }),
            ("http/json", "http", Features { http: false, ..ALL }),
        ] {
            let (config, problems) = otlp(Signal::Traces, features, &[("PROTOCOL", protocol)]);
            assert_eq!(config, None);
            let [Problem::FeatureMissing { feature: named, .. }] = problems[..] else {
                panic!("{problems:?}");
            };
            assert_eq!(named, feature);
            assert!(
                otlp(Signal::Traces, ALL, &[("PROTOCOL", protocol)])
                    .0
                    .is_some()
            );
        }
    }

    #[test]
    fn managed_general_variables_override_specific_ones_of_lower_layers() {
        let specific = ("LOGS_ENDPOINT", "http://user/x");
        let general = ("ENDPOINT", "http://user");
        let refused = || vec![Problem::ManagedCredentials, Problem::NoManagedEndpoint];
        type Row<'a> = (Vec<(&'a str, &'a str)>, &'a str, Vec<Problem>);
        let table: Vec<Row<'_>> = vec![
            (
                vec![("M:ENDPOINT", "http://org"), specific],
                "http/protobuf http://org/v1/logs",
                vec![Problem::ManagedGeneral {
                    general: "OTEL_EXPORTER_OTLP_ENDPOINT",
                }],
            ),
            (
                vec![("M:PROTOCOL", "http/json"), ("LOGS_PROTOCOL", "grpc")],
                "http/json http://localhost:4318/v1/logs",
                vec![Problem::ManagedGeneral {
                    general: "OTEL_EXPORTER_OTLP_PROTOCOL",
                }],
            ),
            (
                vec![("M:LOGS_ENDPOINT", "http://org/x"), general],
                "http/protobuf http://org/x",
                vec![],
            ),
            (vec![("M:HEADERS", "a=1"), general], "off", refused()),
            (vec![("M:LOGS_HEADERS", "a=1"), specific], "off", refused()),
            (
                vec![("M:METRICS_HEADERS", "a=1"), specific],
                "http/protobuf http://user/x",
                vec![],
            ),
            (vec![("M:CLIENT_KEY", "/k"), general], "off", refused()),
            (
                vec![("M:HEADERS", "a=1")],
                "http/protobuf http://localhost:4318/v1/logs",
                vec![],
            ),
            (
                vec![("M:HEADERS", "a=1"), specific, ("M:ENDPOINT", "http://org")],
                "http/protobuf http://org/v1/logs",
                vec![Problem::ManagedGeneral {
                    general: "OTEL_EXPORTER_OTLP_ENDPOINT",
                }],
            ),
        ];
        for (set, expected, problems) in table {
            let (config, found) = otlp(Signal::Logs, ALL, &set);
            assert_eq!(shown(&config), expected, "{set:?}");
            assert_eq!(found, problems, "{set:?}");
        }
        let set = [
            ("M:HEADERS", "a=1"),
            ("LOGS_HEADERS", "a=2"),
            ("M:ENDPOINT", "http://org"),
        ];
        let headers = otlp(Signal::Logs, ALL, &set).0.unwrap().headers;
        assert_eq!(headers, [("a".to_owned(), Secret::new("1"))]);
    }
}
