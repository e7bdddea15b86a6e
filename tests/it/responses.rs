//! Records of requests, made from responses of the Messages API, whole and streamed, and their cost.
#![cfg(feature = "testing")]

use claude_code_telemetry::{
    ApiRequest, Config, Identity, Price, Prices, PricesError, Service, Speed, StreamedResponse,
    Telemetry, TokenUsage,
};
use proptest::prelude::*;

use crate::host::start_with_diagnostics;

const MODEL: &str = "claude-sonnet-4-6";

const RESPONSE: &str = r#"{
    "id": "msg_01", "type": "message", "role": "assistant", "model": "claude-sonnet-4-6-20260217",
    "content": [
        {"type": "text", "text": "Let me look."},
        {"type": "tool_use", "id": "toolu_01", "name": "Bash", "input": {"usage": {"input_tokens": 9}}}
    ],
    "stop_reason": "tool_use", "stop_sequence": null,
    "usage": {
        "input_tokens": 1200, "output_tokens": 86,
        "cache_read_input_tokens": 4000, "cache_creation_input_tokens": 300,
        "cache_creation": {"ephemeral_5m_input_tokens": 100, "ephemeral_1h_input_tokens": 200},
        "service_tier": "standard", "speed": "fast"
    }
}"#;

const STREAM: &str = r#"event: message_start
data: {"type":"message_start","message":{"id":"msg_01","type":"message","model":"claude-sonnet-4-6-20260217","content":[],"stop_reason":null,"usage":{"input_tokens":1200,"cache_read_input_tokens":4000,"cache_creation_input_tokens":300,"cache_creation":{"ephemeral_5m_input_tokens":100,"ephemeral_1h_input_tokens":200},"output_tokens":1,"speed":"fast"}}}

event: ping
data: {"type": "ping"}

: a comment
event: content_block_start
data: {"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}

event: content_block_delta
data: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"é — ✓"}}

event: content_block_start
data: {"type":"content_block_start","index":1,
data: "content_block":{"type":"tool_use","id":"toolu_01","name":"Bash","input":{}}}

event: message_delta
data: {"type":"message_delta","delta":{"stop_reason":null},"usage":{"output_tokens":40}}

event: message_delta
data: {"type":"message_delta","delta":{"stop_reason":"tool_use","stop_sequence":null},"usage":{"input_tokens":1200,"output_tokens":86}}

event: message_stop
data: {"type":"message_stop"}

"#;

/// The record that both the response and the stream state.
fn expected() -> ApiRequest {
    let usage = TokenUsage::new()
        .input(1_200)
        .output(86)
        .cache_read(4_000)
        .cache_creation(300)
        .cache_creation_1h(200);
    ApiRequest::new("claude-sonnet-4-6-20260217")
        .requested_model(MODEL)
        .tokens(usage)
        .speed(Speed::Fast)
        .stop_reason("tool_use")
        .has_tool_call(true)
}

#[test]
fn response_states_model_tokens_speed_stop_reason_and_tool_calls() {
    assert_eq!(ApiRequest::from_response(MODEL, RESPONSE), expected());
    assert_eq!(
        ApiRequest::from_response(MODEL, RESPONSE.as_bytes()),
        expected()
    );

    let telemetry = Telemetry::in_memory();
    let session = telemetry.telemetry().session(Identity::new());
    let request = session.llm_request(MODEL);
    request.finish(ApiRequest::from_response(MODEL, RESPONSE).cost_usd(0.5));
    let events = telemetry.events();
    let event = events.only().unwrap();
    assert_eq!(event.attributes["model"], "claude-sonnet-4-6-20260217");
    assert_eq!(event.attributes["input_tokens"], 1_200);
    assert_eq!(event.attributes["cache_creation_tokens"], 300);
    assert_eq!(event.attributes["speed"], "fast");
    let tokens = telemetry.metrics().named("token.usage");
    assert_eq!(tokens.with("model", MODEL).total(), 5_586.0);
    let spans = telemetry.spans();
    let span = spans.only().unwrap();
    assert_eq!(span.attributes["stop_reason"], "tool_use");
    assert_eq!(span.attributes["response.has_tool_call"], true);
    assert_eq!(span.attributes["cache_creation_tokens"], 300);
}

