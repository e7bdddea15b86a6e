//! Any variables of the environment and of the host: a configuration comes of them, the same one each time, and no header
//! and no password shows.
#![no_main]

use claude_code_telemetry::Config;
use libfuzzer_sys::fuzz_target;

const NAMES: [&str; 16] = [
    "CLAUDE_CODE_ENABLE_TELEMETRY",
    "OTEL_METRICS_EXPORTER",
    "OTEL_LOGS_EXPORTER",
    "OTEL_EXPORTER_OTLP_PROTOCOL",
    "OTEL_EXPORTER_OTLP_ENDPOINT",
    "OTEL_EXPORTER_OTLP_LOGS_ENDPOINT",
    "OTEL_EXPORTER_OTLP_HEADERS",
    "OTEL_EXPORTER_OTLP_LOGS_HEADERS",
    "OTEL_EXPORTER_OTLP_TIMEOUT",
    "OTEL_METRIC_EXPORT_INTERVAL",
    "OTEL_RESOURCE_ATTRIBUTES",
    "OTEL_LOG_USER_PROMPTS",
    "CLAUDE_CODE_OTEL_CONTENT_MAX_LENGTH",
    "HTTPS_PROXY",
    "HTTP_PROXY",
    "NO_PROXY",
];

fuzz_target!(|variables: Vec<(u8, String)>| {
    let build = || {
        let base = [
            ("CLAUDE_CODE_ENABLE_TELEMETRY".to_owned(), "1".to_owned()),
            ("OTEL_LOGS_EXPORTER".to_owned(), "otlp".to_owned()),
        ];
        let (mut environment, mut host) = (Vec::from(base), Vec::new());
        for (place, value) in &variables {
            let name = NAMES[usize::from(place & 15)].to_owned();
            match place & 16 {
                0 => environment.push((name, value.clone())),
                _ => host.push((name, value.clone())),
            }
        }
        let builder = Config::builder().environment(environment);
        host.into_iter()
            .fold(builder, |builder, (name, value)| builder.set(name, value))
            .build()
    };
    let config = build();
    let shown = config.explain().to_string();
    assert_eq!(shown, build().explain().to_string());
    for (place, value) in &variables {
        let is_header = NAMES[usize::from(place & 15)].ends_with("HEADERS");
        // Values that are long enough not to be there by chance.
        for secret in value.split(',').filter_map(|pair| pair.split_once('=')) {
            let secret = secret.1.trim();
            let elsewhere = variables
                .iter()
                .filter(|(_, other)| other.contains(secret))
                .count();
            if is_header && secret.len() > 12 && elsewhere == 1 {
                assert!(!shown.contains(secret), "{shown}");
            }
        }
    }
});
