//! Transcripts of agent runs, and the telemetry that each of them must produce.
//!
//! The command `replay` replays `tests/transcripts/NAME.jsonl`. `NAME.json` has the variables and the expected data. In
//! `NAME.json`, `standard` holds attributes that all items have, `prompt` is the number of an event's prompt (0 means
//! before the first prompt), `span` and `parent_id` refer to an entry of `spans`, and `{"$present": true}` matches any
//! non-empty string. In the expected output, `{"$any": […]}` matches what one of its values matches,
//! `{"$traceparent": N}` the `traceparent` of span N, and `{"$otel_variables": […]}` a list of `OTEL_` names that
//! includes these.
#![cfg(all(
    feature = "grpc",
    feature = "http",
    feature = "console",
    feature = "serde"
))]

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;
use std::time::UNIX_EPOCH;

use crate::example;
use crate::support::{Attributes, Log, Point, Receiver, Span};
use serde_json::{Map, Value};

/// Attributes that may be present without being expected, because the cases are older than these attributes.
const EXTRA: &[&str] = &[
    "error_type",
    "gen_ai.request.model",
    "gen_ai.response.finish_reasons",
    "gen_ai.response.id",
    "gen_ai.system",
    "gen_ai.tool.call.id",
    "mcp_server_scope",
    "query_source",
    "response.has_tool_call",
    "result_tokens",
    "skill_name",
    "start_type",
    "stop_reason",
    "subagent_type",
    "tool_input",
    "tool_use_id",
    "workspace.host_paths",
];
/// Attributes of events that are compared separately.
const OF_EVENTS: &[&str] = &[
    "event.name",
    "event.timestamp",
    "event.sequence",
    "prompt.id",
];
/// The allowed difference between the duration of a span and its `duration_ms`.
const SLACK_NANOS: u64 = 5_000_000;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/transcripts")
}

#[test]
fn every_transcript_produces_the_expected_telemetry() {
    let mut names: Vec<String> = fs::read_dir(folder())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == "json")
        })
        .map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned())
        .collect();
    names.sort();
    assert!(names.len() >= 15, "{names:?}");
    let problems: Vec<String> = names
        .iter()
        .flat_map(|name| {
            let problems = Case::run(name).compare();
            problems
                .into_iter()
                .map(move |problem| format!("{name}: {problem}"))
        })
        .collect();
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

/// A case that was run, with its output and the received data.
struct Case {
    expected: Value,
    output: Output,
    logs: Vec<Log>,
    points: Vec<Point>,
    spans: Vec<Span>,
    problems: Vec<String>,
}

impl Case {
    fn run(name: &str) -> Self {
        let expected = fs::read_to_string(folder().join(format!("{name}.json"))).unwrap();
        let expected: Value = serde_json::from_str(&expected).unwrap();
        let receiver = Receiver::http();
        let home = tempfile::tempdir().unwrap();
        let endpoint = receiver.endpoint();
        let base = [
            ("CLAUDE_CODE_ENABLE_TELEMETRY", "1"),
            ("OTEL_METRICS_EXPORTER", "otlp"),
            ("OTEL_LOGS_EXPORTER", "otlp"),
            ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/json"),
            ("OTEL_EXPORTER_OTLP_ENDPOINT", &*endpoint),
            ("OTEL_METRIC_EXPORT_INTERVAL", "250"),
            ("OTEL_LOGS_EXPORT_INTERVAL", "200"),
            ("OTEL_TRACES_EXPORT_INTERVAL", "200"),
            ("CLAUDE_CODE_OTEL_FLUSH_TIMEOUT_MS", "60000"),
            ("CLAUDE_CODE_OTEL_SHUTDOWN_TIMEOUT_MS", "60000"),
        ];
        let own = object(&expected["env"]);
        let output = example::program("replay", home.path())
            .arg(folder().join(format!("{name}.jsonl")))
            .envs(base)
            .envs(own.iter().map(|(name, value)| (name, text(value))))
            .output()
            .unwrap();
        let received = receiver.received().accepted();
        Self {
            expected,
            output,
            logs: received.logs(),
            points: received.points(),
            spans: received.spans(),
            problems: Vec::new(),
        }
    }

