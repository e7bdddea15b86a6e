//! A real Prometheus scrapes the command `replay` while it runs, and stores the totals of the transcript.
//!
//! The server program is `prometheus` (Debian has a package of that name). Without it the test prints a message and is
//! skipped.
#![cfg(all(
    unix,
    feature = "serde",
    feature = "prometheus",
    feature = "grpc",
    feature = "http",
    feature = "console"
))]

use std::collections::BTreeMap;

use crate::alerts_and_dashboards::prometheus::{Prometheus, Sample};
use crate::example::is_installed;
use crate::port::free_port;
use crate::replay::Replay;
use serde_json::{Value, json};

/// Returns the totals of a transcript: for each query the values by label. The label is "" if the metric does not have
/// it, such as `start_type` of pull requests.
fn totals(transcript: &[Value]) -> BTreeMap<String, BTreeMap<String, f64>> {
    let mut totals: BTreeMap<String, BTreeMap<String, f64>> = BTreeMap::new();
    let mut add = |metric: &str, by: &str, label: &Value, value: &Value| {
        let query = format!("sum by ({by}) (claude_code_{metric}_total{{team_id=\"core\"}})");
        let label = label.as_str().unwrap_or_default().to_owned();
        *totals.entry(query).or_default().entry(label).or_default() +=
            value.as_f64().unwrap_or_default();
    };
    let (one, none) = (json!(1), Value::Null);
    let mut session = Value::Null;
    for line in transcript {
        match line["step"].as_str().unwrap() {
            "session" => {
                session = line["session_id"].clone();
                add("session_count", "session_id", &session, &one);
            }
            "api_request" => {
                add("cost_usage", "session_id", &session, &line["cost_usd"]);
                for (field, kind) in [
                    ("input_tokens", "input"),
                    ("output_tokens", "output"),
                    ("cache_read_tokens", "cacheRead"),
                    ("cache_creation_tokens", "cacheCreation"),
                ] {
                    add("token_usage", "type", &json!(kind), &line[field]);
                }
            }
            "lines_of_code" => {
                for kind in ["added", "removed"] {
                    add("lines_of_code_count", "type", &json!(kind), &line[kind]);
                }
            }
            "commit" => add("commit_count", "job", &json!("agents"), &line["count"]),
            "pull_request" => add("pull_request_count", "start_type", &none, &one),
            "active_time" => add("active_time", "type", &line["type"], &line["seconds"]),
            "code_edit_tool_decision" => add(
                "code_edit_tool_decision",
                "language",
                &line["language"],
                &one,
            ),
            _ => {}
        }
    }
    totals
}

/// Waits until Prometheus returns this result, within rounding errors. The key of a value is the values of its labels,
/// joined with commas.
#[track_caller]
fn wait_for(prometheus: &mut Prometheus, query: &str, wanted: &BTreeMap<String, f64>) {
    let near = |samples: Vec<Sample>| {
        let found = samples.into_iter().map(|(labels, value)| {
            let labels: Vec<_> = labels.values().filter_map(Value::as_str).collect();
            (labels.join(","), value)
        });
        let found = BTreeMap::from_iter(found);
        found.keys().eq(wanted.keys())
            && found
                .values()
                .zip(wanted.values())
                .all(|(found, wanted)| (found - wanted).abs() <= 1e-9 * wanted.abs())
    };
    prometheus.wait(&format!("at {wanted:?} for {query}"), |prometheus| {
        prometheus.query(query).is_ok_and(near)
    });
}

/// Waits until Prometheus has the totals of this transcript.
#[track_caller]
fn wait_for_totals(prometheus: &mut Prometheus, transcript: &[Value]) {
    for (query, wanted) in totals(transcript) {
        wait_for(prometheus, &query, &wanted);
    }
}

#[test]
fn prometheus_stores_the_totals_of_a_replayed_transcript() {
    if !is_installed("prometheus") {
        return;
    }
    let port = free_port();
    let variables = [
        ("CLAUDE_CODE_ENABLE_TELEMETRY", "1"),
        ("OTEL_METRICS_EXPORTER", "prometheus"),
        ("OTEL_EXPORTER_PROMETHEUS_PORT", &port.to_string()),
        ("OTEL_RESOURCE_ATTRIBUTES", "team.id=core"),
    ];
    let mut replay = Replay::spawn(&[], variables);
    // The scrape job has another name than the service, so that the label `job` can only be that of the scrape job.
    let mut prometheus = Prometheus::start("agents", false, port);

    let first = [
        json!({"step": "session", "session_id": "5a6f0c5e-0000-4000-8000-000000000001", "user_id": "u"}),
        json!({"step": "prompt", "text": "Fix the bug"}),
        json!({"step": "api_request", "model": "claude-sonnet-4-6", "duration_ms": 9, "input_tokens": 1200, "output_tokens": 86,
               "cache_read_tokens": 20000, "cache_creation_tokens": 512, "cost_usd": 0.0123}),
        json!({"step": "api_request", "model": "claude-haiku-4-5", "duration_ms": 9, "input_tokens": 3, "cost_usd": 0.0001}),
        json!({"step": "lines_of_code", "added": 12, "removed": 4}),
        json!({"step": "code_edit_tool_decision", "tool_name": "Edit", "decision": "accept", "source": "config",
               "language": "Rust"}),
        json!({"step": "active_time", "type": "cli", "seconds": 1.25}),
        json!({"step": "commit", "count": 2}),
        json!({"step": "pull_request"}),
        json!({"step": "prompt_end"}),
    ];
    for line in &first {
        replay.line(&line.to_string());
    }
    wait_for_totals(&mut prometheus, &first);

    // The first session ends and a second one starts.
    let second = [
        json!({"step": "api_request", "model": "claude-sonnet-4-6", "duration_ms": 9, "output_tokens": 7, "cost_usd": 1.5}),
        json!({"step": "active_time", "type": "user", "seconds": 0.5}),
        json!({"step": "session_end"}),
        json!({"step": "session", "session_id": "5a6f0c5e-0000-4000-8000-000000000002", "user_id": "u",
               "start_type": "resume"}),
        json!({"step": "api_request", "model": "claude-opus-4-6", "duration_ms": 9, "input_tokens": 900, "cost_usd": 0.75}),
        json!({"step": "commit", "count": 1}),
    ];
    for line in &second {
        replay.line(&line.to_string());
    }
    wait_for_totals(&mut prometheus, &[&first[..], &second].concat());
    // `up` is 1 if the last scrape succeeded. On a busy machine a scrape may fail, and a later one succeeds.
    wait_for(
        &mut prometheus,
        "sum(up)",
        &BTreeMap::from([(String::new(), 1.0)]),
    );

    let (status, errors) = replay.end();
    assert_eq!(status, 0, "{errors:?}");
}
