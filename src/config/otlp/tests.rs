use super::super::explain::Explanation;
use super::super::resolver::Features;
use super::super::source::{Assignment, Provenance};
use super::super::values::Values;
use super::*;

const ALL: Features = Features::ALL;

/// Resolves one signal. Names are without `OTEL_EXPORTER_OTLP_`; the prefix `M:` puts a variable into managed
/// settings instead of the environment.
fn otlp(
    signal: Signal,
    features: Features,
    set: &[(&str, &str)],
) -> (Option<OtlpConfig>, Vec<Problem>) {
    let mut report = Explanation::default();
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
    let assignments = set
        .chain(exporters)
        .map(|(layer, name, value)| Assignment::new(Provenance::new(layer), &name, value));
    let values = Values::new(assignments.collect(), &mut report);
    let exporter = values.non_empty(variables::find(exporter[signal as usize]).unwrap());
    let mut resolver = Resolver {
        features,
        ..Resolver::of(signal, &values, &mut report)
    };
    let config = resolve(&mut resolver, exporter.unwrap())
        .map_err(|(set, problem)| resolver.warn(set, problem))
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
    // The general endpoint, and that of the signal.
    const G: &str = "ENDPOINT";
    const S: &str = "LOGS_ENDPOINT";
    let grpc = ("PROTOCOL", "grpc");
    let json = ("LOGS_PROTOCOL", "http/json");
    let insecure = ("INSECURE", "true");
    let path = "/v1/logs";
    let unusable = |problem| vec![Problem::Endpoint(problem)];
    let none = Vec::new;
    type Row<'a> = (Vec<(&'a str, &'a str)>, &'a str, Vec<Problem>);
    let table: Vec<Row<'_>> = vec![
        (
            vec![],
            "http/protobuf http://localhost:4318/v1/logs",
            none(),
        ),
        (vec![grpc], "grpc http://localhost:4317/", none()),
        (
            vec![grpc, json],
            "http/json http://localhost:4318/v1/logs",
            none(),
        ),
        (
            vec![("METRICS_PROTOCOL", "grpc")],
            "http/protobuf http://localhost:4318/v1/logs",
            none(),
        ),
        (vec![(G, "http://h:4317")], "grpc http://h:4317/", none()),
        (
            vec![(G, "http://h")],
            "http/protobuf http://h/v1/logs",
            none(),
        ),
        (
            vec![(G, "http://h:4317"), json],
            "http/json http://h:4317/v1/logs",
            none(),
        ),
        (
            vec![(G, "http://h/base/")],
            "http/protobuf http://h/base/v1/logs",
            none(),
        ),
        (
            vec![(G, "http://h"), (S, "http://s/x")],
            "http/protobuf http://s/x",
            none(),
        ),
        (
            vec![(G, "http://h"), ("METRICS_ENDPOINT", "http://m/x")],
            "http/protobuf http://h/v1/logs",
            none(),
        ),
        (
            vec![(S, "http://s:4318")],
            "http/protobuf http://s:4318/",
            vec![Problem::PathMissing { path }],
        ),
        (vec![(S, "http://s:4317")], "grpc http://s:4317/", none()),
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
        (vec![(G, "h:4317"), insecure], "grpc http://h:4317/", none()),
        (vec![(G, "h:4317")], "grpc https://h:4317/", none()),
        (
            vec![(G, "h:4317"), insecure, ("LOGS_INSECURE", "false")],
            "grpc https://h:4317/",
            none(),
        ),
        (
            vec![(G, "h:4317"), ("LOGS_INSECURE", "1")],
            "grpc http://h:4317/",
            none(),
        ),
        // An empty boolean in the environment is false.
        (
            vec![(G, "h:4317"), insecure, ("LOGS_INSECURE", "")],
            "grpc https://h:4317/",
            none(),
        ),
        (
            vec![(G, "h:4318"), insecure],
            "off",
            unusable(EndpointProblem::NoScheme),
        ),
        (
            vec![(G, "https://h"), grpc, insecure],
            "grpc https://h/",
            none(),
        ),
        (
            vec![(G, "http://h"), (S, "nonsense://s")],
            "off",
            unusable(EndpointProblem::UnknownScheme),
        ),
    ];
    for (set, expected, problems) in table {
        let (config, found) = otlp(Signal::Logs, ALL, &set);
        assert_eq!(shown(&config), expected, "{set:?}");
        assert_eq!(found, problems, "{set:?}");
    }
}

