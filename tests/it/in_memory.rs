//! In-memory telemetry for the tests of a host.
#![cfg(feature = "testing")]

use std::time::{Duration, UNIX_EPOCH};

use claude_code_telemetry::testing::InMemory;
use claude_code_telemetry::{
    ApiError, ApiRequest, Decision, DecisionSource, Identity, LinesOfCode, RequestContext, Service,
    SessionOptions, StartType, Telemetry, TokenType, TokenUsage, ToolDecision, ToolOutcome,
    ToolOutput,
};

const MODEL: &str = "claude-sonnet-4-6";

/// Records a prompt with a request and a tool call, as a host would. Calls `advance` with the milliseconds that each
/// step takes.
fn record_turn(telemetry: &Telemetry, advance: impl Fn(u64)) {
    let identity = Identity::new().email("kim@example.com");
    let session = telemetry.session(SessionOptions::from(identity).start_type(StartType::Fresh));
    let prompt = session.prompt("Fix the failing test");
    let request = prompt.llm_request(MODEL);
    advance(900);
    let usage = TokenUsage::new().input(1_200).output(86);
    request.finish(ApiRequest::new(MODEL).tokens(usage).cost_usd(0.0049));

    let tool = prompt.tool("Bash");
    advance(50);
    tool.decided(Decision::Accept, DecisionSource::UserTemporary);
    tool.executing();
    advance(300);
    let result: Result<(), &str> = Err("exit status 1");
    tool.finish(ToolOutcome::from_result(&result));

    let denied = prompt.tool("Write");
    denied.decided(Decision::Reject, DecisionSource::UserReject);
    denied.end();
    prompt.end();
}

#[test]
fn recorded_data_is_selectable_by_name_and_attribute() {
    let telemetry = Telemetry::in_memory();
    record_turn(telemetry.telemetry(), |_| {});

    let events = telemetry.events();
    assert_eq!(
        events.names(),
        [
            "user_prompt",
            "api_request",
            "tool_decision",
            "tool_result",
            "tool_decision"
        ]
    );
    let result = events.named("tool_result");
    let result = result.only().unwrap();
    assert_eq!(result.attributes["success"], "false");
    assert_eq!(result.attributes["error"], "exit status 1");
    assert_eq!(result.attributes["event.sequence"], 3);
    assert!(result.attributes.get("tool_input").is_none());
    assert_eq!(events.with("decision", "reject").len(), 1);
    assert_eq!(events.named("claude_code.tool_decision").len(), 2);

    let metrics = telemetry.metrics();
    let tokens = metrics.named("token.usage");
    assert_eq!(
        tokens.with("type", TokenType::Input.as_str()).total(),
        1_200.0
    );
    assert_eq!(tokens.total(), 1_286.0);
    assert_eq!(metrics.named("cost.usage").only().unwrap().unit, "USD");
    assert_eq!(metrics.with("start_type", "fresh").total(), 1.0);

    let spans = telemetry.spans();
    let interaction = spans.named("interaction");
    let interaction = interaction.only().unwrap();
    assert_eq!(interaction.parent, None);
    let children = spans.children_of(interaction);
    assert_eq!(children.names(), ["llm_request", "tool", "tool"]);
    let failed = spans.filter(|span| span.error.is_some());
    assert_eq!(failed.names(), ["tool.execution"]);
    assert_eq!(
        events[1].span,
        Some((interaction.trace_id.clone(), interaction.id.clone()))
    );
}

#[test]
fn later_records_are_added_to_earlier_ones() {
    let telemetry = Telemetry::in_memory();
    let session = telemetry.session(Identity::new());
    for round in 1..=3 {
        session.record_lines_of_code(LinesOfCode::new().added(5));
        session.record_tool_decision(ToolDecision::new(
            "Read",
            Decision::Accept,
            DecisionSource::Config,
        ));
        assert_eq!(telemetry.events().len(), round);
        assert_eq!(
            telemetry.metrics().named("lines_of_code.count").total(),
            5.0 * round as f64
        );
    }
    let cumulative = InMemory::builder()
        .variable(
            "OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE",
            "cumulative",
        )
        .start();
    let session = cumulative.session(Identity::new());
    for round in 1..=3 {
        session.record_lines_of_code(LinesOfCode::new().added(5));
        let lines = cumulative.metrics().named("lines_of_code.count");
        assert_eq!(lines.total(), 5.0 * f64::from(round));
    }
}