#[test]
fn members_that_are_missing_or_unexpected_are_left_out() {
    let requested = || ApiRequest::new(MODEL);
    let input = |count| TokenUsage::new().input(count);
    for (response, expected) in [
        ("", requested()),
        ("null", requested()),
        ("[1,2]", requested()),
        ("not JSON", requested()),
        ("{}", requested()),
        (r#"{"model":""}"#, requested()),
        (
            r#"{"model":7,"stop_reason":[],"usage":"none","content":{}}"#,
            requested(),
        ),
        (r#"{"stop_reason":""}"#, requested()),
        (
            r#"{"usage":{"input_tokens":-5,"output_tokens":1.5,"cache_read_input_tokens":null}}"#,
            requested(),
        ),
        (
            r#"{"usage":{"input_tokens":99999999999999999999}}"#,
            requested(),
        ),
        (
            r#"{"usage":{"input_tokens":18446744073709551615}}"#,
            requested().tokens(input(u64::MAX)),
        ),
        (
            r#"{"usage":{"input_tokens":5},"content":[]}"#,
            requested().tokens(input(5)).has_tool_call(false),
        ),
        (
            r#"{"content":[{"type":"server_tool_use"}]}"#,
            requested().has_tool_call(false),
        ),
        (
            r#"{"content":[7,null,[{"type":"tool_use"}]]}"#,
            requested().has_tool_call(false),
        ),
        (
            r#"{"error":{"type":"overloaded_error","message":"m"}}"#,
            requested(),
        ),
        // Members before a syntax error are used.
        (
            r#"{"usage":{"input_tokens":5},"model":"#,
            requested().tokens(input(5)),
        ),
        (r#"{"usage":{"speed":"standard"}}"#, requested()),
    ] {
        let request = ApiRequest::from_response(MODEL, response);
        assert_eq!(request, expected, "{response}");
    }
    let invalid = [b'{', 0xff, 0xfe];
    assert_eq!(ApiRequest::from_response(MODEL, invalid), requested());
}

#[test]
fn large_and_deeply_nested_responses_are_read() {
    let usage = r#""usage":{"input_tokens":5}"#;
    let text = "x".repeat(8 * 1024 * 1024);
    let response = format!(r#"{{"content":[{{"type":"text","text":"{text}"}}],{usage}}}"#);
    let expected = ApiRequest::new(MODEL).tokens(TokenUsage::new().input(5));
    assert_eq!(
        ApiRequest::from_response(MODEL, response),
        expected.clone().has_tool_call(false)
    );

    // The usage before the deeply nested value is read, and the model after it is not.
    let depth = 1_000_000;
    let (open, close) = ("[".repeat(depth), "]".repeat(depth));
    let response = format!(r#"{{{usage},"content":{open}{close},"model":"unread"}}"#);
    assert_eq!(
        ApiRequest::from_response(MODEL, response),
        expected.has_tool_call(false)
    );
}

#[test]
fn stream_states_the_same_as_a_response_wherever_it_is_divided() {
    let ends = ["\n", "\r\n", "\r"].map(|end| STREAM.replace('\n', end));
    for stream in &ends {
        for size in [1, 2, 3, 7, 64, stream.len()] {
            let mut response = StreamedResponse::new(MODEL);
            let mut first_tokens = Vec::new();
            let mut read = 0;
            for chunk in stream.as_bytes().chunks(size) {
                read += chunk.len();
                if response.push(chunk) {
                    first_tokens.push(read);
                }
            }
            assert_eq!(response.into_request(), expected(), "{size}");
            // `push` returns true once: for the chunk with the end of the first event `content_block_start`.
            let start = stream.find("content_block_start").unwrap();
            let next = stream.find("event: content_block_delta").unwrap();
            assert_eq!(first_tokens.len(), 1);
            assert!(first_tokens[0] > start && first_tokens[0] < next + size);
        }
    }
}

#[test]
fn events_that_a_client_has_separated_are_read() {
    let mut response = StreamedResponse::new(MODEL);
    let events = STREAM.split("\n\n").filter_map(|event| {
        let data: Vec<_> = event
            .lines()
            .filter_map(|line| line.strip_prefix("data:"))
            .collect();
        (!data.is_empty()).then(|| data.join("\n"))
    });
    let first: Vec<bool> = events.map(|data| response.event(&data)).collect();
    assert_eq!(first.iter().filter(|first| **first).count(), 1);
    // The third event is the first `content_block_start`.
    assert!(first[2]);
    for (name, value) in [
        ("content-type", "text/event-stream"),
        ("Request-Id", "req_011"),
    ] {
        response.header(name, value);
    }
    assert_eq!(response.into_request(), expected().request_id("req_011"));
}

#[test]
fn oversized_event_is_skipped_and_the_next_one_is_read() {
    let mut response = StreamedResponse::new(MODEL);
    response.push("data: {\"usage\":{\"input_tokens\":5},\"x\":\"");
    // One MiB more than the limit of an event.
    for _ in 0..17 {
        response.push(vec![b'x'; 1024 * 1024]);
    }
    // Another line of the same event.
    response.push("\"}\ndata: {\"usage\":{\"input_tokens\":6}}\n");
    response.push("\ndata: {\"usage\":{\"output_tokens\":7}}\n\n");
    let usage = TokenUsage::new().output(7);
    assert_eq!(
        response.into_request(),
        ApiRequest::new(MODEL).tokens(usage)
    );
}

proptest! {
    #[test]
    fn any_bytes_give_a_record(bytes: Vec<u8>, size in 1_usize..9) {
        ApiRequest::from_response(MODEL, &bytes);
        let mut response = StreamedResponse::new(MODEL);
        for chunk in bytes.chunks(size) {
            response.push(chunk);
            response.push(b"\ndata:");
        }
        response.into_request();
    }

    #[test]
    fn damaged_response_gives_a_record(at in 0..RESPONSE.len(), byte: u8) {
        let mut response = RESPONSE.as_bytes().to_vec();
        response[at] = byte;
        ApiRequest::from_response(MODEL, &response);
        ApiRequest::from_response(MODEL, &response[..at]);
    }
}

#[test]
fn cached_tokens_are_subtracted_from_an_inclusive_input() {
    let usage = TokenUsage::new()
        .input(1_500)
        .cache_read(1_000)
        .cache_creation(100)
        .output(20);
    assert_eq!(
        ApiRequest::from_usage("gpt-5", usage),
        ApiRequest::new("gpt-5").tokens(usage.input(400))
    );
    let odd = TokenUsage::new()
        .input(10)
        .cache_read(u64::MAX)
        .cache_creation(1);
    assert_eq!(
        ApiRequest::from_usage("gpt-5", odd),
        ApiRequest::new("gpt-5").tokens(odd.input(0))
    );
}

const PRICES: &str = r#"{
    "date": "2026-11-30",
    "models": {
        "claude-sonnet-4": {
            "input": 3, "output": 15, "cache_read": 0.3, "cache_write_5m": 3.75, "cache_write_1h": 6
        },
        "claude-sonnet": {"input": 30, "output": 150},
        "gpt-5": {"input": 1.25, "output": 10, "cache_read": 0.125}
    }
}"#;

#[test]
fn cost_follows_from_the_longest_prefix_and_the_kinds_of_tokens() {
    let prices = Prices::from_json(PRICES).unwrap();
    let same = Prices::new()
        .model(
            "claude-sonnet-4",
            Price::new(3.0, 15.0)
                .cache_read(0.3)
                .cache_write_5m(3.75)
                .cache_write_1h(6.0),
        )
        .model("claude-sonnet", Price::new(30.0, 150.0))
        .model("gpt-5", Price::new(1.25, 10.0).cache_read(0.125));
    assert_eq!(prices, same);

    let usage = TokenUsage::new()
        .input(1_000_000)
        .output(2_000_000)
        .cache_read(10_000_000)
        .cache_creation(3_000_000)
        .cache_creation_1h(1_000_000);
    for (model, cost) in [
        ("claude-sonnet-4-6", Some(3.0 + 30.0 + 3.0 + 7.5 + 6.0)),
        // A price of cached tokens that is not set is that of the input.
        ("claude-sonnet-3", Some(30.0 + 300.0 + 300.0 + 60.0 + 30.0)),
        ("gpt-5-mini", Some(1.25 + 20.0 + 1.25 + 2.5 + 1.25)),
        ("claude", None),
        ("", None),
    ] {
        assert_eq!(prices.cost_usd(model, usage), cost, "{model}");
    }
    // A count for 1 hour that exceeds all cache-creation tokens counts as all of them.
    let odd = TokenUsage::new()
        .cache_creation(1_000_000)
        .cache_creation_1h(u64::MAX);
    assert_eq!(prices.cost_usd("claude-sonnet-4-6", odd), Some(6.0));
}

#[test]
fn invalid_prices_are_rejected_with_the_reason() {
    for json in ["", "[]", "{}", r#"{"models":{"m":{"input":1}}}"#] {
        let error = Prices::from_json(json).unwrap_err();
        assert!(matches!(error, PricesError::Json(_)), "{json}: {error}");
    }
    let misspelled = r#"{"models":{"m":{"input":1,"output":1,"cache_writes":2}}}"#;
    let error = Prices::from_json(misspelled).unwrap_err().to_string();
    assert!(error.contains("cache_writes"), "{error}");
    let negative = r#"{"models":{"m":{"input":1,"output":-2}}}"#;
    let error = Prices::from_json(negative).unwrap_err().to_string();
    assert!(error.contains("-2") && error.contains("\"m\""), "{error}");
    let negative = r#"{"input":1,"output":1,"cache_read":-0.5}"#;
    let error = serde_json::from_str::<Price>(negative).unwrap_err();
    assert!(
        error.to_string().contains("the price -0.5 is negative"),
        "{error}"
    );
}

#[test]
fn example_table_of_prices_is_valid() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/prices.json");
    let prices = Prices::from_json(std::fs::read(path).unwrap()).unwrap();
    let usage = TokenUsage::new().input(1_000_000);
    assert_eq!(prices.cost_usd("claude-sonnet-4-6", usage), Some(3.0));
}

#[test]
fn requests_without_a_cost_are_counted_and_each_model_is_reported_once() {
    let config = Config::builder()
        .environment([
            ("CLAUDE_CODE_ENABLE_TELEMETRY", "1"),
            ("OTEL_METRICS_EXPORTER", "console"),
            ("OTEL_LOGS_EXPORTER", "console"),
        ])
        .build();
    let builder =
        Telemetry::builder(config, Service::new("agent", "1.0")).console_writer(std::io::sink());
    let (telemetry, diagnostics) = start_with_diagnostics(builder);
    let session = telemetry.session(Identity::new().user_id("kim"));
    let prices = Prices::new().model("priced", Price::new(1.0, 1.0));
    let usage = TokenUsage::new().input(5);
    let request = |model: &'static str| ApiRequest::new(model).tokens(usage).priced(&prices);
    session.record_api_request(request("priced-1"));
    session.record_api_request(request("priced-1").cost_usd(0.0));
    assert_eq!(telemetry.health().requests_without_cost, 0);
    for _ in 0..3 {
        session.record_api_request(request("odd-1"));
        session.record_api_request_event(request("odd-2"));
    }
    session.llm_request("odd-1").finish(request("odd-1"));
    assert_eq!(telemetry.health().requests_without_cost, 7);
    let report = telemetry.shutdown();
    assert_eq!(report.requests_without_cost, 7);
    let text = report.to_string();
    let line = "7 requests were sent with cost 0, because their cost is not known";
    assert!(text.lines().any(|shown| shown == line), "{text}");
    assert!(report.is_complete());
    let mut messages = diagnostics.all();
    messages.sort();
    let of = |model: &str| {
        format!(
            "the cost of requests to the model {model:?} is not known and sent as 0; set it with ApiRequest::cost_usd, or add a price for this model to Prices"
        )
    };
    assert_eq!(messages, [of("odd-1"), of("odd-2")]);
}

#[test]
fn cost_is_not_missed_where_none_is_sent() {
    let environment = [
        ("CLAUDE_CODE_ENABLE_TELEMETRY", "1"),
        ("CLAUDE_CODE_ENHANCED_TELEMETRY_BETA", "1"),
        ("OTEL_TRACES_EXPORTER", "console"),
    ];
    for environment in [
        environment,
        [
            environment[0],
            environment[1],
            ("OTEL_METRICS_EXPORTER", "console"),
        ],
    ] {
        let config = Config::builder().environment(environment).build();
        let builder = Telemetry::builder(config, Service::new("agent", "1.0"));
        let telemetry = builder.console_writer(std::io::sink()).start();
        let session = telemetry.session(Identity::new().user_id("kim"));
        // An event, which neither exporter takes.
        session.record_api_request_event(ApiRequest::new("m"));
        session.record_api_request_event(ApiRequest::new("m").cost_usd(-1.0));
        if environment[2].0 == "OTEL_TRACES_EXPORTER" {
            session.llm_request("m").finish(ApiRequest::new("m"));
        }
        let health = telemetry.health();
        assert_eq!(health.requests_without_cost, 0, "{environment:?}");
        assert_eq!(health.invalid_measurements, 0, "{environment:?}");
    }
}

#[test]
fn cost_without_tokens_and_in_fast_mode_is_unknown() {
    let prices = Prices::new().model("m", Price::new(1.0, 1.0));
    let tokens = TokenUsage::new().input(5);
    for request in [
        ApiRequest::new("m"),
        ApiRequest::new("m").tokens(tokens).speed(Speed::Fast),
    ] {
        assert_eq!(request.clone().priced(&prices), request);
    }
    let priced = ApiRequest::new("m").tokens(tokens).priced(&prices);
    assert_eq!(
        priced,
        ApiRequest::new("m").tokens(tokens).cost_usd(0.000_005)
    );
}

#[test]
fn unknown_cost_is_sent_as_zero() {
    let telemetry = Telemetry::in_memory();
    let session = telemetry.telemetry().session(Identity::new());
    session.record_api_request(ApiRequest::new(MODEL).tokens(TokenUsage::new().input(5)));
    assert_eq!(
        telemetry.events().only().unwrap().attributes["cost_usd"],
        0.0
    );
    assert_eq!(telemetry.metrics().named("cost.usage").total(), 0.0);
    assert_eq!(telemetry.metrics().named("cost.usage").len(), 1);
}
