//! Handles end their spans: when they finish, when they are dropped, or at shutdown.
#![cfg(feature = "http")]

use std::thread;
use std::time::Duration;

use crate::host::otlp;
use crate::support;
use crate::traces::{Host, Spans, nanos_at, specific_attributes, time_at_ms};
use claude_code_telemetry::{
    ApiRequest, Decision, DecisionSource, HookOutcome, PromptEnd, Signal, ToolCallOptions,
    ToolOutcome,
};
use serde_json::json;

/// Returns the names of the events, except those of prompts.
fn events(received: &support::Received) -> Vec<String> {
    let logs = received.logs();
    let names = logs
        .iter()
        .map(|log| log.attributes["event.name"].as_str().unwrap().to_owned());
    names.filter(|name| name != "user_prompt").collect()
}

#[test]
fn dropped_request_has_success_false_and_emits_no_event() {
    let host = Host::new();
    let prompt = host.session().prompt("hi");
    let request = prompt.llm_request("m");
    request.retry();
    request.first_token();
    drop(request);
    prompt.end();
    let received = host.shut_down();
    let spans = Spans(received.spans());
    let span = spans.child(spans.one("interaction"), "llm_request");
    assert_eq!(span.attributes["success"], false);
    assert_eq!(span.attributes["attempt"], 2);
    assert_eq!(span.events.len(), 2);
    for key in ["error", "input_tokens", "ttft_ms"] {
        assert!(!span.attributes.contains_key(key), "{key}");
    }
    assert_eq!(span.status, 0);
    // No event and no metric is made up for a dropped request.
    assert_eq!(events(&received), Vec::<String>::new());
    let metrics = received.points();
    assert!(
        metrics
            .iter()
            .all(|point| point.name == "claude_code.session.count")
    );
}

#[test]
fn dropped_tool_call_ends_in_its_current_state() {
    let host = Host::new();
    let session = host.session();
    let accept = |tool: &claude_code_telemetry::ToolCall| {
        tool.decided(Decision::Accept, DecisionSource::Hook)
    };
    drop(session.tool("Begun"));
    let decided = session.tool("Decided");
    accept(&decided);
    drop(decided);
    let running = session.tool("Running");
    accept(&running);
    running.executing();
    drop(running);
    let undecided = session.tool("Undecided");
    undecided.executing();
    drop(undecided);
    session.tool("Ended").end();

    let received = host.shut_down();
    let spans = Spans(received.spans());
    assert_eq!(
        spans.outline(),
        "\
tool Begun
  tool.blocked_on_user
tool Decided
  tool.blocked_on_user
tool Running
  tool.blocked_on_user
  tool.execution
tool Undecided
  tool.blocked_on_user
  tool.execution
tool Ended
  tool.blocked_on_user
"
    );
    let decision = |tool: &str| {
        let attributes = &spans
            .child(spans.tool(tool), "tool.blocked_on_user")
            .attributes;
        let text = |key: &str| attributes[key].as_str().unwrap().to_owned();
        (text("decision"), text("source"))
    };
    let unknown = ("unknown".to_owned(), "unknown".to_owned());
    for tool in ["Begun", "Undecided", "Ended"] {
        assert_eq!(decision(tool), unknown, "{tool}");
    }
    for tool in ["Decided", "Running"] {
        assert_eq!(
            decision(tool),
            ("accept".to_owned(), "hook".to_owned()),
            "{tool}"
        );
    }
    for span in spans.named("tool.execution") {
        assert_eq!(span.attributes["success"], false);
        assert!(!span.attributes.contains_key("error"));
        assert_eq!(span.status, 0);
    }
    // Dropped calls get no result event and no additional decision event.
    assert_eq!(events(&received), ["tool_decision", "tool_decision"]);
}

#[test]
fn dropped_hook_has_zero_counts_and_no_status() {
    let host = Host::new();
    drop(host.session().hook("Stop", "Stop"));
    let spans = host.spans();
    let span = spans.one("hook");
    assert_eq!(span.status, 0);
    for key in [
        "num_hooks",
        "num_success",
        "num_blocking",
        "num_non_blocking_error",
        "num_cancelled",
    ] {
        assert_eq!(span.attributes[key], 0, "{key}");
    }
}

#[test]
fn prompt_ends_when_its_last_clone_is_dropped() {
    let host = Host::new();
    let prompt = host.session().prompt("hi");
    let clone = prompt.clone();
    drop(prompt);
    let inside = clone.hook("Stop", "Stop");
    inside.finish(HookOutcome::new());
    thread::sleep(Duration::from_millis(3));
    drop(clone);
    let spans = host.spans();
    let (prompt, hook) = (spans.one("interaction"), spans.one("hook"));
    assert!(prompt.end >= hook.end + 2_000_000);
    assert_eq!(host.telemetry.health().unfinished_spans, 0);
}

