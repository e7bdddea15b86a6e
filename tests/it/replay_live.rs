//! The steps of `replay` for calls that a host reports while they run, and their answers.
#![cfg(all(feature = "cli", feature = "http"))]

use std::thread;

use serde_json::{Value, json};

use crate::host::ENABLE_TRACES;
use crate::replay::{Replay, variables};
use crate::support::{Answer, Attributes, Received, Receiver, Span};
use crate::traces::{Spans, short_name};

/// Variables that turn all content on.
const CONTENT: [(&str, &str); 4] = [
    ("OTEL_LOG_USER_PROMPTS", "1"),
    ("OTEL_LOG_TOOL_DETAILS", "1"),
    ("OTEL_LOG_TOOL_CONTENT", "1"),
    ("OTEL_LOG_RAW_API_BODIES", "1"),
];
const SESSION: &str =
    r#"{"step":"session","session_id":"3f6d1c52-8b0e-4c77-9a51-0d2e6b8f4a10","user_id":"u"}"#;
const PROMPT: &str = r#"{"step":"prompt","text":"Fix it"}"#;
const END: &str = r#"{"step":"prompt_end"}"#;

/// A host that writes a line at a time, and reads an answer when it asks.
struct Host {
    receiver: Receiver,
    replay: Replay,
}

/// The end of a run.
struct Ended {
    status: i32,
    errors: Vec<String>,
    received: Received,
}

impl Host {
    /// Starts a replay that sends all three signals to a receiver.
    fn start(more: &[(&str, &str)]) -> Self {
        let receiver = Receiver::http();
        let endpoint = receiver.endpoint();
        let variables = [&variables(&endpoint)[..], &ENABLE_TRACES, more].concat();
        let replay = Replay::spawn(&[], variables);
        Self { receiver, replay }
    }

    /// Starts a replay with an open prompt.
    fn in_prompt() -> Self {
        let mut host = Self::start(&[]);
        host.lines(&[SESSION, PROMPT]);
        host
    }

    fn lines(&mut self, lines: &[&str]) {
        for line in lines {
            self.replay.line(line);
        }
    }

    /// Writes a step that has an answer, and returns the answer.
    fn ask(&mut self, line: &str) -> Value {
        serde_json::from_str(&self.replay.ask(line)).unwrap()
    }

    /// Ends the input. Asserts that no answer is left.
    fn end(self) -> Ended {
        let (status, errors) = self.replay.end();
        Ended {
            status,
            errors,
            received: self.receiver.received().accepted(),
        }
    }
}

impl Ended {
    /// Asserts that every line was valid and everything was delivered.
    #[track_caller]
    fn assert_complete(self) -> Received {
        assert_eq!((self.status, self.errors), (0, Vec::new()));
        self.received
    }
}

/// Replays lines that have no answers.
#[track_caller]
fn replayed(lines: &str, more: &[(&str, &str)]) -> Received {
    let mut host = Host::start(more);
    host.lines(&[lines]);
    host.end().assert_complete()
}

/// The received data, without what differs between two runs of the same transcript.
#[derive(Debug, PartialEq)]
struct Telemetry {
    events: Vec<String>,
    metrics: Vec<String>,
    spans: Vec<String>,
}

/// Returns the names of a span and of the spans around it, outermost first. Each has a label that identifies its call.
fn path(spans: &[Span], id: &str) -> String {
    match spans.iter().find(|span| span.span_id == id) {
        None => id.to_owned(),
        Some(span) => {
            let label = ["tool_use_id", "request_id", "error"]
                .iter()
                .find_map(|key| span.attributes.get(*key)?.as_str());
            let above = path(spans, &span.parent_span_id);
            format!(
                "{above}/{}({})",
                short_name(span),
                label.unwrap_or_default()
            )
        }
    }
}

impl Telemetry {
    fn of(received: &Received) -> Self {
        let spans = received.spans();
        let without = |attributes: &Attributes, keys: &[&str]| {
            let mut attributes = attributes.clone();
            attributes.retain(|key, _| !keys.contains(&&**key));
            attributes
        };
        let events = received.logs().into_iter().map(|log| {
            // Live steps give these events an earlier time than the single step.
            let is_earlier = ["tool_decision", "api_request_body"]
                .iter()
                .any(|name| log.attributes["event.name"] == *name);
            let keys: &[&str] = match is_earlier {
                true => &["event.sequence", "event.timestamp"],
                false => &["event.sequence"],
            };
            let time = if is_earlier { 0 } else { log.time };
            let span = path(&spans, &log.span_id);
            format!("{time} {span} {:?}", without(&log.attributes, keys))
        });
        let mut sums: Vec<(String, f64)> = Vec::new();
        for point in received.points() {
            let series = format!("{} {:?}", point.name, point.attributes);
            match sums.iter_mut().find(|(other, _)| *other == series) {
                Some((_, sum)) => *sum += point.value,
                None => sums.push((series, point.value)),
            }
        }
        let metrics = sums.iter().map(|(series, sum)| format!("{series} {sum}"));
        let described = spans.iter().map(|span| {
            format!(
                "{} {} {} {:?} {:?} {} {:?}",
                path(&spans, &span.span_id),
                span.start,
                span.end,
                span.attributes,
                span.events,
                span.status,
                span.status_message
            )
        });
        let sorted = |mut list: Vec<String>| {
            list.sort();
            list
        };
        Self {
            events: sorted(events.collect()),
            metrics: sorted(metrics.collect()),
            spans: sorted(described.collect()),
        }
    }
}

/// Asserts that `single` and `live`, lines inside the same session and prompt, emit the same, with and without content.
#[track_caller]
fn assert_same(single: &str, live: &str) {
    let around = |lines: &str| {
        let prompt = r#"{"step":"prompt","text":"Fix it","prompt_id":"86c2f4d7-1e9b-4a05-b7c8-d3e0f5a19b64","at":"2026-04-20T09:00:00Z"}"#;
        let end = r#"{"step":"prompt_end","duration_ms":60000,"at":"2026-04-20T09:01:00Z"}"#;
        format!("{SESSION}\n{prompt}\n{lines}\n{end}")
    };
    for content in [&[][..], &CONTENT[..]] {
        let single = Telemetry::of(&replayed(&around(single), content));
        let live = Telemetry::of(&replayed(&around(live), content));
        assert!(!single.spans.is_empty() && !single.events.is_empty());
        assert_eq!(live, single);
    }
}

