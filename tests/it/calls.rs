//! Requests and tool calls that a host addresses by its own ids, and handles that are dropped.
#![cfg(feature = "testing")]

use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use claude_code_telemetry::testing::InMemory;
use claude_code_telemetry::{
    ApiError, ApiRequest, Calls, ChildEnv, Config, Decision, DecisionSource, Identity,
    LlmRequestOptions, Prompt, Service, Telemetry, ToolCallOptions, ToolOutcome,
};

use crate::host::start_with_diagnostics;

const MODEL: &str = "claude-sonnet-4-6";

fn prompt(memory: &InMemory) -> Prompt {
    let identity = Identity::new().user_id("kim");
    memory.telemetry().session(identity).prompt("Fix it")
}

fn in_memory_with_bodies() -> InMemory {
    let builder = InMemory::builder();
    builder.variable("OTEL_LOG_RAW_API_BODIES", "1").start()
}

/// A framework's callbacks: `&self`, ids, and any thread.
struct Hooks {
    calls: Calls,
}

impl Hooks {
    fn on_request(&self, id: &str, model: &str) {
        self.calls.begin_request(id, model);
    }

    fn on_attempt(&self, id: &str) {
        if let Some(request) = self.calls.request(id) {
            request.attempt_started();
        }
    }

    fn on_response(&self, id: &str) {
        if let Some(request) = self.calls.take_request(id) {
            request.first_token();
            request.finish(ApiRequest::new(MODEL).cost_usd(0.5));
        }
    }

    fn on_tool(&self, id: &str, name: &str) {
        let options = ToolCallOptions::new(name).tool_use_id(id);
        let tool = self.calls.begin_tool(id, options);
        tool.decided(Decision::Accept, DecisionSource::Config);
        tool.executing();
    }

    fn on_result(&self, id: &str) {
        if let Some(tool) = self.calls.take_tool(id) {
            tool.finish(ToolOutcome::new());
        }
    }
}

#[test]
fn parallel_calls_are_finished_by_their_ids() {
    let memory = Telemetry::in_memory();
    let prompt = prompt(&memory);
    let hooks = Hooks {
        calls: prompt.calls(),
    };
    hooks.on_request("r1", MODEL);
    hooks.on_attempt("r1");
    hooks.on_attempt("r1");
    hooks.on_response("r1");
    let ids: Vec<String> = (0..8).map(|n| format!("toolu_{n}")).collect();
    std::thread::scope(|scope| {
        for id in &ids {
            scope.spawn(|| hooks.on_tool(id, "Bash"));
        }
    });
    // Every clone of the prompt and of its calls has the same calls.
    let other = Hooks {
        calls: prompt.clone().calls(),
    };
    for id in ids.iter().rev() {
        other.on_result(id);
        assert!(hooks.calls.tool(id).is_none());
    }
    // Unknown ids are ignored.
    hooks.on_attempt("r1");
    hooks.on_response("r2");
    hooks.on_result("toolu_0");
    prompt.end();

    let results = memory.events().named("tool_result");
    assert_eq!(results.len(), ids.len());
    for id in &ids {
        assert_eq!(results.with("tool_use_id", id.as_str()).len(), 1);
    }
    let spans = memory.spans();
    let interaction = spans.named("interaction");
    let children = spans.children_of(interaction.only().unwrap());
    assert_eq!(children.len(), ids.len() + 1);
    let request = spans.named("llm_request");
    assert_eq!(request.only().unwrap().attributes["attempt"], 2);
    assert_eq!(memory.telemetry().health().dropped_handles, 0);
}

