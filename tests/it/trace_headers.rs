//! The headers of a host's HTTP requests carry the trace context of the request or of the tool.
#![cfg(feature = "http")]

use ::http::{HeaderMap, Request};
use claude_code_telemetry::{ApiRequest, Identity, Telemetry, ToolOutcome};

use crate::support::Receiver;
use crate::traces::Host;

/// The values of the variable `TRACEPARENT`: the parent of the interaction.
const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
const UNSAMPLED: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00";
/// The context of another trace, which the headers of a request already contain.
const STALE: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

/// Returns the values of the headers `traceparent` and `tracestate`.
fn context(headers: &HeaderMap) -> [Vec<&str>; 2] {
    ["traceparent", "tracestate"].map(|name| {
        let values = headers.get_all(name).iter();
        values.map(|value| value.to_str().unwrap()).collect()
    })
}

/// Returns a request with headers of another trace, each of them twice.
fn stale() -> Request<()> {
    let mut request =
        Request::post("http://localhost/v1/messages").header("content-type", "application/json");
    for _ in 0..2 {
        request = request
            .header("traceparent", STALE)
            .header("tracestate", "other=1");
    }
    request.body(()).unwrap()
}

#[test]
fn headers_carry_the_span_of_their_handle() {
    let host = Host::with([("TRACEPARENT", PARENT), ("TRACESTATE", "rojo=1")]);
    let prompt = host.non_interactive_session().prompt("hi");
    let [mut of_prompt, mut of_request] = [stale(), stale()];
    let [mut of_waiting, mut of_execution] = [stale(), stale()];
    let recorder = prompt.recorder();
    recorder.inject_headers(of_prompt.headers_mut());
    let request = prompt.llm_request("m");
    request.inject_headers(of_request.headers_mut());
    request.finish(ApiRequest::new("m"));
    let tool = prompt.tool("WebFetch");
    tool.inject_headers(of_waiting.headers_mut());
    tool.executing();
    tool.inject_headers(of_execution.headers_mut());
    tool.finish(ToolOutcome::new());
    prompt.end();

    let spans = host.spans();
    for (request, span) in [
        (of_prompt, "interaction"),
        (of_request, "llm_request"),
        (of_waiting, "tool"),
        (of_execution, "tool.execution"),
    ] {
        let span = spans.one(span);
        let expected = format!("00-{}-{}-01", span.trace_id, span.span_id);
        assert_eq!(
            context(request.headers()),
            [vec![&*expected], vec!["rojo=1"]]
        );
        assert_eq!(request.headers()["content-type"], "application/json");
    }
}

#[test]
fn tracestate_of_another_context_is_removed() {
    let host = Host::new();
    let prompt = host.session().prompt("hi");
    let mut headers = stale().headers().clone();
    let request = prompt.llm_request("m");
    request.inject_headers(&mut headers);
    request.finish(ApiRequest::new("m"));
    prompt.end();

    let spans = host.spans();
    let span = spans.one("llm_request");
    let expected = format!("00-{}-{}-01", span.trace_id, span.span_id);
    assert_eq!(context(&headers), [vec![&*expected], vec![]]);
}

#[test]
fn headers_of_an_unsampled_trace_say_so() {
    let host = Host::with([("TRACEPARENT", UNSAMPLED), ("TRACESTATE", "rojo=1")]);
    let prompt = host.non_interactive_session().prompt("hi");
    let mut headers = HeaderMap::new();
    let request = prompt.llm_request("m");
    request.inject_headers(&mut headers);
    assert_eq!(context(&headers), [vec![UNSAMPLED], vec!["rojo=1"]]);
    request.finish(ApiRequest::new("m"));
    prompt.end();
    host.shut_down();
}

#[test]
fn headers_are_unchanged_when_tracing_is_off() {
    let host = Host::with([
        ("CLAUDE_CODE_ENHANCED_TELEMETRY_BETA", "0"),
        ("TRACEPARENT", PARENT),
    ]);
    for session in [
        host.non_interactive_session(),
        Telemetry::disabled().session(Identity::new()),
    ] {
        let mut headers = stale().headers().clone();
        let prompt = session.prompt("hi");
        let request = prompt.llm_request("m");
        request.inject_headers(&mut headers);
        request.finish(ApiRequest::new("m"));
        let tool = prompt.tool("WebFetch");
        tool.executing();
        tool.inject_headers(&mut headers);
        tool.finish(ToolOutcome::new());
        prompt.recorder().inject_headers(&mut headers);
        session.recorder().inject_headers(&mut headers);
        assert_eq!(&headers, stale().headers());
    }
    host.shut_down();
}

#[test]
fn every_attempt_of_a_reqwest_request_carries_the_span() {
    let api = Receiver::http();
    let host = Host::new();
    let prompt = host.session().prompt("hi");
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let mut attempt = client
        .post(api.url("/v1/messages"))
        .body("{}")
        .build()
        .unwrap();
    let request = prompt.llm_request("m");
    request.inject_headers(attempt.headers_mut());
    let mut again = attempt.try_clone().unwrap();
    request.retry();
    request.inject_headers(again.headers_mut());
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    for attempt in [attempt, again] {
        runtime.block_on(client.execute(attempt)).unwrap();
    }
    request.finish(ApiRequest::new("m").attempt(2));
    prompt.end();

    let spans = host.spans();
    let span = spans.one("llm_request");
    let expected = format!("00-{}-{}-01", span.trace_id, span.span_id);
    let sent = api.received().requests;
    let sent: Vec<_> = sent
        .iter()
        .map(|request| &*request.headers["traceparent"])
        .collect();
    assert_eq!(sent, [&*expected, &*expected]);
}
