//! Tests of the whole configuration, from its variables to its exporters and warnings.

mod docs;
mod parsers;
mod settings;
mod table;

use std::collections::BTreeMap;

use super::explain::Explanation;
use super::otlp::OtlpConfig;
use super::problem::Problem;
use super::resolve::resolve;
use super::resolver::{Features, Resolver};
use super::*;

type Variables = BTreeMap<String, String>;

impl Features {
    /// All features, so that tests do not depend on the build.
    pub(super) const ALL: Self = Self(&["grpc", "http", "console", "prometheus"]);
}

impl<'v> Resolver<'v> {
    /// Returns a resolution with all features.
    pub(super) fn of(signal: Signal, values: &'v Values, report: &'v mut Explanation) -> Self {
        Self {
            values,
            signal,
            features: Features::ALL,
            ports: None,
            report,
        }
    }
}

impl Warning {
    pub(super) fn problem(&self) -> &Problem {
        &self.problem
    }
}

/// Returns variables that turn the OTLP exporter of every signal on, so that most other variables have a visible
/// effect.
fn base() -> Variables {
    variables(&[
        ("CLAUDE_CODE_ENABLE_TELEMETRY", "1"),
        ("OTEL_METRICS_EXPORTER", "otlp"),
        ("OTEL_LOGS_EXPORTER", "otlp"),
        ("OTEL_TRACES_EXPORTER", "otlp"),
        ("CLAUDE_CODE_ENHANCED_TELEMETRY_BETA", "1"),
    ])
}

fn variables(list: &[(&str, &str)]) -> Variables {
    let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    list.iter().map(owned).collect()
}

fn build(variables: Variables) -> Config {
    build_with_all_features(Config::builder().environment(variables))
}

/// Builds a configuration like [`ConfigBuilder::build`], with all features instead of the compiled ones.
fn build_with_all_features(builder: ConfigBuilder) -> Config {
    resolve(builder, Features::ALL)
}

/// Returns a configuration of the variables of [`base`], overridden by those of the list.
fn with(list: &[(&str, &str)]) -> Config {
    let mut all = base();
    all.extend(variables(list));
    build(all)
}

fn problems(config: &Config) -> Vec<&Problem> {
    config.warnings().iter().map(Warning::problem).collect()
}

/// Returns the OTLP exporters of metrics, events and spans.
fn exporters(config: &Config) -> [&Option<OtlpConfig>; 3] {
    [
        &config.metrics.otlp,
        &config.events.otlp,
        &config.spans.otlp,
    ]
}

#[test]
fn no_exporter_is_on_by_default_or_while_telemetry_is_off() {
    let config = build(Variables::new());
    assert!(!config.is_enabled());
    assert_eq!(config.warnings(), []);
    assert!(config.explain().settings().is_empty());
    assert_eq!(exporters(&config), [&None, &None, &None]);
    let console = with(&[
        ("CLAUDE_CODE_ENABLE_TELEMETRY", "0"),
        ("OTEL_METRICS_EXPORTER", "console"),
        ("OTEL_LOGS_EXPORTER", "console"),
        ("OTEL_TRACES_EXPORTER", "console"),
    ]);
    assert!(!(console.metrics.console || console.events.console || console.spans.console));
}

#[test]
fn variable_is_set_unless_it_is_empty_or_white_space() {
    let endpoint = &variables::ENDPOINT.general;
    for (text, is_set) in [("", false), (" \u{85}", false), ("h", true), (" h ", true)] {
        let config = build(self::variables(&[(endpoint.name, text)]));
        assert_eq!(config.is_set(endpoint), is_set, "{text:?}");
    }
    assert!(!build(Variables::new()).is_set(endpoint));
}