#[test]
fn calls_that_are_open_at_the_end_of_the_prompt_are_ended_with_it() {
    let memory = Telemetry::in_memory();
    let prompt = prompt(&memory);
    let calls = prompt.calls();
    let held = calls.begin_request("r1", MODEL);
    calls.begin_tool("t1", "Bash").executing();
    drop(prompt);
    // The spans have ended although the host still holds a handle.
    let spans = memory.spans();
    assert_eq!(spans.named("llm_request").len(), 1);
    assert_eq!(spans.named("tool.execution").len(), 1);
    assert_eq!(spans.named("interaction").len(), 1);
    assert!(calls.request("r1").is_none() && calls.take_tool("t1").is_none());
    held.attempt_started();
    drop(held);
    // A call that begins after the end of the prompt gets no trace context.
    let late = calls.begin_tool("t2", "Bash");
    assert!(calls.tool("t2").is_none());
    late.executing();
    let environment = format!("{:?}", late.child_env());
    assert!(!environment.contains("TRACEPARENT"), "{environment}");
    drop(late);
    assert_eq!(memory.spans().named("tool").len(), 1);
    assert_eq!(memory.spans().named("llm_request").len(), 1);
    assert_eq!(memory.events().named("api_request").len(), 0);
    assert_eq!(memory.telemetry().health().dropped_handles, 2);
}

#[test]
fn request_that_was_ended_with_its_prompt_records_nothing() {
    let memory = in_memory_with_bodies();
    let prompt = prompt(&memory);
    let calls = prompt.calls();
    let held = calls.begin_request("r1", MODEL);
    held.body("{}");
    prompt.end();
    held.body("{}");
    held.response_body("{}");
    let held = Arc::into_inner(held).unwrap();
    held.finish(ApiRequest::new(MODEL).cost_usd(0.5));
    let events = memory.events();
    let bodies = events.named("api_request_body").with("model", MODEL);
    assert_eq!(bodies.len(), 1);
    assert_eq!(events.len(), 2, "{events:?}");
    assert_eq!(memory.metrics().named("cost.usage").total(), 0.0);
    assert_eq!(memory.spans().named("llm_request").len(), 1);
    assert_eq!(memory.telemetry().health().dropped_handles, 1);
}

#[test]
fn call_with_two_handles_is_finished_once() {
    let memory = in_memory_with_bodies();
    let prompt = prompt(&memory);
    let calls = prompt.calls();
    let request = calls.begin_request("r1", MODEL);
    let tool = calls.begin_tool("t1", "Write");
    let taken = calls.take_request("r1").unwrap();
    taken.finish(ApiRequest::new(MODEL).cost_usd(0.5));
    calls.take_tool("t1").unwrap().finish(ToolOutcome::new());
    request.body("{}");
    tool.decided(Decision::Accept, DecisionSource::Config);
    let request = Arc::into_inner(request).unwrap();
    request.finish(ApiRequest::new(MODEL).cost_usd(0.25));
    let tool = Arc::into_inner(tool).unwrap();
    tool.finish(ToolOutcome::new());
    prompt.end();
    let events = memory.events();
    assert_eq!(events.named("api_request").len(), 1);
    assert_eq!(events.named("tool_result").len(), 1);
    assert_eq!(events.len(), 3, "{events:?}");
    assert_eq!(memory.metrics().named("cost.usage").total(), 0.5);
    assert_eq!(memory.spans().len(), 5);
    assert_eq!(memory.telemetry().health().dropped_handles, 0);
}

#[test]
fn reused_id_and_the_limit_of_1024_calls_end_the_oldest_call() {
    let memory = Telemetry::in_memory();
    let prompt = prompt(&memory);
    let calls = prompt.calls();
    calls.begin_tool("t", "First");
    calls.begin_tool("t", "Second");
    assert_eq!(memory.spans().named("tool").len(), 1);
    calls.take_tool("t").unwrap().end();
    assert_eq!(memory.telemetry().health().dropped_handles, 1);
    for n in 0..1_025 {
        calls.begin_request(n.to_string(), MODEL);
    }
    assert!(calls.request("0").is_none() && calls.request("1").is_some());
    assert_eq!(memory.spans().named("llm_request").len(), 1);
    prompt.end();
    assert_eq!(memory.spans().named("llm_request").len(), 1_025);
    assert_eq!(memory.telemetry().health().dropped_handles, 1_026);
}

