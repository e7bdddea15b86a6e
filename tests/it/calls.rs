//! Requests and tool calls that a host addresses by its own ids, and handles that are dropped.
#![cfg(feature = "testing")]

use std::sync::{Arc, Barrier};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use claude_code_telemetry::testing::{InMemory, Span};
use claude_code_telemetry::{
    ApiError, ApiRequest, Calls, ChildEnv, Config, Decision, DecisionSource, Identity,
    LlmRequestOptions, Permission, Prompt, PromptEnd, Service, Telemetry, ToolCall,
    ToolCallOptions, ToolOutcome,
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

/// The callbacks of an agent framework, which calls them on any thread, with `&self` and an id.
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
    // All clones of a prompt share its calls.
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
fn request_records_nothing_after_it_was_ended_with_its_prompt() {
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
fn call_that_was_ended_through_another_handle_records_no_event_and_no_metric() {
    let memory = in_memory_with_bodies();
    let prompt = prompt(&memory);
    let calls = prompt.calls();
    for at_explicit_time in [false, true] {
        let request = calls.begin_request("r1", MODEL);
        let tool = calls.begin_tool("t1", "Write");
        let taken = (
            calls.take_request("r1").unwrap(),
            calls.take_tool("t1").unwrap(),
        );
        if at_explicit_time {
            taken.0.end_at(SystemTime::now());
            taken.1.end_at(SystemTime::now());
        } else {
            taken.0.end();
            taken.1.end();
        }
        request.body("{}");
        request.response_body("{}");
        tool.decided(Decision::Accept, DecisionSource::Config);
        tool.executing();
        let request = Arc::into_inner(request).unwrap();
        if at_explicit_time {
            request.fail(ApiError::new(MODEL, "overloaded"));
        } else {
            request.finish(ApiRequest::new(MODEL).cost_usd(0.5));
        }
        Arc::into_inner(tool).unwrap().finish(ToolOutcome::new());
    }
    prompt.end();
    assert_eq!(memory.events().names(), ["user_prompt"]);
    for name in ["cost.usage", "code_edit_tool.decision"] {
        assert_eq!(memory.metrics().named(name).total(), 0.0);
    }
    // The prompt, and twice the request, the tool call and its wait.
    assert_eq!(memory.spans().len(), 7);
    assert_eq!(memory.telemetry().health().dropped_handles, 0);
}

#[test]
fn call_that_two_threads_end_at_once_has_one_end() {
    const ROUNDS: usize = 50;
    let memory = Telemetry::in_memory();
    let prompt = prompt(&memory);
    let calls = prompt.calls();
    let answer = || ApiRequest::new(MODEL).cost_usd(0.5);
    for round in 0..2 * ROUNDS {
        let is_canceled = round % 2 == 1;
        let request = calls.begin_request("r1", MODEL);
        let tool = calls.begin_tool("t1", "Bash");
        let other_request = calls.take_request("r1").unwrap();
        let other_tool = calls.take_tool("t1").unwrap();
        let request = Arc::into_inner(request).unwrap();
        let tool = Arc::into_inner(tool).unwrap();
        let barrier = Barrier::new(2);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                barrier.wait();
                request.finish(answer());
                tool.finish(ToolOutcome::new());
            });
            barrier.wait();
            if is_canceled {
                other_request.end();
                other_tool.end();
            } else {
                other_request.finish(answer());
                other_tool.finish(ToolOutcome::new());
            }
        });
    }
    prompt.end();
    // In the odd rounds the event is missing if the cancellation came first.
    let requests = memory.events().named("api_request").len();
    assert!((ROUNDS..=2 * ROUNDS).contains(&requests), "{requests}");
    let cost = memory.metrics().named("cost.usage").total();
    assert_eq!(cost, 0.5 * requests as f64);
    let spans = memory.spans();
    let successes = spans.named("llm_request").with("success", true);
    assert_eq!(successes.len(), requests);
    let results = memory.events().named("tool_result").len();
    assert!((ROUNDS..=2 * ROUNDS).contains(&results), "{results}");
    assert_eq!(spans.named("tool.execution").len(), results);
    for name in ["llm_request", "tool", "tool.blocked_on_user"] {
        assert_eq!(spans.named(name).len(), 2 * ROUNDS);
    }
    assert_eq!(memory.telemetry().health().dropped_handles, 0);
}

