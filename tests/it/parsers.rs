//! Any content of the environment, a settings file or a certificate file gives a configuration, and problems become
//! warnings.

use std::fs;
use std::path::PathBuf;

use claude_code_telemetry::{Config, Explanation, Layer, SettingsFiles};
use proptest::prelude::*;

/// Names of variables of every kind, including unknown ones.
const NAMES: &[&str] = &[
    "CLAUDE_CODE_ENABLE_TELEMETRY",
    "CLAUDE_CODE_ENHANCED_TELEMETRY_BETA",
    "OTEL_SDK_DISABLED",
    "OTEL_METRICS_EXPORTER",
    "OTEL_LOGS_EXPORTER",
    "OTEL_TRACES_EXPORTER",
    "OTEL_EXPORTER_OTLP_PROTOCOL",
    "OTEL_EXPORTER_OTLP_LOGS_PROTOCOL",
    "OTEL_EXPORTER_OTLP_ENDPOINT",
    "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT",
    "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
    "OTEL_EXPORTER_OTLP_HEADERS",
    "OTEL_EXPORTER_OTLP_LOGS_HEADERS",
    "OTEL_EXPORTER_OTLP_TIMEOUT",
    "OTEL_EXPORTER_OTLP_COMPRESSION",
    "OTEL_EXPORTER_OTLP_CERTIFICATE",
    "OTEL_EXPORTER_OTLP_INSECURE",
    "OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE",
    "OTEL_METRIC_EXPORT_INTERVAL",
    "OTEL_RESOURCE_ATTRIBUTES",
    "OTEL_SERVICE_NAME",
    "OTEL_LOG_USER_PROMPTS",
    "OTEL_LOG_RAW_API_BODIES",
    "OTEL_METRICS_INCLUDE_SESSION_ID",
    "CLAUDE_CODE_OTEL_CONTENT_MAX_LENGTH",
    "CLAUDE_CODE_OTEL_FLUSH_TIMEOUT_MS",
    "HTTPS_PROXY",
    "HTTP_PROXY",
    "NO_PROXY",
    "TRACEPARENT",
    "TERM_PROGRAM",
    "OTEL_LOG_PROMPTS",
    "OTEL_EXPORTER_OTLP_ENDPONT",
    "otelHeadersHelper",
];

const VALUES: &[&str] = &[
    "",
    "1",
    "true",
    "0",
    "maybe",
    "otlp",
    "console",
    "none",
    ",",
    "grpc",
    "http/json",
    "gzip",
    "delta",
    "http://",
    "https://",
    "localhost",
    ":",
    "4317",
    "/",
    "@",
    "=",
    "%",
    "%20",
    "key",
    " ",
    "\t",
    "\n",
    "é",
    "\u{0}",
    "-1",
    "99999999999999999999",
    "no_proxy",
    "*",
    ".",
];

fn values() -> impl Strategy<Value = String> {
    let part = prop_oneof![
        6 => proptest::sample::select(VALUES).prop_map(str::to_owned),
        1 => any::<char>().prop_map(String::from),
    ];
    proptest::collection::vec(part, 0..10).prop_map(|parts| parts.concat())
}

fn variables() -> impl Strategy<Value = Vec<(String, String)>> {
    let name = proptest::sample::select(NAMES).prop_map(str::to_owned);
    proptest::collection::vec((name, values()), 0..8)
}

/// Returns the strings that a host can see about a configuration.
fn displayed(config: &Config) -> String {
    format!("{config:?}\n{}", config.explain())
}

/// Returns the path of the file that a case writes, in a separate folder for each test, because tests run in
/// parallel.
fn file(name: &str) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    (folder, path)
}

fn has_warning_for_layer(explanation: &Explanation, layer: Layer) -> bool {
    let origins = explanation
        .warnings()
        .iter()
        .filter_map(|warning| warning.origin());
    origins.into_iter().any(|origin| origin.layer() == layer)
}

proptest! {
    #[test]
    fn any_environment_gives_a_stable_configuration(environment in variables(), host in variables()) {
        let build = || {
            let builder = Config::builder().environment(environment.clone());
            let builder = host.iter().fold(builder, |builder, (name, value)| builder.set(name, value));
            builder.build()
        };
        let config = build();
        // The configuration depends only on these inputs, not on the process.
        prop_assert_eq!(displayed(&config), displayed(&build()));
        for warning in config.warnings() {
            prop_assert!(!warning.to_string().is_empty());
        }
    }

    #[test]
    fn header_values_are_hidden_in_any_context(before in values(), after in values()) {
        let value = format!("{before}=CANARY{after}");
        let config = Config::builder()
            .environment([
                ("CLAUDE_CODE_ENABLE_TELEMETRY", "1"),
                ("OTEL_LOGS_EXPORTER", "otlp"),
                ("OTEL_EXPORTER_OTLP_HEADERS", &value),
            ])
            .build();
        prop_assert!(!displayed(&config).contains("CANARY"));
    }

    #[test]
    fn endpoint_passwords_are_hidden_in_any_context(before in values(), after in values()) {
        let value = format!("http://user:CANARY{before}@localhost{after}");
        let config = Config::builder()
            .environment([
                ("CLAUDE_CODE_ENABLE_TELEMETRY", "1"),
                ("OTEL_LOGS_EXPORTER", "otlp"),
                ("OTEL_EXPORTER_OTLP_ENDPOINT", &value),
            ])
            .build();
        prop_assert!(!displayed(&config).contains("CANARY"), "{}", displayed(&config));
    }
}

