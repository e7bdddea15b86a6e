//! Timestamps, invalid measurements, and content of any size and depth: the host neither blocks nor crashes.
#![cfg(feature = "grpc")]

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use claude_code_telemetry::{
    ActiveTime, ActivityType, ApiError, ApiRequest, ApiRequestBody, ApiResponseBody, Cost, Health,
    HookOutcome, Identity, LinesOfCode, Service, Session, ShellParameters, SkillActivated,
    Telemetry, TokenUsage, ToolCallOptions, ToolOutcome, ToolOutput, ToolResult, UserPrompt,
};
use prost::Message as _;
use serde_json::json;

use crate::catalog_support::{config, recorded};
use crate::host::Protocol;
use crate::support;
use crate::support::{Received, Receiver};

/// The maximum size of a record or span, encoded as protobuf.
const MAX_ITEM_BYTES: usize = 3_670_016;

/// A time that is exceeded only if a call blocks, also on a slow machine.
const PATIENCE: Duration = Duration::from_secs(300);

const ALL_FLAGS: [(&str, &str); 4] = [
    ("OTEL_LOG_USER_PROMPTS", "1"),
    ("OTEL_LOG_TOOL_DETAILS", "1"),
    ("OTEL_LOG_TOOL_CONTENT", "1"),
    ("OTEL_LOG_RAW_API_BODIES", "1"),
];

/// Returns the delivered data, and the health after the shutdown.
fn run(more: &[(&str, &str)], what: impl FnOnce(&Telemetry)) -> (Received, Health) {
    let receiver = Receiver::grpc();
    // Debug builds process a hundred megabytes slowly.
    let limit = ("CLAUDE_CODE_OTEL_SHUTDOWN_TIMEOUT_MS", "300000");
    let (builder, _folder) = config(&receiver, Protocol::Grpc, &[more, &[limit]].concat());
    let telemetry = Telemetry::start(builder.build(), Service::new("claude-code", "1.2.3"));
    what(&telemetry);
    let report = telemetry.shutdown();
    assert!(report.is_complete(), "{report}");
    (receiver.received().accepted(), telemetry.health())
}

/// Adds up a value over all exporters.
fn total(health: &Health, of: impl Fn(&claude_code_telemetry::ExporterHealth) -> u64) -> u64 {
    health.exporters.iter().map(of).sum()
}

#[test]
fn event_timestamp_attribute_matches_the_record_time() {
    let given = [
        UNIX_EPOCH,
        UNIX_EPOCH + Duration::new(1, 1_999_999),
        UNIX_EPOCH + Duration::new(1_776_000_000, 999_999_999),
        // The latest time that the protocol can represent.
        UNIX_EPOCH + Duration::from_nanos(u64::MAX),
        // Times outside of the representable range are clamped to its ends.
        UNIX_EPOCH - Duration::from_secs(1),
        UNIX_EPOCH + Duration::from_secs(1 << 40),
    ];
    let before = SystemTime::now();
    let received = recorded(&[], |telemetry| {
        let session = telemetry.session(Identity::new().user_id("user"));
        for at in given {
            session.record_skill_activated(SkillActivated::new("skill", "bundled").at(at));
        }
        for _ in 0..50 {
            session.record_skill_activated(SkillActivated::new("skill", "bundled"));
        }
    });
    let logs = received.logs();
    assert_eq!(logs.len(), given.len() + 50);
    for log in &logs {
        let timestamp = log.attributes["event.timestamp"].as_str().unwrap();
        let (_, fraction) = timestamp.split_once('.').unwrap();
        assert!(
            fraction.len() == 4 && fraction.ends_with('Z'),
            "{timestamp}"
        );
        let parsed = humantime::parse_rfc3339(timestamp).unwrap();
        let since = parsed.duration_since(UNIX_EPOCH).unwrap();
        assert_eq!(
            since,
            Duration::from_millis(log.time / 1_000_000),
            "{timestamp}"
        );
        assert_eq!(log.time, log.observed);
    }
    let nanos = logs.iter().map(|log| log.time).take(given.len());
    let expected = [
        0,
        1_001_999_999,
        1_776_000_000_999_999_999,
        u64::MAX,
        0,
        u64::MAX,
    ];
    assert!(nanos.eq(expected));
    let last = logs.last().unwrap().time;
    let earliest = before.duration_since(UNIX_EPOCH).unwrap();
    assert!(u128::from(last) >= earliest.as_nanos());
}

