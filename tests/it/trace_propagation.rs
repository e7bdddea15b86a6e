//! Trace context is taken from the environment and the host, and passed on to events, subprocesses and requests.
#![cfg(feature = "http")]

use crate::support;
use crate::support::{Log, Received};
use crate::traces::{Host, Spans, time_at_ms};
use claude_code_telemetry::{
    ApiError, ApiRequest, Commit, Decision, DecisionSource, HookOutcome, InstallTrigger,
    LlmRequestOptions, Permission, PluginInstalled, PromptEnd, Session, ToolCallOptions,
    ToolOutcome, TraceParent, UserPrompt,
};
use opentelemetry::trace::{SpanContext, SpanId, TraceContextExt, TraceFlags, TraceId, TraceState};
use serde_json::Value;

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const PARENT: &str = "b7ad6b7169203331";
const SAMPLED: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
const UNSAMPLED: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00";
const TRACEPARENT: &str = "TRACEPARENT";
const TRACESTATE: &str = "TRACESTATE";

/// Records a prompt with a tool call that is decided and executed.
fn record_prompt(session: &Session) {
    let prompt = session.prompt("hi");
    let tool = prompt.tool("Bash");
    tool.decided(Decision::Accept, DecisionSource::Config);
    tool.executing();
    tool.finish(ToolOutcome::new());
    prompt.end();
}

fn event(received: &Received, name: &str) -> Log {
    let mut logs = received.logs();
    logs.retain(|log| log.attributes["event.name"] == name);
    assert_eq!(logs.len(), 1, "{name}");
    logs.remove(0)
}

/// Returns the trace id, span id and flags of an event.
fn context_of_event(log: &Log) -> (&str, &str, u32) {
    (&log.trace_id, &log.span_id, log.flags)
}

fn context_of_span(span: &support::Span) -> (&str, &str, u32) {
    (&span.trace_id, &span.span_id, 1)
}

/// Removes the names of variables of this test process, which `child_env` also removes from the subprocess.
fn of_host(names: &[String]) -> Vec<&str> {
    let names = names.iter().map(String::as_str);
    names
        .filter(|name| std::env::var_os(name).is_none())
        .collect()
}

#[test]
fn traceparent_variable_sets_the_parent_of_interactions() {
    let host = Host::with([(TRACEPARENT, SAMPLED), (TRACESTATE, " rojo=1 ,congo=2")]);
    let session = host.non_interactive_session();
    record_prompt(&session);
    session.prompt("again").end();
    // A span outside any interaction starts a new trace.
    session.hook("Stop", "Stop").finish(HookOutcome::new());
    let spans = host.spans();
    let interactions = spans.named("interaction");
    assert_eq!(interactions.len(), 2);
    for interaction in &interactions {
        assert_eq!(interaction.parent_span_id, PARENT);
        // The flags say that the span is sampled (0x001), and that its parent is known (0x100) to be remote (0x200).
        assert_eq!(interaction.flags, 0x301);
    }
    for span in spans.iter().filter(|span| span.name != "claude_code.hook") {
        assert_eq!(
            (&*span.trace_id, &*span.trace_state),
            (TRACE, "rojo=1,congo=2")
        );
        let remote = span.name == "claude_code.interaction";
        assert_eq!(span.flags, if remote { 0x301 } else { 0x101 });
    }
    let hook = spans.one("hook");
    assert_ne!(hook.trace_id, TRACE);
    assert_eq!((&*hook.parent_span_id, &*hook.trace_state), ("", ""));
}

#[test]
fn interactive_session_ignores_the_traceparent_variable() {
    let host = Host::with([(TRACEPARENT, SAMPLED), (TRACESTATE, "rojo=1")]);
    record_prompt(&host.session());
    let spans = host.spans();
    let interaction = spans.one("interaction");
    assert_ne!(interaction.trace_id, TRACE);
    assert_eq!(
        (
            &*interaction.parent_span_id,
            &*interaction.trace_state,
            interaction.flags
        ),
        ("", "", 0x101)
    );
}

