//! A Prometheus exposition of the received telemetry, as a Collector would export it.
//!
//! Metric names follow the documented translation from OTLP to Prometheus: dots become `_`, the unit is
//! appended unless the name already contains it or the unit is in braces, and a monotonic sum ends in `_total`. Delta
//! points are added up. The exposition also has the metrics that the stack's Collector counts from events and spans.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Write as _};
use std::net::{Ipv4Addr, TcpListener};
use std::sync::Arc;
use std::thread;

use claude_code_telemetry::catalog::METRICS;
use serde_json::Value;

use crate::support::{Attributes, Received, Receiver};

/// Returns the Prometheus name of a counter.
pub(crate) fn translated(name: &str, unit: &str) -> String {
    let mut words: Vec<_> = name
        .split(['.', '_'])
        .filter(|word| *word != "total")
        .collect();
    let unit = match unit {
        "s" => "seconds",
        unit if unit.starts_with('{') => "",
        unit => unit,
    };
    if !unit.is_empty() && !words.contains(&unit) {
        words.push(unit);
    }
    words.push("total");
    words.join("_")
}

#[test]
fn translated_names_match_published_dashboards() {
    let names: Vec<_> = METRICS.iter().map(|m| translated(m.name, m.unit)).collect();
    assert_eq!(
        names,
        [
            "claude_code_session_count_total",
            "claude_code_lines_of_code_count_total",
            "claude_code_pull_request_count_total",
            "claude_code_commit_count_total",
            "claude_code_cost_usage_USD_total",
            "claude_code_token_usage_tokens_total",
            "claude_code_code_edit_tool_decision_total",
            "claude_code_active_time_seconds_total",
        ]
    );
}

/// Formats a series as `name{label="value",...}`.
fn series(name: &str, attributes: &Attributes) -> String {
    let mut series = format!("{name}{{job=\"claude-code\"");
    for (key, value) in attributes {
        let text = value.as_str().map_or(value.to_string(), str::to_owned);
        let text = text
            .replace('\\', "\\\\")
            .replace('"', "\\\"")
            .replace('\n', "\\n");
        write!(series, ",{}=\"{text}\"", key.replace('.', "_")).unwrap();
    }
    series + "}"
}

/// Returns the current values of all series.
fn totals(received: &Received) -> BTreeMap<String, f64> {
    let mut totals = BTreeMap::new();
    for point in received.points() {
        assert_eq!((point.temporality, point.monotonic), (1, true));
        let name = translated(&point.name, &point.unit);
        *totals.entry(series(&name, &point.attributes)).or_default() += point.value;
    }
    let mut count = |name: &str, attributes: &Attributes, keys: &[&str]| {
        let kept = keys.iter().filter_map(|key| attributes.get_key_value(*key));
        let kept = kept
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect();
        *totals.entry(series(name, &kept)).or_default() += 1.0;
    };
    for log in received.logs() {
        let attributes = &log.attributes;
        match attributes["event.name"].as_str() {
            Some("api_request") => {
                count(
                    "claude_code_api_requests_total",
                    attributes,
                    &["model", "session.id"],
                );
            }
            Some("api_error") => {
                let keys = ["model", "status_code", "session.id"];
                count("claude_code_api_errors_total", attributes, &keys);
            }
            _ => {}
        }
    }
    for span in received.spans() {
        let attributes = &span.attributes;
        if span.name == "claude_code.llm_request" {
            if attributes["attempt"].as_u64() > Some(1) {
                count(
                    "claude_code_retried_requests_total",
                    attributes,
                    &["model", "session.id"],
                );
            }
            if attributes.get("stop_reason").and_then(Value::as_str) == Some("refusal") {
                count(
                    "claude_code_refusals_total",
                    attributes,
                    &["model", "session.id"],
                );
            }
        }
    }
    totals
}

/// Renders the exposition in the text format. The series are sorted, so each metric's samples are contiguous.
fn render(received: &Received) -> String {
    let mut exposition = String::new();
    let mut family = String::new();
    for (series, value) in totals(received) {
        let name = series.split('{').next().unwrap();
        if name != family {
            name.clone_into(&mut family);
            writeln!(exposition, "# TYPE {name} counter").unwrap();
        }
        writeln!(exposition, "{series} {value}").unwrap();
    }
    exposition
}

/// Serves an exposition of the telemetry received so far, and returns the port.
pub(crate) fn serve(receiver: Arc<Receiver>) -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let head = BufReader::new(stream.try_clone().unwrap()).lines();
            for _ in head.map_while(|line| line.ok().filter(|line| !line.is_empty())) {}
            let exposition = render(&receiver.received());
            let kind = "Content-Type: text/plain; version=0.0.4\r\nConnection: close";
            let head = format!(
                "HTTP/1.1 200 OK\r\n{kind}\r\nContent-Length: {}",
                exposition.len()
            );
            let _ = write!(stream, "{head}\r\n\r\n{exposition}");
        }
    });
    port
}
