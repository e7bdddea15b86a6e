//! Everything that a run of the example emits arrives at a receiver: directly, and through a real Collector.
//!
//! The script `collector.py`, in the folder that the variable `COLLECTOR_TOOLS` names, runs the Collector. Without the
//! variable, that test prints a message and is skipped.

mod receiver;

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use receiver::{Arrived, Event, Receiver, Span};
use serde_json::json;

/// Runs the example until it ends, with all telemetry and all content. Returns its standard error.
fn run_example(protocol: &str, endpoint: &str) -> String {
    let home = env!("CARGO_TARGET_TMPDIR");
    let run = Command::new(env!("CARGO_BIN_EXE_rig_agent"))
        .env_clear()
        .envs([("HOME", home), ("CLAUDE_CODE_ENABLE_TELEMETRY", "1")])
        .envs(
            ["METRICS", "LOGS", "TRACES"].map(|signal| (format!("OTEL_{signal}_EXPORTER"), "otlp")),
        )
        .env("CLAUDE_CODE_ENHANCED_TELEMETRY_BETA", "1")
        .env("OTEL_EXPORTER_OTLP_PROTOCOL", protocol)
        .env("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint)
        .envs(
            [
                "USER_PROMPTS",
                "TOOL_DETAILS",
                "TOOL_CONTENT",
                "RAW_API_BODIES",
            ]
            .map(|content| (format!("OTEL_LOG_{content}"), "1")),
        )
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&run.stderr);
    assert!(run.status.success(), "{text}");
    assert!(text.contains("Only the parser exists."), "{text}");
    text.into_owned()
}

#[test]
fn every_signal_of_a_run_arrives() {
    let receiver = Receiver::start();
    let shown = run_example("http/json", &receiver.url());
    check(&receiver.arrived(), &shown);
}

#[test]
fn every_signal_of_a_run_arrives_through_a_collector() {
    let Some(folder) = std::env::var_os("COLLECTOR_TOOLS") else {
        eprintln!("skipped: the variable COLLECTOR_TOOLS names no folder with collector.py");
        return;
    };
    let receiver = Receiver::start();
    let mut python = Command::new("python3")
        .arg(PathBuf::from(folder).join("collector.py"))
        .args(["--to", &receiver.url(), "--exit-after", "120"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    let mut output = BufReader::new(python.stdout.take().unwrap());
    output.read_line(&mut line).unwrap();
    let words: Vec<_> = line.split_whitespace().collect();
    let ["grpc", port, "http", _] = words[..] else {
        panic!("the Collector did not start: {line:?}");
    };
    // The Collector answers when the receiver has the data, because it has no queue.
    let shown = run_example("grpc", &format!("http://127.0.0.1:{port}"));
    Command::new("kill")
        .arg(python.id().to_string())
        .status()
        .unwrap();
    python.wait().unwrap();
    check(&receiver.arrived(), &shown);
}

fn check(arrived: &Arrived, shown: &str) {
    check_counts(arrived);
    check_requests(arrived);
    check_tools(arrived);
    check_metrics(arrived);
    check_tree(arrived);
    check_propagation(arrived, shown);
}

fn counts<'a>(names: impl Iterator<Item = &'a str>) -> BTreeMap<&'a str, usize> {
    let mut counts = BTreeMap::new();
    for name in names {
        *counts.entry(name).or_default() += 1;
    }
    counts
}

/// Checks that everything is there, once.
fn check_counts(arrived: &Arrived) {
    let events = counts(arrived.events.iter().map(|event| &*event.name));
    let expected = [
        ("api_error", 2),
        ("api_request", 4),
        ("api_request_body", 8),
        ("api_response_body", 4),
        ("tool_decision", 4),
        ("tool_result", 3),
        ("user_prompt", 5),
    ];
    assert_eq!(events, BTreeMap::from(expected));

    let spans = counts(arrived.spans.iter().map(|span| &*span.name));
    let expected = [
        ("claude_code.interaction", 5),
        ("claude_code.llm_request", 7),
        ("claude_code.tool", 4),
        ("claude_code.tool.blocked_on_user", 4),
        ("claude_code.tool.execution", 3),
    ];
    assert_eq!(spans, BTreeMap::from(expected));

    let metrics = counts(arrived.metrics.iter().map(|(name, _, _)| &**name));
    let names: Vec<_> = metrics.into_keys().collect();
    let expected = [
        "claude_code.code_edit_tool.decision",
        "claude_code.cost.usage",
        "claude_code.session.count",
        "claude_code.token.usage",
    ];
    assert_eq!(names, expected);
}