    fn compare(mut self) -> Vec<String> {
        let matched = self.match_spans();
        self.compare_events(&matched);
        self.compare_metrics();
        self.compare_resources_and_scopes();
        self.compare_output(&matched);
        self.problems
    }

    /// Returns the attributes of an expected item, including those that all items have.
    fn attributes(&self, item: &Value) -> Map<String, Value> {
        let mut attributes = object(&self.expected["standard"]).clone();
        attributes.extend(object(&item["attributes"]).clone());
        attributes
    }

    fn list(&self, what: &str) -> Vec<Value> {
        self.expected[what].as_array().unwrap().clone()
    }

    fn compare_events(&mut self, matched: &HashMap<u64, Span>) {
        let mut first: BTreeMap<String, u64> = BTreeMap::new();
        let session = |log: &Log| {
            let id = log.attributes.get("session.id");
            id.map_or("", text).to_owned()
        };
        for log in &self.logs {
            let first = first.entry(session(log)).or_insert(log.time);
            *first = log.time.min(*first);
        }
        // Sorted by session, the one with the earliest event first, and then by number.
        let number = |log: &Log| log.attributes["event.sequence"].as_u64().unwrap();
        let mut logs = self.logs.clone();
        logs.sort_by_key(|log| (first[&session(log)], session(log), number(log)));
        let mut next: BTreeMap<String, u64> = BTreeMap::new();
        for log in &logs {
            let next = next.entry(session(log)).or_default();
            if number(log) != *next {
                let problem = format!("event.sequence is {}, not {next}", number(log));
                self.problems.push(problem);
            }
            *next += 1;
        }
        let expected = self.list("events");
        let names = |name: &dyn Fn(usize) -> String, count| (0..count).map(name).collect();
        let wanted: Vec<String> = names(&|n| text(&expected[n]["name"]).to_owned(), expected.len());
        let actual: Vec<String> = names(
            &|n| text(&logs[n].attributes["event.name"]).to_owned(),
            logs.len(),
        );
        if wanted != actual {
            let problem = format!("events: expected {wanted:?}, got {actual:?}");
            return self.problems.push(problem);
        }
        let mut prompts: HashMap<u64, Value> = HashMap::new();
        for (event, log) in expected.iter().zip(&logs) {
            let own: Attributes = log
                .attributes
                .iter()
                .filter(|(key, _)| !OF_EVENTS.contains(&key.as_str()))
                .map(|(key, value)| (key.clone(), value.clone()))
                .collect();
            let mut found = differences(&self.attributes(event), &own);
            if log.body != format!("claude_code.{}", text(&event["name"])) {
                found.push(format!("body: {}", log.body));
            }
            if let Some(time) = event["time"].as_str() {
                let nanos = nanos(time);
                if (log.time, log.observed) != (nanos, nanos) {
                    found.push(format!("time: expected {time}"));
                }
            }
            let prompt = event["prompt"].as_u64().unwrap();
            let id = log.attributes.get("prompt.id").cloned().unwrap_or_default();
            let known = prompts.entry(prompt).or_insert_with(|| id.clone());
            if *known != id || (prompt == 0) != id.is_null() {
                found.push(format!(
                    "prompt.id: {id} in prompt {prompt}, which is {known}"
                ));
            }
            if let Some(span) = event.get("span") {
                let span = span.as_u64().and_then(|number| matched.get(&number));
                let wanted = span.map_or((String::new(), String::new()), |span| {
                    (span.trace_id.clone(), span.span_id.clone())
                });
                if wanted != (log.trace_id.clone(), log.span_id.clone()) {
                    found.push("it carries another span".to_owned());
                }
            }
            self.report(&format!("event {}", event["name"]), found);
        }
        let mut ids: Vec<_> = prompts.values().map(Value::to_string).collect();
        ids.sort();
        ids.dedup();
        if ids.len() != prompts.len() {
            self.problems.push("prompts share an id".to_owned());
        }
    }

