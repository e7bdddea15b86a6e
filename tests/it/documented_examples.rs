//! The configuration examples in Claude Code's documentation, with real receivers.
//!
//! Only the host and port in the values of an example are replaced, by those of a receiver. If an example has no
//! endpoint, the test adds one, and asserts the meaning of the original example on its configuration.
#![cfg(all(feature = "grpc", feature = "http", feature = "console"))]

use std::collections::BTreeMap;
use std::time::Instant;

use crate::host::{Screen, service};
use crate::small_session::record_session;
use crate::support::{Answer, Message, Receiver};
use crate::{host, support};
use claude_code_telemetry::{Config, Layer, SettingsFiles, Signal, Telemetry};
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use prost::Message as _;
use serde_json::json;

type Variables = BTreeMap<String, String>;

/// Parses a block of `export NAME=value  # comment` lines.
fn exported(block: &str) -> Variables {
    let lines = block.lines().map(str::trim);
    let lines = lines.filter_map(|line| line.strip_prefix("export "));
    lines
        .map(|line| {
            let (name, value) = line.split_once('=').unwrap();
            let value = match value.strip_prefix('"') {
                Some(quoted) => quoted.split('"').next().unwrap(),
                None => value.split(" #").next().unwrap().trim(),
            };
            (name.to_owned(), value.to_owned())
        })
        .collect()
}

/// Returns the variables with every `from` in a value replaced by `to`.
fn with(variables: &Variables, from: &str, to: &str) -> Variables {
    let variables = variables.iter();
    variables
        .map(|(name, value)| (name.clone(), value.replace(from, to)))
        .collect()
}

fn config(variables: &Variables) -> Config {
    Config::builder().environment(variables.clone()).build()
}

/// Returns the protocol and endpoint of each signal that is exported over OTLP.
fn destinations(config: &Config) -> Vec<(Signal, String)> {
    let signals = [Signal::Metrics, Signal::Logs, Signal::Traces];
    let destination = |signal| {
        let otlp = config.otlp(signal)?;
        let target = format!("{} {}", otlp.protocol(), otlp.endpoint());
        Some((signal, target))
    };
    signals.into_iter().filter_map(destination).collect()
}

fn warnings(config: &Config) -> Vec<String> {
    config.warnings().iter().map(ToString::to_string).collect()
}

/// Flushes until everything is delivered. The example sets no timeout, and a busy machine may exceed the default.
fn deliver(telemetry: &Telemetry) {
    let deadline = Instant::now() + host::PATIENCE;
    loop {
        let report = telemetry.flush();
        if report.is_complete() {
            return;
        }
        let health = telemetry.health();
        assert!(Instant::now() < deadline, "{report} {health:?}");
    }
}

/// Starts telemetry, records a session, and delivers everything.
fn run(config: Config) {
    let telemetry = Telemetry::start(config, service());
    record_session(&telemetry);
    deliver(&telemetry);
    telemetry.shutdown();
}

fn has_metrics(receiver: &Receiver) -> bool {
    let points = receiver.received().accepted().points();
    let names = points.iter().map(|point| point.name.as_str());
    names.clone().any(|name| name == "claude_code.token.usage")
        && names.clone().any(|name| name == "claude_code.cost.usage")
}

fn has_events(receiver: &Receiver) -> bool {
    let logs = receiver.received().accepted().logs();
    let names = logs.iter().map(|log| log.attributes["event.name"].clone());
    names.clone().any(|name| name == "user_prompt")
        && names.clone().any(|name| name == "api_request")
}

const LOCAL: &str = "http://localhost:4317";

#[test]
fn quick_start_example_delivers_metrics_and_events() {
    let example = exported(
        r#"
        # 1. Enable telemetry
        export CLAUDE_CODE_ENABLE_TELEMETRY=1

        # 2. Choose exporters (both are optional - configure only what you need)
        export OTEL_METRICS_EXPORTER=otlp       # Options: otlp, prometheus, console, none
        export OTEL_LOGS_EXPORTER=otlp          # Options: otlp, console, none

        # 3. Configure OTLP endpoint (for OTLP exporter)
        export OTEL_EXPORTER_OTLP_PROTOCOL=grpc
        export OTEL_EXPORTER_OTLP_ENDPOINT=http://localhost:4317

        # 4. Set authentication (if required)
        export OTEL_EXPORTER_OTLP_HEADERS="Authorization=Bearer your-token"

        # 5. For debugging: reduce export intervals
        export OTEL_METRIC_EXPORT_INTERVAL=10000  # 10 seconds (default: 60000ms)
        export OTEL_LOGS_EXPORT_INTERVAL=5000     # 5 seconds (default: 5000ms)
        "#,
    );
    let receiver = Receiver::grpc();
    let config = config(&with(&example, LOCAL, &receiver.endpoint()));
    assert_eq!(warnings(&config), [""; 0]);
    run(config);
    assert!(has_metrics(&receiver) && has_events(&receiver));
    for request in &receiver.received().requests {
        assert_eq!(request.headers["authorization"], "Bearer your-token");
    }
}

