//! A real Prometheus scrapes the command `replay` while it runs, and stores the totals of the transcript.
//!
//! The variable `PROMETHEUS` names the server program; the default is `prometheus` on the PATH (Debian has a package
//! of that name). Without the program the test prints a message and is skipped.
#![cfg(all(
    feature = "prometheus",
    feature = "grpc",
    feature = "http",
    feature = "console"
))]

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::{Duration, Instant};

use crate::example;
use crate::port::free_port;
use serde_json::{Value, json};

/// The longest time until the result of a scrape is visible.
const PATIENCE: Duration = Duration::from_secs(60);

/// Returns the server program, or `None` if it is not available.
fn server() -> Option<PathBuf> {
    let program = std::env::var_os("PROMETHEUS").map_or("prometheus".into(), PathBuf::from);
    let version = Command::new(&program)
        .arg("--version")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    let there = version.is_ok_and(|status| status.success());
    if !there {
        eprintln!("skipped: there is no {}", program.display());
    }
    there.then_some(program)
}

/// A program that is killed at the end of the test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Starts the replay of a transcript that is written while it runs.
fn start_replay(port: u16) -> (Running, ChildStdin) {
    let mut replay = Command::new(example::PROGRAM)
        .arg("replay")
        .env_clear()
        .envs([
            ("CLAUDE_CODE_ENABLE_TELEMETRY", "1"),
            ("OTEL_METRICS_EXPORTER", "prometheus"),
            ("OTEL_EXPORTER_PROMETHEUS_PORT", &port.to_string()),
            ("OTEL_RESOURCE_ATTRIBUTES", "team.id=core"),
        ])
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    let stdin = replay.stdin.take().unwrap();
    (Running(replay), stdin)
}

fn start_prometheus(program: PathBuf, folder: &tempfile::TempDir, target: u16) -> (Running, u16) {
    let file = folder.path().join("prometheus.yml");
    let config = format!(
        "global:\n  scrape_interval: 1s\n  scrape_timeout: 1s\n\
         scrape_configs:\n  - job_name: agents\n    static_configs:\n      - targets: ['localhost:{target}']\n"
    );
    std::fs::write(&file, config).unwrap();
    let port = free_port();
    let child = Command::new(program)
        .arg(format!("--config.file={}", file.display()))
        .arg(format!(
            "--storage.tsdb.path={}",
            folder.path().join("data").display()
        ))
        .arg(format!("--web.listen-address=127.0.0.1:{port}"))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    (Running(child), port)
}

/// Returns the result of a query: each value by its label values, joined with commas.
fn query(port: u16, query: &str) -> Option<BTreeMap<String, f64>> {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).ok()?;
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let escaped: String = query.bytes().map(|byte| format!("%{byte:02x}")).collect();
    let request = format!("GET /api/v1/query?query={escaped} HTTP/1.0\r\n\r\n");
    stream.write_all(request.as_bytes()).ok()?;
    let mut response = String::new();
    stream.read_to_string(&mut response).ok()?;
    let response: Value = serde_json::from_str(response.split_once("\r\n\r\n")?.1).ok()?;
    let result = response["data"]["result"].as_array()?;
    let samples = result.iter().map(|sample| {
        let labels = sample["metric"].as_object().unwrap().values();
        let labels: Vec<_> = labels.map(|label| label.as_str().unwrap()).collect();
        let value = sample["value"][1].as_str().unwrap();
        (labels.join(","), value.parse().unwrap())
    });
    Some(samples.collect())
}

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

/// Waits until Prometheus returns this result, within rounding errors.
#[track_caller]
fn wait_for(port: u16, text: &str, wanted: &BTreeMap<String, f64>) {
    let deadline = Instant::now() + PATIENCE;
    let near = |found: &BTreeMap<String, f64>| {
        found.keys().eq(wanted.keys())
            && found
                .values()
                .zip(wanted.values())
                .all(|(found, wanted)| (found - wanted).abs() <= 1e-9 * wanted.abs())
    };
    loop {
        let found = query(port, text);
        if found.as_ref().is_some_and(near) {
            break;
        }
        assert!(
            Instant::now() < deadline,
            "{text} is {found:?} instead of {wanted:?}"
        );
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// Waits until Prometheus has the totals of this transcript.
#[track_caller]
fn wait_for_totals(port: u16, transcript: &[Value]) {
    for (text, wanted) in totals(transcript) {
        wait_for(port, &text, &wanted);
    }
}

fn write(stdin: &mut ChildStdin, lines: &[Value]) {
    for line in lines {
        writeln!(stdin, "{line}").unwrap();
    }
    stdin.flush().unwrap();
}

#[test]
fn prometheus_stores_the_totals_of_a_replayed_transcript() {
    let Some(program) = server() else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let target = free_port();
    let (mut replay, mut stdin) = start_replay(target);
    let (_prometheus, port) = start_prometheus(program, &folder, target);

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
    write(&mut stdin, &first);
    wait_for_totals(port, &first);

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
    write(&mut stdin, &second);
    wait_for_totals(port, &[&first[..], &second].concat());
    // `up` is 1 if the last scrape succeeded. On a busy machine a scrape may fail, and a later one succeeds.
    wait_for(port, "sum(up)", &BTreeMap::from([(String::new(), 1.0)]));

    drop(stdin);
    let status = replay.0.wait().unwrap();
    assert!(status.success(), "{status}");
}