#[test]
fn invalid_costs_are_omitted_and_other_fields_are_kept() {
    let bad = [
        -1.0,
        f64::NAN,
        f64::INFINITY,
        f64::NEG_INFINITY,
        -f64::MIN_POSITIVE,
    ];
    let tokens = TokenUsage::new().input(10);
    let (received, health) = run(&[], |telemetry| {
        let session = telemetry.session(Identity::new().user_id("user"));
        for usd in bad {
            let request = || ApiRequest::new("m").tokens(tokens).cost_usd(usd);
            session.record_api_request(request());
            session.record_api_request_event(request());
            session.llm_request("m").finish(request());
            session.record_cost(Cost::new("m", usd));
        }
        session.record_api_request(ApiRequest::new("m").tokens(tokens).cost_usd(0.5));
    });
    assert_eq!(health.invalid_measurements, 4 * bad.len() as u64);
    let logs = received.logs();
    assert_eq!(logs.len(), 3 * bad.len() + 1);
    let (last, without_cost) = logs.split_last().unwrap();
    assert_eq!(last.attributes["cost_usd"], json!(0.5));
    for log in without_cost {
        assert!(!log.attributes.contains_key("cost_usd"));
        assert_eq!(log.attributes["input_tokens"], json!(10));
        assert_eq!(log.attributes["speed"], "normal");
    }
    let points = received.points();
    let sum = |name: &str| -> f64 {
        let of_name = points.iter().filter(|point| point.name == name);
        of_name.map(|point| point.value).sum()
    };
    assert_eq!(sum("claude_code.cost.usage"), 0.5);
    assert_eq!(
        sum("claude_code.token.usage"),
        10.0 * (2 * bad.len() + 1) as f64
    );
    assert_eq!(received.spans().len(), bad.len());
}

#[test]
fn oversized_prompt_is_truncated_to_the_item_limit() {
    // Each character has two UTF-16 units and four bytes. The leading byte moves the limit into the middle of a
    // character.
    let text = format!("x{}", "😀".repeat(5_000_000));
    let (received, health) = run(&[ALL_FLAGS[0]], |telemetry| {
        let session = telemetry.session(Identity::new().user_id("user"));
        session.record_skill_activated(SkillActivated::new("before", "bundled"));
        let prompt = session.prompt(UserPrompt::new(text.clone()));
        session.record_skill_activated(SkillActivated::new("after", "bundled"));
        prompt.end();
    });
    let logs = received.logs();
    let sequence = logs
        .iter()
        .map(|log| log.attributes["event.sequence"].clone());
    assert!(sequence.eq([0, 1, 2].map(|n| json!(n))));
    let check = |text_sent: &str| {
        let (head, marker) = text_sent
            .split_once("\n\n[TRUNCATED - Content exceeds ")
            .unwrap();
        assert!(text.starts_with(head));
        let limit: usize = marker
            .strip_suffix(" character limit]")
            .unwrap()
            .parse()
            .unwrap();
        assert_eq!(limit, head.encode_utf16().count());
        assert!(head.len() > MAX_ITEM_BYTES - 4096, "{}", head.len());
    };
    let log = &logs[1];
    assert!(log.raw.encoded_len() <= MAX_ITEM_BYTES);
    check(log.attributes["prompt"].as_str().unwrap());
    assert_eq!(log.attributes["prompt_length"], json!(10_000_001));
    assert_eq!(log.attributes["event.name"], "user_prompt");
    assert_eq!(log.attributes["user.id"], "user");
    let spans = received.spans();
    assert!(spans[0].raw.encoded_len() <= MAX_ITEM_BYTES);
    check(spans[0].attributes["user_prompt"].as_str().unwrap());
    assert_eq!(spans[0].attributes["user_prompt_length"], json!(10_000_001));
    assert_eq!(spans[0].attributes["interaction.sequence"], json!(1));
    assert_eq!(total(&health, |exporter| exporter.shortened), 2);
}

