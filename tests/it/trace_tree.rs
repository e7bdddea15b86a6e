//! The spans of a prompt match the catalog: names, parents, attributes with their types and order, and statuses.
#![cfg(feature = "http")]

use std::collections::BTreeSet;
use std::time::Duration;

use crate::support;
use crate::traces::{
    Host, SESSION, Spans, nanos_at, short_name, specific_attributes,
    standard_and_specific_attributes, time_at_ms,
};
use claude_code_telemetry::catalog::{self, Kind};
use claude_code_telemetry::{
    ApiError, ApiRequest, Decision, DecisionSource, HookOutcome, Identity, LlmRequestOptions,
    Permission, PromptEnd, RequestContext, Session, SessionOptions, Speed, TokenUsage,
    ToolCallOptions, ToolOutcome, ToolOutput, UserPrompt,
};
use serde_json::{Value, json};

const SONNET: &str = "claude-sonnet-4-6";
const HAIKU: &str = "claude-haiku-4-5";

/// Records everything that a prompt can contain, at explicit times.
fn everything(session: &Session) {
    let ms = Duration::from_millis;
    let (accept, reject) = (Decision::Accept, Decision::Reject);
    let prompt = session.prompt(UserPrompt::new("Fix the bug").at(time_at_ms(0)));

    let options = LlmRequestOptions::new(SONNET)
        .query_source("main")
        .at(time_at_ms(10));
    prompt.llm_request(options).finish(
        ApiRequest::new(SONNET)
            .tokens(
                TokenUsage::new()
                    .input(120)
                    .output(45)
                    .cache_read(2_000)
                    .cache_creation(7),
            )
            .cost_usd(0.0021)
            .duration(ms(30))
            .request_id("req_1")
            .speed(Speed::Fast)
            .attempt(2)
            .time_to_first_token(ms(12))
            .has_tool_call(true)
            .stop_reason("tool_use")
            .at(time_at_ms(60)),
    );

    let hook = prompt.hook_at("PreToolUse", "PreToolUse:Bash", time_at_ms(61));
    hook.finish(
        HookOutcome::new()
            .count(5)
            .succeeded(1)
            .blocking(1)
            .failed(2)
            .cancelled(1)
            .definitions(r#"[{"type":"command"}]"#)
            .at(time_at_ms(64)),
    );

    let bash = prompt.tool(
        ToolCallOptions::new("Bash")
            .tool_use_id("toolu_1")
            .input(r#"{"command":"cargo test","timeout":5}"#)
            .at(time_at_ms(70)),
    );
    bash.decided_as(Permission::new(accept, DecisionSource::UserTemporary).at(time_at_ms(90)));
    bash.executing_at(time_at_ms(95));
    bash.finish(
        ToolOutcome::new()
            .output(
                ToolOutput::new()
                    .bash_command("cargo test")
                    .output("ok. 3 passed"),
            )
            .result_tokens(9)
            .result_size_bytes(12)
            .at(time_at_ms(140)),
    );

    let agent = prompt.tool(
        ToolCallOptions::new("Agent")
            .tool_use_id("toolu_2")
            .input(r#"{"subagent_type":"Explore","prompt":"look"}"#)
            .at(time_at_ms(150)),
    );
    agent.decided_as(Permission::new(accept, DecisionSource::Config).at(time_at_ms(150)));
    agent.executing_at(time_at_ms(150));
    let inner = agent.llm_request(LlmRequestOptions::new(HAIKU).at(time_at_ms(151)));
    inner.fail(
        ApiError::new(HAIKU, "Bad request")
            .status_code(400)
            .request_id("req_2")
            .duration(ms(4))
            .at(time_at_ms(155)),
    );
    let read = agent.tool(
        ToolCallOptions::new("Read")
            .input(r#"{"file_path":"/src/lib.rs"}"#)
            .at(time_at_ms(156)),
    );
    read.decided_as(Permission::new(accept, DecisionSource::Config).at(time_at_ms(156)));
    read.executing_at(time_at_ms(156));
    read.finish(
        ToolOutcome::new()
            .failed("no such file")
            .error_type("ENOENT")
            .at(time_at_ms(158)),
    );
    agent.finish(ToolOutcome::new().at(time_at_ms(160)));

    let write = prompt.tool(
        ToolCallOptions::new("Write")
            .file_path("NOTES.md")
            .at(time_at_ms(170)),
    );
    write.decided_as(Permission::new(reject, DecisionSource::UserReject).at(time_at_ms(180)));
    write.end_at(time_at_ms(181));

    let skill = prompt.tool(
        ToolCallOptions::new("Skill")
            .input(r#"{"skill":"commit"}"#)
            .at(time_at_ms(185)),
    );
    skill.executing_at(time_at_ms(185));
    skill.finish(ToolOutcome::new().at(time_at_ms(186)));

    prompt.end_with(PromptEnd::new().at(time_at_ms(200)));
}

#[test]
fn spans_of_a_prompt_form_the_expected_tree() {
    let host = Host::new();
    everything(&host.session());
    assert_eq!(
        host.spans().outline(),
        "\
interaction
  llm_request claude-sonnet-4-6
  hook PreToolUse:Bash
  tool Bash
    tool.blocked_on_user
    tool.execution
  tool Agent
    tool.blocked_on_user
    tool.execution
    llm_request claude-haiku-4-5
    tool Read
      tool.blocked_on_user
      tool.execution
  tool Write
    tool.blocked_on_user
  tool Skill
    tool.blocked_on_user
    tool.execution
"
    );
}

#[test]
fn spans_have_exactly_the_expected_catalog_attributes() {
    let host = Host::with([
        ("OTEL_LOG_USER_PROMPTS", "1"),
        ("OTEL_LOG_TOOL_DETAILS", "1"),
        ("OTEL_LOG_TOOL_CONTENT", "1"),
    ]);
    everything(&host.session());
    let spans = host.spans();

    let interaction = spans.one("interaction");
    assert_eq!(
        specific_attributes(interaction),
        [
            ("user_prompt", json!("Fix the bug")),
            ("user_prompt_length", json!(11)),
            ("interaction.sequence", json!(1)),
            ("interaction.duration_ms", json!(200)),
        ]
    );
    let answered = spans.child(interaction, "llm_request");
    assert_eq!(
        specific_attributes(answered),
        [
            ("model", json!(SONNET)),
            ("gen_ai.system", json!("anthropic")),
            ("gen_ai.request.model", json!(SONNET)),
            ("llm_request.context", json!("interaction")),
            ("speed", json!("fast")),
            ("query_source", json!("main")),
            ("duration_ms", json!(50)),
            ("ttft_ms", json!(12)),
            ("input_tokens", json!(120)),
            ("output_tokens", json!(45)),
            ("cache_read_tokens", json!(2_000)),
            ("cache_creation_tokens", json!(7)),
            ("request_id", json!("req_1")),
            ("gen_ai.response.id", json!("req_1")),
            ("success", json!(true)),
            ("attempt", json!(2)),
            ("response.has_tool_call", json!(true)),
            ("stop_reason", json!("tool_use")),
            ("gen_ai.response.finish_reasons", json!(["tool_use"])),
        ]
    );
    let failed = spans.child(spans.tool("Agent"), "llm_request");
    assert_eq!(
        specific_attributes(failed),
        [
            ("model", json!(HAIKU)),
            ("gen_ai.system", json!("anthropic")),
            ("gen_ai.request.model", json!(HAIKU)),
            ("llm_request.context", json!("tool")),
            ("speed", json!("normal")),
            ("duration_ms", json!(4)),
            ("request_id", json!("req_2")),
            ("gen_ai.response.id", json!("req_2")),
            ("success", json!(false)),
            ("attempt", json!(1)),
            ("status_code", json!(400)),
            ("error", json!("Bad request")),
        ]
    );
    assert_eq!(
        specific_attributes(spans.one("hook")),
        [
            ("hook_event", json!("PreToolUse")),
            ("hook_name", json!("PreToolUse:Bash")),
            ("num_hooks", json!(5)),
            ("duration_ms", json!(3)),
            ("num_success", json!(1)),
            ("num_blocking", json!(1)),
            ("num_non_blocking_error", json!(2)),
            ("num_cancelled", json!(1)),
            ("hook_definitions", json!(r#"[{"type":"command"}]"#)),
        ]
    );
    let bash = spans.tool("Bash");
    assert_eq!(
        specific_attributes(bash),
        [
            ("tool_name", json!("Bash")),
            ("tool_use_id", json!("toolu_1")),
            ("gen_ai.tool.call.id", json!("toolu_1")),
            ("duration_ms", json!(70)),
            ("result_tokens", json!(9)),
            ("full_command", json!("cargo test")),
            (
                "tool_input",
                json!(r#"{"command":"cargo test","timeout":5}"#)
            ),
        ]
    );
    assert_eq!(
        specific_attributes(spans.child(bash, "tool.blocked_on_user")),
        [
            ("duration_ms", json!(20)),
            ("decision", json!("accept")),
            ("source", json!("user_temporary")),
        ]
    );
    assert_eq!(
        specific_attributes(spans.child(bash, "tool.execution")),
        [("duration_ms", json!(45)), ("success", json!(true))]
    );
    assert_eq!(
        specific_attributes(spans.tool("Agent")),
        [
            ("tool_name", json!("Agent")),
            ("tool_use_id", json!("toolu_2")),
            ("gen_ai.tool.call.id", json!("toolu_2")),
            ("duration_ms", json!(10)),
            ("subagent_type", json!("Explore")),
            (
                "tool_input",
                json!(r#"{"subagent_type":"Explore","prompt":"look"}"#)
            ),
        ]
    );
    let read = spans.tool("Read");
    assert_eq!(
        specific_attributes(read),
        [
            ("tool_name", json!("Read")),
            ("duration_ms", json!(2)),
            ("file_path", json!("/src/lib.rs")),
            ("tool_input", json!(r#"{"file_path":"/src/lib.rs"}"#)),
        ]
    );
    assert_eq!(
        specific_attributes(spans.child(read, "tool.execution")),
        [
            ("duration_ms", json!(2)),
            ("success", json!(false)),
            ("error", json!("no such file")),
        ]
    );
    let write = spans.tool("Write");
    assert_eq!(
        specific_attributes(write),
        [
            ("tool_name", json!("Write")),
            ("duration_ms", json!(11)),
            ("file_path", json!("NOTES.md")),
        ]
    );
    assert_eq!(
        specific_attributes(spans.child(write, "tool.blocked_on_user")),
        [
            ("duration_ms", json!(10)),
            ("decision", json!("reject")),
            ("source", json!("user_reject")),
        ]
    );
    let skill = spans.tool("Skill");
    assert_eq!(
        specific_attributes(skill),
        [
            ("tool_name", json!("Skill")),
            ("duration_ms", json!(1)),
            ("skill_name", json!("commit")),
            ("tool_input", json!(r#"{"skill":"commit"}"#)),
        ]
    );
    assert_eq!(
        specific_attributes(spans.child(skill, "tool.blocked_on_user")),
        [
            ("duration_ms", json!(0)),
            ("decision", json!("unknown")),
            ("source", json!("unknown")),
        ]
    );
    assert_matches_the_catalog(&spans);
}

/// Asserts that every attribute is in the catalog, in the catalog's order and with its type, and that every attribute
/// that is not conditional is present.
fn assert_matches_the_catalog(spans: &Spans) {
    let mut seen = BTreeSet::new();
    for span in spans.iter() {
        let listed = catalog::SPANS
            .iter()
            .find(|listed| listed.name == span.name)
            .unwrap();
        seen.insert(listed.name);
        assert_eq!(short_name(span), listed.span_type);
        let assert_may_be_absent = |attribute: &catalog::Attribute| {
            assert!(
                attribute.conditional || attribute.gate.is_some(),
                "{} lacks the attribute {}",
                span.name,
                attribute.name
            );
        };
        let mut rest = listed.attributes.iter();
        for (key, value) in specific_attributes(span) {
            let found = loop {
                let Some(next) = rest.next() else {
                    panic!(
                        "{key} of {} is not in the catalog, or out of order",
                        span.name
                    );
                };
                if next.name == key {
                    break next;
                }
                assert_may_be_absent(next);
            };
            assert_eq!(found.kind, kind(&value), "{key} of {}", span.name);
        }
        rest.for_each(assert_may_be_absent);
    }
    assert_eq!(seen.len(), catalog::SPANS.len());
}

fn kind(value: &Value) -> Kind {
    match value {
        Value::String(_) => Kind::String,
        Value::Bool(_) => Kind::Bool,
        Value::Number(number) if number.is_f64() => Kind::Double,
        Value::Number(_) => Kind::Int,
        Value::Array(_) => Kind::StringArray,
        other => panic!("{other} is not an attribute value"),
    }
}

#[test]
fn standard_attributes_come_first_on_every_span() {
    let host = Host::with([
        ("OTEL_METRICS_INCLUDE_VERSION", "true"),
        // Spans repeat only `team`: `service.namespace` is only for the resource, `user.id` is a standard attribute.
        (
            "OTEL_RESOURCE_ATTRIBUTES",
            "team=core,service.namespace=n,user.id=x",
        ),
    ]);
    let kim = Identity::new()
        .user_id("u-1")
        .organization_id("org-1")
        .email("kim@example.com")
        .account_uuid("a-1")
        .account_id("user_1");
    everything(
        &host.telemetry.session(
            SessionOptions::new()
                .id(SESSION)
                .identity(kim)
                .terminal_type("xterm")
                .workspace_host_paths(["/home/kim"]),
        ),
    );
    let spans = host.spans();
    assert_eq!(spans.len(), 18);
    for span in spans.iter() {
        let (standard, _) = standard_and_specific_attributes(span);
        assert_eq!(
            standard,
            [
                ("user.id", json!("u-1")),
                ("session.id", json!(SESSION)),
                ("app.version", json!("2.1.112")),
                ("organization.id", json!("org-1")),
                ("user.email", json!("kim@example.com")),
                ("user.account_uuid", json!("a-1")),
                ("user.account_id", json!("user_1")),
                ("terminal.type", json!("xterm")),
                ("team", json!("core")),
            ]
        );
    }
}

#[test]
fn include_switches_apply_to_spans() {
    let host = Host::with([
        ("OTEL_METRICS_INCLUDE_SESSION_ID", "false"),
        ("OTEL_METRICS_INCLUDE_ACCOUNT_UUID", "false"),
        ("OTEL_METRICS_INCLUDE_RESOURCE_ATTRIBUTES", "false"),
        ("OTEL_RESOURCE_ATTRIBUTES", "team=core"),
    ]);
    let kim = Identity::new().user_id("u-1").account_uuid("a-1");
    host.telemetry.session(kim).prompt("hi").end();
    let spans = host.spans();
    let span = spans.one("interaction");
    assert_eq!(
        standard_and_specific_attributes(span).0,
        [("user.id", json!("u-1"))]
    );
    assert_eq!(span.resource["team"], "core");
}

#[test]
fn spans_have_the_expected_ids_and_scope_and_resource_and_times() {
    let host = Host::new();
    everything(&host.session());
    let spans = host.spans();
    let interaction = spans.one("interaction");
    let mut ids = BTreeSet::new();
    for span in spans.iter() {
        // The kind is INTERNAL. The flags say that the span is sampled and that its parent is not remote.
        assert_eq!((span.kind, span.flags), (1, 0x101));
        assert_eq!(span.trace_state, "");
        assert_eq!(
            (&*span.scope, &*span.scope_version),
            ("com.anthropic.claude_code.tracing", "1.0.0")
        );
        assert_eq!(span.resource["service.name"], "claude-code");
        assert_eq!(span.resource["service.version"], "2.1.112");
        assert!(span.resource.contains_key("host.arch") && span.resource.contains_key("os.type"));
        assert_eq!(span.trace_id, interaction.trace_id);
        assert_eq!((span.trace_id.len(), span.span_id.len()), (32, 16));
        assert!(
            ids.insert(&span.span_id),
            "the span id {} occurs twice",
            span.span_id
        );
        assert!(span.raw.links.is_empty());
        assert_eq!(
            (
                span.raw.dropped_attributes_count,
                span.raw.dropped_events_count
            ),
            (0, 0)
        );
    }
    assert_eq!(interaction.parent_span_id, "");
    assert_eq!(
        (interaction.start, interaction.end),
        (nanos_at(0), nanos_at(200))
    );
    let bash = spans.tool("Bash");
    let times = |name| {
        let span = spans.child(bash, name);
        (span.start, span.end)
    };
    assert_eq!((bash.start, bash.end), (nanos_at(70), nanos_at(140)));
    assert_eq!(times("tool.blocked_on_user"), (nanos_at(70), nanos_at(90)));
    assert_eq!(times("tool.execution"), (nanos_at(95), nanos_at(140)));
}

#[test]
fn only_failed_spans_have_a_status() {
    let host = Host::new();
    everything(&host.session());
    let failed: Vec<_> = host
        .spans()
        .iter()
        .filter(|span| span.status != 0)
        .map(|span| {
            (
                short_name(span).to_owned(),
                span.status,
                span.status_message.clone(),
            )
        })
        .collect();
    let error = |name: &str, message: &str| (name.to_owned(), 2, message.to_owned());
    assert_eq!(
        failed,
        [
            error("hook", "2 hook(s) failed"),
            error("llm_request", "Bad request"),
            error("tool.execution", "no such file"),
        ]
    );
}

#[test]
fn blocking_and_cancelled_hooks_have_no_error_status() {
    let host = Host::new();
    let hook = host.session().hook("Stop", "Stop");
    hook.finish(HookOutcome::new().blocking(1).cancelled(2));
    let spans = host.spans();
    let span = spans.one("hook");
    assert_eq!((span.status, &*span.status_message), (0, ""));
    assert_eq!(span.attributes["num_hooks"], 3);
}

#[test]
fn every_request_attempt_is_a_span_event() {
    let host = Host::new();
    everything(&host.session());
    let session = host.session();
    let request = session.llm_request("retried-model");
    request.retry();
    request.retry();
    request.first_token();
    request.fail(ApiError::new("retried-model", "Overloaded").status_code(529));
    let spans = host.spans();

    let attempts = |span: &support::Span| -> Vec<(Value, u64)> {
        let attempt = |event: &support::SpanEvent| {
            assert_eq!(event.name, "gen_ai.request.attempt");
            assert_eq!(event.attributes.len(), 1);
            (event.attributes["attempt"].clone(), event.time)
        };
        span.events.iter().map(attempt).collect()
    };
    let request_span = |model: &str| {
        let mut found = spans.named("llm_request");
        found.retain(|span| span.attributes["model"] == model);
        found[0]
    };
    assert_eq!(
        attempts(request_span(SONNET)),
        [(json!(1), nanos_at(10)), (json!(2), nanos_at(30))]
    );
    assert_eq!(attempts(request_span(HAIKU)), [(json!(1), nanos_at(151))]);
    let retried = request_span("retried-model");
    let times: Vec<_> = attempts(retried)
        .into_iter()
        .map(|(_, time)| time)
        .collect();
    assert_eq!((times.len(), times[0]), (3, retried.start));
    assert!(times.is_sorted() && times[2] <= retried.end);
    assert_eq!(retried.attributes["attempt"], 3);
    assert_eq!(retried.attributes["llm_request.context"], "standalone");
    // Only a successful request has a time to the first token.
    assert!(!retried.attributes.contains_key("ttft_ms"));
}

#[test]
fn explicit_request_context_is_used() {
    let host = Host::new();
    let prompt = host.session().prompt("hi");
    let options = LlmRequestOptions::new(HAIKU).context(RequestContext::Standalone);
    prompt.llm_request(options).finish(ApiRequest::new(HAIKU));
    prompt.end();
    let spans = host.spans();
    let span = spans.child(spans.one("interaction"), "llm_request");
    assert_eq!(span.attributes["llm_request.context"], "standalone");
}

#[test]
fn interaction_sequence_is_counted_per_session() {
    let host = Host::new();
    let session = host.session();
    for _ in 0..2 {
        session.prompt("hi").end();
    }
    drop(session);
    // The session is opened again.
    host.session().prompt("hi").end();
    host.telemetry.session(Identity::new()).prompt("hi").end();
    let spans = host.spans();
    let numbers: Vec<_> = spans
        .iter()
        .map(|span| &span.attributes["interaction.sequence"])
        .collect();
    assert_eq!(numbers, [&json!(1), &json!(2), &json!(3), &json!(1)]);
    let traces: BTreeSet<_> = spans.iter().map(|span| &span.trace_id).collect();
    assert_eq!(traces.len(), 4);
}
