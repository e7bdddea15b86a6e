//! Every variable through the whole of the configuration.

use std::collections::BTreeSet;

use super::*;
use crate::config::variables::Effect;

type Probe = Box<dyn Fn(&Config) -> String>;

/// A variable, what shows its effect, and what it shows: by default, for a valid text, for one that
/// is not valid (with a warning), and when empty in the environment.
struct Row {
    name: String,
    probe: Probe,
    default: &'static str,
    valid: (&'static str, &'static str),
    invalid: Option<(&'static str, &'static str)>,
    empty: &'static str,
}

impl Row {
    fn new(
        name: impl Into<String>,
        probe: impl Fn(&Config) -> String + 'static,
        default: &'static str,
        valid: (&'static str, &'static str),
        invalid: Option<(&'static str, &'static str)>,
        empty: &'static str,
    ) -> Self {
        let (name, probe) = (name.into(), Box::new(probe));
        Self {
            name,
            probe,
            default,
            valid,
            invalid,
            empty,
        }
    }

    fn boolean(name: &str, default: bool, probe: fn(&Config) -> bool) -> Self {
        let [default, other, word] = if default {
            ["true", "false", "off"]
        } else {
            ["false", "true", "YES"]
        };
        let probe = move |config: &Config| probe(config).to_string();
        Self::new(
            name,
            probe,
            default,
            (word, other),
            Some(("maybe", "false")),
            "false",
        )
    }

    fn duration(
        name: &str,
        default: &'static str,
        low: Option<&'static str>,
        probe: fn(&Config) -> Duration,
    ) -> Vec<Self> {
        let show = move |config: &Config| probe(config).as_millis().to_string();
        let row = |invalid| {
            Self::new(
                name,
                show,
                default,
                ("7000", "7000"),
                Some(invalid),
                default,
            )
        };
        let mut rows = vec![
            row(("5s", default)),
            row(("1e3", default)),
            row(("-1", default)),
        ];
        rows.extend(low.map(|minimum| row(("0", minimum))));
        rows
    }
}

fn rows() -> Vec<Row> {
    let console = |sink: Option<bool>| sink.map_or("off".to_owned(), |on| on.to_string());
    let mut rows = vec![
        Row::boolean("CLAUDE_CODE_ENABLE_TELEMETRY", false, |c| c.enabled),
        Row::boolean("OTEL_SDK_DISABLED", false, |c| !c.enabled),
        Row::boolean("CLAUDE_CODE_ENHANCED_TELEMETRY_BETA", false, |c| {
            c.spans.otlp.is_some()
        }),
        Row::boolean("OTEL_LOG_USER_PROMPTS", false, |c| c.content.user_prompts),
        Row::boolean("OTEL_LOG_TOOL_DETAILS", false, |c| c.content.tool_details),
        Row::boolean("OTEL_LOG_TOOL_CONTENT", false, |c| c.content.tool_content),
        Row::boolean("OTEL_LOG_RAW_API_BODIES", false, |c| {
            c.content.raw_api_bodies
        }),
        Row::boolean("OTEL_METRICS_INCLUDE_SESSION_ID", true, |c| {
            c.attributes.session_id
        }),
        Row::boolean("OTEL_METRICS_INCLUDE_VERSION", false, |c| {
            c.attributes.version
        }),
        Row::boolean("OTEL_METRICS_INCLUDE_ACCOUNT_UUID", true, |c| {
            c.attributes.account_uuid
        }),
        Row::boolean("OTEL_METRICS_INCLUDE_RESOURCE_ATTRIBUTES", true, |c| {
            c.attributes.resource_attributes
        }),
        Row::boolean("CLAUDE_CODE_OTEL_DIAG_STDERR", false, |c| {
            c.diagnostics_to_stderr
        }),
        Row::new(
            "OTEL_SERVICE_NAME",
            |c| format!("{:?}", c.service_name),
            "None",
            (" a b ", "Some(\"a b\")"),
            None,
            "None",
        ),
        Row::new(
            "OTEL_RESOURCE_ATTRIBUTES",
            |c| format!("{:?}", c.resource_attributes),
            "[]",
            ("a=1", "[(\"a\", \"1\")]"),
            Some(("b,a=1", "[(\"a\", \"1\")]")),
            "[]",
        ),
        Row::new(
            "CLAUDE_CODE_MAX_RETRIES",
            |c| c.max_retries().to_string(),
            "10",
            ("3", "3"),
            Some(("4294967296", "10")),
            "10",
        ),
        Row::new(
            "CLAUDE_CODE_OTEL_CONTENT_MAX_LENGTH",
            |c| c.content.max_length.to_string(),
            "61440",
            ("1000", "1000"),
            Some(("10", "61440")),
            "61440",
        ),
        Row::new(
            "OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE",
            |c| format!("{:?}", c.metrics.temporality),
            "Delta",
            ("Cumulative", "Cumulative"),
            Some(("cumul", "Delta")),
            "Delta",
        ),
        Row::new(
            "OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE",
            |c| format!("{:?}", c.metrics.temporality),
            "Delta",
            ("LOWMEMORY", "Delta"),
            None,
            "Delta",
        ),
        Row::new(
            "OTEL_METRICS_EXPORTER",
            move |c| console(c.metrics.otlp.is_some().then_some(c.metrics.console)),
            "off",
            ("console, otlp", "true"),
            Some(("otlp,consle", "false")),
            "off",
        ),
        Row::new(
            "OTEL_LOGS_EXPORTER",
            move |c| console(c.events.otlp.is_some().then_some(c.events.console)),
            "off",
            ("otlp,console", "true"),
            Some(("prometheus,otlp", "false")),
            "off",
        ),
        Row::new(
            "OTEL_TRACES_EXPORTER",
            move |c| console(c.spans.otlp.is_some().then_some(c.spans.console)),
            "off",
            ("otlp,console", "true"),
            Some(("jaeger", "off")),
            "off",
        ),
    ];
    rows.extend(Row::duration(
        "OTEL_METRIC_EXPORT_INTERVAL",
        "60000",
        Some("100"),
        |c| c.metrics.interval,
    ));
    rows.extend(Row::duration(
        "OTEL_LOGS_EXPORT_INTERVAL",
        "5000",
        Some("10"),
        |c| c.events.interval,
    ));
    rows.extend(Row::duration(
        "OTEL_TRACES_EXPORT_INTERVAL",
        "5000",
        Some("10"),
        |c| c.spans.interval,
    ));
    rows.extend(Row::duration(
        "CLAUDE_CODE_OTEL_FLUSH_TIMEOUT_MS",
        "5000",
        None,
        |c| c.flush_timeout,
    ));
    rows.extend(Row::duration(
        "CLAUDE_CODE_OTEL_SHUTDOWN_TIMEOUT_MS",
        "2000",
        None,
        |c| c.shutdown_timeout,
    ));
    for (part, signal) in [
        ("", 0),
        ("METRICS_", 0),
        ("", 1),
        ("LOGS_", 1),
        ("", 2),
        ("TRACES_", 2),
    ] {
        rows.extend(otlp_rows(part, signal));
    }
    rows
}