#[test]
fn several_long_strings_of_a_record_are_truncated() {
    let long = "y".repeat(3_000_000);
    let (received, health) = run(&ALL_FLAGS, |telemetry| {
        let session = telemetry.session(Identity::new().user_id("user"));
        let result = ToolResult::new("Bash")
            .parameters(format!(r#"{{"full_command":"{long}"}}"#))
            .failed(long.clone());
        session.record_tool_result(result);
        session
            .llm_request("m")
            .fail(ApiError::new("m", long.clone()));
    });
    for log in received.logs() {
        assert!(log.raw.encoded_len() <= MAX_ITEM_BYTES);
        assert!(log.attributes["error"].as_str().unwrap().starts_with("yyy"));
    }
    assert_eq!(received.logs()[0].attributes["success"], "false");
    for span in received.spans() {
        assert!(span.raw.encoded_len() <= MAX_ITEM_BYTES);
        assert_eq!(span.status, 2);
    }
    assert_eq!(total(&health, |exporter| exporter.shortened), 2);
}

#[test]
fn unparsable_bodies_are_redacted_and_counted() {
    // One level more than the limit of 128.
    let deep = format!(r#"{{"a":{}1{}}}"#, "[".repeat(128), "]".repeat(128));
    let bodies = [
        "",
        "null",
        "[]",
        "\"text\"",
        "{",
        "{\"a\":1}x",
        "not json é",
        "{\"a\":\"\u{1}\"}",
        &deep,
    ];
    let (received, health) = run(&ALL_FLAGS, |telemetry| {
        let session = telemetry.session(Identity::new().user_id("user"));
        for body in bodies {
            session.record_api_request_body(ApiRequestBody::new("m", body.to_owned()));
            session.record_api_response_body(ApiResponseBody::new("m", body.to_owned()));
        }
        session.record_api_request_body(ApiRequestBody::new("m", " { \"a\" : 1 } "));
    });
    let logs = received.logs();
    let (last, unreadable) = logs.split_last().unwrap();
    assert_eq!(last.attributes["body"], r#"{"a":1}"#);
    assert_eq!(last.attributes["body_length"], json!(7));
    for (log, body) in unreadable
        .iter()
        .zip(bodies.iter().flat_map(|body| [body, body]))
    {
        assert_eq!(log.attributes["body"], "<REDACTED>", "{body}");
        let length = body.encode_utf16().count();
        assert_eq!(log.attributes["body_length"], json!(length), "{body}");
        assert!(!log.attributes.contains_key("body_truncated"));
    }
    let counted = total(&health, |exporter| exporter.unreadable_bodies);
    assert_eq!(counted, 2 * bodies.len() as u64);
}

/// Records the same content as a prompt, as bodies, as hook definitions, and as the inputs and the output of tool
/// calls.
fn everywhere(telemetry: &Telemetry, json: &str) {
    let session = telemetry.session(Identity::new().user_id("user"));
    let prompt = session.prompt(UserPrompt::new(json.to_owned()));
    prompt.record_api_request_body(ApiRequestBody::new("m", json.to_owned()));
    prompt.record_tool_result(
        ToolResult::new("Bash")
            .input(json.to_owned())
            .parameters(json.to_owned()),
    );
    let options = ToolCallOptions::new("Bash")
        .input(json.to_owned())
        .parameters(json.to_owned())
        .file_path(json.to_owned());
    let tool = prompt.tool(options);
    tool.executing();
    let output = ToolOutput::new()
        .file_path(json.to_owned())
        .output(json.to_owned());
    tool.finish(ToolOutcome::new().output(output));
    let definitions = HookOutcome::new().definitions(json.to_owned());
    prompt.hook("Stop", "Stop").finish(definitions);
    let request = prompt.llm_request("m");
    request.response_body(json.to_owned());
    request.finish(ApiRequest::new("m"));
    prompt.end();
}

/// Asserts the table about file contents in `docs/ADMINISTRATORS.md`.
#[test]
fn tool_details_contain_short_strings_and_the_start_of_long_strings() {
    let details = [("OTEL_LOG_TOOL_DETAILS", "1")];
    let short = "s".repeat(512);
    let long = "é".repeat(513);
    let beginning = format!("{}…[513 chars]", "é".repeat(128));
    let heredoc = format!("cat > notes <<EOF\n{}\nEOF", "password\n".repeat(1_000));
    let edits = json!([{ "old_string": "secret", "new_string": "hidden" }]);
    // The arguments of a call, and the arguments that are sent.
    let inputs = [
        (
            "Write",
            json!({ "file_path": "a", "content": short }),
            json!({ "file_path": "a", "content": short }),
        ),
        (
            "Write",
            json!({ "file_path": "a", "content": long }),
            json!({ "file_path": "a", "content": beginning }),
        ),
        (
            "Edit",
            json!({ "old_string": short, "new_string": long, "_hidden": 1 }),
            json!({ "old_string": short, "new_string": beginning }),
        ),
        (
            "MultiEdit",
            json!({ "file_path": "a", "edits": edits }),
            json!({ "file_path": "a", "edits": ["<nested>"] }),
        ),
    ];
    let (received, _) = run(&details, |telemetry| {
        let session = telemetry.session(Identity::new().user_id("user"));
        let prompt = session.prompt(UserPrompt::new("write"));
        for (tool, input, _) in &inputs {
            prompt.record_tool_result(ToolResult::new(*tool).input(input.to_string()));
            let options = ToolCallOptions::new(*tool).input(input.to_string());
            prompt.tool(options).finish(ToolOutcome::new());
        }
        let shell = ShellParameters::new(heredoc.clone());
        prompt.record_tool_result(ToolResult::new("Bash").parameters(shell.clone()));
        let options = ToolCallOptions::new("Bash").parameters(shell);
        let output = ToolOutput::new().output("what it returned");
        let outcome = ToolOutcome::new().output(output);
        prompt.tool(options).finish(outcome);
        prompt.end();
    });
    let text = |value: &serde_json::Value| value.as_str().map(str::to_owned);
    let parsed = |text: String| serde_json::from_str::<serde_json::Value>(&text).unwrap();
    let logs = received.logs();
    let results: Vec<_> = logs
        .iter()
        .filter(|log| log.attributes["event.name"] == "tool_result")
        .collect();
    let spans = received.spans();
    let tools: Vec<_> = spans
        .iter()
        .filter(|span| span.name == "claude_code.tool")
        .collect();
    for (tool, _, sent) in &inputs {
        let sent_input = |attributes: &support::Attributes| {
            let input = attributes.get("tool_input").and_then(text)?;
            (attributes["tool_name"] == *tool).then(|| parsed(input))
        };
        let events: Vec<_> = results
            .iter()
            .filter_map(|log| sent_input(&log.attributes))
            .collect();
        assert!(events.contains(sent), "{tool}: {events:?}");
        let spans: Vec<_> = tools
            .iter()
            .filter_map(|span| sent_input(&span.attributes))
            .collect();
        assert!(spans.contains(sent), "{tool}: {spans:?}");
    }
    let parameters = results
        .iter()
        .find_map(|log| log.attributes.get("tool_parameters").and_then(text));
    assert_eq!(parsed(parameters.unwrap())["full_command"], json!(heredoc));
    let command = tools
        .iter()
        .find_map(|span| span.attributes.get("full_command").and_then(text));
    assert_eq!(command.unwrap(), heredoc);
    // The output needs `OTEL_LOG_TOOL_CONTENT`, and the nested arguments of `edits` are never sent.
    let all = format!("{logs:?} {spans:?}");
    assert!(
        !all.contains("what it returned") && !all.contains("secret"),
        "{all}"
    );
}

#[test]
fn deeply_nested_content_is_replaced_without_a_crash() {
    const DEPTH: usize = 100_000;
    let began = Instant::now();
    let objects = format!("{}1{}", r#"{"a":"#.repeat(DEPTH), "}".repeat(DEPTH));
    let arrays = format!(r#"{{"a":{}1{}}}"#, "[".repeat(DEPTH), "]".repeat(DEPTH));
    let unclosed = r#"{"a":["#.repeat(DEPTH);
    let (received, health) = run(&ALL_FLAGS, |telemetry| {
        for json in [&objects, &arrays, &unclosed] {
            everywhere(telemetry, json);
        }
    });
    assert_eq!(total(&health, |exporter| exporter.unreadable_bodies), 6);
    let logs = received.logs();
    let inputs: Vec<_> = logs
        .iter()
        .filter_map(|log| log.attributes.get("tool_input"))
        .collect();
    let (objects, arrays) = (
        json!(r#"{"a":{"a":"<nested>"}}"#),
        json!(r#"{"a":["<nested>"]}"#),
    );
    assert_eq!(inputs, [&objects, &objects, &arrays, &arrays]);
    let took = began.elapsed();
    assert!(took < Duration::from_secs(60), "{took:?}");
}

#[test]
fn content_of_a_hundred_megabytes_does_not_block_the_host() {
    let text = format!(r#"{{"a":"{}"}}"#, "z".repeat(100_000_000));
    // A tool call processes its input several times, which is slow in debug builds.
    let quarter = format!(r#"{{"a":"{}"}}"#, "z".repeat(25_000_000));
    type Step = (&'static str, fn(&Session, String));
    let steps: [Step; 4] = [
        ("prompt", |session, text| drop(session.prompt(text))),
        ("body", |session, text| {
            session.record_api_request_body(ApiRequestBody::new("m", text));
        }),
        ("tool_result", |session, text| {
            session.record_tool_result(ToolResult::new("Read").input(text));
        }),
        ("tool", |session, text| {
            let tool = session.tool(ToolCallOptions::new("Read").input(text.clone()));
            tool.finish(ToolOutcome::new().output(text));
        }),
    ];
    for flags in [&ALL_FLAGS[..], &[]] {
        let (received, health) = run(flags, |telemetry| {
            let session = telemetry.session(Identity::new().user_id("user"));
            for (name, step) in steps {
                let text = if name == "tool" { &quarter } else { &text };
                let text = text.clone();
                let began = Instant::now();
                step(&session, text);
                let took = began.elapsed();
                // This takes a few seconds, and longer only on a busy machine.
                assert!(took < PATIENCE, "{name}: {took:?}");
            }
        });
        let bodies = usize::from(!flags.is_empty());
        assert_eq!(received.logs().len(), 3 + bodies);
        for log in received.logs() {
            assert!(log.raw.encoded_len() <= MAX_ITEM_BYTES);
        }
        // The prompt is truncated in the event and in the span.
        assert_eq!(
            total(&health, |exporter| exporter.shortened),
            2 * bodies as u64
        );
    }
}

#[test]
fn huge_numbers_are_clamped_and_sent() {
    let (received, _) = run(&[], |telemetry| {
        let session = telemetry.session(Identity::new().user_id("user"));
        let most = HookOutcome::new().succeeded(u64::MAX).failed(u64::MAX);
        session.hook("Stop", "Stop").finish(most);
        let tokens = TokenUsage::new().input(u64::MAX);
        session.record_api_request(ApiRequest::new("m").tokens(tokens).duration(Duration::MAX));
        session.record_lines_of_code(LinesOfCode::new().added(u64::MAX));
        for _ in 0..3 {
            session.record_cost(Cost::new("m", f64::MAX));
            telemetry.flush();
        }
        session.record_active_time(ActiveTime::new(ActivityType::User, Duration::MAX));
    });
    assert_eq!(received.spans()[0].attributes["num_hooks"], json!(i64::MAX));
    let log = &received.logs()[0];
    assert_eq!(log.attributes["input_tokens"], json!(i64::MAX));
    assert_eq!(log.attributes["duration_ms"], json!(i64::MAX));
    assert!(
        received
            .points()
            .iter()
            .all(|point| point.value.is_finite())
    );
}