#[test]
fn ended_call_keeps_no_content_although_the_host_holds_a_handle() {
    let memory = InMemory::builder()
        .variable("OTEL_LOG_RAW_API_BODIES", "1")
        .variable("OTEL_LOG_TOOL_DETAILS", "1")
        .start();
    let prompt = prompt(&memory);
    let calls = prompt.calls();
    let content: Arc<str> = "{}".into();
    let begin = || {
        let request = calls.begin_request("r", MODEL);
        request.response_body(Arc::clone(&content));
        let options = ToolCallOptions::new("Bash")
            .input(Arc::clone(&content))
            .parameters(Arc::clone(&content))
            .file_path(Arc::clone(&content));
        let held = (request, calls.begin_tool("t", options));
        let taken = (calls.take_request("r"), calls.take_tool("t"));
        (held, taken.0.unwrap(), taken.1.unwrap())
    };
    let (finished, request, tool) = begin();
    request.finish(ApiRequest::new(MODEL));
    tool.finish(ToolOutcome::new());
    let (canceled, request, tool) = begin();
    request.end();
    tool.end();
    let (failed, request, tool) = begin();
    request.fail(ApiError::new(MODEL, "overloaded"));
    tool.decided(Decision::Reject, DecisionSource::UserReject);
    tool.finish(ToolOutcome::new());
    // Everything that was recorded is delivered.
    assert_eq!(memory.events().named("api_response_body").len(), 1);
    assert_eq!(memory.spans().named("tool").len(), 3);
    assert_eq!(Arc::strong_count(&content), 1);
    drop((finished, canceled, failed));
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
    // `retry` begins an attempt; the next `attempt_started` refers to it and begins no other.
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
    let begin = || prompt.llm_request(LlmRequestOptions::new(MODEL).at(time(0)));
    let answer = || ApiRequest::new(MODEL).cost_usd(0.0).at(time(8));

    let request = begin();
    request.attempt_started_at(time(1));
    request.attempt_started_at(time(5));
    request.first_token_at(time(7));
    request.first_token_at(time(8));
    request.finish(answer());
    let request = begin();
    request.attempt_started_at(time(1));
    request.retry_at(time(4));
    request.first_token_at(time(7));
    request.finish(answer());
    // The first `attempt_started_at` refers to the attempt that began with the request, and sets its start.
    let request = begin();
    request.attempt_started_at(time(1));
    request.first_token_at(time(3));
    request.finish(answer());
    let request = begin();
    request.retry_at(time(4));
    request.attempt_started_at(time(6));
    request.finish(answer());

    let spans = memory.spans().named("llm_request");
    let events = memory.events().named("api_request");
    let sent = spans.iter().zip(events.iter()).map(|(span, event)| {
        assert_eq!(span.attributes["duration_ms"], 8_000);
        let first_token = span.attributes.get("ttft_ms");
        (
            span.attributes["attempt"].as_int().unwrap(),
            event.attributes["duration_ms"].as_int().unwrap(),
            first_token.and_then(|time| time.as_int()),
        )
    });
    // The number of attempts, the duration of the last one, and its time to the first token.
    assert_eq!(
        sent.collect::<Vec<_>>(),
        [
            (2, 3_000, Some(2_000)),
            (2, 4_000, Some(3_000)),
            (1, 7_000, Some(2_000)),
            (2, 2_000, None),
        ]
    );
}

