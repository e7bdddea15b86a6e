//! A host can give the configuration an environment of its own (`ConfigBuilder::environment`). Then the environment of
//! the process has no effect: the same data is sent to the same endpoint, whatever environment the process has.
//!
//! The tests run this program again, in environments that would change the data or the connections if the crate or one
//! of its dependencies read them.
#![cfg(all(feature = "grpc", feature = "http"))]

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use crate::host::Protocol;
use crate::support::proxy::Proxy;
use crate::support::tls::{Authority, Behavior, Files, TlsServer};
use crate::support::{Attributes, Receiver};
use claude_code_telemetry::{
    ApiRequest, Config, Decision, DecisionSource, Identity, Service, SessionOptions, Telemetry,
    TokenUsage, ToolOutcome,
};
use serde_json::{Value, json};

/// The variable with the environment that the child process gives its configuration, as `name=value` lines.
const INJECTED: &str = "TEST_INJECTED_ENVIRONMENT";

/// The body of the child process that the other tests run. Without the variable the test returns at once.
#[test]
fn child() {
    let Ok(injected) = std::env::var(INJECTED) else {
        return;
    };
    let injected = injected.lines().filter_map(|line| line.split_once('='));
    let config = Config::builder().environment(injected).build();
    assert_eq!(config.warnings(), []);
    let telemetry = Telemetry::start(config, Service::new("claude-code", "1.2.3"));
    let options = SessionOptions::new()
        .id("session-1")
        .identity(Identity::new().user_id("user-1"));
    let session = telemetry.session(options);
    let prompt = session.prompt("Fix the bug");
    let request = prompt.llm_request("claude-sonnet-4-6");
    let usage = TokenUsage::new().input(1_200).output(86);
    request.finish(ApiRequest::new("claude-sonnet-4-6").tokens(usage));
    let tool = prompt.tool("Bash");
    tool.decided(Decision::Accept, DecisionSource::Config);
    tool.executing();
    tool.finish(ToolOutcome::new().result_size_bytes(12));
    prompt.end();
    let report = telemetry.flush();
    assert!(report.is_complete(), "{report} {:?}", telemetry.health());
    drop(session);
    let report = telemetry.shutdown();
    assert!(report.is_complete(), "{report}");
}

/// Returns the variables that the crate or a dependency could read, with values that would have an effect.
fn hostile(proxy: &str, folder: &Path) -> BTreeMap<&'static str, String> {
    let mut all = BTreeMap::new();
    for name in [
        "HTTP_PROXY",
        "http_proxy",
        "HTTPS_PROXY",
        "https_proxy",
        "ALL_PROXY",
        "all_proxy",
        "grpc_proxy",
        "GRPC_PROXY",
        "OTEL_EXPORTER_OTLP_ENDPOINT",
        "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT",
        "OTEL_EXPORTER_OTLP_LOGS_ENDPOINT",
        "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
    ] {
        all.insert(name, proxy.to_owned());
    }
    for name in [
        "OTEL_EXPORTER_OTLP_HEADERS",
        "OTEL_EXPORTER_OTLP_METRICS_HEADERS",
        "OTEL_EXPORTER_OTLP_LOGS_HEADERS",
        "OTEL_EXPORTER_OTLP_TRACES_HEADERS",
    ] {
        all.insert(name, "x-stray=1,authorization=stray".to_owned());
    }
    let missing = folder.join("missing.pem").to_str().unwrap().to_owned();
    for name in [
        "OTEL_EXPORTER_OTLP_CERTIFICATE",
        "OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE",
        "OTEL_EXPORTER_OTLP_CLIENT_KEY",
        "CLAUDE_CODE_CLIENT_CERT",
        "CLAUDE_CODE_CLIENT_KEY",
        "NODE_EXTRA_CA_CERTS",
        "SSL_CERT_FILE",
        "SSL_CERT_DIR",
        "GRPC_DEFAULT_SSL_ROOTS_FILE_PATH",
        "SSLKEYLOGFILE",
    ] {
        all.insert(name, missing.clone());
    }
    let folder = folder.to_str().unwrap();
    for (name, value) in [
        ("CLAUDE_CODE_ENABLE_TELEMETRY", "0"),
        ("CLAUDE_CODE_ENHANCED_TELEMETRY_BETA", "0"),
        ("OTEL_SDK_DISABLED", "true"),
        ("OTEL_METRICS_EXPORTER", "none"),
        ("OTEL_LOGS_EXPORTER", "none"),
        ("OTEL_TRACES_EXPORTER", "none"),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"),
        ("OTEL_EXPORTER_OTLP_TIMEOUT", "1"),
        ("OTEL_EXPORTER_OTLP_METRICS_TIMEOUT", "1"),
        ("OTEL_EXPORTER_OTLP_LOGS_TIMEOUT", "1"),
        ("OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "1"),
        ("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip"),
        ("OTEL_EXPORTER_OTLP_INSECURE", "false"),
        (
            "OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE",
            "cumulative",
        ),
        ("OTEL_RESOURCE_ATTRIBUTES", "stray=1,service.name=stray"),
        ("OTEL_SERVICE_NAME", "stray"),
        ("OTEL_ATTRIBUTE_COUNT_LIMIT", "1"),
        ("OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT", "1"),
        ("OTEL_LOGRECORD_ATTRIBUTE_COUNT_LIMIT", "1"),
        ("OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT", "1"),
        ("OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT", "1"),
        ("OTEL_SPAN_EVENT_COUNT_LIMIT", "0"),
        ("OTEL_SPAN_LINK_COUNT_LIMIT", "0"),
        ("OTEL_BSP_MAX_QUEUE_SIZE", "1"),
        ("OTEL_BSP_SCHEDULE_DELAY", "3600000"),
        ("OTEL_BSP_EXPORT_TIMEOUT", "1"),
        ("OTEL_BLRP_MAX_QUEUE_SIZE", "1"),
        ("OTEL_BLRP_EXPORT_TIMEOUT", "1"),
        ("OTEL_METRIC_EXPORT_TIMEOUT", "1"),
        ("OTEL_METRIC_EXPORT_INTERVAL", "100"),
        ("OTEL_TRACES_SAMPLER", "always_off"),
        ("OTEL_PROPAGATORS", "none"),
        ("OTEL_LOG_USER_PROMPTS", "1"),
        ("OTEL_METRICS_INCLUDE_SESSION_ID", "false"),
        ("OTEL_METRICS_INCLUDE_VERSION", "true"),
        (
            "TRACEPARENT",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00",
        ),
        ("TRACESTATE", "stray=1"),
        ("TERM_PROGRAM", "stray"),
        ("CURSOR_TRACE_ID", "stray"),
        ("GRPC_VERBOSITY", "DEBUG"),
        ("GRPC_TRACE", "all"),
        ("GRPC_DNS_RESOLVER", "stray"),
        ("NO_PROXY", "unrelated"),
        ("no_proxy", "unrelated"),
        ("REQUEST_METHOD", "GET"),
        ("CLAUDE_CONFIG_DIR", folder),
        ("HOME", folder),
        ("USERPROFILE", folder),
        ("XDG_STATE_HOME", folder),
    ] {
        all.insert(name, value.to_owned());
    }
    all
}

