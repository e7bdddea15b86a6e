//! A replay of the demo (the transcript `examples/stack/demo.jsonl`) that a real Prometheus scrapes while the replay
//! runs.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::dashboards::queries;
use super::prometheus::{PATIENCE, Prometheus};
use super::{exposition, is_installed, repository, text};
use crate::example;
use crate::support::Receiver;

/// Starts a replay that exports to `receiver`, with the variables of the stack.
fn start(receiver: &Receiver, home: &Path, extra: &[(&str, &str)]) -> Child {
    let endpoint = receiver.endpoint();
    let env = text("env");
    let variables = env.lines().filter_map(|line| line.split_once('='));
    example::program("replay", home)
        .envs(variables.filter(|(name, _)| !name.starts_with('#')))
        .env("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint)
        .env("CLAUDE_CODE_OTEL_FLUSH_TIMEOUT_MS", "60000")
        .env("CLAUDE_CODE_OTEL_SHUTDOWN_TIMEOUT_MS", "60000")
        .envs(extra.iter().copied())
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

/// Waits until a replay has exited, and asserts success without warnings.
fn assert_succeeded(replay: Child) {
    let output = replay.wait_with_output().unwrap();
    assert!(output.status.success(), "{output:?}");
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
}

/// Replays all steps, and waits until the replay has exited.
pub(crate) fn replay(receiver: &Receiver, home: &Path, extra: &[(&str, &str)], steps: &[&str]) {
    let mut replay = start(receiver, home, extra);
    let mut input = replay.stdin.take().unwrap();
    writeln!(input, "{}", steps.join("\n")).unwrap();
    drop(input);
    assert_succeeded(replay);
}

/// Returns the steps of the demo without the `sleep` steps.
pub(crate) fn without_sleeps(demo: &str) -> Vec<&str> {
    let sleep = |line: &&str| line.contains("\"step\": \"sleep\"");
    demo.lines().filter(|line| !sleep(line)).collect()
}

/// Returns the expected totals of the transcript, by query.
fn expected(transcript: &[&str]) -> BTreeMap<&'static str, f64> {
    let mut totals = BTreeMap::new();
    let mut add = |query, amount: Option<f64>| {
        *totals.entry(query).or_default() += amount.unwrap_or(0.0);
    };
    for line in transcript.iter().filter(|line| !line.starts_with('#')) {
        let step: Value = serde_json::from_str(line).unwrap();
        let number = |field: &str| step[field].as_f64();
        match step["step"].as_str().unwrap() {
            "session" => add("claude_code_session_count_total", Some(1.0)),
            "commit" => add("claude_code_commit_count_total", Some(1.0)),
            "pull_request" => add("claude_code_pull_request_count_total", Some(1.0)),
            "lines_of_code" => {
                add(
                    "claude_code_lines_of_code_count_total{type=\"added\"}",
                    number("added"),
                );
                add(
                    "claude_code_lines_of_code_count_total{type=\"removed\"}",
                    number("removed"),
                );
            }
            "active_time" => add("claude_code_active_time_seconds_total", number("seconds")),
            "api_request" => {
                add("claude_code_cost_usage_USD_total", number("cost_usd"));
                for (query, field) in [
                    (
                        "claude_code_token_usage_tokens_total{type=\"input\"}",
                        "input_tokens",
                    ),
                    (
                        "claude_code_token_usage_tokens_total{type=\"output\"}",
                        "output_tokens",
                    ),
                    (
                        "claude_code_token_usage_tokens_total{type=\"cacheRead\"}",
                        "cache_read_tokens",
                    ),
                    (
                        "claude_code_token_usage_tokens_total{type=\"cacheCreation\"}",
                        "cache_creation_tokens",
                    ),
                ] {
                    add(query, number(field));
                }
                add("claude_code_api_requests_total", Some(1.0));
                let retried = number("attempt") > Some(1.0);
                add("claude_code_retried_requests_total", retried.then_some(1.0));
                let refused = step["stop_reason"] == "refusal";
                add("claude_code_refusals_total", refused.then_some(1.0));
            }
            "api_error" => {
                add("claude_code_api_errors_total", Some(1.0));
                let retried = number("attempt") > Some(1.0);
                add("claude_code_retried_requests_total", retried.then_some(1.0));
            }
            "tool"
                if ["Edit", "Write", "NotebookEdit"]
                    .iter()
                    .any(|t| step["tool_name"] == *t) =>
            {
                match step["decision"].as_str() {
                    Some("accept") => add(
                        "claude_code_code_edit_tool_decision_total{decision=\"accept\"}",
                        Some(1.0),
                    ),
                    _ => add(
                        "claude_code_code_edit_tool_decision_total{decision=\"reject\"}",
                        Some(1.0),
                    ),
                }
            }
            _ => {}
        }
    }
    totals
}

fn near(value: Option<f64>, expected: f64) -> bool {
    value.is_some_and(|value| (value - expected).abs() <= 1e-9 * expected)
}

/// Returns a query for the increase that the recording rules store for a metric.
fn recorded(query: &str) -> String {
    let name = match query.split('{').next().unwrap() {
        "claude_code_session_count_total" => "sessions",
        "claude_code_commit_count_total" => "commits",
        "claude_code_pull_request_count_total" => "pull_requests",
        "claude_code_lines_of_code_count_total" => "lines_of_code",
        "claude_code_active_time_seconds_total" => "active_seconds",
        "claude_code_cost_usage_USD_total" => "cost_usd",
        "claude_code_token_usage_tokens_total" => "tokens",
        "claude_code_code_edit_tool_decision_total" => "edit_decisions",
        "claude_code_api_requests_total" => "api_requests",
        "claude_code_api_errors_total" => "api_errors",
        "claude_code_retried_requests_total" => "retried_requests",
        "claude_code_refusals_total" => "refusals",
        other => panic!("{other}"),
    };
    let labels = query.find('{').map_or("", |start| &query[start..]);
    format!("sum(sum_over_time(claude_code:{name}:increase1m{labels}[1h]))")
}

#[test]
fn dashboard_queries_return_data_while_prometheus_scrapes_a_replay() {
    if !is_installed("prometheus") {
        return;
    }
    let demo = text("demo.jsonl");
    let steps = without_sleeps(&demo);
    let receiver = Arc::new(Receiver::http());
    let mut prometheus = Prometheus::start(
        "claude-code",
        true,
        exposition::serve(Arc::clone(&receiver)),
    );
    let home = tempfile::tempdir().unwrap();
    let often = [
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/json"),
        ("OTEL_METRIC_EXPORT_INTERVAL", "200"),
        ("OTEL_LOGS_EXPORT_INTERVAL", "200"),
        ("OTEL_TRACES_EXPORT_INTERVAL", "200"),
    ];
    let mut replay = start(&receiver, home.path(), &often);
    let mut input = replay.stdin.take().unwrap();

    // Send a part first, and wait until Prometheus has scraped some of it. After that, the series increase between
    // scrapes.
    let (first, rest) = steps.split_at(steps.len() / 3);
    writeln!(input, "{}", first.join("\n")).unwrap();
    input.flush().unwrap();
    let seen = "sum(claude_code_cost_usage_USD_total) > 0";
    prometheus.wait("scraped", |prometheus| prometheus.value(seen).is_some());
    writeln!(input, "{}", rest.join("\n")).unwrap();
    drop(input);
    assert_succeeded(replay);

    let expected = expected(&steps);
    assert_eq!(expected.len(), 17, "the demo lacks something: {expected:?}");
    let all = |prometheus: &Prometheus, query: &dyn Fn(&str) -> String| {
        expected
            .iter()
            .all(|(name, total)| near(prometheus.value(&query(name)), *total))
    };
    let now = |name: &str| format!("sum({name})");
    prometheus.wait("equal to the transcript", |prometheus| {
        all(prometheus, &now)
    });
    prometheus.wait("recorded exactly", |prometheus| all(prometheus, &recorded));

    // increase() needs at least two samples of a series; this waits for three.
    prometheus.wait("scraped often enough", |prometheus| {
        expected.keys().all(|name| {
            let samples = format!("min(count_over_time({name}[1h])) >= 3");
            prometheus.value(&samples).is_some()
        })
    });

    // The rules are evaluated once a minute, and their results can be queried a little later.
    let deadline = Instant::now() + PATIENCE;
    let mut missing = without_data(&prometheus);
    while !missing.is_empty() && Instant::now() < deadline {
        thread::sleep(Duration::from_secs(1));
        missing = without_data(&prometheus);
    }
    missing.extend(published(&prometheus));
    assert!(missing.is_empty(), "{}", missing.join("\n"));
}

/// Returns the queries of the stack and the recorded series without data.
fn without_data(prometheus: &Prometheus) -> Vec<String> {
    let mut without_data = Vec::new();
    for query in queries()
        .iter()
        .filter(|query| query.source == "prometheus")
    {
        let text = query.filled_in();
        match prometheus.query(&text) {
            Ok(samples) if samples.iter().any(|(_, value)| value.is_finite()) => {}
            other => without_data.push(format!("{}: {text}: {other:?}", query.location)),
        }
    }
    for name in recorded_each_minute() {
        let text = format!("last_over_time({name}[1h])");
        match prometheus.query(&text) {
            Ok(samples) if !samples.is_empty() => {}
            other => without_data.push(format!("{text}: {other:?}")),
        }
    }
    without_data
}

/// Returns the names of the recording rules that are evaluated every minute.
fn recorded_each_minute() -> Vec<String> {
    let rules = text("prometheus/rules.yaml");
    let (rules, _) = rules.split_once("name: claude-code-hourly").unwrap();
    let rules = rules.split("- record: ").skip(1);
    let names = rules.map(|rule| rule.lines().next().unwrap().to_owned());
    names.collect()
}

/// Runs the queries of published dashboards, if they are available (`CONSUMER_QUERIES` names a folder with
/// `promql.tsv`), and returns the queries without data.
///
/// It skips queries that need metric names other than those of a Collector, or labels that this data does not have.
/// It ignores failures that `promql_exceptions.tsv` gives a reason for.
fn published(prometheus: &Prometheus) -> Vec<String> {
    let folder = std::env::var_os("CONSUMER_QUERIES").map(PathBuf::from);
    let Some(file) = folder
        .map(|folder| folder.join("promql.tsv"))
        .filter(|file| file.is_file())
    else {
        eprintln!("skipped: the variable CONSUMER_QUERIES names no folder with promql.tsv");
        return Vec::new();
    };
    let exceptions = fs::read_to_string(repository(
        "tests/it/alerts_and_dashboards/promql_exceptions.tsv",
    ))
    .unwrap();
    let exceptions: Vec<_> = exceptions
        .lines()
        .filter(|line| !line.starts_with('#'))
        .map(|line| line.split('\t').next().unwrap())
        .collect();
    let text = fs::read_to_string(file).unwrap();
    let mut without_data = Vec::new();
    let mut count = 0;
    for row in text.lines().skip(1) {
        let cells: Vec<_> = row.split('\t').collect();
        let [location, dashboard, panel, query, "suffixed", "", "", ""] = cells[..] else {
            continue;
        };
        let query = query
            .strip_prefix('"')
            .and_then(|q| q.strip_suffix('"'))
            .unwrap_or(query);
        let query = query.replace("\"\"", "\"");
        count += 1;
        let response = prometheus.query(&query);
        let data = response.as_ref().is_ok_and(|samples| !samples.is_empty());
        if !data && !exceptions.iter().any(|part| query.contains(part)) {
            without_data.push(format!(
                "{location} {dashboard} {panel}: {query}: {response:?}"
            ));
        }
    }
    eprintln!(
        "{count} published queries were run, {} reasons for exceptions",
        exceptions.len()
    );
    assert!(count > 200, "{count}");
    without_data
}