fn otlp_rows(part: &str, signal: usize) -> Vec<Row> {
    let name = |suffix| format!("OTEL_EXPORTER_OTLP_{part}{suffix}");
    let probe = move |show: fn(&OtlpConfig) -> String| {
        move |config: &Config| {
            exporters(config)[signal]
                .as_ref()
                .map_or("off".to_owned(), show)
        }
    };
    let protocol = probe(|otlp| format!("{:?}", otlp.protocol));
    let endpoint = probe(|otlp| otlp.endpoint.to_string());
    let default = [
        "http://localhost:4318/v1/metrics",
        "http://localhost:4318/v1/logs",
        "http://localhost:4318/v1/traces",
    ][signal];
    let appended = [
        "http://h/b/v1/metrics",
        "http://h/b/v1/logs",
        "http://h/b/v1/traces",
    ][signal];
    let url = if part.is_empty() {
        appended
    } else {
        "http://h/b"
    };
    let headers = probe(|otlp| {
        let shown: Vec<_> = otlp
            .headers
            .iter()
            .map(|(n, v)| format!("{n}:{}", v.expose()))
            .collect();
        shown.join(";")
    });
    let compression = probe(|otlp| format!("{:?}", otlp.compression));
    let timeout = probe(|otlp| otlp.timeout.as_millis().to_string());
    vec![
        Row::new(
            name("PROTOCOL"),
            protocol,
            "HttpProtobuf",
            ("http/json", "HttpJson"),
            Some(("http", "HttpProtobuf")),
            "HttpProtobuf",
        ),
        Row::new(
            name("PROTOCOL"),
            protocol,
            "HttpProtobuf",
            ("grpc", "Grpc"),
            None,
            "HttpProtobuf",
        ),
        Row::new(
            name("ENDPOINT"),
            endpoint,
            default,
            ("http://h/b", url),
            Some(("h:4318", "off")),
            default,
        ),
        Row::new(
            name("ENDPOINT"),
            protocol,
            "HttpProtobuf",
            ("http://h:4317", "Grpc"),
            Some(("ftp://h:4317", "off")),
            "HttpProtobuf",
        ),
        Row::new(
            name("HEADERS"),
            headers,
            "",
            ("A=b%20c", "a:b c"),
            Some(("x,a=b", "a:b")),
            "",
        ),
        Row::new(
            name("TIMEOUT"),
            timeout,
            "10000",
            ("1", "1"),
            Some(("0", "1")),
            "10000",
        ),
        Row::new(
            name("TIMEOUT"),
            timeout,
            "10000",
            ("20", "20"),
            Some(("20ms", "10000")),
            "10000",
        ),
        Row::new(
            name("COMPRESSION"),
            compression,
            "None",
            ("gzip", "Gzip"),
            Some(("zstd", "None")),
            "None",
        ),
        Row::new(
            name("COMPRESSION"),
            compression,
            "None",
            ("none", "None"),
            Some(("GZIP", "None")),
            "None",
        ),
    ]
}