#[test]
fn unsampled_trace_has_no_spans() {
    let host = Host::with([(TRACEPARENT, UNSAMPLED), (TRACESTATE, "rojo=1")]);
    let session = host.non_interactive_session();
    let prompt = session.prompt("hi");
    prompt.llm_request("m").finish(ApiRequest::new("m"));
    prompt.hook("Stop", "Stop").finish(HookOutcome::new());
    let request = prompt.llm_request("m");
    let mut headers = Vec::new();
    request.inject(|name, value| headers.push((name, value.to_owned())));
    assert_eq!(
        headers,
        [
            ("traceparent", UNSAMPLED.to_owned()),
            ("tracestate", "rojo=1".to_owned())
        ]
    );
    request.fail(ApiError::new("m", "no"));
    let tool = prompt.tool("Bash");
    tool.decided(Decision::Accept, DecisionSource::Config);
    tool.executing();
    assert_eq!(
        tool.child_env().set,
        [
            (TRACEPARENT, UNSAMPLED.to_owned()),
            (TRACESTATE, "rojo=1".to_owned())
        ]
    );
    tool.finish(ToolOutcome::new());

    // The same applies outside a prompt.
    prompt.end();
    session.llm_request("m").finish(ApiRequest::new("m"));
    session.hook("Stop", "Stop").finish(HookOutcome::new());
    let prompt = session.prompt("hi");

    // These handles stay open. They have no spans that the shutdown could end.
    let _prompt = prompt;
    let _request = session.prompt("hi").llm_request("m");
    let received = host.shut_down();
    assert_eq!(received.spans(), []);
    assert_eq!(host.telemetry.health().unfinished_spans, 0);
    let logs = received.logs();
    assert_eq!(logs.len(), 8);
    for log in &logs {
        assert_eq!(context_of_event(log), (TRACE, PARENT, 0));
    }
}

#[test]
fn explicit_parent_of_a_prompt_takes_precedence() {
    let host = Host::with([(TRACEPARENT, UNSAMPLED)]);
    let other = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    for session in [host.session(), host.non_interactive_session()] {
        let parent = TraceParent::parse(other, Some("a=b")).unwrap();
        session.prompt(UserPrompt::new("hi").parent(parent)).end();
    }
    let spans = host.spans();
    assert_eq!(spans.len(), 2);
    for span in spans.iter() {
        assert_eq!(span.trace_id, "4bf92f3577b34da6a3ce929d0e0e4736");
        assert_eq!(span.parent_span_id, "00f067aa0ba902b7");
        assert_eq!((&*span.trace_state, span.flags), ("a=b", 0x301));
    }
}

#[test]
fn malformed_traceparent_is_ignored_and_reported_once() {
    let host = Host::with([
        (TRACEPARENT, "00-0AF7-b7ad6b7169203331-01"),
        (TRACESTATE, "rojo=1"),
    ]);
    for _ in 0..3 {
        record_prompt(&host.non_interactive_session());
    }
    let spans = host.spans();
    for span in spans.named("interaction") {
        assert_eq!((&*span.parent_span_id, &*span.trace_state), ("", ""));
    }
    let diagnostic = host.diagnostics.assert_once(TRACEPARENT);
    assert!(
        diagnostic.contains("ignored") && diagnostic.contains("00-0AF7-"),
        "{diagnostic}"
    );
}

#[test]
fn empty_traceparent_counts_as_unset() {
    let host = Host::with([(TRACEPARENT, ""), (TRACESTATE, "")]);
    record_prompt(&host.non_interactive_session());
    assert_eq!(host.spans().one("interaction").parent_span_id, "");
    assert_eq!(host.diagnostics.all(), Vec::<String>::new());
}

#[test]
fn malformed_tracestate_is_omitted_and_the_parent_is_kept() {
    let host = Host::with([(TRACEPARENT, SAMPLED), (TRACESTATE, "rojo=1,rojo=2")]);
    record_prompt(&host.non_interactive_session());
    let spans = host.spans();
    let span = spans.one("interaction");
    assert_eq!((&*span.parent_span_id, &*span.trace_state), (PARENT, ""));
    let diagnostic = host.diagnostics.assert_once(TRACESTATE);
    assert!(
        diagnostic.contains("left out") && diagnostic.contains("rojo=1,rojo=2"),
        "{diagnostic}"
    );
}