#[test]
fn quick_start_example_without_a_protocol_uses_grpc() {
    let example = exported(
        "
        export CLAUDE_CODE_ENABLE_TELEMETRY=1
        export OTEL_METRICS_EXPORTER=otlp
        export OTEL_LOGS_EXPORTER=otlp
        export OTEL_EXPORTER_OTLP_ENDPOINT=http://localhost:4317
        ",
    );
    let as_it_stands = config(&example);
    assert_eq!(warnings(&as_it_stands), [""; 0]);
    // Port 4317 implies gRPC.
    let grpc = "grpc http://localhost:4317/".to_owned();
    let expected = [(Signal::Metrics, grpc.clone()), (Signal::Logs, grpc)];
    assert_eq!(destinations(&as_it_stands), expected);

    let receiver = Receiver::grpc();
    let mut moved = with(&example, LOCAL, &receiver.endpoint());
    // The port of the receiver does not imply gRPC.
    moved.insert("OTEL_EXPORTER_OTLP_PROTOCOL".into(), "grpc".into());
    run(config(&moved));
    assert!(has_metrics(&receiver) && has_events(&receiver));
}

#[test]
fn console_example_prints_metrics_at_the_interval() {
    let example = exported(
        "
        # Console debugging (1-second intervals)
        export CLAUDE_CODE_ENABLE_TELEMETRY=1
        export OTEL_METRICS_EXPORTER=console
        export OTEL_METRIC_EXPORT_INTERVAL=1000
        ",
    );
    let config = config(&example);
    assert_eq!(warnings(&config), [""; 0]);
    assert_eq!(destinations(&config), []);
    let screen = Screen::default();
    let telemetry = Telemetry::builder(config, service())
        .console_writer(screen.clone())
        .start();
    record_session(&telemetry);
    // The export happens at the interval, without a flush.
    screen.wait_for(1);
    telemetry.shutdown();
    let lines = screen.lines();
    assert!(
        lines.iter().all(|line| line["signal"] == "metrics"),
        "{lines:?}"
    );
    let all = json!(lines).to_string();
    assert!(all.contains("claude_code.token.usage"), "{all}");
}

#[test]
fn grpc_example_delivers_only_metrics() {
    let example = exported(
        "
        # OTLP/gRPC
        export CLAUDE_CODE_ENABLE_TELEMETRY=1
        export OTEL_METRICS_EXPORTER=otlp
        export OTEL_EXPORTER_OTLP_PROTOCOL=grpc
        export OTEL_EXPORTER_OTLP_ENDPOINT=http://localhost:4317
        ",
    );
    let receiver = Receiver::grpc();
    let config = config(&with(&example, LOCAL, &receiver.endpoint()));
    assert_eq!(warnings(&config), [""; 0]);
    run(config);
    assert!(has_metrics(&receiver) && receiver.received().logs().is_empty());
}

#[test]
fn multiple_exporters_example_writes_to_console_and_otlp() {
    let example = exported(
        "
        # Multiple exporters
        export CLAUDE_CODE_ENABLE_TELEMETRY=1
        export OTEL_METRICS_EXPORTER=console,otlp
        export OTEL_EXPORTER_OTLP_PROTOCOL=http/json
        ",
    );
    let as_it_stands = config(&example);
    assert_eq!(warnings(&as_it_stands), [""; 0]);
    let expected = "http/json http://localhost:4318/v1/metrics".to_owned();
    assert_eq!(destinations(&as_it_stands), [(Signal::Metrics, expected)]);

    let receiver = Receiver::http();
    let mut moved = example;
    moved.insert("OTEL_EXPORTER_OTLP_ENDPOINT".into(), receiver.endpoint());
    let screen = Screen::default();
    let telemetry = Telemetry::builder(config(&moved), service())
        .console_writer(screen.clone())
        .start();
    record_session(&telemetry);
    deliver(&telemetry);
    telemetry.shutdown();
    assert!(has_metrics(&receiver));
    let received = receiver.received();
    let request = &received.requests[0];
    assert_eq!(request.path, "/v1/metrics");
    assert_eq!(request.headers["content-type"], "application/json");
    let output = json!(screen.lines()).to_string();
    assert!(output.contains("claude_code.token.usage"), "{output}");
}