/// A settings file with all kinds of relevant settings.
const SETTINGS: &str = r#"{"model":"x","env":{"CLAUDE_CODE_ENABLE_TELEMETRY":"1","OTEL_LOGS_EXPORTER":"otlp",
"OTEL_EXPORTER_OTLP_HEADERS":"a=CANARY"},"otelHeadersHelper":"printf CANARY"}"#;

/// Generates variants of a string in which some bytes are changed, or that are truncated.
fn damaged(text: &'static str) -> impl Strategy<Value = Vec<u8>> {
    let changes = proptest::collection::vec((0..text.len(), any::<u8>()), 0..4);
    (changes, 0..=text.len(), any::<bool>()).prop_map(move |(changes, end, whole)| {
        let mut bytes = text.as_bytes().to_vec();
        for (at, byte) in changes {
            bytes[at] = byte;
        }
        if !whole {
            bytes.truncate(end);
        }
        bytes
    })
}

#[test]
fn any_settings_file_gives_a_configuration() {
    let (_folder, path) = file("settings.json");
    proptest!(|(bytes in prop_oneof![
        damaged(SETTINGS),
        proptest::collection::vec(any::<u8>(), 0..40),
    ])| {
        fs::write(&path, &bytes).unwrap();
        let config = Config::builder()
            .environment([("OTEL_SERVICE_NAME", "still-there")])
            .settings_files(SettingsFiles::none().user_file(&path))
            .build();
        // The other layers are still applied.
        let settings = config.explain().settings();
        prop_assert!(settings.iter().any(|setting| setting.name() == "OTEL_SERVICE_NAME"));
        let is_object = serde_json::from_slice::<serde_json::Value>(&bytes).is_ok_and(|json| json.is_object());
        if !is_object {
            prop_assert!(has_warning_for_layer(config.explain(), Layer::User), "{}", config.explain());
        }
    });
}

/// A certificate and a private key. They need not be valid: the exporter parses them, and not the configuration.
const PEM: &str = "-----BEGIN CERTIFICATE-----
MIIBejCCASGgAwIBAgIUOhUVkI0sq5wq2LgKcIkQ0nOxuYQwCgYIKoZIzj0EAwIw
EzERMA8GA1UEAwwIZXhhbXBsZTAwHhcNMjUwMTAxMDAwMDAwWhcNMzUwMTAxMDAw
-----END CERTIFICATE-----
-----BEGIN PRIVATE KEY-----
Q0FOQVJZQ0FOQVJZQ0FOQVJZQ0FOQVJZQ0FOQVJZQ0FOQVJZQ0FOQVJZ
-----END PRIVATE KEY-----
";

#[test]
fn any_certificate_file_gives_a_configuration_that_hides_its_content() {
    let (_folder, path) = file("file.pem");
    let path_text = path.to_str().unwrap();
    proptest!(|(bytes in prop_oneof![
        damaged(PEM),
        proptest::collection::vec(any::<u8>(), 0..40),
    ])| {
        fs::write(&path, &bytes).unwrap();
        let config = Config::builder()
            .environment([
                ("CLAUDE_CODE_ENABLE_TELEMETRY", "1"),
                ("OTEL_LOGS_EXPORTER", "otlp"),
                ("OTEL_METRICS_EXPORTER", "console"),
                ("OTEL_EXPORTER_OTLP_ENDPOINT", "https://localhost:4318"),
                ("OTEL_EXPORTER_OTLP_CERTIFICATE", path_text),
                ("OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE", path_text),
                ("OTEL_EXPORTER_OTLP_CLIENT_KEY", path_text),
                ("NODE_EXTRA_CA_CERTS", path_text),
            ])
            .build();
        let displayed = displayed(&config);
        // The beginnings of the lines between the headers, and the text of the decoded key.
        for secret in ["MIIBej", "EzERMA", "Q0FOQV", "CANARY"] {
            prop_assert!(!displayed.contains(secret), "{displayed}");
        }
    });
}