#[test]
fn events_have_the_interaction_span_and_decisions_the_waiting_span() {
    let host = Host::new();
    let session = host.session();
    session.record_plugin_installed(PluginInstalled::new("p", "m", InstallTrigger::Cli));
    let prompt = session.prompt("hi");
    prompt.llm_request("m").finish(ApiRequest::new("m"));
    prompt.llm_request("m").fail(ApiError::new("m", "no"));
    let tool = prompt.tool("Bash");
    tool.decided(Decision::Accept, DecisionSource::Config);
    tool.record_skill_activated(claude_code_telemetry::SkillActivated::new("s", "bundled"));
    tool.finish(ToolOutcome::new());
    // An event of the session belongs to the newest open prompt.
    session.record_api_request_body(claude_code_telemetry::ApiRequestBody::new("m", "{}"));
    prompt.end();

    let received = host.shut_down();
    let spans = Spans(received.spans());
    let interaction = spans.one("interaction");
    for name in [
        "user_prompt",
        "api_request",
        "api_error",
        "skill_activated",
        "tool_result",
    ] {
        assert_eq!(
            context_of_event(&event(&received, name)),
            context_of_span(interaction),
            "{name}"
        );
    }
    let decision = event(&received, "tool_decision");
    assert_eq!(
        context_of_event(&decision),
        context_of_span(spans.one("tool.blocked_on_user"))
    );
    // No prompt was open yet.
    let plugin = event(&received, "plugin_installed");
    assert_eq!(context_of_event(&plugin), ("", "", 0));
    assert!(!plugin.attributes.contains_key("prompt.id"));
}

#[test]
fn decision_after_the_begin_of_the_execution_has_the_waiting_span() {
    let host = Host::new();
    let prompt = host.session().prompt("hi");
    let tool = prompt.tool("Bash");
    tool.executing();
    tool.decided(Decision::Accept, DecisionSource::Config);
    tool.finish(ToolOutcome::new());
    prompt.end();

    let received = host.shut_down();
    let spans = Spans(received.spans());
    let decision = event(&received, "tool_decision");
    assert_eq!(
        context_of_event(&decision),
        context_of_span(spans.one("tool.blocked_on_user"))
    );
}

/// An event of a call outside an open interaction has the span of the call. Events that belong to no call have no span.
#[test]
fn events_without_an_open_interaction_have_their_own_span() {
    let host = Host::new();
    let session = host.session();
    session.llm_request("m").finish(ApiRequest::new("m"));
    let prompt = session.prompt("hi");
    let tool = prompt.tool("Bash");
    let request = prompt.llm_request("m");
    let id = prompt.id().to_owned();
    prompt.end();
    tool.decided(Decision::Accept, DecisionSource::Config);
    tool.finish(ToolOutcome::new());
    request.fail(ApiError::new("m", "no"));
    session.record_plugin_installed(PluginInstalled::new("p", "m", InstallTrigger::Cli));

    let received = host.shut_down();
    let spans = Spans(received.spans());
    let standalone = spans.named("llm_request");
    let standalone = standalone
        .iter()
        .find(|span| span.parent_span_id.is_empty());
    let first = event(&received, "api_request");
    assert_eq!(
        context_of_event(&first),
        context_of_span(standalone.unwrap())
    );
    assert!(!first.attributes.contains_key("prompt.id"));
    let tool = spans.one("tool");
    assert_eq!(
        context_of_event(&event(&received, "tool_result")),
        context_of_span(tool)
    );
    let decision = event(&received, "tool_decision");
    assert_eq!(
        context_of_event(&decision),
        context_of_span(spans.child(tool, "tool.blocked_on_user"))
    );
    let request = spans.child(spans.one("interaction"), "llm_request");
    assert_eq!(
        context_of_event(&event(&received, "api_error")),
        context_of_span(request)
    );
    let plugin = event(&received, "plugin_installed");
    assert_eq!(context_of_event(&plugin), ("", "", 0));
    for name in [
        "tool_result",
        "tool_decision",
        "api_error",
        "plugin_installed",
    ] {
        assert_eq!(event(&received, name).attributes["prompt.id"], id, "{name}");
    }
}

#[test]
fn events_of_concurrent_prompts_have_their_own_prompt() {
    let host = Host::new();
    let session = host.session();
    let (older, newer) = (session.prompt("older"), session.prompt("newer"));
    older.llm_request("older").finish(ApiRequest::new("older"));
    newer.llm_request("newer").finish(ApiRequest::new("newer"));
    session.record_api_request(ApiRequest::new("session"));
    let ids = [older.id().to_owned(), newer.id().to_owned()];
    newer.end();
    older.end();
    let received = host.shut_down();
    let spans = Spans(received.spans());
    for log in received.logs() {
        let Some(model) = log.attributes.get("model") else {
            continue;
        };
        let of_older = *model == "older";
        assert_eq!(log.attributes["prompt.id"], ids[usize::from(!of_older)]);
        let number = if of_older { 1 } else { 2 };
        let mut interactions = spans.named("interaction");
        interactions.retain(|span| span.attributes["interaction.sequence"] == number);
        assert_eq!(
            context_of_event(&log),
            context_of_span(interactions[0]),
            "{model}"
        );
    }
}