#[test]
fn warnings_explain_why_requested_telemetry_is_not_exported() {
    let on = ("CLAUDE_CODE_ENABLE_TELEMETRY", "1");
    let beta = ("CLAUDE_CODE_ENHANCED_TELEMETRY_BETA", "1");
    type Row<'a> = (&'a [(&'a str, &'a str)], &'a [Problem]);
    let table: [Row<'_>; 10] = [
        (&[], &[]),
        (&[("OTEL_LOGS_EXPORTER", "otlp")], &[Problem::NotEnabled]),
        (&[("OTEL_LOGS_EXPORTER", "none")], &[]),
        (&[on], &[Problem::NoExporter]),
        (&[on, ("OTEL_LOGS_EXPORTER", "none")], &[]),
        (
            &[on, ("OTEL_TRACES_EXPORTER", "otlp")],
            &[Problem::SpansNeedBeta],
        ),
        (
            &[on, ("OTEL_LOGS_EXPORTER", "otlp"), beta],
            &[Problem::BetaNeedsExporter],
        ),
        (
            &[
                on,
                ("OTEL_LOGS_EXPORTER", "otlp"),
                beta,
                ("OTEL_TRACES_EXPORTER", "none"),
            ],
            &[],
        ),
        (&[on, ("OTEL_SDK_DISABLED", "true")], &[Problem::Disabled]),
        (&[on, ("OTEL_METRICS_EXPORTER", "prometheus")], &[]),
    ];
    for (list, expected) in table {
        let config = build(variables(list));
        let expected: Vec<_> = expected.iter().collect();
        assert_eq!(problems(&config), expected, "{list:?}");
    }
}

#[test]
fn spans_need_the_beta_variable_under_one_of_its_names_and_the_higher_layer_wins() {
    let alias = "ENABLE_ENHANCED_TELEMETRY_BETA";
    let name = "CLAUDE_CODE_ENHANCED_TELEMETRY_BETA";
    for (environment, host, spans) in [
        (vec![], vec![], false),
        (vec![(alias, "1")], vec![], true),
        (vec![(alias, "1"), (name, "0")], vec![], false),
        (vec![(alias, "0"), (name, "1")], vec![], true),
        (vec![(name, "1")], vec![(alias, "0")], false),
        (vec![(name, "0")], vec![(alias, "1")], true),
        // An empty value cancels both names in lower layers. In the same layer, a value under the other name applies.
        (vec![(alias, "1")], vec![(name, "")], false),
        (vec![(name, ""), (alias, "1")], vec![], true),
    ] {
        let mut all = base();
        all.remove(name);
        all.extend(variables(&environment));
        let mut builder = Config::builder().environment(all);
        for (name, value) in &host {
            builder = builder.set(*name, *value);
        }
        let config = build_with_all_features(builder);
        assert_eq!(
            config.spans.otlp.is_some(),
            spans,
            "{environment:?} {host:?}"
        );
    }
}

#[test]
fn cumulative_points_without_session_and_instance_id_cause_a_warning() {
    let cumulative = (
        "OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE",
        "cumulative",
    );
    let without_session_id = ("OTEL_METRICS_INCLUDE_SESSION_ID", "false");
    let instance = ("OTEL_RESOURCE_ATTRIBUTES", "service.instance.id=1");
    for (list, warned) in [
        (vec![cumulative, without_session_id], true),
        (vec![cumulative], false),
        (vec![without_session_id], false),
        (vec![cumulative, without_session_id, instance], false),
        (
            vec![
                cumulative,
                without_session_id,
                ("OTEL_METRICS_EXPORTER", "none"),
            ],
            false,
        ),
    ] {
        let config = with(&list);
        assert_eq!(
            problems(&config).contains(&&Problem::SharedSeries),
            warned,
            "{list:?}"
        );
    }
}