/// Runs the child in an environment that consists only of these variables.
fn run(injected: &str, environment: &BTreeMap<&'static str, String>, folder: &Path) {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "hostile_environment::child", "--nocapture"]);
    command.env_clear();
    // Programs on Windows do not start without this variable.
    command.envs(std::env::var("SYSTEMROOT").map(|root| ("SYSTEMROOT", root)));
    command.envs(environment).env(INJECTED, injected);
    let output = command.current_dir(folder).output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    let ran = String::from_utf8_lossy(&output.stdout);
    assert!(ran.contains("1 passed"), "{ran}");
}

/// Creates a folder with settings files that would change the endpoint, both as the user's folder and as a project's.
fn folder_with_settings(endpoint: &str) -> Files {
    let files = Files::new();
    let settings = json!({ "env": {
        "OTEL_EXPORTER_OTLP_ENDPOINT": endpoint,
        "OTEL_SERVICE_NAME": "stray",
    } });
    files.write("settings.json", settings.to_string());
    std::fs::create_dir(files.path(".claude")).unwrap();
    std::fs::write(
        files.path(".claude").join("settings.json"),
        settings.to_string(),
    )
    .unwrap();
    files
}

/// Returns the data that a receiver got, without the parts that differ between runs.
fn received_data(receiver: &Receiver) -> Vec<Value> {
    const VARYING: [&str; 6] = [
        "prompt.id",
        "event.timestamp",
        "duration_ms",
        "interaction.duration_ms",
        "ttft_ms",
        "request_id",
    ];
    let without_varying = |attributes: &Attributes| {
        let mut attributes = attributes.clone();
        for key in VARYING {
            if let Some(value) = attributes.get_mut(key) {
                *value = json!("differs");
            }
        }
        attributes
    };
    let received = receiver.received();
    let mut all = Vec::new();
    for request in &received.requests {
        let mut headers = request.headers.clone();
        headers.remove("content-length");
        // The remaining part of the default timeout of 10 s, and not of the hostile one of 1 ms. At least 1 s remains
        // even on a busy machine.
        if let Some(timeout) = headers.remove("grpc-timeout") {
            let left: u32 = timeout.trim_end_matches('m').parse().unwrap();
            assert!((1_000..=10_001).contains(&left), "{timeout}");
        }
        all.push(json!([request.path, headers]));
    }
    for log in received.logs() {
        let linked = (log.trace_id.len(), log.span_id.len(), log.flags);
        all.push(json!([
            log.name,
            without_varying(&log.attributes),
            log.resource,
            linked
        ]));
    }
    for point in received.points() {
        let value = match point.name.as_str() {
            "claude_code.active_time.total" => 0.0,
            _ => point.value,
        };
        let attributes = without_varying(&point.attributes);
        all.push(json!([
            point.name,
            attributes,
            value,
            point.temporality,
            point.resource
        ]));
    }
    for span in received.spans() {
        let parent = (span.parent_span_id.len(), span.flags, &span.trace_state);
        let events: Vec<_> = span.events.iter().map(|event| &event.name).collect();
        all.push(json!([
            span.name,
            without_varying(&span.attributes),
            span.resource,
            parent,
            events
        ]));
    }
    let mut all: Vec<_> = all.into_iter().map(|one| (one.to_string(), one)).collect();
    all.sort_by(|one, other| one.0.cmp(&other.0));
    all.into_iter().map(|(_, one)| one).collect()
}

