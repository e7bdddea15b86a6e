//! Spans contain content only where its switch is on, and only up to the limit.
#![cfg(feature = "http")]

use crate::host::{ENABLE_TRACES, Protocol, config_builder, environment, service, session};
use crate::support::{Receiver, Span};
use crate::traces;
use crate::traces::{Host, Spans, keys, specific_attributes};
use claude_code_telemetry::{
    Content, Decision, DecisionSource, HookOutcome, McpTool, Session, ShellParameters, Telemetry,
    ToolCallOptions, ToolOutcome, ToolOutput, ToolResult,
};
use serde_json::{Value, json};

const PROMPTS: &str = "OTEL_LOG_USER_PROMPTS";
const DETAILS: &str = "OTEL_LOG_TOOL_DETAILS";
const CONTENT: &str = "OTEL_LOG_TOOL_CONTENT";
const BODIES: &str = "OTEL_LOG_RAW_API_BODIES";
const LIMIT: &str = "CLAUDE_CODE_OTEL_CONTENT_MAX_LENGTH";

/// Records marked content in every attribute and event of a span that accepts it.
fn record(session: &Session) {
    let prompt = session.prompt("secret-prompt");
    let request = prompt.llm_request("m");
    request.body(r#"{"messages":"secret-body"}"#);
    request.response_body(r#"{"content":"secret-response"}"#);
    request.finish(claude_code_telemetry::ApiRequest::new("m"));
    let hook = prompt.hook("PreToolUse", "PreToolUse:Bash");
    hook.finish(
        HookOutcome::new()
            .succeeded(1)
            .definitions(r#"["secret-hook"]"#),
    );
    for (options, output) in [
        (
            ToolCallOptions::new("Bash").parameters(ShellParameters::new("secret-command")),
            ToolOutput::new()
                .bash_command("secret-command")
                .output("secret-output"),
        ),
        (
            ToolCallOptions::new("Edit").input(r#"{"file_path":"secret-path"}"#),
            ToolOutput::new()
                .file_path("secret-path")
                .diff("secret-diff"),
        ),
        (
            ToolCallOptions::new("Write").file_path("secret-path"),
            ToolOutput::new()
                .file_path("secret-path")
                .content("secret-written"),
        ),
        (
            ToolCallOptions::new("Read").file_path("secret-path"),
            ToolOutput::new()
                .file_path("secret-path")
                .content("secret-read"),
        ),
        (
            ToolCallOptions::new("Skill").input(r#"{"skill":"secret-skill"}"#),
            "secret-output".into(),
        ),
        (
            ToolCallOptions::new("Agent").input(r#"{"subagent_type":"secret-agent"}"#),
            "secret-output".into(),
        ),
        (
            ToolCallOptions::new("mcp__secret-server__secret-tool"),
            "secret-output".into(),
        ),
        (
            ToolCallOptions::new("secret-alias").mcp(McpTool::new("secret-server", "secret-tool")),
            "secret-output".into(),
        ),
        (
            ToolCallOptions::new("Write").mcp(McpTool::new("secret-server", "secret-tool")),
            ToolOutput::new().content("secret-content"),
        ),
    ] {
        let tool = prompt.tool(options);
        tool.decided(Decision::Accept, DecisionSource::Config);
        tool.executing();
        tool.finish(ToolOutcome::new().output(output));
    }
}

/// Returns the places of spans whose value contains `secret`: `span.attribute`, or `TOOL event.attribute` for an event
/// of a tool span.
fn places(spans: &Spans) -> Vec<String> {
    let mut places = Vec::new();
    for span in spans.iter() {
        let marked = |value: &&Value| value.to_string().contains("secret");
        for (key, value) in specific_attributes(span) {
            if marked(&&value) {
                places.push(format!("{}.{key}", traces::short_name(span)));
            }
        }
        for event in &span.events {
            for (key, _) in event.attributes.iter().filter(|(_, value)| marked(value)) {
                places.push(format!("{} {}.{key}", tool_name(span), event.name));
            }
        }
        assert!(!span.status_message.contains("secret"));
    }
    places.sort();
    places.dedup();
    places
}

fn tool_name(span: &Span) -> &str {
    match span.attributes["tool_name"].as_str().unwrap() {
        "mcp__secret-server__secret-tool" => "mcp_tool",
        name => name,
    }
}

/// The places whose content the variable [`DETAILS`] permits.
const DETAIL_PLACES: [&str; 7] = [
    "hook.hook_definitions",
    "tool.file_path",
    "tool.full_command",
    "tool.skill_name",
    "tool.subagent_type",
    "tool.tool_input",
    "tool.tool_name",
];

#[test]
fn spans_have_no_content_without_a_switch() {
    let host = Host::new();
    record(&host.session());
    let spans = host.spans();
    assert_eq!(places(&spans), Vec::<String>::new());
    let interaction = spans.one("interaction");
    assert_eq!(interaction.attributes["user_prompt"], "<REDACTED>");
    assert_eq!(interaction.attributes["user_prompt_length"], 13);
    let tools = spans.named("tool");
    assert!(tools.iter().all(|tool| tool.events.is_empty()));
    let mcp = tools
        .iter()
        .filter(|tool| tool.attributes["tool_name"] == "mcp_tool");
    assert_eq!(mcp.count(), 3);
    assert_eq!(keys(spans.tool("Bash")), ["tool_name", "duration_ms"]);
}

#[test]
fn prompt_string_is_only_on_the_interaction_span() {
    let host = Host::with([(PROMPTS, "1")]);
    record(&host.session());
    assert_eq!(places(&host.spans()), ["interaction.user_prompt"]);
}

#[test]
fn details_are_only_on_tool_and_hook_spans() {
    let host = Host::with([(DETAILS, "1")]);
    record(&host.session());
    assert_eq!(places(&host.spans()), DETAIL_PLACES);
}

#[test]
fn tool_content_switch_adds_output_but_no_input() {
    let host = Host::with([(CONTENT, "1")]);
    record(&host.session());
    assert_eq!(
        places(&host.spans()),
        [
            "Agent tool.output.output",
            "Bash tool.output.output",
            "Read tool.output.content",
            "Skill tool.output.output",
            "mcp_tool tool.output.output",
        ]
    );
}

#[test]
fn api_bodies_are_on_no_span() {
    let host = Host::with([(BODIES, "1")]);
    record(&host.session());
    assert_eq!(places(&host.spans()), Vec::<String>::new());
}

#[test]
fn output_event_has_all_attributes_with_both_switches() {
    let host = Host::with([(CONTENT, "1"), (DETAILS, "1")]);
    record(&host.session());
    let spans = host.spans();
    let mut expected = vec![
        "Agent tool.output.output",
        "Bash tool.output.bash_command",
        "Bash tool.output.output",
        "Edit tool.output.diff",
        "Edit tool.output.file_path",
        "Read tool.output.content",
        "Read tool.output.file_path",
        "Skill tool.output.output",
        "Write tool.output.content",
        "Write tool.output.file_path",
    ];
    expected.extend(DETAIL_PLACES);
    expected.extend([
        "mcp_tool tool.output.content",
        "mcp_tool tool.output.output",
    ]);
    expected.sort_unstable();
    assert_eq!(places(&spans), expected);
    let bash = spans.tool("Bash");
    // The attributes have the order in which the host set them, and the event has the time of the end of the call.
    assert_eq!(
        output(bash),
        [
            ("bash_command", json!("secret-command")),
            ("output", json!("secret-output"))
        ]
    );
    assert_eq!(bash.events[0].time, bash.end);
}

/// Returns the attributes of the only span event, in the order in which they were sent.
fn output(span: &Span) -> Vec<(&str, Value)> {
    assert_eq!(
        (span.events.len(), &*span.events[0].name),
        (1, "tool.output")
    );
    let pairs = span.raw.events[0].attributes.iter();
    pairs
        .map(|pair| (&*pair.key, span.events[0].attributes[&pair.key].clone()))
        .collect()
}

/// Runs a tool call with this outcome, and returns its span.
fn run_tool(host: &Host, tool: &'static str, outcome: ToolOutcome) -> Span {
    let call = host.session().tool(tool);
    call.executing();
    call.finish(outcome);
    host.spans().one("tool").clone()
}

#[test]
fn failed_tool_has_no_output_event() {
    let host = Host::with([(CONTENT, "1")]);
    let outcome = ToolOutcome::new()
        .output("what it wrote before")
        .failed("exit code 1");
    assert_eq!(run_tool(&host, "Bash", outcome).events, []);
}

#[test]
fn output_at_the_limit_is_not_truncated() {
    let host = Host::with([(CONTENT, "1")]);
    let text = "x".repeat(61_440);
    let span = run_tool(&host, "Bash", ToolOutcome::new().output(text.clone()));
    assert_eq!(output(&span), [("output", json!(text))]);
}

#[test]
fn output_over_the_limit_is_truncated_with_a_marker() {
    let host = Host::with([(CONTENT, "1")]);
    let marker = "\n\n[TRUNCATED - Content exceeds 60KB limit]";
    let span = run_tool(&host, "Bash", ToolOutcome::new().output("x".repeat(61_441)));
    let cut = "x".repeat(61_440 - marker.len()) + marker;
    assert_eq!(
        output(&span),
        [
            ("output", json!(cut)),
            ("output_truncated", json!(true)),
            ("output_original_length", json!(61_441)),
        ]
    );
}

#[test]
fn output_attributes_share_a_single_limit() {
    let host = Host::with([(CONTENT, "1"), (DETAILS, "1"), (LIMIT, "100")]);
    let marker = "\n\n[TRUNCATED - Content exceeds 100 character limit]";
    let outcome = ToolOutcome::new().output(
        ToolOutput::new()
            .file_path("p".repeat(20))
            .diff("d".repeat(200))
            .output("o".repeat(5)),
    );
    let span = run_tool(&host, "Edit", outcome);
    let cut = "d".repeat(80 - marker.len()) + marker;
    assert_eq!(
        output(&span),
        [
            ("file_path", json!("p".repeat(20))),
            ("diff", json!(cut)),
            ("diff_truncated", json!(true)),
            ("diff_original_length", json!(200)),
            // No part of this text fits within the limit. It is omitted, and only the truncation attributes are sent.
            ("output_truncated", json!(true)),
            ("output_original_length", json!(5)),
        ]
    );
}

#[test]
fn output_hidden_by_a_switch_does_not_count_toward_the_limit() {
    let host = Host::with([(CONTENT, "1"), (LIMIT, "100")]);
    let outcome = ToolOutcome::new().output(
        ToolOutput::new()
            .file_path("p".repeat(90))
            .content("c".repeat(100)),
    );
    let span = run_tool(&host, "Read", outcome);
    assert_eq!(output(&span), [("content", json!("c".repeat(100)))]);
}

#[test]
fn lengths_are_counted_in_utf_16_units() {
    let host = Host::with([(CONTENT, "1"), (LIMIT, "100"), (PROMPTS, "1")]);
    let session = host.session();
    session.prompt("🦀é").end();
    let call = session.tool("Bash");
    call.executing();
    call.finish(ToolOutcome::new().output("🦀".repeat(60)));
    let spans = host.spans();
    assert_eq!(spans.one("interaction").attributes["user_prompt_length"], 3);
    let event = &spans.one("tool").events[0].attributes;
    assert_eq!(event["output_original_length"], 120);
    let marker = "\n\n[TRUNCATED - Content exceeds 100 character limit]";
    let whole = event["output"].as_str().unwrap();
    let head = whole.strip_suffix(marker).unwrap();
    assert_eq!(head, "🦀".repeat((100 - marker.len()) / 2));
}

#[test]
fn error_messages_are_omitted_when_the_host_turns_them_off() {
    let receiver = Receiver::http();
    let environment = environment(&receiver.endpoint(), Protocol::HttpJson, &ENABLE_TRACES);
    let config = config_builder(environment).error_messages(false).build();
    let telemetry = Telemetry::start(config, service());
    let tool = telemetry.session(session("s")).tool("Bash");
    tool.executing();
    tool.finish(ToolOutcome::new().failed("secret"));
    telemetry.shutdown();
    let spans = Spans(receiver.received().spans());
    let span = spans.one("tool.execution");
    assert_eq!(keys(span), ["duration_ms", "success"]);
    assert_eq!((span.status, &*span.status_message), (2, ""));
}

/// Runs a tool call, and records the same call as a separate result. Returns the `tool_parameters` of both events,
/// which must be equal, and the span.
#[track_caller]
fn parameters_of(
    host: &Host,
    tool: &'static str,
    input: &str,
    given: Option<&'static str>,
) -> (Option<String>, Span) {
    let session = host.session();
    let input = Content::from(input.to_owned());
    let mut options = ToolCallOptions::new(tool).input(input.clone());
    let mut result = ToolResult::new(tool).input(input);
    if let Some(given) = given {
        options = options.parameters(given);
        result = result.parameters(given);
    }
    let call = session.tool(options);
    call.executing();
    call.finish(ToolOutcome::new());
    session.record_tool_result(result);
    let received = host.shut_down();
    let mut parameters: Vec<_> = received
        .logs()
        .into_iter()
        .map(|mut log| log.attributes.remove("tool_parameters"))
        .map(|json| json.map(|json| json.as_str().unwrap().to_owned()))
        .collect();
    assert_eq!(parameters.len(), 2);
    assert_eq!(parameters[0], parameters[1]);
    let span = Spans(received.spans()).one("tool").clone();
    (parameters.remove(0), span)
}

const COMMIT: &str = r#"{
    "description": "Commit it", "command": " git commit -m 'a \"b\"' ", "timeout": 120000,
    "dangerouslyDisableSandbox": true, "run_in_background": false
}"#;

#[test]
fn shell_parameters_are_derived_from_the_input() {
    for tool in ["Bash", "PowerShell"] {
        let host = Host::with([(DETAILS, "1")]);
        let (parameters, span) = parameters_of(&host, tool, COMMIT, None);
        assert_eq!(
            parameters.unwrap(),
            concat!(
                r#"{"bash_command":"git","full_command":" git commit -m 'a \"b\"' ","timeout":120000,"#,
                r#""description":"Commit it","dangerouslyDisableSandbox":true}"#
            )
        );
        assert_eq!(span.attributes["full_command"], " git commit -m 'a \"b\"' ");
        let host = Host::new();
        let (parameters, span) = parameters_of(&host, tool, COMMIT, None);
        assert_eq!(parameters, None);
        assert!(!span.attributes.contains_key("full_command"));
    }
}

#[test]
fn explicit_parameters_take_precedence_over_the_input() {
    let host = Host::with([(DETAILS, "1")]);
    let given = r#"{ "git_commit_id": "85eced1", "full_command": "git commit", "description": "", "x": [1] }"#;
    let (parameters, span) = parameters_of(&host, "Bash", COMMIT, Some(given));
    assert_eq!(
        parameters.unwrap(),
        concat!(
            r#"{"git_commit_id":"85eced1","full_command":"git commit","x":[1],"bash_command":"git","#,
            r#""timeout":120000,"description":"Commit it","dangerouslyDisableSandbox":true}"#
        )
    );
    assert_eq!(span.attributes["full_command"], "git commit");
}

#[test]
fn parameters_of_the_outcome_are_completed_from_the_input() {
    let host = Host::with([(DETAILS, "1")]);
    let call = host
        .session()
        .tool(ToolCallOptions::new("Bash").input(r#"{"command":"git commit"}"#));
    call.executing();
    call.finish(ToolOutcome::new().parameters(r#"{"git_commit_id":"85eced1"}"#));
    assert_eq!(
        host.shut_down().logs()[0].attributes["tool_parameters"],
        r#"{"git_commit_id":"85eced1","bash_command":"git","full_command":"git commit"}"#
    );
}

#[test]
fn skill_parameters_are_derived_from_the_input() {
    let host = Host::with([(DETAILS, "1")]);
    let (parameters, span) = parameters_of(&host, "Skill", r#"{"skill":"commit"}"#, None);
    assert_eq!(parameters.unwrap(), r#"{"skill_name":"commit"}"#);
    assert_eq!(span.attributes["skill_name"], "commit");
}

#[test]
fn parameters_are_absent_when_the_input_does_not_contain_them() {
    for (tool, input) in [
        ("Monitor", COMMIT),
        ("Bash", r#"{"description":"no command"}"#),
        ("Bash", r#"{"command":["ls"],"timeout":1}"#),
        ("Bash", r#"{"command":""}"#),
        ("Bash", "ls -l"),
        ("Skill", r#"{"skill":1}"#),
    ] {
        let host = Host::with([(DETAILS, "1")]);
        let (parameters, span) = parameters_of(&host, tool, input, None);
        assert_eq!(parameters, None, "{tool} {input}");
        assert!(!span.attributes.contains_key("full_command"));
        assert!(!span.attributes.contains_key("skill_name"));
    }
}

#[test]
fn mcp_tool_name_of_a_span_does_not_depend_on_the_given_name() {
    for name in ["mcp__github__search", "search", "mcp_tool", "Write"] {
        for (details, on_span) in [("0", "mcp_tool"), ("1", "mcp__github__search")] {
            let host = Host::with([(DETAILS, details)]);
            let mcp = McpTool::new("github", "search").scope("");
            let call = host.session().tool(ToolCallOptions::new(name).mcp(mcp));
            call.executing();
            call.finish(ToolOutcome::new());
            let received = host.shut_down();
            let span = Spans(received.spans()).one("tool").clone();
            assert_eq!(span.attributes["tool_name"], on_span, "{name}");
            let result = &received.logs()[0].attributes;
            assert_eq!(result["tool_name"], "mcp_tool");
            assert!(!result.contains_key("mcp_server_scope"));
        }
    }
}