#[test]
fn child_env_has_the_execution_span_and_no_exporter_variables() {
    let host = Host::with([
        (TRACEPARENT, SAMPLED),
        (TRACESTATE, "rojo=1"),
        ("PATH", "/bin"),
    ]);
    let prompt = host.non_interactive_session().prompt("hi");
    let tool = prompt.tool("Bash");
    let early = tool.child_env();
    tool.executing();
    let running = tool.child_env();
    let mut headers = Vec::new();
    tool.inject(|name, value| headers.push((name, value.to_owned())));
    tool.finish(ToolOutcome::new());
    let outside = prompt.recorder().child_env();
    prompt.end();

    let spans = host.spans();
    let execution = spans.one("tool.execution");
    let expected = format!("00-{TRACE}-{}-01", execution.span_id);
    assert_eq!(
        running.set,
        [
            (TRACEPARENT, expected.clone()),
            (TRACESTATE, "rojo=1".to_owned())
        ]
    );
    assert_eq!(
        headers,
        [
            ("traceparent", expected),
            ("tracestate", "rojo=1".to_owned())
        ]
    );
    let interaction = spans.one("interaction");
    assert_eq!(
        outside.set[0].1,
        format!("00-{TRACE}-{}-01", interaction.span_id)
    );
    for env in [early, running, outside] {
        assert_eq!(
            of_host(&env.remove),
            [
                "OTEL_EXPORTER_OTLP_ENDPOINT",
                "OTEL_EXPORTER_OTLP_PROTOCOL",
                "OTEL_EXPORTER_OTLP_TIMEOUT",
                "OTEL_LOGS_EXPORTER",
                "OTEL_LOGS_EXPORT_INTERVAL",
                "OTEL_METRICS_EXPORTER",
                "OTEL_METRIC_EXPORT_INTERVAL",
                "OTEL_TRACES_EXPORTER",
                "OTEL_TRACES_EXPORT_INTERVAL",
            ]
        );
    }
}

#[test]
fn inbound_tracestate_is_not_passed_on_with_a_new_trace() {
    let host = Host::with([(TRACEPARENT, SAMPLED), (TRACESTATE, "rojo=1")]);
    let tool = host.session().tool("Bash");
    tool.executing();
    let env = tool.child_env();
    assert_eq!(env.set.len(), 1);
    assert!(env.remove.contains(&TRACESTATE.to_owned()));
    tool.finish(ToolOutcome::new());
    host.shut_down();
}