fn check_requests(arrived: &Arrived) {
    let ids = |event: &Event| event.attributes["request_id"].clone();
    let requests: Vec<_> = arrived.named("api_request").collect();
    let answered: Vec<_> = requests.iter().map(|event| ids(event)).collect();
    assert_eq!(answered, ["req_02", "req_03", "req_04", "req_05"]);
    for request in requests {
        request.assert("model", json!("claude-sonnet-4-6"));
        request.assert("input_tokens", json!(1_000));
        request.assert("output_tokens", json!(200));
        request.assert("cache_read_tokens", json!(10_000));
        request.assert("cost_usd", json!(0.009));
    }
    let failed: Vec<_> = arrived.named("api_error").collect();
    failed[0].assert("status_code", json!("400"));
    failed[0].assert("request_id", json!("req_06"));
    let message = failed[0].attributes["error"].to_string();
    assert!(message.contains("prompt is too long"), "{message}");
    // The message of the transport would contain the URL.
    failed[1].assert("status_code", json!("undefined"));
    failed[1].assert("error", json!("the request failed (http)"));

    let requests: Vec<_> = arrived.spans_named("claude_code.llm_request").collect();
    let attribute = |name| {
        requests
            .iter()
            .map(move |span| span.attributes.get(name).cloned())
    };
    let attempts: Vec<_> = attribute("attempt").map(Option::unwrap).collect();
    assert_eq!(attempts, [2, 1, 1, 1, 1, 1, 1]);
    let succeeded: Vec<_> = attribute("success").map(Option::unwrap).collect();
    assert_eq!(succeeded, [true, true, true, true, false, false, false]);
    // The server waits 5 ms before it streams the first token.
    let is_streamed: Vec<_> = attribute("ttft_ms")
        .map(|time| time.is_some_and(|time| time.as_u64().unwrap() >= 5))
        .collect();
    assert_eq!(is_streamed, [false, false, true, true, false, false, false]);
}

fn check_tools(arrived: &Arrived) {
    let ids = ["toolu_01", "toolu_02", "toolu_03", "toolu_04"];
    for (id, decision) in ids
        .into_iter()
        .zip(["accept", "accept", "accept", "reject"])
    {
        let event = arrived.of_tool("tool_decision", id).unwrap();
        event.assert("decision", json!(decision));
        event.assert("source", json!("config"));
    }
    let read = arrived.of_tool("tool_result", "toolu_01").unwrap();
    read.assert("success", json!("true"));
    read.assert("tool_result_size_bytes", json!("fn parse() {}".len()));
    let missing = arrived.of_tool("tool_result", "toolu_02").unwrap();
    missing.assert("success", json!("false"));
    missing.assert("error", json!("no such file"));
    missing.assert("error_type", json!("not_found"));
    let edit = arrived.of_tool("tool_result", "toolu_03").unwrap();
    edit.assert("tool_name", json!("Edit"));
    assert!(
        edit.attributes["tool_input"]
            .to_string()
            .contains("old_string")
    );
    assert!(arrived.of_tool("tool_result", "toolu_04").is_none());
}

fn check_metrics(arrived: &Arrived) {
    assert_eq!(arrived.sum("claude_code.session.count", &[]), 1.0);
    assert!((arrived.sum("claude_code.cost.usage", &[]) - 0.036).abs() < 1e-9);
    for (kind, tokens) in [
        ("input", 4_000.0),
        ("output", 800.0),
        ("cacheRead", 40_000.0),
    ] {
        assert_eq!(
            arrived.sum("claude_code.token.usage", &[("type", kind)]),
            tokens
        );
    }
    let edit = [
        ("tool_name", "Edit"),
        ("decision", "accept"),
        ("language", "Rust"),
    ];
    assert_eq!(
        arrived.sum("claude_code.code_edit_tool.decision", &edit),
        1.0
    );
}

/// Checks the parents of all spans, also of those of concurrent tools.
fn check_tree(arrived: &Arrived) {
    let by_id: BTreeMap<&str, &Span> = arrived.spans.iter().map(|span| (&*span.id, span)).collect();
    for span in &arrived.spans {
        let expected = match &*span.name {
            "claude_code.interaction" => {
                assert_eq!(span.parent, "");
                continue;
            }
            "claude_code.llm_request" | "claude_code.tool" => "claude_code.interaction",
            _ => "claude_code.tool",
        };
        let parent = by_id[&*span.parent];
        assert_eq!(parent.name, expected, "{}", span.name);
        assert_eq!(parent.trace, span.trace);
        assert!(
            parent.start <= span.start && span.end <= parent.end,
            "{}",
            span.name
        );
    }

    let tools: BTreeMap<_, _> = arrived
        .spans_named("claude_code.tool")
        .map(|span| (span.attributes["tool_use_id"].as_str().unwrap(), span))
        .collect();
    let (first, second) = (tools["toolu_01"], tools["toolu_02"]);
    assert!(first.start < second.end && second.start < first.end);
    let is_executed = |tool: &Span| {
        let mut executions = arrived.spans_named("claude_code.tool.execution");
        executions.any(|execution| execution.parent == tool.id)
    };
    let executed: Vec<_> = tools.values().map(|tool| is_executed(tool)).collect();
    assert_eq!(executed, [true, true, true, false]);
}

/// Checks that the model received the trace context of the request's span with each attempt.
fn check_propagation(arrived: &Arrived, shown: &str) {
    let received: Vec<_> = shown
        .lines()
        .filter_map(|line| line.split_once(", traceparent: "))
        .map(|(_, traceparent)| traceparent.to_owned())
        .collect();
    let requests = arrived.spans_named("claude_code.llm_request");
    let mut sent: Vec<_> = requests
        .map(|span| format!("00-{}-{}-01", span.trace, span.id))
        .collect();
    // The first request has two attempts.
    sent.insert(0, sent[0].clone());
    assert_eq!(received, sent);
}