#[test]
fn live_steps_of_a_tool_emit_what_a_single_step_emits() {
    assert_same(
        r#"
{"step":"tool","tool_name":"Bash","tool_use_id":"t1","input":{"command":"cargo test --all","timeout":5},"decision":"accept","source":"user_temporary","blocked_ms":1500,"duration_ms":2500,"result_size_bytes":31,"result_tokens":9,"output":{"output":"ok","bash_command":"cargo test"},"at":"2026-04-20T09:00:05Z"}
{"step":"tool","tool_name":"Edit","tool_use_id":"t2","file_path":"/src/lib.rs","parameters":{"x":1},"decision":"accept","source":"config","duration_ms":20,"success":false,"error":"no match","error_type":"EditError","at":"2026-04-20T09:00:06Z"}
{"step":"tool","tool_name":"Write","tool_use_id":"t3","file_path":"/a.py","decision":"reject","source":"user_reject","blocked_ms":700,"at":"2026-04-20T09:00:08Z"}
{"step":"tool","tool_name":"search","tool_use_id":"t4","mcp":{"server":"github","tool":"search","scope":"user"},"decision":"accept","source":"hook","decision_event":false,"result_decision":false,"span_source":"unknown","blocked_ms":1,"duration_ms":2,"span_duration_ms":10,"at":"2026-04-20T09:00:09Z"}
{"step":"tool","tool_name":"Read","tool_use_id":"t5","duration_ms":40,"at":"2026-04-20T09:00:10Z"}
{"step":"tool","tool_name":"Bash","tool_use_id":"t6","decision":"accept","source":"config","executed":false,"span_duration_ms":100,"at":"2026-04-20T09:00:11Z"}
{"step":"tool","tool_name":"Glob","tool_use_id":"t7","decision":"accept","source":"config","blocked_ms":1250,"duration_ms":250,"span_duration_ms":2000,"at":"2026-04-20T09:00:13Z"}
{"step":"tool","tool_name":"Bash","tool_use_id":"t8","decision":"reject","source":"hook","executed":true,"blocked_ms":500,"duration_ms":500,"at":"2026-04-20T09:00:15Z"}
{"step":"tool","tool_name":"Bash","tool_use_id":"t9","decision":"reject","source":"hook","executed":true,"blocked_ms":1000,"at":"2026-04-20T09:00:17Z"}
"#,
        r#"
{"step":"tool_begin","tool_name":"Bash","tool_use_id":"t1","input":{"command":"cargo test --all","timeout":5},"at":"2026-04-20T09:00:01Z"}
{"step":"tool_decided","tool_use_id":"t1","decision":"accept","source":"user_temporary","at":"2026-04-20T09:00:02.5Z"}
{"step":"tool_executing","tool_use_id":"t1","at":"2026-04-20T09:00:02.5Z"}
{"step":"tool_end","tool_use_id":"t1","result_size_bytes":31,"result_tokens":9,"output":{"output":"ok","bash_command":"cargo test"},"at":"2026-04-20T09:00:05Z"}
{"step":"tool_begin","tool_name":"Edit","tool_use_id":"t2","file_path":"/src/lib.rs","at":"2026-04-20T09:00:05.98Z"}
{"step":"tool_decided","tool_use_id":"t2","decision":"accept","source":"config","at":"2026-04-20T09:00:05.98Z"}
{"step":"tool_end","tool_use_id":"t2","parameters":{"x":1},"success":false,"error":"no match","error_type":"EditError","at":"2026-04-20T09:00:06Z"}
{"step":"tool_begin","tool_name":"Write","tool_use_id":"t3","file_path":"/a.py","at":"2026-04-20T09:00:07.3Z"}
{"step":"tool_decided","tool_use_id":"t3","decision":"reject","source":"user_reject","at":"2026-04-20T09:00:08Z"}
{"step":"tool_end","tool_use_id":"t3","at":"2026-04-20T09:00:08Z"}
{"step":"tool_begin","tool_name":"search","tool_use_id":"t4","mcp":{"server":"github","tool":"search","scope":"user"},"at":"2026-04-20T09:00:08.99Z"}
{"step":"tool_decided","tool_use_id":"t4","decision":"accept","source":"hook","decision_event":false,"result_decision":false,"span_source":"unknown","blocked_ms":1,"at":"2026-04-20T09:00:08.998Z"}
{"step":"tool_executing","tool_use_id":"t4","at":"2026-04-20T09:00:08.998Z"}
{"step":"tool_end","tool_use_id":"t4","success":"true","at":"2026-04-20T09:00:09Z"}
{"step":"tool_begin","tool_name":"Read","tool_use_id":"t5","at":"2026-04-20T09:00:09.96Z"}
{"step":"tool_executing","tool_use_id":"t5","at":"2026-04-20T09:00:09.96Z"}
{"step":"tool_end","tool_use_id":"t5","at":"2026-04-20T09:00:10Z"}
{"step":"tool_begin","tool_name":"Bash","tool_use_id":"t6","at":"2026-04-20T09:00:10.9Z"}
{"step":"tool_decided","tool_use_id":"t6","decision":"accept","source":"config","at":"2026-04-20T09:00:11Z"}
{"step":"tool_end","tool_use_id":"t6","executed":false,"at":"2026-04-20T09:00:11Z"}
{"step":"tool_begin","tool_name":"Glob","tool_use_id":"t7","at":"2026-04-20T09:00:11Z"}
{"step":"tool_decided","tool_use_id":"t7","decision":"accept","source":"config","blocked_ms":1250,"at":"2026-04-20T09:00:12.75Z"}
{"step":"tool_executing","tool_use_id":"t7","at":"2026-04-20T09:00:12.9Z"}
{"step":"tool_end","tool_use_id":"t7","duration_ms":250,"at":"2026-04-20T09:00:13Z"}
{"step":"tool_begin","tool_name":"Bash","tool_use_id":"t8","at":"2026-04-20T09:00:14Z"}
{"step":"tool_decided","tool_use_id":"t8","decision":"reject","source":"hook","at":"2026-04-20T09:00:14.5Z"}
{"step":"tool_end","tool_use_id":"t8","executed":true,"duration_ms":500,"at":"2026-04-20T09:00:15Z"}
{"step":"tool_begin","tool_name":"Bash","tool_use_id":"t9","at":"2026-04-20T09:00:16Z"}
{"step":"tool_decided","tool_use_id":"t9","decision":"reject","source":"hook","at":"2026-04-20T09:00:17Z"}
{"step":"tool_end","tool_use_id":"t9","executed":true,"at":"2026-04-20T09:00:17Z"}
"#,
    );
}