#[test]
fn first_attempt_started_does_not_count_as_another_attempt() {
    let memory = Telemetry::in_memory();
    let prompt = prompt(&memory);
    let attempts = |steps: &dyn Fn(&claude_code_telemetry::LlmRequest), record: ApiRequest| {
        let request = prompt.llm_request(MODEL);
        steps(&request);
        request.finish(record.cost_usd(0.0));
        let spans = memory.spans().named("llm_request");
        let last = spans.iter().last().unwrap();
        last.attributes["attempt"].as_int().unwrap()
    };
    let answer = || ApiRequest::new(MODEL);
    assert_eq!(attempts(&|_| {}, answer()), 1);
    assert_eq!(attempts(&|request| request.attempt_started(), answer()), 1);
    let three = |request: &claude_code_telemetry::LlmRequest| {
        (0..3).for_each(|_| request.attempt_started());
    };
    assert_eq!(attempts(&three, answer()), 3);
    // `retry` begins an attempt that the next call marks.
    let mixed = |request: &claude_code_telemetry::LlmRequest| {
        request.attempt_started();
        request.retry();
        request.attempt_started();
    };
    assert_eq!(attempts(&mixed, answer()), 2);
    // The host's own number takes precedence.
    assert_eq!(attempts(&three, answer().attempt(7)), 7);
}

#[test]
fn provider_of_the_model_is_sent_on_the_span() {
    let memory = Telemetry::in_memory();
    let prompt = prompt(&memory);
    let options = LlmRequestOptions::new("gpt-5").provider("openai");
    prompt
        .llm_request(options)
        .fail(ApiError::new("gpt-5", "overloaded"));
    prompt
        .llm_request(MODEL)
        .fail(ApiError::new(MODEL, "overloaded"));
    let spans = memory.spans().named("llm_request");
    assert_eq!(
        spans
            .with("gen_ai.system", "openai")
            .with("model", "gpt-5")
            .len(),
        1
    );
    assert_eq!(
        spans
            .with("gen_ai.system", "anthropic")
            .with("model", MODEL)
            .len(),
        1
    );
}

#[test]
fn dropped_handles_are_counted_and_reported_once() {
    let config = Config::builder()
        .environment([
            ("CLAUDE_CODE_ENABLE_TELEMETRY", "1"),
            ("OTEL_LOGS_EXPORTER", "console"),
        ])
        .build();
    let builder =
        Telemetry::builder(config, Service::new("agent", "1.0")).console_writer(std::io::sink());
    let (telemetry, diagnostics) = start_with_diagnostics(builder);
    let session = telemetry.session(Identity::new().user_id("kim"));
    let prompt = session.prompt("Fix it");
    drop(prompt.tool("Bash"));
    drop(prompt.llm_request(MODEL));
    drop(prompt.hook("PreToolUse", "PreToolUse:Bash"));
    // These have an outcome, or need none.
    prompt.tool("Bash").end();
    prompt.tool("Bash").finish(ToolOutcome::new());
    let rejected = prompt.tool("Write");
    rejected.decided(Decision::Reject, DecisionSource::UserReject);
    drop(rejected);
    drop(prompt);
    assert_eq!(telemetry.health().dropped_handles, 3);
    let report = telemetry.shutdown();
    assert_eq!(report.dropped_handles, 3);
    assert!(report.to_string().contains(
        "3 handles were dropped without an outcome; this is right if their calls were canceled"
    ));
    assert!(report.is_complete());
    diagnostics.assert_once("tool call");
    let messages = diagnostics.all();
    assert_eq!(messages.len(), 1, "{messages:?}");
}