#[test]
fn endpoints_example_sends_each_signal_to_its_endpoint() {
    let example = exported(
        "
        # Different endpoints/backends for metrics and logs
        export CLAUDE_CODE_ENABLE_TELEMETRY=1
        export OTEL_METRICS_EXPORTER=otlp
        export OTEL_LOGS_EXPORTER=otlp
        export OTEL_EXPORTER_OTLP_METRICS_PROTOCOL=http/protobuf
        export OTEL_EXPORTER_OTLP_METRICS_ENDPOINT=http://metrics.example.com:4318
        export OTEL_EXPORTER_OTLP_LOGS_PROTOCOL=grpc
        export OTEL_EXPORTER_OTLP_LOGS_ENDPOINT=http://logs.example.com:4317
        ",
    );
    let as_it_stands = config(&example);
    let expected = [
        (
            Signal::Metrics,
            "http/protobuf http://metrics.example.com:4318/",
        ),
        (Signal::Logs, "grpc http://logs.example.com:4317/"),
    ];
    let expected = expected.map(|(signal, to)| (signal, to.to_owned()));
    assert_eq!(destinations(&as_it_stands), expected);
    // The endpoint of a single signal is used unchanged, and this one has no path.
    assert_eq!(
        warnings(&as_it_stands),
        [
            "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT=http://metrics.example.com:4318 (environment): requests are posted to this URL as it is; did you mean one that ends in /v1/metrics?"
        ]
    );

    let (metrics, logs) = (Receiver::http(), Receiver::grpc());
    let moved = with(
        &example,
        "http://metrics.example.com:4318",
        &metrics.endpoint(),
    );
    let moved = with(&moved, "http://logs.example.com:4317", &logs.endpoint());
    // Like other OTLP receivers, this one responds with 404 at the root path.
    metrics.answer_by(|_, request| match request.path.as_str() {
        "/" => Answer::status(404),
        _ => Answer::Ok,
    });
    let telemetry = Telemetry::start(config(&moved), service());
    record_session(&telemetry);
    assert!(telemetry.flush_within(host::PATIENCE).is_complete());
    telemetry.shutdown();
    let received = metrics.received();
    assert_eq!(received.requests[0].path, "/");
    let message = ExportMetricsServiceRequest::decode(received.requests[0].body.clone()).unwrap();
    assert!(!message.resource_metrics.is_empty());
    assert!(!received.accepted().points().is_empty());
    assert!(has_events(&logs) && logs.received().points().is_empty());

    // With the path that the warning suggests there is no warning, and the data is delivered.
    let (metrics, logs) = (Receiver::http(), Receiver::grpc());
    let corrected = format!("{}/v1/metrics", metrics.endpoint());
    let moved = with(&example, "http://metrics.example.com:4318", &corrected);
    let moved = with(&moved, "http://logs.example.com:4317", &logs.endpoint());
    assert_eq!(warnings(&config(&moved)), [""; 0]);
    run(config(&moved));
    assert!(has_metrics(&metrics) && has_events(&logs));
    let metrics = metrics.received();
    let is_metrics = |request: &support::Request| matches!(request.message, Message::Metrics(_));
    assert!(metrics.requests.iter().all(is_metrics));
}

#[test]
fn single_signal_examples_deliver_only_that_signal() {
    for (exporter, metrics, events) in [
        ("OTEL_METRICS_EXPORTER", true, false),
        ("OTEL_LOGS_EXPORTER", false, true),
    ] {
        let example = exported(&format!(
            "
            export CLAUDE_CODE_ENABLE_TELEMETRY=1
            export {exporter}=otlp
            export OTEL_EXPORTER_OTLP_PROTOCOL=grpc
            export OTEL_EXPORTER_OTLP_ENDPOINT=http://localhost:4317
            "
        ));
        let receiver = Receiver::grpc();
        let config = config(&with(&example, LOCAL, &receiver.endpoint()));
        assert_eq!(warnings(&config), [""; 0]);
        run(config);
        assert_eq!(
            (has_metrics(&receiver), has_events(&receiver)),
            (metrics, events)
        );
        let received = receiver.received();
        assert_eq!(received.points().is_empty(), !metrics);
        assert_eq!(received.logs().is_empty(), !events);
        assert!(received.spans().is_empty());
    }
}