    fn compare_metrics(&mut self) {
        let mut left: Vec<Vec<Point>> = Vec::new();
        for point in &self.points {
            let series = left.iter_mut().find(|series| {
                series[0].name == point.name && series[0].attributes == point.attributes
            });
            match series {
                Some(series) => series.push(point.clone()),
                None => left.push(vec![point.clone()]),
            }
        }
        for metric in self.list("metrics") {
            let wanted = self.attributes(&metric);
            let index = left.iter().position(|series| {
                series[0].name == text(&metric["name"])
                    && differences(&wanted, &series[0].attributes).is_empty()
            });
            let what = format!("metric {} {}", metric["name"], metric["attributes"]);
            let Some(index) = index else {
                self.report(&what, vec!["is missing".to_owned()]);
                continue;
            };
            let series = left.remove(index);
            let found = self.series_problems(&metric, &series);
            self.report(&what, found);
        }
        for series in left {
            let problem = format!(
                "{} {:?} is not expected",
                series[0].name, series[0].attributes
            );
            self.problems.push(problem);
        }
    }

    fn series_problems(&self, metric: &Value, series: &[Point]) -> Vec<String> {
        let mut found = Vec::new();
        // As in OTLP, 1 is delta and 2 is cumulative.
        let delta = self.expected["temporality"] == serde_json::json!([1]);
        let total: f64 = if delta {
            series.iter().map(|point| point.value).sum()
        } else {
            series.last().unwrap().value
        };
        let wanted = metric["total"].as_f64().unwrap();
        if (total - wanted).abs() > 1e-9 {
            found.push(format!("the total is {total}, not {wanted}"));
        }
        let unit = text(&metric["unit"]);
        // Some files have an empty unit for counts.
        let counted = unit.is_empty() && series[0].unit == "{count}";
        if series[0].unit != unit && !counted {
            found.push(format!("the unit is {:?}", series[0].unit));
        }
        let least = metric["min_points"].as_u64().unwrap_or(1);
        if (series.len() as u64) < least {
            found.push(format!("{} points, not {least}", series.len()));
        }
        for pair in series.windows(2) {
            let apart = match delta {
                true => pair[0].end != pair[1].start,
                false => pair[0].start != pair[1].start,
            };
            if apart {
                found.push("its points are not contiguous".to_owned());
            }
        }
        found
    }

    /// Matches each expected span with a received span. Returns the received spans by the number of the expected
    /// span.
    fn match_spans(&mut self) -> HashMap<u64, Span> {
        let expected = self.list("spans");
        let mut matched = HashMap::new();
        let mut left = self.spans.clone();
        left.sort_by_key(|span| span.start);
        self.match_children(None, &expected, &mut left, &mut matched);
        for span in left {
            let problem = format!("the span {} is not expected", span.name);
            self.problems.push(problem);
        }
        matched
    }

    /// Matches the expected children of a matched span, or the expected roots. Each gets the received span that differs
    /// least.
    fn match_children(
        &mut self,
        parent: Option<(u64, &Span)>,
        expected: &[Value],
        left: &mut Vec<Span>,
        matched: &mut HashMap<u64, Span>,
    ) {
        let number = parent.map(|(number, _)| number);
        let children: Vec<_> = expected
            .iter()
            .filter(|span| span["parent_id"].as_u64() == number)
            .collect();
        for child in children {
            let inbound = child["parent"] == "(inbound)";
            let parent_id = match parent {
                Some((_, span)) => span.span_id.clone(),
                None if inbound => text(&self.expected["inbound_parent"]["span_id"]).to_owned(),
                None => String::new(),
            };
            let candidates: Vec<usize> = (0..left.len())
                .filter(|n| left[*n].parent_span_id == parent_id)
                .filter(|n| left[*n].name == text(&child["name"]))
                .collect();
            let best = candidates
                .into_iter()
                .map(|n| (self.span_differences(child, &left[n], expected), n))
                .min_by_key(|(found, n)| (found.len(), *n));
            let what = format!("span {} {}", child["id"], child["name"]);
            let Some((found, n)) = best else {
                self.report(&what, vec!["is missing".to_owned()]);
                continue;
            };
            let span = left.remove(n);
            self.report(&what, found);
            let number = child["id"].as_u64().unwrap();
            self.match_children(Some((number, &span)), expected, left, matched);
            matched.insert(number, span);
        }
    }

