//! Any variables of the environment and of the host: the configuration is built, is the same each time, and shows
//! neither a header value nor a password.
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

/// The marker in every secret. The secrets of the input cannot be searched for: they may equal a name or a word of a
/// message.
const CANARY: &str = "c4n4ry";

/// Returns a variable's value with the canary added to every secret part.
fn with_canary(name: &str, value: &str) -> String {
    if name.ends_with("HEADERS") {
        let pairs = value.split(',').map(|pair| match pair.contains('=') {
            true => format!("{pair}{CANARY}"),
            false => pair.to_owned(),
        });
        return pairs.collect::<Vec<_>>().join(",");
    }
    match value.split_once("://") {
        Some((scheme, rest)) if name.ends_with("ENDPOINT") || name.starts_with("HTTP") => {
            format!("{scheme}://user:{CANARY}@{rest}")
        }
        _ => value.to_owned(),
    }
}

/// Parses the input. Each item is the index of a variable in [`NAMES`], plus 16 if the host sets it, and its value.
fn parse(input: &str) -> Vec<(u8, &str)> {
    input
        .split('\n')
        .filter_map(|line| {
            let digit = line.chars().next()?;
            let number = u8::try_from(digit.to_digit(32)?).ok()?;
            Some((number, &line[digit.len_utf8()..]))
        })
        .collect()
}

// Each line is a variable: one digit of base 32, then the value.
fuzz_target!(|input: &str| {
    if input.contains(CANARY) {
        return;
    }
    let variables = parse(input);
    let build = || {
        let base = [
            ("CLAUDE_CODE_ENABLE_TELEMETRY".to_owned(), "1".to_owned()),
            ("OTEL_LOGS_EXPORTER".to_owned(), "otlp".to_owned()),
        ];
        let (mut environment, mut host) = (Vec::from(base), Vec::new());
        for (digit, value) in &variables {
            let name = NAMES[usize::from(digit & 15)];
            let variable = (name.to_owned(), with_canary(name, value));
            match digit & 16 {
                0 => environment.push(variable),
                _ => host.push(variable),
            }
        }
        let builder = Config::builder().environment(environment);
        host.into_iter()
            .fold(builder, |builder, (name, value)| builder.set(name, value))
            .build()
    };
    let config = build();
    let explanation = config.explain().to_string();
    assert_eq!(explanation, build().explain().to_string());
    assert!(!explanation.contains(CANARY), "{explanation}");
    assert!(!format!("{config:?}").contains(CANARY), "{config:?}");
    let is_control_or_bidi =
        |c: char| c != '\n' && (c.is_control() || ('\u{202a}'..='\u{202e}').contains(&c));
    assert!(!explanation.contains(is_control_or_bidi), "{explanation:?}");
});