#[test]
fn team_example_adds_its_attributes_to_all_data() {
    let mut example = exported(
        r#"
        # Add custom attributes for team identification
        export OTEL_RESOURCE_ATTRIBUTES="department=engineering,team.id=platform,cost_center=eng-123"
        "#,
    );
    let receiver = Receiver::grpc();
    example.extend(exported(
        "
        export CLAUDE_CODE_ENABLE_TELEMETRY=1
        export OTEL_METRICS_EXPORTER=otlp
        export OTEL_LOGS_EXPORTER=otlp
        export OTEL_EXPORTER_OTLP_PROTOCOL=grpc
        ",
    ));
    example.insert("OTEL_EXPORTER_OTLP_ENDPOINT".into(), receiver.endpoint());
    run(config(&example));
    let received = receiver.received();
    let points = received
        .points()
        .into_iter()
        .map(|p| (p.resource, p.attributes));
    let logs = received
        .logs()
        .into_iter()
        .map(|l| (l.resource, l.attributes));
    let mut count = 0;
    for (resource, attributes) in points.chain(logs) {
        // Both the resource and the attributes of all data points and events contain the keys.
        for carrier in [resource, attributes] {
            assert_eq!(carrier["department"], "engineering");
            assert_eq!(carrier["team.id"], "platform");
            assert_eq!(carrier["cost_center"], "eng-123");
        }
        count += 1;
    }
    assert!(count > 10);
}

/// Creates a folder with a settings file at this path.
fn settings(path: &str, content: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join(path);
    std::fs::create_dir_all(file.parent().unwrap()).unwrap();
    std::fs::write(file, content).unwrap();
    folder
}

#[test]
fn managed_settings_example_overrides_the_environment() {
    const EXAMPLE: &str = r#"{
  "env": {
    "CLAUDE_CODE_ENABLE_TELEMETRY": "1",
    "OTEL_METRICS_EXPORTER": "otlp",
    "OTEL_LOGS_EXPORTER": "otlp",
    "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc",
    "OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector.example.com:4317",
    "OTEL_EXPORTER_OTLP_HEADERS": "Authorization=Bearer example-token"
  }
}"#;
    let (receiver, elsewhere) = (Receiver::grpc(), Receiver::grpc());
    let example = EXAMPLE.replace("http://collector.example.com:4317", &receiver.endpoint());
    let folder = settings("managed-settings.json", &example);
    let other_endpoint = elsewhere.endpoint();
    // Settings of the user cannot override the managed ones.
    let config = Config::builder()
        .environment([
            ("CLAUDE_CODE_ENABLE_TELEMETRY", "0"),
            ("OTEL_EXPORTER_OTLP_ENDPOINT", &other_endpoint),
            ("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", &other_endpoint),
            ("OTEL_EXPORTER_OTLP_HEADERS", "authorization=mine"),
        ])
        .settings_files(SettingsFiles::none().managed_folder(folder.path()))
        .build();
    let explained = config.explain().settings();
    let enabled = explained
        .iter()
        .find(|one| one.name() == "CLAUDE_CODE_ENABLE_TELEMETRY");
    assert_eq!(enabled.unwrap().origin().layer(), Layer::Managed);
    run(config);
    assert!(has_metrics(&receiver) && has_events(&receiver));
    for request in &receiver.received().requests {
        assert_eq!(request.headers["authorization"], "Bearer example-token");
    }
    assert!(elsewhere.received().is_empty());
}

#[test]
fn settings_example_works_as_variables_and_in_the_user_file() {
    const EXAMPLE: &str = r#"{
  "env": {
    "CLAUDE_CODE_ENABLE_TELEMETRY": "1",
    "OTEL_METRICS_EXPORTER": "otlp",
    "OTEL_LOGS_EXPORTER": "otlp",
    "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc",
    "OTEL_EXPORTER_OTLP_ENDPOINT": "http://localhost:4317",
    "OTEL_LOG_USER_PROMPTS": "1",
    "OTEL_METRICS_INCLUDE_SESSION_ID": "true",
    "OTEL_METRICS_INCLUDE_VERSION": "true",
    "OTEL_METRICS_INCLUDE_ACCOUNT_UUID": "true"
  }
}"#;
    let variables = "