#[test]
fn live_steps_of_a_request_emit_what_a_single_step_emits() {
    assert_same(
        r#"
{"step":"api_request","model":"m","request_id":"r1","cost_usd":0.5,"duration_ms":1500,"input_tokens":1,"output_tokens":2,"cache_read_tokens":3,"cache_creation_tokens":4,"ttft_ms":300,"stop_reason":"tool_use","has_tool_call":true,"query_source":"repl","speed":"fast","request_body":{"z":1,"a":2},"response_body":{"y":1,"b":2},"at":"2026-04-20T09:00:02Z"}
{"step":"api_request","model":"answered","metric_model":"asked","request_id":"r2","cost_usd":0,"duration_ms":500,"span_duration_ms":3000,"attempt":2,"provider":"openai","llm_request.context":"standalone","at":"2026-04-20T09:00:08Z"}
{"step":"api_error","model":"m","error":"Overloaded","status_code":529,"duration_ms":1000,"span_duration_ms":2000,"attempt":3,"request_id":"r3","query_source":"compact","speed":"fast","request_body":{"z":1},"at":"2026-04-20T09:00:12Z"}
"#,
        r#"
{"step":"request_begin","request":"1","model":"m","query_source":"repl","request_body":{"z":1,"a":2},"at":"2026-04-20T09:00:00.5Z"}
{"step":"request_attempt","request":"1","at":"2026-04-20T09:00:00.5Z"}
{"step":"request_end","request":"1","request_id":"r1","cost_usd":0.5,"input_tokens":1,"output_tokens":2,"cache_read_tokens":3,"cache_creation_tokens":4,"ttft_ms":300,"stop_reason":"tool_use","has_tool_call":true,"speed":"fast","response_body":{"y":1,"b":2},"at":"2026-04-20T09:00:02Z"}
{"step":"request_begin","request":"2","model":"asked","provider":"openai","llm_request.context":"standalone","at":"2026-04-20T09:00:05Z"}
{"step":"request_attempt","request":"2","at":"2026-04-20T09:00:05Z"}
{"step":"request_attempt","request":"2","at":"2026-04-20T09:00:07.5Z"}
{"step":"request_end","request":"2","model":"answered","request_id":"r2","cost_usd":0,"at":"2026-04-20T09:00:08Z"}
{"step":"request_begin","request":"3","model":"m","query_source":"compact","request_body":{"z":1},"at":"2026-04-20T09:00:10Z"}
{"step":"request_end","request":"3","error":"Overloaded","status_code":529,"duration_ms":1000,"attempt":3,"request_id":"r3","speed":"fast","at":"2026-04-20T09:00:12Z"}
"#,
    );
}

#[test]
fn live_steps_inside_a_tool_emit_what_single_steps_emit() {
    assert_same(
        r#"
{"step":"tool","tool_name":"Grep","tool_use_id":"inner","parent_tool":"outer","decision":"accept","source":"config","duration_ms":1000,"at":"2026-04-20T09:00:03Z"}
{"step":"api_request","model":"m","request_id":"r1","cost_usd":1,"duration_ms":1000,"parent_tool":"inner","context":"tool","at":"2026-04-20T09:00:04Z"}
{"step":"tool","tool_name":"Agent","tool_use_id":"outer","input":{"subagent_type":"Explore"},"decision":"accept","source":"config","duration_ms":9000,"at":"2026-04-20T09:00:10Z"}
"#,
        r#"
{"step":"tool_begin","tool_name":"Agent","tool_use_id":"outer","input":{"subagent_type":"Explore"},"at":"2026-04-20T09:00:01Z"}
{"step":"tool_decided","tool_use_id":"outer","decision":"accept","source":"config","at":"2026-04-20T09:00:01Z"}
{"step":"tool_executing","tool_use_id":"outer","at":"2026-04-20T09:00:01Z"}
{"step":"tool_begin","tool_name":"Grep","tool_use_id":"inner","parent_tool":"outer","at":"2026-04-20T09:00:02Z"}
{"step":"tool_decided","tool_use_id":"inner","decision":"accept","source":"config","at":"2026-04-20T09:00:02Z"}
{"step":"tool_end","tool_use_id":"inner","at":"2026-04-20T09:00:03Z"}
{"step":"request_begin","request":"1","model":"m","parent_tool":"inner","context":"tool","at":"2026-04-20T09:00:03Z"}
{"step":"request_end","request":"1","cost_usd":1,"request_id":"r1","at":"2026-04-20T09:00:04Z"}
{"step":"tool_end","tool_use_id":"outer","at":"2026-04-20T09:00:10Z"}
"#,
    );
}

#[test]
fn single_steps_and_live_steps_can_be_mixed() {
    assert_same(
        r#"
{"step":"api_request","model":"m","request_id":"r1","cost_usd":1,"duration_ms":1000,"parent_tool":"outer","at":"2026-04-20T09:00:02Z"}
{"step":"tool","tool_name":"Grep","tool_use_id":"inner","parent_tool":"outer","duration_ms":1000,"at":"2026-04-20T09:00:03Z"}
{"step":"tool","tool_name":"Agent","tool_use_id":"outer","decision":"accept","source":"config","duration_ms":9000,"at":"2026-04-20T09:00:10Z"}
"#,
        r#"
{"step":"tool_begin","tool_name":"Agent","tool_use_id":"outer","at":"2026-04-20T09:00:01Z"}
{"step":"tool_decided","tool_use_id":"outer","decision":"accept","source":"config","at":"2026-04-20T09:00:01Z"}
{"step":"api_request","model":"m","request_id":"r1","cost_usd":1,"duration_ms":1000,"parent_tool":"outer","at":"2026-04-20T09:00:02Z"}
{"step":"tool","tool_name":"Grep","tool_use_id":"inner","parent_tool":"outer","duration_ms":1000,"at":"2026-04-20T09:00:03Z"}
{"step":"tool_end","tool_use_id":"outer","at":"2026-04-20T09:00:10Z"}
"#,
    );
}

#[test]
fn live_steps_outside_of_prompts_emit_what_single_steps_emit() {
    let session = format!("{SESSION}\n");
    let single = r#"
{"step":"api_request","model":"m","request_id":"r1","cost_usd":1,"duration_ms":1000,"at":"2026-04-20T09:00:02Z"}
{"step":"tool","tool_name":"Read","tool_use_id":"t1","duration_ms":1000,"at":"2026-04-20T09:00:03Z"}
"#;
    let live = r#"
{"step":"request_begin","request":"1","model":"m","at":"2026-04-20T09:00:01Z"}
{"step":"request_end","request":"1","cost_usd":1,"request_id":"r1","at":"2026-04-20T09:00:02Z"}
{"step":"tool_begin","tool_name":"Read","tool_use_id":"t1","at":"2026-04-20T09:00:02Z"}
{"step":"tool_end","tool_use_id":"t1","at":"2026-04-20T09:00:03Z"}
"#;
    let single = Telemetry::of(&replayed(&(session.clone() + single), &[]));
    let live = Telemetry::of(&replayed(&(session + live), &[]));
    assert_eq!(live, single);
}