#[test]
fn content_variables_apply_in_memory() {
    let seen = |variables: &[(&str, &str)]| {
        let builder = variables
            .iter()
            .fold(InMemory::builder(), |builder, (name, value)| {
                builder.variable(*name, *value)
            });
        let telemetry = builder.start();
        let prompt = telemetry.session(Identity::new()).prompt("secret plans");
        let tool = prompt.tool("Read");
        tool.executing();
        tool.finish(ToolOutcome::new().output(ToolOutput::new().content("a file")));
        prompt.end();
        telemetry.dump()
    };
    let redacted = seen(&[]);
    assert!(redacted.contains("prompt = \"<REDACTED>\""), "{redacted}");
    assert!(
        !redacted.contains("secret") && !redacted.contains("a file"),
        "{redacted}"
    );
    let full = seen(&[
        ("OTEL_LOG_USER_PROMPTS", "1"),
        ("OTEL_LOG_TOOL_CONTENT", "1"),
        ("OTEL_RESOURCE_ATTRIBUTES", "team=core"),
    ]);
    assert!(full.contains("prompt = \"secret plans\""), "{full}");
    assert!(full.contains("* tool.output\n"), "{full}");
    assert!(full.contains("team = \"core\""), "{full}");
}

#[test]
fn dump_is_reproducible_with_fixed_clock_and_ids() {
    let run = || {
        let telemetry = InMemory::builder()
            .service(Service::new("my-agent", "1.2.3"))
            .fixed()
            .start();
        record_turn(telemetry.telemetry(), |millis| {
            telemetry.advance(Duration::from_millis(millis));
        });
        telemetry.dump()
    };
    let dump = run();
    assert_eq!(dump, run());
    assert_eq!(dump, include_str!("in_memory.txt"));
}

#[test]
fn manual_clock_times_events_and_spans() {
    let start = UNIX_EPOCH + Duration::from_secs(1_700_000_000);
    let telemetry = InMemory::builder().clock(start).start();
    let prompt = telemetry.session(Identity::new()).prompt("hi");
    let request = prompt.llm_request(MODEL);
    telemetry.advance(Duration::from_millis(40));
    request.first_token();
    telemetry.advance(Duration::from_millis(60));
    request.finish(ApiRequest::new(MODEL));
    prompt.end();

    let spans = telemetry.spans();
    let span = spans.named("llm_request").only().unwrap().clone();
    assert_eq!(span.start, start);
    assert_eq!(span.duration, Duration::from_millis(100));
    assert_eq!(span.attributes["ttft_ms"], 40);
    assert_eq!(
        span.attributes["llm_request.context"],
        RequestContext::Interaction.as_str()
    );
    let events = telemetry.events();
    let event = events.named("api_request").only().unwrap().clone();
    assert_eq!(event.time, start + Duration::from_millis(100));
    assert_eq!(
        event.attributes["event.timestamp"],
        "2023-11-14T22:13:20.100Z"
    );
}

#[test]
fn error_of_only_states_the_number_of_items() {
    let telemetry = Telemetry::in_memory();
    let none = telemetry.events().only().unwrap_err();
    assert_eq!(none.to_string(), "expected one, but there is none");
    record_turn(telemetry.telemetry(), |_| {});
    let two = telemetry
        .events()
        .named("tool_decision")
        .only()
        .unwrap_err();
    assert!(
        two.to_string()
            .starts_with("expected one, but there are 2: "),
        "{two}"
    );
}

/// Returns the message with which a call panics.
#[track_caller]
fn panic_of<T>(call: impl FnOnce() -> T) -> String {
    let call = std::panic::AssertUnwindSafe(call);
    let payload = std::panic::catch_unwind(call).err().expect("no panic");
    payload.downcast_ref::<String>().unwrap().clone()
}

#[test]
fn unknown_names_panic_with_the_nearest_name_of_the_catalog() {
    let telemetry = InMemory::builder()
        .variable("OTEL_RESOURCE_ATTRIBUTES", "team=core")
        .start();
    record_turn(telemetry.telemetry(), |_| {});
    let (events, metrics, spans) = (telemetry.events(), telemetry.metrics(), telemetry.spans());
    for (message, expected) in [
        (
            panic_of(|| events.named("api_requst")),
            r#"event "api_requst"; did you mean "api_request"?"#,
        ),
        (
            panic_of(|| events.named("token.usage")),
            r#"event "token.usage": it is a metric, use metrics()"#,
        ),
        (
            panic_of(|| events.named("claude_code.cost.usage")),
            r#"event "claude_code.cost.usage": it is a metric, use metrics()"#,
        ),
        (
            panic_of(|| metrics.named("api_request")),
            r#"metric "api_request": it is an event, use events()"#,
        ),
        (
            panic_of(|| metrics.named("llm_request")),
            r#"metric "llm_request": it is a span, use spans()"#,
        ),
        (
            panic_of(|| metrics.named("claude_code.tokens.usage")),
            r#"metric "claude_code.tokens.usage"; did you mean "token.usage"?"#,
        ),
        (
            panic_of(|| spans.named("llm.request")),
            r#"span "llm.request"; did you mean "llm_request"?"#,
        ),
        (
            panic_of(|| events.with("desicion", "reject")),
            r#"attribute "desicion"; did you mean "decision"?"#,
        ),
        (
            panic_of(|| events.without("tool_inputs")),
            r#"attribute "tool_inputs"; did you mean "tool_input"?"#,
        ),
        (
            panic_of(|| events[0].attributes["promt"].clone()),
            r#"attribute "promt"; did you mean "prompt"?"#,
        ),
    ] {
        assert!(
            message.starts_with(&format!("the catalog has no {expected}")),
            "{message}"
        );
    }
    assert_eq!(
        panic_of(|| events.named("weather")),
        r#"the catalog has no event "weather""#
    );
    // Names of the catalog that were not emitted do not panic, nor do emitted keys that the catalog lacks.
    assert!(events.named("skill_activated").is_empty());
    assert_eq!(
        events[0].attributes["tool_input"],
        claude_code_telemetry::testing::Attribute::Missing
    );
    assert_eq!(events.with("team", "core").len(), events.len());
    assert!(events.without("team").is_empty());
}