# enable telemetry
export CLAUDE_CODE_ENABLE_TELEMETRY=1
# use otlp exporter and point to locally hosted endpoint
export OTEL_METRICS_EXPORTER=otlp
export OTEL_LOGS_EXPORTER=otlp
export OTEL_EXPORTER_OTLP_PROTOCOL=grpc
export OTEL_EXPORTER_OTLP_ENDPOINT=http://localhost:4317
# enable logging of prompts and including details in metrics
export OTEL_LOG_USER_PROMPTS=1
export OTEL_METRICS_INCLUDE_SESSION_ID=true
export OTEL_METRICS_INCLUDE_VERSION=true
export OTEL_METRICS_INCLUDE_ACCOUNT_UUID=true
";
    // The documentation shows both forms, and they have the same effect. In a project's settings file, where an
    // earlier edition of the documentation places them, only harmless variables are applied: those of the last three
    // lines.
    for in_file in [false, true] {
        let receiver = Receiver::grpc();
        let example = EXAMPLE.replace(LOCAL, &receiver.endpoint());
        let folder = settings(".claude/settings.json", &example);
        let config = if in_file {
            let builder = Config::builder().environment::<String, String>([]);
            let files = SettingsFiles::none().project_folder(folder.path());
            let project = builder.clone().settings_files(files).trust_workspace(true);
            let project = project.build();
            assert!(!project.is_enabled());
            assert_eq!(warnings(&project).len(), 6, "{:?}", warnings(&project));
            let names_the_layer =
                |text: &String| text.contains("set it in the user's settings file");
            assert!(warnings(&project).iter().all(names_the_layer));

            let file = folder.path().join(".claude/settings.json");
            builder
                .settings_files(SettingsFiles::none().user_file(file))
                .build()
        } else {
            config(&with(&exported(variables), LOCAL, &receiver.endpoint()))
        };
        assert_eq!(warnings(&config), [""; 0]);
        run(config);
        assert!(has_metrics(&receiver));
        let received = receiver.received();
        let prompt = received
            .logs()
            .into_iter()
            .find(|log| log.attributes["event.name"] == "user_prompt");
        assert_eq!(prompt.unwrap().attributes["prompt"], "Fix the bug");
        for point in received.points() {
            for key in ["session.id", "app.version", "user.account_uuid"] {
                assert!(point.attributes.contains_key(key), "{key} {point:?}");
            }
        }
    }
}

/// The example is a shell script.
#[cfg(unix)]
#[test]
fn headers_helper_example_sets_its_headers_on_every_request() {
    use std::os::unix::fs::PermissionsExt;

    const SCRIPT: &str = r#"#!/bin/bash
# Example: Multiple headers
echo "{\"Authorization\": \"Bearer $(get-token.sh)\", \"X-API-Key\": \"$(get-api-key.sh)\"}"
"#;
    const EXAMPLE: &str = r#"{
  "otelHeadersHelper": "/bin/generate_opentelemetry_headers.sh"
}"#;
    let folder = tempfile::tempdir().unwrap();
    let script = folder.path().join("generate_opentelemetry_headers.sh");
    // Replaces the two programs that the script calls, and uses a shell that every system has.
    let text = SCRIPT
        .replace("#!/bin/bash", "#!/bin/sh")
        .replace("get-token.sh", "echo token")
        .replace("get-api-key.sh", "echo key");
    std::fs::write(&script, text).unwrap();
    std::fs::set_permissions(&script, PermissionsExt::from_mode(0o755)).unwrap();
    let helper = script.to_str().unwrap();
    let example = EXAMPLE.replace("/bin/generate_opentelemetry_headers.sh", helper);
    let user = settings(".claude/settings.json", &example);
    let file = user.path().join(".claude/settings.json");

    let receiver = Receiver::grpc();
    let endpoint = receiver.endpoint();
    let config = Config::builder()
        .environment([
            ("CLAUDE_CODE_ENABLE_TELEMETRY", "1"),
            ("OTEL_LOGS_EXPORTER", "otlp"),
            ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"),
            ("OTEL_EXPORTER_OTLP_ENDPOINT", &endpoint),
        ])
        .settings_files(SettingsFiles::none().user_file(file))
        .build();
    assert_eq!(warnings(&config), [""; 0]);
    run(config);
    for request in &receiver.received().requests {
        assert_eq!(request.headers["authorization"], "Bearer token");
        assert_eq!(request.headers["x-api-key"], "key");
    }
    assert!(has_events(&receiver));
}