#[test]
fn every_variable_has_its_effect() {
    assert_eq!(build(base()).warnings(), []);
    for Row {
        name,
        probe,
        default,
        valid,
        invalid,
        empty,
    } in rows()
    {
        let mut unset = base();
        unset.remove(&name);
        let environment = |value: &str| {
            let mut variables = unset.clone();
            variables.insert(name.clone(), value.to_owned());
            variables
        };
        let about = |config: &Config| {
            let own = |warning: &&Warning| warning.variable() == Some(&*name);
            config.warnings().iter().find(own).cloned()
        };
        assert_eq!(probe(&build(unset.clone())), default, "{name} unset");
        assert_eq!(probe(&build(environment(""))), empty, "{name} empty");

        let config = build(environment(valid.0));
        assert_eq!(probe(&config), valid.1, "{name}={}", valid.0);
        let quiet = about(&config).is_none() || name == "OTEL_SDK_DISABLED";
        assert!(
            quiet || valid.0 == "http://h:4317",
            "{:?}",
            config.warnings()
        );

        let cancelled = full(
            Config::builder()
                .environment(environment(valid.0))
                .set(&*name, ""),
        );
        assert_eq!(probe(&cancelled), default, "{name} cancelled by the host");

        let Some((invalid, expected)) = invalid else {
            continue;
        };
        let config = build(environment(invalid));
        assert_eq!(probe(&config), expected, "{name}={invalid}");
        let warning = about(&config).unwrap_or_else(|| panic!("{name}={invalid}: no warning"));
        let shown = if name.ends_with("HEADERS") {
            variables::HIDDEN
        } else {
            invalid
        };
        assert_eq!(warning.value(), Some(shown));
        assert_eq!(warning.origin().unwrap().layer(), Layer::Environment);

        let config = full(
            Config::builder()
                .environment(environment(invalid))
                .set(&*name, valid.0),
        );
        assert_eq!(probe(&config), valid.1, "{name}: host over environment");
        let setting = config
            .explain()
            .settings()
            .iter()
            .find(|s| s.name() == name)
            .unwrap();
        assert_eq!(setting.origin().layer(), Layer::Host);
        assert_eq!(setting.overrode().next().unwrap().0, shown);
    }
}

#[test]
fn no_variable_is_without_a_test() {
    let mut tested: BTreeSet<String> = rows().into_iter().map(|row| row.name).collect();
    // tests of their own
    for name in [
        "ENABLE_ENHANCED_TELEMETRY_BETA",
        "CLAUDE_CODE_CLIENT_CERT",
        "CLAUDE_CODE_CLIENT_KEY",
        "NODE_EXTRA_CA_CERTS",
        "OTEL_EXPORTER_PROMETHEUS_HOST",
        "OTEL_EXPORTER_PROMETHEUS_PORT",
        "otelHeadersHelper",
        "CLAUDE_CODE_OTEL_HEADERS_HELPER_DEBOUNCE_MS",
    ] {
        tested.insert(name.to_owned());
    }
    for part in ["", "METRICS_", "LOGS_", "TRACES_"] {
        tested.insert(format!("OTEL_EXPORTER_OTLP_{part}INSECURE"));
        for kind in ["CERTIFICATE", "CLIENT_CERTIFICATE", "CLIENT_KEY"] {
            tested.insert(format!("OTEL_EXPORTER_OTLP_{part}{kind}"));
        }
    }
    let works = variables::all().filter(|variable| variable.effect == Effect::Works);
    let all: BTreeSet<String> = works.map(|variable| variable.name.to_owned()).collect();
    assert_eq!(tested, all);
}

#[test]
fn variables_that_do_nothing_say_so() {
    for variable in variables::all() {
        let name = variable.name.replace('*', "X");
        let set = |mut variables: Variables| {
            variables.remove(&name);
            let builder = Config::builder().environment(variables).set(&*name, "1");
            let config = full(builder);
            problems(&config).into_iter().cloned().collect::<Vec<_>>()
        };
        match variable.effect {
            Effect::Works => assert!(!set(base()).contains(&Problem::NotBuiltYet), "{name}"),
            Effect::NotBuiltYet if !variable.is_of_telemetry() => {
                assert_eq!(set(base()), [], "{name} is set for other programs, too");
            }
            Effect::NotBuiltYet => {
                assert_eq!(set(base()), [Problem::NotBuiltYet], "{name}");
                assert_eq!(set(Variables::new()), [], "{name} while telemetry is off");
            }
            Effect::Without => assert_eq!(set(base()), [Problem::WithoutEffect], "{name}"),
        }
    }
    let config = with(&[("OTEL_LOG_RAW_API_BODIES", "file:/tmp/bodies")]);
    assert!(!config.content.raw_api_bodies);
    assert_eq!(problems(&config), [&Problem::BodiesToFile]);
}