    /// Returns the differences of a span, including the names of its child spans.
    fn span_differences(&self, expected: &Value, span: &Span, all: &[Value]) -> Vec<String> {
        let mut found = differences(&self.attributes(expected), &span.attributes);
        let mut wanted: Vec<&str> = all
            .iter()
            .filter(|child| child["parent_id"] == expected["id"])
            .map(|child| text(&child["name"]))
            .collect();
        let below = self.spans.iter();
        let mut actual: Vec<&str> = below
            .filter(|child| child.parent_span_id == span.span_id)
            .map(|child| child.name.as_str())
            .collect();
        wanted.sort_unstable();
        actual.sort_unstable();
        if wanted != actual {
            found.push(format!("below it: expected {wanted:?}, got {actual:?}"));
        }
        if i64::from(span.status) != expected["status"].as_i64().unwrap_or(0) {
            found.push(format!("the status is {}", span.status));
        }
        if span.status_message != expected["error_message"].as_str().unwrap_or_default() {
            found.push(format!("the message is {:?}", span.status_message));
        }
        if span.trace_state != expected["trace_state"].as_str().unwrap_or_default() {
            found.push(format!("the tracestate is {:?}", span.trace_state));
        }
        for (what, given) in [("start", span.start), ("end", span.end)] {
            if expected[what]
                .as_str()
                .is_some_and(|time| nanos(time) != given)
            {
                found.push(format!("{what}: expected {}", expected[what]));
            }
        }
        let calls = ["claude_code.llm_request", "claude_code.tool"];
        let has_calls_inside = actual.iter().any(|name| calls.contains(name));
        if let Some(millis) = span.attributes.get("duration_ms").and_then(Value::as_u64)
            && !has_calls_inside
            && (span.end - span.start).abs_diff(millis * 1_000_000) > SLACK_NANOS
        {
            found.push("duration_ms does not fit its times".to_owned());
        }
        let events = expected["events"].as_array().cloned().unwrap_or_default();
        let actual: Vec<_> = span
            .events
            .iter()
            .filter(|actual| {
                // Like the attributes of `EXTRA`, this event may be present without being expected.
                let named = |event: &Value| event["name"] == actual.name.as_str();
                actual.name != "gen_ai.request.attempt" || events.iter().any(named)
            })
            .collect();
        if events.len() == actual.len() {
            for (event, actual) in events.iter().zip(actual) {
                if event["name"] != actual.name.as_str() {
                    found.push(format!("the span event {}", actual.name));
                }
                found.extend(differences(
                    object(&event["attributes"]),
                    &actual.attributes,
                ));
            }
        } else {
            found.push(format!("{} span events", actual.len()));
        }
        found
    }

    /// Compares resources and instrumentation scopes.
    fn compare_resources_and_scopes(&mut self) {
        let logs = self.logs.iter();
        let points = self.points.iter();
        let spans = self.spans.iter();
        let mut all: Vec<(&str, Attributes, [String; 2])> = Vec::new();
        all.extend(logs.map(|log| {
            let scope = [log.scope.clone(), log.scope_version.clone()];
            ("logs", log.resource.clone(), scope)
        }));
        all.extend(points.map(|point| {
            let scope = [point.scope.clone(), point.scope_version.clone()];
            ("metrics", point.resource.clone(), scope)
        }));
        all.extend(spans.map(|span| {
            let scope = [span.scope.clone(), span.scope_version.clone()];
            ("traces", span.resource.clone(), scope)
        }));
        all.dedup();
        for (signal, mut resource, scope) in all {
            resource.remove("wsl.version");
            let found = differences(object(&self.expected["resource"]), &resource);
            self.report(&format!("resource of {signal}"), found);
            let wanted = &self.expected["scopes"][signal];
            if [&wanted["name"], &wanted["version"]] != [&scope[0].as_str(), &scope[1].as_str()] {
                self.problems.push(format!("scope of {signal}: {scope:?}"));
            }
        }
    }