#[test]
fn every_name_of_the_catalog_can_be_selected() {
    use claude_code_telemetry::catalog;
    let telemetry = Telemetry::in_memory();
    for event in catalog::EVENTS {
        assert!(telemetry.events().named(event.name).is_empty());
        assert!(telemetry.events().named(event.body).is_empty());
        for attribute in event.attributes {
            assert!(telemetry.events().without(attribute.name).is_empty());
        }
    }
    for metric in catalog::METRICS {
        assert!(telemetry.metrics().named(metric.name).is_empty());
    }
    for span in catalog::SPANS {
        assert!(telemetry.spans().named(span.name).is_empty());
        assert!(telemetry.spans().without("span.type").is_empty());
    }
}

#[test]
fn error_of_only_lists_the_items_before_the_selection() {
    let telemetry = Telemetry::in_memory();
    let none = telemetry.spans().only().unwrap_err().to_string();
    assert_eq!(none, "expected one, but there is none");
    record_turn(telemetry.telemetry(), |_| {});
    let events = telemetry.events();
    let skill = events.named("skill_activated").only().unwrap_err();
    assert_eq!(
        skill.to_string(),
        "expected one, but there is none; before the selection there were 5: api_request (1), tool_decision (2), \
         tool_result (1), user_prompt (1)"
    );
    let decisions = events.named("tool_decision").only().unwrap_err();
    assert_eq!(
        decisions.to_string(),
        "expected one, but there are 2: claude_code.tool_decision (2)"
    );
}

#[test]
fn status_of_a_failed_request_may_be_missing() {
    let telemetry = Telemetry::in_memory();
    let session = telemetry.telemetry().session(Identity::new());
    for status in [Some(529), None] {
        session.record_api_error(ApiError::new(MODEL, "the request failed").status_code(status));
    }
    let events = telemetry.events();
    let statuses: Vec<_> = events
        .iter()
        .map(|event| &event.attributes["status_code"])
        .collect();
    assert_eq!(statuses, ["529", "undefined"]);
}

#[test]
#[cfg(all(feature = "grpc", feature = "prometheus", feature = "providers"))]
fn nothing_is_sent_or_served_whatever_exporters_the_variables_name() {
    use opentelemetry::logs::{LogRecord, Logger, LoggerProvider};
    use opentelemetry::metrics::MeterProvider;
    use opentelemetry::trace::{Span, Tracer, TracerProvider};

    use crate::host::Protocol;
    use claude_code_telemetry::Exporter;
    use claude_code_telemetry::testing::InMemoryBuilder;

    let receiver = Protocol::Grpc.receiver();
    let variables = [
        ("OTEL_METRICS_EXPORTER", "otlp,console,prometheus"),
        ("OTEL_LOGS_EXPORTER", "otlp,console"),
        ("OTEL_TRACES_EXPORTER", "otlp,console"),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", &receiver.endpoint()),
        ("OTEL_EXPORTER_PROMETHEUS_PORT", "0"),
    ];
    let set =
        |builder, (name, value): &(&str, &str)| InMemoryBuilder::variable(builder, *name, *value);
    let telemetry = variables.iter().fold(InMemory::builder(), set).start();
    let providers = telemetry.providers();
    let meter = providers.meter_provider().meter("host");
    meter.u64_counter("hits").build().add(1, &[]);
    let logger = providers.logger_provider().logger("host");
    let mut record = logger.create_log_record();
    record.set_event_name("cleared");
    logger.emit(record);
    let mut span = providers.tracer_provider().tracer("host").start("compile");
    assert!(!span.is_recording());
    span.end();
    telemetry.session(Identity::new()).prompt("hi").end();

    let report = telemetry.shutdown();
    assert!(report.is_complete(), "{report}");
    assert!(
        report
            .exporters
            .iter()
            .all(|health| health.exporter == Exporter::Otlp)
    );
    assert_eq!(telemetry.events().names(), ["user_prompt"]);
    assert!(receiver.received().is_empty());
}
