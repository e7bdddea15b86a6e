//! Tests that the table of variables is consistent and that displayed values hide secrets.

use super::*;
use std::collections::BTreeSet;

#[test]
fn names_are_unique_and_found() {
    let mut seen = BTreeSet::new();
    for variable in all() {
        assert!(seen.insert(variable.name), "{} twice", variable.name);
        assert!(!variable.meaning.is_empty() && !variable.meaning.contains('\n'));
        let found = find(variable.name).unwrap();
        assert!(std::ptr::eq(found, variable), "{}", variable.name);
    }
}

#[test]
fn defaults_parse_without_problems() {
    for variable in all() {
        let default = variable.kind.default;
        let (_, problems) = variable.kind.parse(default, false);
        assert!(problems.is_empty(), "{}={default}", variable.name);
    }
}

#[test]
fn patterns_match_their_names() {
    for name in [
        "OTEL_BSP_SCHEDULE_DELAY",
        "OTEL_BLRP_MAX_QUEUE_SIZE",
        "OTEL_TRACES_SAMPLER",
        "OTEL_TRACES_SAMPLER_ARG",
        "OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT",
        "OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT",
    ] {
        assert!(!find(name).unwrap().has_effect, "{name}");
    }
    for name in [
        "OTEL_BSP",
        "OTEL_LIMIT",
        "OTEL_TRACES_EXPORTERS",
        "TRACEPARENT",
    ] {
        assert!(find(name).is_none(), "{name}");
    }
}

#[test]
fn shown_urls_hide_secrets() {
    for (url, shown) in [
        ("http://h:4318/base", "http://h:4318/base"),
        ("http://u:CANARY@h:4318/base", "http://<hidden>@h:4318/base"),
        ("http://u:CAN/ARY?@h/base", "http://<hidden>@h/base"),
        ("u:CANARY@h:4317", "<hidden>@h:4317"),
        ("http://h/base?key=CANARY", "http://h/base?<hidden>"),
        ("http://h/base#CANARY", "http://h/base?<hidden>"),
        ("http://h/\u{7f}a\u{202e}", "http://h/\u{fffd}a\u{fffd}"),
    ] {
        assert_eq!(shown_url(url), shown);
    }
}

#[test]
fn shown_values_hide_secrets_and_control_characters() {
    assert_eq!((HEADERS.general.kind.shown)("a=CANARY"), HIDDEN);
    assert_eq!((HEADERS_HELPER.kind.shown)("echo CANARY"), HIDDEN);
    assert_eq!((CLIENT_KEY.kind.shown)("-----BEGIN CANARY"), HIDDEN);
    assert_eq!(
        (SERVICE_NAME.kind.shown)("a\u{1b}[1mb\u{2066}"),
        "a\u{fffd}[1mb\u{fffd}"
    );
}

#[test]
fn names_of_other_variables_are_not_misspellings() {
    // The names of the specification of OpenTelemetry without effect here, also obsolete ones.
    let specification = [
        "OTEL_ATTRIBUTE_COUNT_LIMIT",
        "OTEL_BLRP_EXPORT_TIMEOUT",
        "OTEL_BSP_EXPORT_TIMEOUT",
        "OTEL_CONFIG_FILE",
        "OTEL_ENTITIES",
        "OTEL_EXPERIMENTAL_CONFIG_FILE",
        "OTEL_EXPORTER_JAEGER_AGENT_HOST",
        "OTEL_EXPORTER_JAEGER_AGENT_PORT",
        "OTEL_EXPORTER_JAEGER_ENDPOINT",
        "OTEL_EXPORTER_JAEGER_PASSWORD",
        "OTEL_EXPORTER_JAEGER_PROTOCOL",
        "OTEL_EXPORTER_JAEGER_TIMEOUT",
        "OTEL_EXPORTER_JAEGER_USER",
        "OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION",
        "OTEL_EXPORTER_OTLP_METRIC_INSECURE",
        "OTEL_EXPORTER_OTLP_SPAN_INSECURE",
        "OTEL_EXPORTER_ZIPKIN_ENDPOINT",
        "OTEL_EXPORTER_ZIPKIN_PROTOCOL",
        "OTEL_EXPORTER_ZIPKIN_TIMEOUT",
        "OTEL_LOGRECORD_ATTRIBUTE_COUNT_LIMIT",
        "OTEL_LOG_LEVEL",
        "OTEL_METRICS_EXEMPLAR_FILTER",
        "OTEL_METRIC_EXPORT_TIMEOUT",
        "OTEL_PROPAGATORS",
        "OTEL_SPAN_LINK_COUNT_LIMIT",
        "OTEL_TRACES_SAMPLER",
        "OTEL_TRACES_SAMPLER_ARG",
    ];
    let others = [
        "ANTHROPIC_API_KEY",
        "CLAUDE_CODE_CLIENT_KEY_PASSPHRASE",
        "CLAUDE_CODE_DISABLE_TELEMETRY",
        "CLAUDE_CODE_ENABLE_TASKS",
        "CLAUDE_CODE_ENTRYPOINT",
        "CLAUDE_CODE_MAX_OUTPUT_TOKENS",
        "DBUS_SESSION_BUS_ADDRESS",
        "DISABLE_TELEMETRY",
        "NODE_TLS_REJECT_UNAUTHORIZED",
        "OTEL_NODE_RESOURCE_DETECTORS",
        "OTEL_PYTHON_LOG_LEVEL",
        "OTEL_SERVICE_VERSION",
        "SSL_CERT_FILE",
        "XDG_RUNTIME_DIR",
        "YARN_HTTPS_PROXY",
        "npm_config_https_proxy",
    ];
    for name in specification.into_iter().chain(others) {
        // Only unknown names can be misspelled.
        let meant = find(name).map_or_else(|| misspelled(name), |_| None);
        assert_eq!(meant, None, "{name}");
    }
}