/// Records calls with explicit times and ids.
fn timed(session: &Session) {
    let prompt = session.prompt(UserPrompt::new("hi").id("p-1").at(time_at_ms(0)));
    let options = LlmRequestOptions::new("m").at(time_at_ms(1));
    let request = prompt.llm_request(options);
    request.body(r#"{"a":1}"#);
    request.response_body(r#"{"b":1}"#);
    request.finish(
        ApiRequest::new("m")
            .cost_usd(0.5)
            .attempt(2)
            .at(time_at_ms(2)),
    );
    let error = ApiError::new("m", "no").at(time_at_ms(4));
    prompt
        .llm_request(LlmRequestOptions::new("m").at(time_at_ms(3)))
        .fail(error);
    prompt
        .hook_at("Stop", "Stop", time_at_ms(4))
        .finish(HookOutcome::new().failed(1).at(time_at_ms(5)));
    let tool = prompt.tool(
        ToolCallOptions::new("Edit")
            .file_path("a.rs")
            .at(time_at_ms(5)),
    );
    let accept = Permission::new(Decision::Accept, DecisionSource::UserPermanent);
    tool.decided_as(accept.at(time_at_ms(7)));
    tool.executing_at(time_at_ms(8));
    tool.record_commit(Commit::new());
    tool.finish(ToolOutcome::new().failed("no").at(time_at_ms(11)));
    let denied = prompt.tool(ToolCallOptions::new("Write").at(time_at_ms(12)));
    let reject = Permission::new(Decision::Reject, DecisionSource::UserAbort);
    denied.decided_as(reject.at(time_at_ms(13)));
    denied.finish(ToolOutcome::new().at(time_at_ms(14)));
    prompt.end_with(PromptEnd::new().at(time_at_ms(20)));
}

#[test]
fn events_and_metrics_do_not_depend_on_tracing() {
    let run = |tracing: &str| {
        let host = Host::with([
            ("CLAUDE_CODE_ENHANCED_TELEMETRY_BETA", tracing),
            ("OTEL_LOG_RAW_API_BODIES", "1"),
        ]);
        timed(&host.session());
        host.shut_down()
    };
    let (with, without) = (run("1"), run("0"));
    assert!(!with.spans().is_empty());
    assert_eq!(without.spans(), []);
    assert!(
        without
            .logs()
            .iter()
            .all(|log| context_of_event(log) == ("", "", 0))
    );
    let events = |received: &Received| -> Vec<(u64, Value)> {
        let logs = received.logs().into_iter();
        logs.map(|log| {
            let mut attributes = log.attributes;
            // The event of a body gets the current time.
            let body = attributes["event.name"] == "api_request_body";
            if body {
                attributes.remove("event.timestamp");
            }
            (
                if body { 0 } else { log.time },
                serde_json::to_value(attributes).unwrap(),
            )
        })
        .collect()
    };
    assert_eq!(events(&with), events(&without));
    let points = |received: &Received| -> Vec<(String, Value, f64)> {
        let points = received.points().into_iter();
        let mut points: Vec<_> = points
            .map(|point| {
                (
                    point.name,
                    serde_json::to_value(point.attributes).unwrap(),
                    point.value,
                )
            })
            .collect();
        points.sort_by_key(|(name, attributes, _)| format!("{name} {attributes}"));
        points
    };
    assert_eq!(points(&with), points(&without));
    assert!(points(&with).len() > 7);
}

#[test]
fn inbound_context_is_unchanged_when_tracing_is_off() {
    let host = Host::with([
        ("CLAUDE_CODE_ENHANCED_TELEMETRY_BETA", "0"),
        (TRACEPARENT, SAMPLED),
        (TRACESTATE, "rojo=1"),
    ]);
    let prompt = host.non_interactive_session().prompt("hi");
    let tool = prompt.tool("Bash");
    tool.executing();
    let env = tool.child_env();
    assert_eq!(env.set, []);
    assert!(env.remove.iter().all(|name| name.starts_with("OTEL_")));
    // The variables that select and configure the exporters.
    assert_eq!(of_host(&env.remove).len(), 9);
    tool.inject(|name, _| panic!("{name}"));
    let request = prompt.llm_request("m");
    request.inject(|name, _| panic!("{name}"));
    request.finish(ApiRequest::new("m"));
    tool.finish(ToolOutcome::new());
    host.shut_down();
}

#[test]
fn current_otel_context_and_library_spans_are_independent() {
    let host = Host::new();
    let theirs = SpanContext::new(
        TraceId::from_hex(TRACE).unwrap(),
        SpanId::from_hex(PARENT).unwrap(),
        TraceFlags::SAMPLED,
        true,
        TraceState::from_key_value([("rojo", "1")]).unwrap(),
    );
    let current = || {
        opentelemetry::Context::current()
            .span()
            .span_context()
            .clone()
    };
    let session = host.session();

    // The library's span does not become the current context of OpenTelemetry.
    let prompt = session.prompt("before");
    let tool = prompt.tool("Bash");
    tool.executing();
    assert!(!current().is_valid());
    // The current context of OpenTelemetry does not become the parent of the library's spans.
    let context = opentelemetry::Context::new().with_remote_span_context(theirs.clone());
    let attached = context.attach();
    tool.finish(ToolOutcome::new());
    prompt.end();
    record_prompt(&session);
    session.hook("Stop", "Stop").finish(HookOutcome::new());
    session.llm_request("m").finish(ApiRequest::new("m"));
    session.record_api_error(ApiError::new("m", "no"));
    assert_eq!(current(), theirs);
    drop(attached);
    assert!(!current().is_valid());

    let received = host.shut_down();
    let spans = Spans(received.spans());
    assert!(
        spans
            .iter()
            .all(|span| span.trace_id != TRACE && span.parent_span_id != PARENT)
    );
    for name in ["hook", "llm_request"] {
        assert_eq!(spans.one(name).parent_span_id, "");
    }
    assert!(
        spans
            .named("interaction")
            .iter()
            .all(|span| span.parent_span_id.is_empty())
    );
    assert!(received.logs().iter().all(|log| log.trace_id != TRACE));
    // The exporter's requests are not part of the host's trace.
    assert!(
        received
            .requests
            .iter()
            .all(|request| !request.headers.contains_key("traceparent"))
    );
}