/// Returns the header `traceparent` of a sampled span.
fn traceparent(span: &Span) -> String {
    format!("00-{}-{}-01", span.trace_id, span.span_id)
}

#[test]
fn answer_to_a_question_with_an_id_has_the_context_of_the_named_call() {
    let mut host = Host::in_prompt();
    let env = |id: &str| json!({"step": "child_env", "tool_use_id": id}).to_string();
    let context = |id: &str| json!({"step": "trace_context", "tool_use_id": id}).to_string();
    for id in ["a", "b"] {
        let begin = json!({"step": "tool_begin", "tool_name": id, "tool_use_id": id});
        host.lines(&[&begin.to_string()]);
    }
    let before = host.ask(&env("a"));
    host.lines(&[
        r#"{"step":"tool_executing","tool_use_id":"a"}"#,
        r#"{"step":"tool_executing","tool_use_id":"b"}"#,
        r#"{"step":"request_begin","request":"a","model":"m"}"#,
    ]);
    let envs = ["b", "a"].map(|id| host.ask(&env(id)));
    let contexts = ["b", "a"].map(|id| host.ask(&context(id)));
    let of_request = host.ask(r#"{"step":"trace_context","request":"a"}"#);
    let env_of_request = host.ask(r#"{"step":"child_env","request":"a"}"#);
    let of_prompt = host.ask(r#"{"step":"trace_context"}"#);
    host.lines(&[
        r#"{"step":"tool_end","tool_use_id":"a"}"#,
        r#"{"step":"tool_end","tool_use_id":"b"}"#,
        r#"{"step":"request_end","request":"a","cost_usd":0}"#,
        END,
    ]);
    let outside = host.ask(r#"{"step":"trace_context"}"#);
    let spans = Spans(host.end().assert_complete().spans());

    let execution = |tool: &str| traceparent(spans.child(spans.tool(tool), "tool.execution"));
    assert_eq!(before["tool_use_id"], "a");
    assert_eq!(
        before["set"]["TRACEPARENT"],
        traceparent(spans.tool("a")),
        "before the execution, the context is that of the call"
    );
    for (n, id) in ["b", "a"].into_iter().enumerate() {
        let removed = envs[n]["remove"].as_array().unwrap();
        assert!(removed.contains(&json!("OTEL_EXPORTER_OTLP_ENDPOINT")));
        assert_eq!(
            envs[n],
            json!({"tool_use_id": id, "set": {"TRACEPARENT": execution(id)}, "remove": removed})
        );
        assert_eq!(
            contexts[n],
            json!({"tool_use_id": id, "traceparent": execution(id)})
        );
    }
    let request = traceparent(spans.one("llm_request"));
    assert_eq!(of_request, json!({"request": "a", "traceparent": request}));
    assert_eq!(env_of_request["request"], "a");
    assert_eq!(env_of_request["set"], json!({"TRACEPARENT": request}));
    let prompt = traceparent(spans.one("interaction"));
    assert_eq!(of_prompt, json!({"traceparent": prompt}));
    assert_eq!(outside, json!({}));
}

#[test]
fn answers_contain_the_tracestate_of_the_inbound_context() {
    let inbound = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let mut host = Host::start(&[("TRACEPARENT", inbound), ("TRACESTATE", "vendor=1")]);
    host.lines(&[
        r#"{"step":"session","user_id":"u","interactive":false}"#,
        PROMPT,
        r#"{"step":"tool_begin","tool_name":"Bash","tool_use_id":"t"}"#,
    ]);
    for step in [
        r#"{"step":"trace_context"}"#,
        r#"{"step":"trace_context","tool_use_id":"t"}"#,
    ] {
        let answer = host.ask(step);
        assert_eq!(answer["tracestate"], "vendor=1");
        let parent = answer["traceparent"].as_str().unwrap();
        assert!(parent.starts_with("00-0af7651916cd43dd8448eb211c80319c-"));
        assert_ne!(parent, inbound);
    }
    let answer = host.ask(r#"{"step":"child_env","tool_use_id":"t"}"#);
    assert_eq!(answer["set"]["TRACESTATE"], "vendor=1");
    host.lines(&[r#"{"step":"tool_end","tool_use_id":"t"}"#]);
    host.end().assert_complete();
}

#[test]
fn invalid_question_is_reported_and_answered_without_a_context() {
    let mut host = Host::start(&[]);
    let early = host.ask(r#"{"step":"child_env","tool_use_id":"t"}"#);
    assert_eq!(
        early,
        json!({"tool_use_id": "t", "set": {}, "remove": [], "error": "no session is open"})
    );
    // Without an id, `child_env` has no answer while no session is open.
    host.lines(&[
        r#"{"step":"child_env"}"#,
        SESSION,
        PROMPT,
        r#"{"step":"tool_begin","tool_name":"Bash","tool_use_id":"t"}"#,
        r#"{"step":"tool_executing","tool_use_id":"t"}"#,
    ]);
    let unknown = host.ask(r#"{"step":"child_env","tool_use_id":"T"}"#);
    assert_eq!(unknown["error"], r#"there is no tool call "T""#);
    assert_eq!(
        (&unknown["tool_use_id"], &unknown["set"]),
        (&json!("T"), &json!({}))
    );
    let removed = unknown["remove"].as_array().unwrap();
    assert!(removed.contains(&json!("OTEL_EXPORTER_OTLP_ENDPOINT")));
    // The ids of tool calls and requests are separate.
    assert_eq!(
        host.ask(r#"{"step":"trace_context","request":"t"}"#),
        json!({"request": "t", "error": r#"there is no request "t""#})
    );
    assert_eq!(
        host.ask(r#"{"step":"trace_context","request":"t","tool_use_id":"t"}"#),
        json!({"request": "t", "tool_use_id": "t", "error": "name a tool_use_id or a request, not both"})
    );
    let mistyped = host.ask(r#"{"step":"trace_context","request":7}"#);
    let reason = mistyped["error"].as_str().unwrap();
    assert!(reason.starts_with("invalid type"), "{reason}");
    host.lines(&[r#"{"step":"tool_end","tool_use_id":"t"}"#]);
    let ended = r#"the tool call "t" has ended"#;
    let after = host.ask(r#"{"step":"trace_context","tool_use_id":"t"}"#);
    assert_eq!(after, json!({"tool_use_id": "t", "error": ended}));
    let ended_run = host.end();
    assert_eq!(ended_run.status, 2);
    assert_eq!(
        ended_run.errors,
        [
            "line 1: no session is open",
            "line 2: no session is open",
            r#"line 7: there is no tool call "T""#,
            r#"line 8: there is no request "t""#,
            "line 9: name a tool_use_id or a request, not both",
            &format!("line 10: {reason}"),
            &format!("line 12: {ended}"),
        ]
    );
}

#[test]
fn invalid_live_step_is_reported_and_records_nothing() {
    let mut host = Host::in_prompt();
    // Lines, each with the beginning of its error, or an empty string if it is valid.
    let lines = [
        (
            r#"{"step":"tool_end","tool_use_id":"t"}"#,
            r#"there is no tool call "t""#,
        ),
        (
            r#"{"step":"tool_decided","tool_use_id":"t","decision":"accept","source":"config"}"#,
            r#"there is no tool call "t""#,
        ),
        (
            r#"{"step":"tool_executing","tool_use_id":"t"}"#,
            r#"there is no tool call "t""#,
        ),
        (
            r#"{"step":"request_attempt","request":"r"}"#,
            r#"there is no request "r""#,
        ),
        (
            r#"{"step":"request_end","request":"r","cost_usd":1}"#,
            r#"there is no request "r""#,
        ),
        (
            r#"{"step":"tool_begin","tool_name":"Bash","tool_use_id":"t","parent_tool":"p"}"#,
            r#"there is no parent_tool "p""#,
        ),
        (
            r#"{"step":"request_begin","model":"m","request":"r","parent_tool":"p"}"#,
            r#"there is no parent_tool "p""#,
        ),
        (
            r#"{"step":"tool_begin","tool_name":"Bash"}"#,
            "missing field `tool_use_id`",
        ),
        (
            r#"{"step":"tool_begin","tool_name":"Bash","tool_use_id":""}"#,
            "an id must not be empty (column 57)",
        ),
        (
            r#"{"step":"tool_begin","tool_use_id":"t"}"#,
            "missing field `tool_name`",
        ),
        (
            r#"{"step":"request_begin","request":"r"}"#,
            "missing field `model`",
        ),
        (
            r#"{"step":"request_begin","request_id":"r","model":"m"}"#,
            "missing field `request`",
        ),
        // The calls that these lines begin are open after the invalid lines that follow.
        (
            r#"{"step":"tool_begin","tool_name":"Bash","tool_use_id":"t"}"#,
            "",
        ),
        (r#"{"step":"request_begin","model":"m","request":"r"}"#, ""),
        (
            r#"{"step":"tool_begin","tool_name":"Other","tool_use_id":"t"}"#,
            r#"the tool call "t" was begun before"#,
        ),
        (
            r#"{"step":"request_begin","model":"other","request":"r"}"#,
            r#"the request "r" was begun before"#,
        ),
        (
            r#"{"step":"tool","tool_name":"Other","tool_use_id":"t"}"#,
            r#"the tool call "t" is open: write `tool_end` instead"#,
        ),
        (
            r#"{"step":"tool_decided","tool_use_id":"t"}"#,
            "missing field `decision`",
        ),
        (
            r#"{"step":"tool_decided","tool_use_id":"t","decision":"accept"}"#,
            "a decision without its source",
        ),
        (
            r#"{"step":"tool_end","tool_use_id":"t","result_size_bytes":-1}"#,
            "invalid value",
        ),
        (
            r#"{"step":"request_end","request":"r"}"#,
            "missing field `cost_usd`",
        ),
        (
            r#"{"step":"request_end","request":"r","cost_usd":-1}"#,
            "the value must be",
        ),
        (
            r#"{"step":"request_end","request":"r","error":"e","status_code":"x"}"#,
            "expected an HTTP",
        ),
        (r#"{"step":"tool_end","tool_use_id":"t"}"#, ""),
        (
            r#"{"step":"request_end","request":"r","cost_usd":0.25}"#,
            "",
        ),
        (
            r#"{"step":"tool_end","tool_use_id":"t"}"#,
            r#"the tool call "t" has ended"#,
        ),
        (
            r#"{"step":"request_end","request":"r","cost_usd":1}"#,
            r#"the request "r" has ended"#,
        ),
        // An id is used once in a prompt, by whichever step.
        (
            r#"{"step":"tool_begin","tool_name":"Other","tool_use_id":"t"}"#,
            r#"the tool call "t" was begun before"#,
        ),
        (
            r#"{"step":"tool","tool_name":"Read","tool_use_id":"single"}"#,
            "",
        ),
        (
            r#"{"step":"tool_begin","tool_name":"Other","tool_use_id":"single"}"#,
            r#"the tool call "single" was begun before"#,
        ),
        (END, ""),
    ];
    for (line, _) in lines {
        host.lines(&[line]);
    }
    let ended = host.end();
    assert_eq!(ended.status, 2);
    let expected: Vec<_> = lines
        .iter()
        .enumerate()
        .filter(|(_, (_, reason))| !reason.is_empty())
        // The first two lines begin session and prompt.
        .map(|(n, (_, reason))| format!("line {}: {reason}", n + 3))
        .collect();
    assert_eq!(ended.errors.len(), expected.len(), "{:#?}", ended.errors);
    for (error, expected) in ended.errors.iter().zip(&expected) {
        assert!(error.starts_with(expected), "{error}: {expected}");
    }
    let spans = Spans(ended.received.spans());
    assert_eq!(
        spans.outline(),
        "\
interaction
  tool Bash
    tool.blocked_on_user
    tool.execution
  llm_request m
  tool Read
    tool.blocked_on_user
    tool.execution
"
    );
    let logs = ended.received.logs();
    let names: Vec<_> = logs
        .iter()
        .map(|log| &log.attributes["event.name"])
        .collect();
    assert_eq!(
        names,
        ["user_prompt", "tool_result", "api_request", "tool_result"]
    );
}

#[test]
fn end_of_a_prompt_ends_its_open_calls_and_their_context() {
    let mut host = Host::start(&[]);
    host.lines(&[
        SESSION,
        r#"{"step":"request_begin","model":"title","request":"background","at":"2026-04-20T08:59:59Z"}"#,
        r#"{"step":"prompt","text":"1","at":"2026-04-20T09:00:00Z"}"#,
        r#"{"step":"tool_begin","tool_name":"Bash","tool_use_id":"t","at":"2026-04-20T09:00:01Z"}"#,
        r#"{"step":"tool_executing","tool_use_id":"t","at":"2026-04-20T09:00:02Z"}"#,
        r#"{"step":"request_begin","model":"m","request":"r","at":"2026-04-20T09:00:02Z"}"#,
        r#"{"step":"prompt_end","at":"2026-04-20T09:00:05Z"}"#,
        // Lines 8 to 11 are invalid, because they name calls that ended with their prompt.
        r#"{"step":"tool_end","tool_use_id":"t"}"#,
        r#"{"step":"request_end","request":"r","cost_usd":1}"#,
        r#"{"step":"request_begin","model":"m","request":"r2","parent_tool":"t"}"#,
        r#"{"step":"tool_begin","tool_name":"Read","tool_use_id":"t2","parent_tool":"t"}"#,
    ]);
    // First outside of a prompt, then in the second prompt.
    for _ in 0..2 {
        let answer = host.ask(r#"{"step":"child_env","tool_use_id":"t"}"#);
        assert_eq!(answer["set"], json!({}));
        let answer = host.ask(r#"{"step":"trace_context","request":"r"}"#);
        let ended = r#"the request "r" has ended"#;
        assert_eq!(answer, json!({"request": "r", "error": ended}));
        assert_eq!(host.ask(r#"{"step":"child_env"}"#)["set"], json!({}));
        host.lines(&[r#"{"step":"prompt","text":"2","at":"2026-04-20T09:00:06Z"}"#]);
    }
    // Another prompt may use the ids again. The request that was begun outside of prompts is still open.
    host.lines(&[
        r#"{"step":"tool_begin","tool_name":"Bash","tool_use_id":"t","at":"2026-04-20T09:00:07Z"}"#,
        r#"{"step":"tool_end","tool_use_id":"t","at":"2026-04-20T09:00:08Z"}"#,
        r#"{"step":"request_end","request":"background","cost_usd":0,"at":"2026-04-20T09:00:09Z"}"#,
        r#"{"step":"request_begin","model":"m","request":"r","at":"2026-04-20T09:00:08Z"}"#,
        r#"{"step":"request_end","request":"r","canceled":true,"at":"2026-04-20T09:00:09Z"}"#,
        r#"{"step":"prompt_end","at":"2026-04-20T09:00:10Z"}"#,
    ]);
    let ended = host.end();
    assert_eq!(ended.status, 2);
    let left = "live calls that ended without an outcome, because their prompt or session ended: 2 (the first one is the tool call \"t\")";
    assert_eq!(ended.errors[0], left);
    // The four lines, and two questions in each of the two rounds.
    assert_eq!(ended.errors.len(), 1 + 8, "{:#?}", ended.errors);
    let spans = Spans(ended.received.spans());
    assert_eq!(
        spans.outline(),
        "\
llm_request title
interaction
  tool Bash
    tool.blocked_on_user
    tool.execution
  llm_request m
interaction
interaction
  tool Bash
    tool.blocked_on_user
    tool.execution
  llm_request m
"
    );
    // The calls end at the time of their prompt's end, without a result.
    let first = spans.named("interaction")[0];
    for child in spans.below(first) {
        assert_eq!(child.end, first.end, "{}", child.name);
    }
    let logs = ended.received.logs();
    let named = |name: &str| {
        logs.iter()
            .filter(|log| log.attributes["event.name"] == name)
            .count()
    };
    assert_eq!((named("tool_result"), named("api_request")), (1, 1));
    assert_eq!(named("api_error"), 0);
}

#[test]
fn calls_that_are_open_at_the_end_of_the_input_are_ended() {
    let mut host = Host::in_prompt();
    host.lines(&[
        r#"{"step":"tool_begin","tool_name":"Bash","tool_use_id":"t"}"#,
        r#"{"step":"session","user_id":"v"}"#,
        r#"{"step":"request_begin","model":"m","request":"r"}"#,
    ]);
    let ended = host.end();
    assert_eq!(ended.status, 0);
    // One message for each of the two sessions.
    assert_eq!(ended.errors.len(), 2, "{:#?}", ended.errors);
    let spans = Spans(ended.received.spans());
    assert_eq!(
        spans.outline(),
        "interaction\n  tool Bash\n    tool.blocked_on_user\nllm_request m\n"
    );
}

/// Live calls do not change this context.
#[test]
fn child_env_without_an_id_has_the_context_of_the_last_tool_step() {
    let mut host = Host::in_prompt();
    let ask = r#"{"step":"child_env"}"#;
    let without = host.ask(ask);
    assert_eq!(without["set"], json!({}));
    host.lines(&[
        r#"{"step":"tool","tool_name":"Bash","tool_use_id":"single","decision":"accept","source":"config"}"#,
    ]);
    let single = host.ask(ask);
    host.lines(&[
        r#"{"step":"tool_begin","tool_name":"Read","tool_use_id":"live"}"#,
        r#"{"step":"tool_executing","tool_use_id":"live"}"#,
    ]);
    assert_eq!(host.ask(ask), single);
    host.lines(&[r#"{"step":"tool_end","tool_use_id":"live"}"#]);
    assert_eq!(host.ask(ask), single);
    let spans = Spans(host.end().assert_complete().spans());
    let execution = spans.child(spans.tool("Bash"), "tool.execution");
    let set = json!({"TRACEPARENT": traceparent(execution)});
    let remove = &single["remove"];
    assert_eq!(single, json!({"set": set, "remove": remove}));
}

/// Without an id, `child_env` has the context of the last `tool` step. After the first live call of a session, it has
/// this context only until the end of that step's prompt.
#[test]
fn child_env_without_an_id_has_a_context_after_the_prompt_only_before_the_first_live_call() {
    let mut host = Host::in_prompt();
    let ask = r#"{"step":"child_env"}"#;
    let tool = r#"{"step":"tool","tool_name":"Bash","tool_use_id":"single","decision":"accept","source":"config"}"#;
    let live = [
        r#"{"step":"request_begin","request":"r","model":"m"}"#,
        r#"{"step":"request_end","request":"r","cost_usd":0}"#,
    ];
    host.lines(&[tool]);
    let single = host.ask(ask);
    assert!(single["set"]["TRACEPARENT"].is_string());
    host.lines(&[END]);
    assert_eq!(host.ask(ask), single);
    host.lines(&[PROMPT]);
    assert_eq!(host.ask(ask), single);
    host.lines(&live);
    assert_eq!(host.ask(ask)["set"], json!({}));
    host.lines(&[tool]);
    let second = host.ask(ask);
    assert!(second["set"]["TRACEPARENT"].is_string());
    assert_ne!(second, single);
    host.lines(&[END]);
    assert_eq!(host.ask(ask)["set"], json!({}));
    host.end().assert_complete();
}

/// Without an id, the questions would have the context of the tool and of the prompt.
#[test]
fn question_with_an_invalid_id_gets_no_context() {
    let mut host = Host::in_prompt();
    host.lines(&[
        r#"{"step":"tool","tool_name":"Bash","tool_use_id":"t","decision":"accept","source":"config"}"#,
    ]);
    for step in ["child_env", "trace_context"] {
        for (field, reason) in [
            (
                json!({"request_id": "r"}),
                "name a request by `request`, not by `request_id`",
            ),
            (
                json!({"tool_use_id": null}),
                "invalid type: null, expected a string",
            ),
            (
                json!({"request": null}),
                "invalid type: null, expected a string",
            ),
            (
                json!({"request": "r".repeat(1_025)}),
                "an id must not be longer than 1024 bytes",
            ),
        ] {
            let mut question = field;
            question["step"] = json!(step);
            let answer = host.ask(&question.to_string());
            let error = answer["error"].as_str().unwrap();
            assert!(error.starts_with(reason), "{error}");
            assert!(answer["set"]["TRACEPARENT"].is_null() && answer["traceparent"].is_null());
        }
    }
    assert_eq!(host.end().status, 2);
}

#[test]
fn live_call_is_not_inside_a_tool_that_was_begun_outside_of_the_prompt() {
    let mut host = Host::start(&[]);
    host.lines(&[
        SESSION,
        r#"{"step":"tool_begin","tool_name":"Agent","tool_use_id":"outer"}"#,
        r#"{"step":"tool_begin","tool_name":"Read","tool_use_id":"before","parent_tool":"outer"}"#,
        PROMPT,
        r#"{"step":"tool_begin","tool_name":"Grep","tool_use_id":"inner","parent_tool":"outer"}"#,
        END,
        r#"{"step":"tool_end","tool_use_id":"before"}"#,
        r#"{"step":"tool_end","tool_use_id":"outer"}"#,
    ]);
    let ended = host.end();
    let reason = r#"line 5: the parent_tool "outer" was not begun in this prompt"#;
    assert_eq!((ended.status, ended.errors), (2, vec![reason.to_owned()]));
    let spans = Spans(ended.received.spans());
    assert_eq!(
        spans
            .below(spans.tool("Agent"))
            .iter()
            .filter(|span| short_name(span) == "tool")
            .count(),
        1
    );
}

#[test]
fn open_calls_end_at_the_latest_at_if_every_prompt_and_live_call_began_with_at() {
    let mut host = Host::start(&[]);
    host.lines(&[
        SESSION,
        r#"{"step":"request_begin","model":"title","request":"r","at":"2026-04-20T08:59:59Z"}"#,
        r#"{"step":"prompt","text":"1","at":"2026-04-20T09:00:00Z"}"#,
        r#"{"step":"tool_begin","tool_name":"Bash","tool_use_id":"t","at":"2026-04-20T09:00:01Z"}"#,
        r#"{"step":"skill_activated","skill_name":"s","skill_source":"builtin","at":"2026-04-20T09:00:05Z"}"#,
        // Steps of other kinds may have no `at`.
        r#"{"step":"commit"}"#,
    ]);
    let ended = host.end();
    assert_eq!(ended.status, 0);
    let spans = ended.received.spans();
    assert_eq!(spans.len(), 4);
    let end = spans.iter().map(|span| span.end).max().unwrap();
    assert_eq!(
        end - spans.iter().map(|span| span.start).min().unwrap(),
        6_000_000_000
    );
    assert!(spans.iter().all(|span| span.end == end));
}

#[test]
fn open_calls_end_at_the_end_of_the_input_if_prompt_and_live_call_began_without_at() {
    let before = std::time::SystemTime::now();
    let mut host = Host::in_prompt();
    host.lines(&[
        r#"{"step":"tool_begin","tool_name":"Bash","tool_use_id":"t"}"#,
        r#"{"step":"skill_activated","skill_name":"s","skill_source":"builtin","at":"2026-04-20T09:00:05Z"}"#,
    ]);
    host.ask(r#"{"step":"child_env","tool_use_id":"t"}"#);
    thread::sleep(std::time::Duration::from_millis(30));
    let ended = host.end();
    assert_eq!(ended.status, 0);
    let spans = ended.received.spans();
    assert_eq!(spans.len(), 3);
    let before = before
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap()
        .as_nanos();
    for span in spans {
        assert!(u128::from(span.start) >= before && span.end - span.start >= 30_000_000);
    }
}

#[test]
fn oldest_live_call_ends_at_the_time_of_the_line_that_begins_too_many() {
    let mut host = Host::start(&[]);
    host.lines(&[
        SESSION,
        r#"{"step":"prompt","text":"1","at":"2026-04-20T09:00:00Z"}"#,
    ]);
    // Each second, 20 calls of each kind begin. The 1,025th begins 51 seconds after the first, and ends it.
    for n in 0..=1_024 {
        let at = format!("2026-04-20T09:00:{:02}Z", n / 20);
        let tool = json!({"step": "tool_begin", "tool_name": "Read", "tool_use_id": format!("t{n}"), "at": at});
        let request =
            json!({"step": "request_begin", "model": "m", "request": format!("r{n}"), "at": at});
        host.lines(&[&tool.to_string(), &request.to_string()]);
    }
    host.lines(&[r#"{"step":"prompt_end","at":"2026-04-20T09:01:00Z"}"#]);
    let ended = host.end();
    assert_eq!(ended.status, 2);
    assert_eq!(
        ended.errors[..2],
        [
            r#"line 2051: more than 1024 tool calls are open: this one is begun, the oldest, "t0", is ended"#,
            r#"line 2052: more than 1024 requests are open: this one is begun, the oldest, "r0", is ended"#,
        ]
    );
    assert!(ended.errors[2].starts_with("live calls that ended without an outcome"));
    assert_eq!(ended.errors.len(), 3, "{:#?}", ended.errors);
    for name in ["tool", "llm_request"] {
        let spans = ended.received.spans();
        let oldest = spans.iter().filter(|span| short_name(span) == name);
        let oldest = oldest.min_by_key(|span| span.end).unwrap();
        assert_eq!(oldest.end - oldest.start, 51_000_000_000);
    }
}

#[test]
fn no_data_is_lost_when_every_line_ends_the_oldest_call() {
    let mut host = Host::in_prompt();
    host.receiver.answer(|_| {
        thread::sleep(std::time::Duration::from_millis(50));
        Answer::Ok
    });
    // More lines than the queue of an exporter holds.
    const CALLS: usize = 20_000;
    let begin =
        |n| json!({"step": "tool_begin", "tool_name": "Read", "tool_use_id": format!("{n}")});
    let lines: Vec<_> = (0..CALLS).map(|n| begin(n).to_string()).collect();
    host.lines(&[&lines.join("\n")]);
    let ended = host.end();
    // All calls above the limit are reported, and the end of those that are open.
    assert_eq!(ended.errors.len(), CALLS - 1_024 + 1);
    assert_eq!(ended.status, 2);
    let spans = ended.received.spans();
    let tools = spans.iter().filter(|span| short_name(span) == "tool");
    assert_eq!(tools.count(), CALLS);
}

#[test]
fn time_of_a_recorded_line_with_a_report_counts_for_the_end_of_a_stored_run() {
    let mut host = Host::start(&[]);
    host.lines(&[
        SESSION,
        r#"{"step":"prompt","text":"1","at":"2026-04-20T09:00:00Z"}"#,
        r#"{"step":"session","user_id":"u","app_version":"other","at":"2026-04-20T09:01:00Z"}"#,
        // This line is not recorded.
        r#"{"step":"session_start","at":"2026-04-20T09:02:00Z"}"#,
    ]);
    let ended = host.end();
    assert_eq!(ended.errors.len(), 2, "{:#?}", ended.errors);
    assert!(ended.errors[0].starts_with(r#"line 3: app_version "other" is left out"#));
    let spans = ended.received.spans();
    assert_eq!(spans[0].end - spans[0].start, 60_000_000_000);
}

#[test]
fn errors_of_request_end_are_the_same_with_and_without_a_model() {
    for (fields, reason) in [
        (
            r#""cost_usd":0,"stop_reason":"a","stop_reason":"b""#,
            "duplicate field `stop_reason` (column 93)",
        ),
        (
            r#""cost_usd":0,"input_tokens":-1"#,
            "invalid value: integer `-1`, expected u64 (column 79)",
        ),
        (
            r#""error":"e","status_code":500,"status_code":501"#,
            "duplicate field `status_code` (column 92)",
        ),
    ] {
        let mut host = Host::in_prompt();
        host.lines(&[r#"{"step":"request_begin","model":"m","request":"r"}"#]);
        for model in [
            r#""model":"m""#,
            r#""model":null"#,
            r#""model":"""#,
            r#""other":"m""#,
        ] {
            host.lines(&[&format!(
                r#"{{"step":"request_end","request":"r",{model: <12},{fields}}}"#
            )]);
        }
        // The request is still open.
        host.lines(&[r#"{"step":"request_end","request":"r","cost_usd":0,"model":null}"#]);
        let ended = host.end();
        let expected: Vec<_> = (4..8)
            .map(|line| format!("line {line}: {reason}"))
            .collect();
        assert_eq!(ended.errors, expected);
        let logs = ended.received.logs();
        let answered = logs
            .iter()
            .find(|log| log.name == "claude_code.api_request");
        assert_eq!(answered.unwrap().attributes["model"], "m");
    }
}

#[test]
fn live_steps_are_valid_and_answered_while_telemetry_is_off() {
    let mut host = Host::start(&[("CLAUDE_CODE_ENABLE_TELEMETRY", "0")]);
    host.lines(&[
        SESSION,
        PROMPT,
        r#"{"step":"tool_begin","tool_name":"Bash","tool_use_id":"t"}"#,
        r#"{"step":"tool_decided","tool_use_id":"t","decision":"accept","source":"config"}"#,
        r#"{"step":"tool_executing","tool_use_id":"t"}"#,
        r#"{"step":"request_begin","model":"m","request":"r","parent_tool":"t"}"#,
        r#"{"step":"request_attempt","request":"r"}"#,
    ]);
    let env = host.ask(r#"{"step":"child_env","tool_use_id":"t"}"#);
    assert_eq!(
        (&env["set"], &env["tool_use_id"]),
        (&json!({}), &json!("t"))
    );
    assert!(env["error"].is_null() && !env["remove"].as_array().unwrap().is_empty());
    let context = host.ask(r#"{"step":"trace_context","request":"r"}"#);
    assert_eq!(context, json!({"request": "r"}));
    host.lines(&[
        r#"{"step":"request_end","request":"r","cost_usd":0}"#,
        r#"{"step":"tool_end","tool_use_id":"t"}"#,
    ]);
    let ended = host.end();
    assert_eq!(ended.status, 4);
    for error in ended.errors {
        assert!(error.contains("telemetry is off"), "{error}");
    }
}

#[test]
fn times_of_live_steps_without_at_are_the_times_of_their_lines() {
    let mut host = Host::in_prompt();
    host.lines(&[r#"{"step":"tool_begin","tool_name":"Bash","tool_use_id":"t"}"#]);
    // An answer tells that the lines before it were read.
    host.ask(r#"{"step":"child_env","tool_use_id":"t"}"#);
    let began = std::time::Instant::now();
    thread::sleep(std::time::Duration::from_millis(30));
    let waited = began.elapsed().as_millis();
    host.lines(&[
        r#"{"step":"tool_decided","tool_use_id":"t","decision":"accept","source":"config"}"#,
        r#"{"step":"tool_executing","tool_use_id":"t"}"#,
        r#"{"step":"tool_end","tool_use_id":"t"}"#,
        END,
    ]);
    let spans = Spans(host.end().assert_complete().spans());
    let tool = spans.tool("Bash");
    let wait = spans.child(tool, "tool.blocked_on_user");
    assert!(u128::from(wait.attributes["duration_ms"].as_u64().unwrap()) >= waited);
    assert_eq!(wait.start, tool.start);
    assert!(spans.child(tool, "tool.execution").end <= tool.end);
}

#[test]
fn answers_do_not_wait_for_an_unavailable_receiver() {
    // An answer that waits for a flush arrives after an hour.
    let mut host = Host::start(&[("CLAUDE_CODE_OTEL_FLUSH_TIMEOUT_MS", "3600000")]);
    host.receiver.answer(|_| Answer::status(503));
    host.lines(&[
        SESSION,
        PROMPT,
        r#"{"step":"tool_begin","tool_name":"Bash","tool_use_id":"t"}"#,
    ]);
    for _ in 0..100 {
        let answer = host.ask(r#"{"step":"child_env","tool_use_id":"t"}"#);
        assert!(answer["set"]["TRACEPARENT"].is_string());
    }
    host.lines(&[r#"{"step":"tool_end","tool_use_id":"t"}"#]);
    // After the end of its input, the program also waits for a flush, so it is killed.
    host.replay.kill();
}