fn injected(protocol: Protocol, endpoint: &str, more: &str) -> String {
    format!(
        "CLAUDE_CODE_ENABLE_TELEMETRY=1
CLAUDE_CODE_ENHANCED_TELEMETRY_BETA=1
OTEL_METRICS_EXPORTER=otlp
OTEL_LOGS_EXPORTER=otlp
OTEL_TRACES_EXPORTER=otlp
OTEL_METRIC_EXPORT_INTERVAL=3600000
OTEL_LOGS_EXPORT_INTERVAL=3600000
OTEL_TRACES_EXPORT_INTERVAL=3600000
CLAUDE_CODE_OTEL_FLUSH_TIMEOUT_MS=60000
CLAUDE_CODE_OTEL_SHUTDOWN_TIMEOUT_MS=60000
OTEL_RESOURCE_ATTRIBUTES=team=platform
OTEL_EXPORTER_OTLP_HEADERS=x-ours=1
OTEL_EXPORTER_OTLP_PROTOCOL={}
OTEL_EXPORTER_OTLP_ENDPOINT={endpoint}
{more}",
        protocol.name()
    )
}

/// On Unix this is not a loopback address, so that no rule about the local machine bypasses a proxy.
const THIS_MACHINE: &str = if cfg!(unix) { "0.0.0.0" } else { "127.0.0.1" };

#[test]
fn hostile_environment_does_not_change_the_exported_data() {
    for protocol in Protocol::all() {
        let proxy = Proxy::start();
        let folder = folder_with_settings(&proxy.url());
        let sent = |environment: &BTreeMap<&'static str, String>| {
            let receiver = protocol.receiver();
            let endpoint = format!("http://{THIS_MACHINE}:{}", receiver.port());
            run(
                &injected(protocol, &endpoint, ""),
                environment,
                &folder.path(""),
            );
            let mut arrived = json!(received_data(&receiver)).to_string();
            // Only the port may differ.
            arrived = arrived.replace(&receiver.port().to_string(), "PORT");
            serde_json::from_str::<Vec<Value>>(&arrived).unwrap()
        };
        let expected = sent(&BTreeMap::new());
        assert!(expected.len() > 15, "{expected:#?}");
        let hostile = sent(&hostile(&proxy.url(), &folder.path("")));
        for (expected, found) in expected.iter().zip(&hostile) {
            assert_eq!(expected, found, "{protocol:?}");
        }
        assert_eq!(expected.len(), hostile.len(), "{protocol:?}");
        assert_eq!(proxy.requests(), [], "{protocol:?}");
    }
}

#[test]
fn hostile_environment_does_not_change_the_tls_connection() {
    let authority = Authority::new("ours");
    for protocol in Protocol::all() {
        let receiver = protocol.receiver();
        let behavior = Behavior::new(authority.local(), protocol == Protocol::Grpc);
        let tls_server = TlsServer::in_front_of(receiver.port(), &behavior);
        let proxy = Proxy::start();
        let folder = folder_with_settings(&proxy.url());
        let ca = folder.write("ca.pem", authority.pem());
        let endpoint = tls_server.endpoint();
        let more = format!("OTEL_EXPORTER_OTLP_CERTIFICATE={ca}");
        let environment = hostile(&proxy.url(), &folder.path(""));
        run(
            &injected(protocol, &endpoint, &more),
            &environment,
            &folder.path(""),
        );
        assert!(!receiver.received().logs().is_empty());
        for handshake in tls_server.handshakes() {
            assert!(!handshake.client_certificate);
        }
        assert_eq!(proxy.requests(), [], "{protocol:?}");
        // SSLKEYLOGFILE names this file, but no TLS keys were written to it.
        assert!(!folder.path("missing.pem").exists());
    }
}