#[test]
fn secrets_are_hidden_everywhere() {
    let mut all = base();
    all.extend(variables(&[
        (
            "OTEL_EXPORTER_OTLP_HEADERS",
            "authorization=Bearer CANARY,CANARY,x=CANARY%",
        ),
        (
            "OTEL_EXPORTER_OTLP_LOGS_HEADERS",
            "CANARY CANARY=1,a=CANARY%0a,b=CANARY,b=CANARY",
        ),
        ("OTEL_EXPORTER_OTLP_HEADER", "a=CANARY"),
        (
            "OTEL_EXPORTER_OTLP_ENDPOINT",
            "http://user:CANARY@h/base?key=CANARY",
        ),
        (
            "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
            "https://user:CANARY@h",
        ),
        ("OTEL_EXPORTER_OTLP_LOGS_ENDPOINT", "user:CANARY@h:4318"),
        ("HTTPS_PROXY", "http://user:CANARY@proxy"),
        ("ANTHROPIC_API_KEY", "CANARY"),
    ]));
    let builder = Config::builder()
        .environment(all)
        .set("OTEL_EXPORTER_OTLP_HEADERS", "x=CANARY")
        .set("otelHeadersHelper", "echo CANARY");
    let mut seen = format!("{builder:?}");
    let config = build_with_all_features(builder);
    let sent = &config.metrics.otlp.as_ref().unwrap().headers;
    let mut sent = sent.iter().map(|(_, header)| header.value.expose());
    assert!(sent.any(|value| value == "CANARY"));
    seen += &format!("{config:?} {config:#?} {}", config.explain());
    for warning in config.warnings() {
        seen += &format!("{warning} {warning:?} {:?}", warning.value());
    }
    assert!(!seen.contains("CANARY"), "{seen}");
}

#[test]
fn the_headers_helper_is_a_setting_and_its_interval_a_variable() {
    const DEBOUNCE: &str = "CLAUDE_CODE_OTEL_HEADERS_HELPER_DEBOUNCE_MS";
    let helper = |debounce: Option<&str>, command: Option<&str>| {
        let mut all = base();
        // The helper is not an environment variable.
        all.extend(variables(&[("otelHeadersHelper", "environment")]));
        all.extend(debounce.map(|value| (DEBOUNCE.to_owned(), value.to_owned())));
        let mut builder = Config::builder().environment(all);
        if let Some(command) = command {
            builder = builder.set("otelHeadersHelper", command);
        }
        let config = build_with_all_features(builder);
        let shown = config.headers_helper.as_ref().map(|helper| {
            let milliseconds = helper.interval.as_millis();
            format!("{} {milliseconds}", helper.command.expose())
        });
        (shown.unwrap_or_default(), config.warnings().len())
    };
    let table = [
        (None, None, "", 0),
        (None, Some(" "), "", 0),
        (Some("7000"), None, "", 0),
        (None, Some(" /a b/c "), "/a b/c 1740000", 0),
        (Some(""), Some("x"), "x 1740000", 0),
        (Some("7000"), Some("x"), "x 7000", 0),
        (Some("5s"), Some("x"), "x 1740000", 1),
        (Some("0"), Some("x"), "x 100", 1),
    ];
    for (debounce, command, expected, warnings) in table {
        let (shown, warned) = helper(debounce, command);
        assert_eq!(
            (shown.as_str(), warned),
            (expected, warnings),
            "{debounce:?} {command:?}"
        );
    }
}

#[test]
fn builder_methods_and_injected_environment_take_effect() {
    let config = build(Variables::new());
    assert_eq!(config.number_encoding, NumberEncoding::Native);
    assert!(config.attributes.user_email && config.content.error_messages);
    assert_eq!(config.installation_id_path, None);
    assert_eq!(config.explain().facts().count(), 0);

    let config = Config::builder()
        .environment([("TERM_PROGRAM", "vscode"), ("TRACEPARENT", "00-x")])
        .number_encoding(NumberEncoding::Text)
        .user_email(false)
        .error_messages(false)
        .installation_id_path("/x/id")
        .build();
    assert_eq!(config.number_encoding, NumberEncoding::Text);
    assert!(!config.attributes.user_email && !config.content.error_messages);
    assert_eq!(config.installation_id_path, Some(PathBuf::from("/x/id")));
    assert_eq!(config.terminal_type.as_deref(), Some("vscode"));
    assert_eq!(
        config.environment.get("TRACEPARENT").as_deref(),
        Some("00-x")
    );
    assert_eq!(config.explain().facts().count(), 4);
}