#[test]
fn first_end_of_a_prompt_applies_to_all_clones() {
    let host = Host::new();
    let prompt = host.session().prompt("hi");
    let clone = prompt.clone();
    prompt.end_with(PromptEnd::new().duration(Duration::from_millis(250)));
    // Work that continues after the end of the prompt is still its child.
    clone.hook("Stop", "Stop").finish(HookOutcome::new());
    clone.end();
    let spans = host.spans();
    let prompt = spans.one("interaction");
    assert_eq!(prompt.attributes["interaction.duration_ms"], 250);
    assert_eq!(prompt.end - prompt.start, 250_000_000);
    spans.child(prompt, "hook");
}

#[test]
fn tool_call_continues_after_the_end_of_its_prompt() {
    let host = Host::new();
    let prompt = host.session().prompt("hi");
    let tool = prompt.tool(ToolCallOptions::new("Bash").tool_use_id("toolu_1"));
    tool.decided(Decision::Accept, DecisionSource::Config);
    tool.executing();
    let id = prompt.id().to_owned();
    prompt.end();
    let later = thread::spawn(move || {
        thread::sleep(Duration::from_millis(5));
        tool.tool("Read").finish(ToolOutcome::new());
        tool.finish(ToolOutcome::new());
    });
    later.join().unwrap();
    let received = host.shut_down();
    let spans = Spans(received.spans());
    assert_eq!(
        spans.outline(),
        "\
interaction
  tool Bash
    tool.blocked_on_user
    tool.execution
    tool Read
      tool.blocked_on_user
      tool.execution
"
    );
    let (prompt, tool) = (spans.one("interaction"), spans.tool("Bash"));
    assert!(tool.end > prompt.end && tool.start >= prompt.start);
    let results: Vec<_> = received
        .logs()
        .into_iter()
        .filter(|log| log.attributes["event.name"] == "tool_result")
        .collect();
    assert!(results.iter().all(|log| log.attributes["prompt.id"] == id));
    assert_eq!(results[1].span_id, tool.span_id);
}

#[test]
fn reserved_tool_call_can_have_children_before_it_begins() {
    let host = Host::new();
    let prompt = host.session().prompt("hi");
    let agent = prompt.reserve_tool();
    agent
        .llm_request("inside")
        .finish(ApiRequest::new("inside"));
    let read = agent.recorder().clone().tool("Read");
    read.finish(ToolOutcome::new());
    let agent = agent.begin(ToolCallOptions::new("Agent").at(time_at_ms(0)));
    agent.executing_at(time_at_ms(10));
    agent.finish(ToolOutcome::new().at(time_at_ms(30)));
    prompt.end();
    let spans = host.spans();
    let agent = spans.child(spans.one("interaction"), "tool");
    assert_eq!((agent.start, agent.end), (nanos_at(0), nanos_at(30)));
    let request = spans.child(agent, "llm_request");
    assert_eq!(request.attributes["llm_request.context"], "tool");
    spans.child(agent, "tool");
    spans.child(agent, "tool.execution");
}

#[test]
fn work_outside_a_prompt_starts_separate_traces() {
    let host = Host::new();
    let session = host.session();
    session
        .hook("SessionStart", "SessionStart:startup")
        .finish(HookOutcome::new());
    session.llm_request("m").finish(ApiRequest::new("m"));
    session.tool("Bash").finish(ToolOutcome::new());
    let prompt = session.prompt("hi");
    // Work of the session is not a child of a prompt, even while a prompt is open.
    session
        .hook("Notification", "Notification")
        .finish(HookOutcome::new());
    prompt.end();
    let spans = host.spans();
    assert_eq!(
        spans.outline(),
        "\
hook SessionStart:startup
llm_request m
tool Bash
  tool.blocked_on_user
  tool.execution
interaction
hook Notification
"
    );
    let mut traces: Vec<_> = spans.iter().map(|span| &span.trace_id).collect();
    traces.sort();
    traces.dedup();
    assert_eq!(traces.len(), 5);
}

#[test]
fn execution_span_starts_at_the_decision_by_default() {
    let host = Host::new();
    let tool = host
        .session()
        .tool(ToolCallOptions::new("Read").at(time_at_ms(0)));
    let accept = claude_code_telemetry::Permission::new(Decision::Accept, DecisionSource::Config);
    tool.decided_as(accept.at(time_at_ms(7)));
    tool.finish(ToolOutcome::new().at(time_at_ms(10)));
    let spans = host.spans();
    assert_eq!(
        specific_attributes(spans.one("tool.execution"))[0],
        ("duration_ms", json!(3))
    );
    assert_eq!(
        specific_attributes(spans.one("tool.blocked_on_user"))[0],
        ("duration_ms", json!(7))
    );
}

