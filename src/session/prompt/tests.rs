//! Tests of the records of tool calls and requests, as the console exporter writes them.

#![allow(clippy::unwrap_used)]

use std::io::{self, Write};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::Value;

use crate::config::Config;
use crate::record::{ApiError, ApiRequest, Decision, DecisionSource, Identity, McpTool};
use crate::session::Session;
use crate::telemetry::{Service, Telemetry};

use super::{LlmRequestOptions, Permission, ToolCallOptions, ToolOutcome};

#[derive(Clone, Default)]
struct Written(Arc<Mutex<Vec<u8>>>);

impl Write for Written {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Returns the lines that the console exporter writes for a session.
fn written(record: impl FnOnce(&Session)) -> Vec<Value> {
    let config = Config::builder()
        .environment([
            ("CLAUDE_CODE_ENABLE_TELEMETRY", "1"),
            ("CLAUDE_CODE_ENHANCED_TELEMETRY_BETA", "1"),
            ("OTEL_METRICS_EXPORTER", "console"),
            ("OTEL_LOGS_EXPORTER", "console"),
            ("OTEL_TRACES_EXPORTER", "console"),
            ("OTEL_LOG_RAW_API_BODIES", "1"),
            ("OTEL_LOG_USER_PROMPTS", "1"),
            ("OTEL_LOG_TOOL_DETAILS", "1"),
            ("CLAUDE_CODE_OTEL_SHUTDOWN_TIMEOUT_MS", "60000"),
        ])
        .build();
    let written = Written::default();
    let telemetry = Telemetry::builder(config, Service::new("agent", "1.0.0"))
        .console_writer(written.clone())
        .start();
    let session = telemetry.session(Identity::new().user_id("someone"));
    record(&session);
    drop(session);
    telemetry.shutdown();
    let bytes = written.0.lock().unwrap();
    bytes
        .split(|byte| *byte == b'\n')
        .filter(|line| !line.is_empty())
        .map(|line| serde_json::from_slice(line).unwrap())
        .collect()
}

fn at(second: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(second)
}

fn event<'a>(lines: &'a [Value], body: &str) -> &'a Value {
    lines.iter().find(|line| line["body"] == body).unwrap()
}

fn span<'a>(lines: &'a [Value], name: &str) -> &'a Value {
    lines.iter().find(|line| line["name"] == name).unwrap()
}

#[test]
fn decision_event_has_its_own_time_when_it_is_reported_later() {
    let lines = written(|session| {
        let tool = session.tool(ToolCallOptions::new("Bash").at(at(1)));
        let permission = Permission::new(Decision::Accept, DecisionSource::Config);
        tool.decided_as(permission.at(at(3)).event_at(at(9)));
        tool.executing_at(at(3));
        tool.finish(ToolOutcome::new().at(at(9)));
    });
    let decision = event(&lines, "claude_code.tool_decision");
    let wait = span(&lines, "claude_code.tool.blocked_on_user");
    assert_eq!(decision["time"], "1970-01-01T00:00:09.000Z");
    assert_eq!(decision["span_id"], wait["span_id"]);
    assert_eq!(wait["attributes"]["duration_ms"], 2_000);
}

#[test]
fn request_body_event_has_the_time_of_body_at() {
    let lines = written(|session| {
        let request = session.llm_request("claude-sonnet-4-6");
        request.body_at("{}", at(5));
        request.finish(ApiRequest::new("claude-sonnet-4-6"));
    });
    let body = event(&lines, "claude_code.api_request_body");
    let request = span(&lines, "claude_code.llm_request");
    assert_eq!(body["time"], "1970-01-01T00:00:05.000Z");
    assert_eq!(body["span_id"], request["span_id"]);
}

#[test]
fn mcp_tool_named_write_counts_no_code_edit_decision() {
    let decide = |options: ToolCallOptions| {
        let lines = written(|session| {
            let tool = session.tool(options);
            tool.decided(Decision::Accept, DecisionSource::Config);
        });
        lines
            .iter()
            .any(|line| line["name"] == "claude_code.code_edit_tool.decision")
    };
    assert!(decide(ToolCallOptions::new("Write")));
    let mcp = McpTool::new("files", "Write");
    assert!(!decide(ToolCallOptions::new("Write").mcp(mcp)));
}

#[test]
fn attempts_without_a_span_event_are_counted() {
    let lines = written(|session| {
        let request = session.llm_request("claude-sonnet-4-6");
        (0..200).for_each(|_| request.retry());
        request.fail(ApiError::new("claude-sonnet-4-6", "overloaded"));
    });
    let request = span(&lines, "claude_code.llm_request");
    let error = event(&lines, "claude_code.api_error");
    assert_eq!(request["attributes"]["attempt"], 201);
    assert_eq!(error["attributes"]["attempt"], 201);
    assert_eq!(request["events"].as_array().unwrap().len(), 128);
}

#[test]
fn reported_start_moves_the_event_of_the_current_attempt() {
    let times = |retries: u64| {
        let lines = written(|session| {
            let request = session.llm_request(LlmRequestOptions::new("m").at(at(0)));
            (1..=retries).for_each(|second| request.retry_at(at(second)));
            request.attempt_started_at(at(1_000));
            request.finish(ApiRequest::new("m").at(at(2_000)));
        });
        let events = &span(&lines, "claude_code.llm_request")["events"];
        let events = events.as_array().unwrap().iter();
        let times = events.map(|event| event["time"].as_str().unwrap().to_owned());
        times.collect::<Vec<_>>()
    };
    let moved = "1970-01-01T00:16:40.000Z";
    assert_eq!(times(0), [moved]);
    assert_eq!(times(1), ["1970-01-01T00:00:00.000Z", moved]);
    // Of these 129 attempts, only 128 have an event of their own: the last has none to move.
    let times = times(128);
    assert_eq!(times.len(), 128);
    assert_eq!(times[127], "1970-01-01T00:02:07.000Z");
}

#[test]
fn ended_prompt_keeps_no_text() {
    written(|session| {
        let prompt = session.prompt("Fix the bug");
        let text = || {
            let (_, interaction) = prompt.interaction.lock().unwrap();
            interaction.span.record.text.content().is_some()
        };
        assert!(text());
        prompt.clone().end();
        assert!(!text());
    });
}

#[test]
fn operation_abandoned_by_the_shutdown_keeps_no_content() {
    let content: Arc<str> = "{}".into();
    let kept = Mutex::new(None);
    written(|session| {
        let options = ToolCallOptions::new("Bash")
            .input(Arc::clone(&content))
            .parameters(Arc::clone(&content))
            .file_path(Arc::clone(&content));
        let (tool, request) = (session.tool(options), session.llm_request("m"));
        request.response_body(Arc::clone(&content));
        *kept.lock().unwrap() = Some((tool, request));
    });
    assert_eq!(Arc::strong_count(&content), 1);
    assert!(kept.into_inner().unwrap().is_some());
}