#[test]
fn prometheus_page_address_follows_variables_and_host() {
    let [host, port] = ["HOST", "PORT"].map(|part| format!("OTEL_EXPORTER_PROMETHEUS_{part}"));
    let of = |host_text: Option<&str>, port_text: Option<&str>, range| {
        let mut all = base();
        all.extend(variables(&[("OTEL_METRICS_EXPORTER", "prometheus,otlp")]));
        all.extend(host_text.map(|text| (host.clone(), text.to_owned())));
        all.extend(port_text.map(|text| (port.clone(), text.to_owned())));
        let mut builder = Config::builder().environment(all);
        if let Some(range) = range {
            builder = builder.prometheus_port_range(range);
        }
        let config = build_with_all_features(builder);
        assert!(config.metrics.otlp.is_some());
        let prometheus = config.metrics.prometheus.clone().unwrap();
        let fact = config.explain().facts().find(|fact| fact.contains("page"));
        let fact = fact
            .unwrap()
            .replace("; its values are always cumulative", "");
        let fact = fact.replace("metrics: Prometheus page at ", "");
        (
            prometheus.host,
            prometheus.port,
            fact,
            config.warnings().len(),
        )
    };
    let reachable = ", where other machines may fetch it";
    for (host, port, expected, fact, warnings) in [
        (
            None,
            None,
            ("localhost", 9464),
            "http://localhost:9464/metrics".to_owned(),
            0,
        ),
        (
            Some(""),
            Some(""),
            ("localhost", 9464),
            "http://localhost:9464/metrics".to_owned(),
            0,
        ),
        (
            Some(" ::1 "),
            Some("0"),
            ("::1", 0),
            "a free port of [::1]".to_owned(),
            0,
        ),
        (
            Some("[::1]"),
            Some("80"),
            ("::1", 80),
            "http://[::1]:80/metrics".to_owned(),
            0,
        ),
        (
            Some("0.0.0.0"),
            None,
            ("0.0.0.0", 9464),
            format!("http://0.0.0.0:9464/metrics{reachable}"),
            0,
        ),
        (
            Some("h.local"),
            None,
            ("h.local", 9464),
            format!("http://h.local:9464/metrics{reachable}"),
            0,
        ),
        (
            Some("h:1"),
            Some("65536"),
            ("localhost", 9464),
            "http://localhost:9464/metrics".to_owned(),
            2,
        ),
    ] {
        let found = of(host, port, None);
        assert_eq!((found.0.as_str(), found.1), expected, "{host:?} {port:?}");
        assert_eq!((found.2, found.3), (fact, warnings), "{host:?} {port:?}");
    }
    let (.., fact, _) = of(None, None, Some(9465..=9470));
    assert!(
        fact.contains("the first free one of 9465 to 9470"),
        "{fact}"
    );
}

#[test]
fn exporter_without_its_feature_is_left_out() {
    let mut all = base();
    all.extend(variables(&[("OTEL_LOGS_EXPORTER", "console,otlp")]));
    let builder = Config::builder().environment(all);
    let config = resolve(builder, Features(&["grpc", "http", "prometheus"]));
    assert!(!config.events.console && config.events.otlp.is_some());
    let [warning] = config.warnings() else {
        panic!("{:?}", config.warnings());
    };
    assert!(warning.to_string().contains("cargo feature `console`"));

    let config = resolve(
        Config::builder().environment(variables(&[
            ("CLAUDE_CODE_ENABLE_TELEMETRY", "1"),
            ("OTEL_METRICS_EXPORTER", "prometheus"),
        ])),
        Features(&["grpc", "http", "console"]),
    );
    assert_eq!(config.metrics.prometheus, None);
    assert_eq!(config.metrics.unavailable[0].0, Exporter::Prometheus);
    let [warning] = config.warnings() else {
        panic!("{:?}", config.warnings());
    };
    assert!(warning.to_string().contains("cargo feature `prometheus`"));
}