#[test]
fn headers_of_the_signal_override_general_ones_and_both_override_those_of_the_url() {
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
                .map(|(n, v)| format!("{n}={}", v.value.expose()))
                .collect();
            assert_eq!(shown.join(" "), expected, "{set:?}");
        }
    }
}

#[test]
fn missing_features_are_named() {
    for (protocol, feature, features) in [
        ("grpc", "grpc", Features(&["http"])),
        ("http/protobuf", "http", Features(&["grpc"])),
        ("http/json", "http", Features(&["grpc"])),
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
fn managed_variables_override_lower_layers_whose_endpoints_get_no_managed_credentials() {
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
    let header = Header {
        value: Secret::new("1"),
        variable: "OTEL_EXPORTER_OTLP_HEADERS",
    };
    assert_eq!(headers, [("a".to_owned(), header)]);
}

#[test]
fn scheme_of_a_managed_endpoint_is_decided_by_managed_settings_only() {
    let insecure = ("INSECURE", "true");
    let logs_insecure = ("LOGS_INSECURE", "true");
    let endpoint = ("M:ENDPOINT", "org:4317");
    let https = "grpc https://org:4317/";
    type Row<'a> = (Vec<(&'a str, &'a str)>, &'a str, Vec<&'static str>);
    let table: Vec<Row<'_>> = vec![
        (vec![endpoint, insecure], https, vec!["ENDPOINT"]),
        (
            vec![endpoint, insecure, logs_insecure],
            https,
            vec!["ENDPOINT", "ENDPOINT"],
        ),
        (
            vec![("M:LOGS_ENDPOINT", "org:4317"), insecure],
            https,
            vec!["LOGS_ENDPOINT"],
        ),
        (
            vec![endpoint, ("M:INSECURE", "0"), logs_insecure],
            https,
            vec!["INSECURE"],
        ),
        (
            vec![("ENDPOINT", "org:4317"), ("M:INSECURE", "0"), logs_insecure],
            https,
            vec!["INSECURE"],
        ),
        (
            vec![endpoint, ("M:INSECURE", "1"), ("LOGS_INSECURE", "")],
            "grpc http://org:4317/",
            vec!["INSECURE"],
        ),
        (
            vec![endpoint, insecure, ("M:LOGS_INSECURE", "1")],
            "grpc http://org:4317/",
            vec![],
        ),
        // The variable has no effect on a URL with a scheme.
        (
            vec![("M:ENDPOINT", "https://org:4317"), insecure],
            https,
            vec![],
        ),
    ];
    for (set, expected, managed) in table {
        let (config, problems) = otlp(Signal::Logs, ALL, &set);
        assert_eq!(shown(&config), expected, "{set:?}");
        let managed = managed.iter().map(|name| {
            let general = variables::find(&format!("OTEL_EXPORTER_OTLP_{name}"))
                .unwrap()
                .name;
            Problem::ManagedGeneral { general }
        });
        assert_eq!(problems, managed.collect::<Vec<_>>(), "{set:?}");
    }
}

/// A reconfiguration replaces an exporter whose configuration differs, which interrupts its requests.
#[test]
fn name_of_the_endpoint_variable_does_not_matter_for_equality() {
    for (general, specific, protocol) in [
        ("http://h:4317", "http://h:4317", "grpc"),
        ("http://h", "http://h/v1/logs", "http/json"),
        ("http://localhost:4318", "http://localhost:4318/v1/logs", ""),
    ] {
        let protocol = ("PROTOCOL", protocol);
        let one = otlp(Signal::Logs, ALL, &[protocol, ("ENDPOINT", general)]).0;
        let other = otlp(Signal::Logs, ALL, &[protocol, ("LOGS_ENDPOINT", specific)]).0;
        assert!(one.is_some());
        assert_eq!(one, other);
    }
    let default = otlp(Signal::Logs, ALL, &[]).0;
    let specific = ("LOGS_ENDPOINT", "http://localhost:4318/v1/logs");
    assert_eq!(default, otlp(Signal::Logs, ALL, &[specific]).0);
}