#[test]
fn execution_has_the_duration_that_the_host_measured() {
    let memory = Telemetry::in_memory();
    let prompt = prompt(&memory);
    let duration = Duration::from_millis(4_200);
    prompt
        .tool("Bash")
        .finish(ToolOutcome::new().duration(duration));
    prompt.end_with(PromptEnd::new().duration(Duration::from_secs(60)));
    let results = memory.events().named("tool_result");
    assert_eq!(results.with("duration_ms", 4_200).len(), 1);
    let spans = memory.spans();
    let only = |name: &str| spans.named(name).only().unwrap().clone();
    let [interaction, tool, wait, execution] = [
        "interaction",
        "tool",
        "tool.blocked_on_user",
        "tool.execution",
    ]
    .map(only);
    assert_eq!(execution.attributes["duration_ms"], 4_200);
    assert_eq!(tool.attributes["duration_ms"], 4_200);
    assert_eq!(wait.attributes["duration_ms"], 0);
    for (parent, child) in [(&interaction, &tool), (&tool, &wait), (&tool, &execution)] {
        assert_eq!(child.parent.as_ref(), Some(&parent.id));
        assert!(parent.start <= child.start, "{parent:?} {child:?}");
        let end = |span: &Span| span.start + span.duration;
        assert!(end(child) <= end(parent), "{parent:?} {child:?}");
    }
}

#[test]
fn call_covers_its_wait_and_the_execution_that_follows() {
    // The call begins at 10 s and ends at 20 s. The result is the start and the end of each span in milliseconds.
    fn spans_of(steps: impl FnOnce(&ToolCall), duration: u64) -> [(u64, u64); 3] {
        let memory = Telemetry::in_memory();
        let prompt = prompt(&memory);
        let tool = prompt.tool(ToolCallOptions::new("Bash").at(second(10)));
        steps(&tool);
        let outcome = ToolOutcome::new().duration(Duration::from_secs(duration));
        tool.finish(outcome.at(second(20)));
        let results = memory.events().named("tool_result");
        let sent = &results.only().unwrap().attributes["duration_ms"];
        assert_eq!(sent.as_int().unwrap(), duration as i64 * 1_000);
        ["tool", "tool.blocked_on_user", "tool.execution"].map(|name| {
            let spans = memory.spans().named(name);
            let span = spans.only().unwrap();
            let start = span.start.duration_since(UNIX_EPOCH).unwrap();
            let [start, duration] = [start, span.duration].map(|time| time.as_millis() as u64);
            (start, start + duration)
        })
    }
    fn second(second: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(second)
    }
    let accepted = || Permission::accepted(DecisionSource::Config);

    // The wait ends where the execution begins.
    let spans = spans_of(|_| {}, 4);
    assert_eq!(
        spans,
        [(10_000, 20_000), (10_000, 16_000), (16_000, 20_000)]
    );
    let spans = spans_of(|_| {}, 14);
    assert_eq!(spans, [(6_000, 20_000), (6_000, 6_000), (6_000, 20_000)]);
    // A wait that has ended keeps its end.
    let spans = spans_of(|tool| tool.executing_at(second(15)), 4);
    assert_eq!(
        spans,
        [(10_000, 20_000), (10_000, 15_000), (16_000, 20_000)]
    );
    let spans = spans_of(|tool| tool.executing_at(second(15)), 14);
    assert_eq!(
        spans,
        [(10_000, 20_000), (10_000, 15_000), (15_000, 20_000)]
    );
    let spans = spans_of(|tool| tool.decided_as(accepted().at(second(15))), 14);
    assert_eq!(
        spans,
        [(10_000, 20_000), (10_000, 15_000), (15_000, 20_000)]
    );
    // An execution that began before the decision has ended the wait.
    let waited = || accepted().waited(Duration::from_secs(8)).at(second(15));
    let early = |tool: &ToolCall| {
        tool.executing_at(second(11));
        tool.decided_as(waited());
    };
    let spans = spans_of(early, 8);
    assert_eq!(
        spans,
        [(10_000, 20_000), (10_000, 11_000), (12_000, 20_000)]
    );
    let spans = spans_of(|tool| tool.decided_as(waited()), 2);
    assert_eq!(spans, [(7_000, 20_000), (7_000, 15_000), (18_000, 20_000)]);
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
