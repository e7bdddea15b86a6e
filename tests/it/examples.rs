//! The examples `sdk_host` and `managed_settings` behave as documented.
#![cfg(all(feature = "grpc", feature = "http"))]

use std::collections::{BTreeMap, BTreeSet};

use crate::example;
use crate::support::Receiver;
use serde_json::Value;

#[test]
fn sdk_host_example_separates_the_sessions_of_its_users() {
    let receiver = Receiver::http();
    let home = tempfile::tempdir().unwrap();
    let output = example::command("sdk_host", home.path())
        .env("CLAUDE_CODE_ENABLE_TELEMETRY", "1")
        .env("CLAUDE_CODE_ENHANCED_TELEMETRY_BETA", "1")
        .env("OTEL_METRICS_EXPORTER", "otlp")
        .env("OTEL_LOGS_EXPORTER", "otlp")
        .env("OTEL_TRACES_EXPORTER", "otlp")
        .env("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf")
        .env("OTEL_EXPORTER_OTLP_ENDPOINT", receiver.endpoint())
        .env("CLAUDE_CODE_OTEL_SHUTDOWN_TIMEOUT_MS", "60000")
        .env("TERM", "xterm")
        .output()
        .unwrap();
    let printed = String::from_utf8(output.stdout).unwrap();
    let errors = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{errors}");
    assert_eq!(errors, "");
    let lines: Vec<&str> = printed.lines().collect();
    assert_eq!(
        &lines[..4],
        [
            "kim@acme.example: 1 of 1 prompts answered",
            "lee@acme.example: 2 of 2 prompts answered",
            "max@umbrella.example: 3 of 3 prompts answered",
            "3 sessions ended",
        ]
    );
    assert!(
        lines[4..].iter().all(|line| line.ends_with(" 0 lost")),
        "{printed}"
    );

    let received = receiver.received().accepted();
    let logs = received.logs();
    let mut sessions: BTreeMap<&str, Vec<_>> = BTreeMap::new();
    for log in &logs {
        let id = log.attributes["session.id"].as_str().unwrap();
        sessions.entry(id).or_default().push(log);
    }
    assert_eq!(sessions.len(), 3);
    for logs in sessions.values() {
        // Each session has a single user, with all prompts of that user in order.
        let users: BTreeSet<_> = logs
            .iter()
            .map(|log| log.attributes["user.email"].as_str().unwrap())
            .collect();
        let [user] = Vec::from_iter(users)[..] else {
            panic!("{logs:#?}");
        };
        let prompts = match user {
            "kim@acme.example" => 1,
            "lee@acme.example" => 2,
            _ => 3,
        };
        // Four events for each prompt.
        assert_eq!(logs.len(), 4 * prompts, "{user}");
        let mut sequence: Vec<_> = logs
            .iter()
            .map(|log| log.attributes["event.sequence"].as_i64().unwrap())
            .collect();
        sequence.sort_unstable();
        assert!(sequence.iter().copied().eq(0..4 * prompts as i64));
        let result = logs.iter().find(|log| log.attributes.contains_key("error"));
        let result = &result.unwrap().attributes;
        assert_eq!(result["error"], "notes.txt: no such file");
        assert!(!result.contains_key("terminal.type"));
        let requests: Vec<_> = logs
            .iter()
            .filter(|log| log.name == "claude_code.api_request")
            .map(|log| &log.attributes)
            .collect();
        assert_eq!(requests.len(), prompts);
        for request in requests {
            let input_tokens = &request["input_tokens"];
            assert_eq!(request["model"], "claude-sonnet-4-6");
            assert_eq!(request["request_id"], format!("req_{input_tokens}"));
            assert_eq!(request["cost_usd"], 0.002);
            assert!(request.contains_key("prompt.id"));
        }
    }
    // The requests are recorded after their end, which emits no span.
    let is_request = |name: &str| name == "claude_code.llm_request";
    assert!(!received.spans().iter().any(|span| is_request(&span.name)));
    let counted = |name: &str| -> f64 {
        let points = received.points().into_iter();
        let points = points.filter(|point| point.name == name);
        points.map(|point| point.value).sum()
    };
    // The users have six prompts in total, with a request each. A request has two output tokens.
    assert!((counted("claude_code.cost.usage") - 6.0 * 0.002).abs() < 1e-9);
    let input_tokens: u64 = logs
        .iter()
        .filter_map(|log| log.attributes.get("input_tokens")?.as_u64())
        .sum();
    assert_eq!(
        counted("claude_code.token.usage"),
        (input_tokens + 6 * 2) as f64
    );
    let started: f64 = received
        .points()
        .iter()
        .filter(|point| point.name == "claude_code.session.count")
        .map(|point| point.value)
        .sum();
    assert_eq!(started, 3.0);
    let interactions = received
        .spans()
        .into_iter()
        .filter(|span| span.name == "claude_code.interaction");
    let traces: BTreeSet<_> = interactions.map(|span| span.trace_id).collect();
    assert_eq!(traces.len(), 6);
}

/// The expected output of the example `managed_settings`.
const MANAGED: &str = "\
Effective settings:
  CLAUDE_CODE_ENABLE_TELEMETRY = 1 (managed settings)
  OTEL_EXPORTER_OTLP_ENDPOINT = http://telemetry.example.com:4318 (managed settings)
    instead of http://collector.invalid:4318 (environment)
  OTEL_EXPORTER_OTLP_HEADERS = <hidden> (managed settings)
  OTEL_EXPORTER_OTLP_PROTOCOL = http/protobuf (managed settings)
  OTEL_LOGS_EXPORTER = otlp (managed settings)
  OTEL_LOG_USER_PROMPTS = 0 (managed settings)
    instead of 1 (environment)
  OTEL_METRICS_EXPORTER = otlp (managed settings)
  OTEL_METRIC_EXPORT_INTERVAL = 10000 (environment)
  OTEL_RESOURCE_ATTRIBUTES = department=engineering,team.id=platform (managed settings)
Left to the user: OTEL_METRIC_EXPORT_INTERVAL
";

#[test]
fn managed_settings_example_prints_the_settings_in_effect() {
    let home = tempfile::tempdir().unwrap();
    let output = example::command("managed_settings", home.path())
        .output()
        .unwrap();
    assert!(output.status.success());
    let printed = String::from_utf8(output.stdout).unwrap();
    assert_eq!(printed, MANAGED);
    let settings = include_str!("../../examples/managed_settings/managed-settings.json");
    let settings: Value = serde_json::from_str(settings).unwrap();
    for name in settings["env"].as_object().unwrap().keys() {
        assert!(printed.contains(name));
    }
    assert!(!printed.contains("Bearer"));
}