    /// Compares the exit status and the output of the program.
    fn compare_output(&mut self, matched: &HashMap<u64, Span>) {
        let errors = String::from_utf8_lossy(&self.output.stderr).into_owned();
        let bad_line = errors.lines().any(|line| line.starts_with("line "));
        if !self.output.status.success() || bad_line {
            let problem = format!("{}: {errors}", self.output.status);
            self.problems.push(problem);
        }
        let printed = String::from_utf8_lossy(&self.output.stdout).into_owned();
        let wanted = self.expected["stdout"]
            .as_array()
            .cloned()
            .unwrap_or_default();
        let lines: Vec<Value> = printed
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        if lines.len() != wanted.len() {
            self.problems.push(format!("printed: {printed}"));
        }
        for (wanted, line) in wanted.iter().zip(&lines) {
            if !output_matches(wanted, line, matched) {
                self.problems.push(format!("printed: {line}"));
            }
        }
    }

    fn report(&mut self, what: &str, found: Vec<String>) {
        let found = found.into_iter();
        self.problems
            .extend(found.map(|problem| format!("{what}: {problem}")));
    }
}

/// Returns the attributes that are missing, different or unexpected.
fn differences(expected: &Map<String, Value>, actual: &Attributes) -> Vec<String> {
    let mut found = Vec::new();
    for (key, wanted) in expected {
        match actual.get(key) {
            None => found.push(format!("{key} is missing")),
            Some(value) if !equal(key, wanted, value) => {
                found.push(format!("{key}: expected {wanted}, got {value}"));
            }
            Some(_) => {}
        }
    }
    let extra = actual
        .keys()
        .filter(|key| !expected.contains_key(*key) && !EXTRA.contains(&key.as_str()));
    found.extend(extra.map(|key| format!("{key} is not expected")));
    found
}

fn equal(key: &str, wanted: &Value, actual: &Value) -> bool {
    if wanted.get("$present").is_some() {
        return actual.as_str().is_some_and(|text| !text.is_empty());
    }
    if let (Some(wanted), Some(actual)) = (wanted.as_f64(), actual.as_f64()) {
        return (wanted - actual).abs() < 1e-9;
    }
    if key == "tool_parameters" {
        let json = |text: &Value| serde_json::from_str::<Value>(text.as_str().unwrap()).unwrap();
        return json(wanted) == json(actual);
    }
    wanted == actual
}

/// Returns true if a printed value matches the expected value.
fn output_matches(wanted: &Value, actual: &Value, matched: &HashMap<u64, Span>) -> bool {
    if let Some(any) = wanted.get("$any") {
        let any = any.as_array().unwrap();
        return any
            .iter()
            .any(|wanted| output_matches(wanted, actual, matched));
    }
    if let Some(number) = wanted.get("$traceparent") {
        let span = &matched[&number.as_u64().unwrap()];
        return *actual == format!("00-{}-{}-01", span.trace_id, span.span_id);
    }
    if let Some(least) = wanted.get("$otel_variables") {
        let actual = actual.as_array().unwrap();
        let least = least.as_array().unwrap();
        return least.iter().all(|name| actual.contains(name))
            && actual.iter().all(|name| text(name).starts_with("OTEL_"));
    }
    match (wanted, actual) {
        (Value::Object(wanted), Value::Object(actual)) => {
            wanted.len() == actual.len()
                && wanted.iter().all(|(key, wanted)| {
                    actual
                        .get(key)
                        .is_some_and(|actual| output_matches(wanted, actual, matched))
                })
        }
        _ => wanted == actual,
    }
}

fn object(value: &Value) -> &Map<String, Value> {
    value.as_object().unwrap()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}

fn nanos(time: &str) -> u64 {
    let time = humantime::parse_rfc3339(time).unwrap();
    u64::try_from(time.duration_since(UNIX_EPOCH).unwrap().as_nanos()).unwrap()
}