#[test]
fn inject_accepts_closures_that_return_values() {
    let memory = Telemetry::in_memory();
    let prompt = prompt(&memory);
    let request = prompt.llm_request(MODEL);
    let mut headers = std::collections::HashMap::new();
    request.inject(|name, value| headers.insert(name, value.to_owned()));
    assert!(headers["traceparent"].starts_with("00-"));
    let tool = prompt.tool("mcp__server__tool");
    tool.inject(|name, value| headers.insert(name, value.to_owned()));
    tool.end();
    request.fail(ApiError::new(MODEL, "overloaded"));
}

#[test]
fn attempt_starts_at_an_explicit_time() {
    let memory = Telemetry::in_memory();
    let prompt = prompt(&memory);
    let time = |seconds: u64| UNIX_EPOCH + Duration::from_secs(1_800_000_000 + seconds);
    let options = LlmRequestOptions::new(MODEL).at(time(0));
    let request = prompt.llm_request(options);
    request.attempt_started_at(time(1));
    request.attempt_started_at(time(5));
    request.finish(ApiRequest::new(MODEL).cost_usd(0.0).at(time(8)));
    // The first call only marks the attempt that began with the request.
    let span = memory.spans().named("llm_request");
    let span = span.only().unwrap();
    assert_eq!(span.attributes["attempt"], 2);
    assert_eq!(span.attributes["duration_ms"], 8_000);
    let event = memory.events().named("api_request");
    assert_eq!(event.only().unwrap().attributes["duration_ms"], 3_000);
}

#[test]
fn execution_has_the_duration_that_the_host_measured() {
    let memory = Telemetry::in_memory();
    let prompt = prompt(&memory);
    let duration = Duration::from_millis(4_200);
    for is_executing in [true, false] {
        let tool = prompt.tool("Bash");
        if is_executing {
            tool.executing();
        }
        tool.finish(ToolOutcome::new().duration(duration));
    }
    let results = memory.events().named("tool_result");
    assert_eq!(results.with("duration_ms", 4_200).len(), 2);
    let executions = memory.spans().named("tool.execution");
    assert_eq!(executions.with("duration_ms", 4_200).len(), 2);
}

#[test]
fn canceled_request_ends_without_an_outcome() {
    let memory = Telemetry::in_memory();
    let prompt = prompt(&memory);
    let time = |seconds: u64| UNIX_EPOCH + Duration::from_secs(1_800_000_000 + seconds);
    prompt.llm_request(MODEL).end();
    let options = LlmRequestOptions::new(MODEL).at(time(0));
    prompt.llm_request(options).end_at(time(2));
    prompt.end();
    let spans = memory.spans().named("llm_request");
    assert_eq!(spans.with("success", false).len(), 2);
    assert_eq!(spans.with("duration_ms", 2_000).len(), 1);
    assert_eq!(memory.events().named("api_request").len(), 0);
    assert_eq!(memory.events().named("api_error").len(), 0);
    assert_eq!(memory.telemetry().health().dropped_handles, 0);
}

#[test]
fn subprocess_and_carrier_get_the_context_of_the_request_and_the_prompt() {
    let memory = Telemetry::in_memory();
    let prompt = prompt(&memory);
    let header = |inject: &dyn Fn(&mut Vec<String>)| {
        let mut headers = Vec::new();
        inject(&mut headers);
        headers
    };
    let request = prompt.llm_request(MODEL);
    let of_request = header(&|headers| request.inject(|_, value| headers.push(value.to_owned())));
    let of_prompt = header(&|headers| {
        let carrier = |_: &str, value: &str| headers.push(value.to_owned());
        prompt.recorder().inject(carrier);
    });
    let environment = |env: ChildEnv| env.set[0].clone();
    let parent = |headers: &[String]| ("TRACEPARENT", headers[0].clone());
    assert_eq!(environment(request.child_env()), parent(&of_request));
    let recorder = prompt.recorder();
    assert_eq!(environment(recorder.child_env()), parent(&of_prompt));
    assert_ne!(of_request, of_prompt);
    request.end();
    // A session has no trace context.
    let session = memory.telemetry().session(Identity::new().user_id("kim"));
    session.recorder().inject(|name, _| panic!("{name}"));
}