#[test]
fn rejected_tool_call_has_no_result() {
    let host = Host::new();
    let tool = host.session().tool("Edit");
    tool.decided(Decision::Reject, DecisionSource::UserReject);
    // A later decision has no effect, and a result of a call that never ran is ignored.
    tool.decided(Decision::Accept, DecisionSource::Config);
    tool.finish(ToolOutcome::new());
    let received = host.shut_down();
    assert_eq!(events(&received), ["tool_decision"]);
    let spans = Spans(received.spans());
    assert_eq!(spans.len(), 2);
    assert_eq!(
        spans.one("tool.blocked_on_user").attributes["decision"],
        "reject"
    );
    let decisions: Vec<_> = received
        .points()
        .into_iter()
        .filter(|point| point.name == "claude_code.code_edit_tool.decision")
        .map(|point| (point.attributes["decision"].clone(), point.value))
        .collect();
    assert_eq!(decisions, [(json!("reject"), 1.0)]);
}

#[test]
fn shutdown_ends_open_spans() {
    let host = Host::new();
    let prompt = host.session().prompt("hi");
    let request = prompt.llm_request("m");
    let hook = prompt.hook("Stop", "Stop");
    let tool = prompt.tool("Bash");
    tool.executing();
    let finished = prompt.tool("Read");
    finished.finish(ToolOutcome::new());

    let received = host.shut_down();
    let spans = Spans(received.spans());
    assert_eq!(
        spans.outline(),
        "\
interaction
  llm_request m
  hook Stop
  tool Bash
    tool.blocked_on_user
    tool.execution
  tool Read
    tool.blocked_on_user
    tool.execution
"
    );
    // No span ends after its parent.
    let interaction = spans.one("interaction");
    let bash = spans.tool("Bash");
    let execution = spans.child(bash, "tool.execution");
    for span in [spans.one("llm_request"), spans.one("hook"), bash, execution] {
        assert_eq!(span.end, interaction.end, "{}", span.name);
    }
    // The prompt, the request, the hook and the call of Bash, which counts once with its execution.
    assert_eq!(host.telemetry.health().unfinished_spans, 4);
    // Handles that end after the shutdown do not end their span again. Their events are dropped and counted.
    request.finish(ApiRequest::new("m"));
    hook.finish(HookOutcome::new());
    tool.finish(ToolOutcome::new());
    prompt.end();
    host.telemetry.shutdown();
    assert_eq!(host.receiver.received().spans().len(), 9);
    let health = host.telemetry.health();
    assert_eq!(health.unfinished_spans, 4);
    let lost = |signal| otlp(&health, signal).dropped.shutdown;
    assert_eq!((lost(Signal::Traces), lost(Signal::Logs)), (0, 2));
}

#[test]
fn spans_started_after_shutdown_are_dropped_and_counted() {
    let host = Host::new();
    let session = host.session();
    host.shut_down();
    let prompt = session.prompt("late");
    let tool = prompt.tool("Bash");
    tool.decided(Decision::Accept, DecisionSource::Config);
    tool.executing();
    tool.finish(ToolOutcome::new());
    prompt.end();
    assert_eq!(host.receiver.received().spans(), []);
    let health = host.telemetry.health();
    let spans = otlp(&health, Signal::Traces);
    assert_eq!(spans.dropped.shutdown, 4);
}

#[test]
#[cfg(feature = "testing")]
fn duration_of_a_request_event_covers_only_the_last_attempt() {
    use claude_code_telemetry::testing::InMemory;

    // The clock advances only when the test advances it.
    let telemetry = InMemory::builder().fixed().start();
    let pass = |milliseconds| telemetry.advance(Duration::from_millis(milliseconds));
    let session = telemetry.session(claude_code_telemetry::Identity::new());
    for fail in [false, true] {
        let request = session.llm_request("m");
        pass(150);
        // The first attempt fails after its first token.
        request.first_token();
        pass(10);
        request.retry();
        pass(7);
        request.first_token();
        pass(20);
        if fail {
            request.fail(claude_code_telemetry::ApiError::new("m", "no"));
        } else {
            request.finish(ApiRequest::new("m"));
        }
    }
    let events = telemetry.events();
    for name in ["api_request", "api_error"] {
        let event = events.named(name).only().unwrap().clone();
        assert_eq!(event.attributes["duration_ms"], 27_i64, "{name}");
    }
    let spans = telemetry.spans().named("llm_request");
    assert_eq!(spans.len(), 2);
    for span in spans.iter() {
        assert_eq!(span.attributes["duration_ms"], 187_i64);
        assert_eq!(span.duration, Duration::from_millis(187));
    }
    assert_eq!(spans[0].attributes["ttft_ms"], 7_i64);
}
