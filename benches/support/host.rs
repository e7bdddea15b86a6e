//! The host: telemetry, sessions and the request that all benchmarks record.

use std::collections::BTreeMap;
use std::time::Duration;

use claude_code_telemetry::{
    ApiRequest, Config, Identity, Prompt, Service, Session, SessionOptions, Telemetry, Text,
    TokenUsage,
};

pub const MODEL: &str = "claude-sonnet-4-6";
pub const REQUEST_ID: &str = "req_011CQFZxJ4v5yTg8Qm2nXk7L";
pub const USER: &str = "4f7c1f0d0d5a4c2e8f1b6a9e3d7c5b2a4f7c1f0d0d5a4c2e8f1b6a9e3d7c5b2a";
pub const ORGANIZATION: &str = "0b8a4e2c-6f1d-4b7e-9c35-2d8e6f0a1b4c";
pub const EMAIL: &str = "kim@example.com";
pub const ACCOUNT: &str = "7d3c9b1e-5a2f-4e8d-b6c4-1f0e9d8c7b6a";
pub const TERMINAL: &str = "xterm-256color";
pub const COST: f64 = 0.0049;
pub const TOKENS: [u64; 4] = [1_200, 86, 20_480, 512];
pub const DURATION_MS: u64 = 1_834;

/// The signals that are exported.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signals {
    Off,
    Metrics,
    Events,
    MetricsAndEvents,
    All,
}

/// Returns the variables of a host that exports to `endpoint` at a flush, a full batch or the shutdown, and at no
/// interval. Entries of `extra` take precedence.
pub fn environment(
    signals: Signals,
    endpoint: &str,
    protocol: &str,
    extra: &[(&str, &str)],
) -> BTreeMap<String, String> {
    let on = |on: bool| if on { "otlp" } else { "none" };
    let metrics = matches!(
        signals,
        Signals::Metrics | Signals::MetricsAndEvents | Signals::All
    );
    let events = matches!(
        signals,
        Signals::Events | Signals::MetricsAndEvents | Signals::All
    );
    let base = [
        (
            "CLAUDE_CODE_ENABLE_TELEMETRY",
            if signals == Signals::Off { "0" } else { "1" },
        ),
        ("CLAUDE_CODE_ENHANCED_TELEMETRY_BETA", "1"),
        ("OTEL_METRICS_EXPORTER", on(metrics)),
        ("OTEL_LOGS_EXPORTER", on(events)),
        ("OTEL_TRACES_EXPORTER", on(signals == Signals::All)),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", protocol),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint),
        ("OTEL_METRIC_EXPORT_INTERVAL", "3600000"),
        ("OTEL_LOGS_EXPORT_INTERVAL", "3600000"),
        ("OTEL_TRACES_EXPORT_INTERVAL", "3600000"),
        ("CLAUDE_CODE_OTEL_FLUSH_TIMEOUT_MS", "60000"),
        ("CLAUDE_CODE_OTEL_SHUTDOWN_TIMEOUT_MS", "60000"),
    ];
    base.iter()
        .chain(extra)
        .map(|&(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

/// Returns the configuration of these variables, which accesses no file of the user.
pub fn config(environment: BTreeMap<String, String>) -> Config {
    Config::builder()
        .environment(environment)
        .installation_id_path(std::env::temp_dir().join("claude-code-telemetry-benches/id"))
        .build()
}

pub fn service() -> Service {
    Service::new("claude-code", "1.2.3")
}

/// Starts telemetry for these signals.
pub fn telemetry(
    signals: Signals,
    endpoint: &str,
    protocol: &str,
    extra: &[(&str, &str)],
) -> Telemetry {
    Telemetry::start(
        config(environment(signals, endpoint, protocol, extra)),
        service(),
    )
}

/// Starts a session with seven standard attributes: the six that are set here, and `app.version` of [`service`].
pub fn session(telemetry: &Telemetry, number: usize) -> Session {
    let identity = Identity::new()
        .user_id(USER)
        .organization_id(ORGANIZATION)
        .email(EMAIL)
        .account_uuid(ACCOUNT);
    telemetry.session(
        SessionOptions::new()
            .id(session_id(number))
            .identity(identity)
            .terminal_type(TERMINAL),
    )
}

pub fn session_id(number: usize) -> String {
    format!("3f6d1c52-8b0e-4c77-9a51-{number:012x}")
}

/// Begins a prompt of a session from [`session`].
pub fn prompt(telemetry: &Telemetry, number: usize) -> Prompt {
    session(telemetry, number).prompt("Fix the failing test")
}

/// Returns a request with a cost, four token counts, and an event with 20 attributes.
pub fn request() -> ApiRequest {
    let [input, output, read, creation] = TOKENS;
    ApiRequest::new(Text::from_static(MODEL))
        .tokens(
            TokenUsage::new()
                .input(input)
                .output(output)
                .cache_read(read)
                .cache_creation(creation),
        )
        .cost_usd(COST)
        .duration(Duration::from_millis(DURATION_MS))
        .request_id(Text::from_static(REQUEST_ID))
}

/// Returns the body of a request of about `bytes` bytes.
pub fn body(bytes: usize) -> String {
    let message = r#"{"role":"user","content":[{"type":"text","text":"Look at the failing test, please, and say why it fails."}]}"#;
    let count = bytes / (message.len() + 1);
    let messages = vec![message; count.max(1)].join(",");
    format!(r#"{{"model":"claude-sonnet-4-6","messages":[{messages}]}}"#)
}
