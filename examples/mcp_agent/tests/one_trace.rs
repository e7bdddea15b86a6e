//! A prompt, its model request, the MCP servers over stdio and HTTP that it calls, and a child process are one trace.
//! Each of their failures is recorded.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use claude_code_telemetry::{Config, Prompt, Service, SessionOptions, Telemetry};
use mcp_agent::server::Server;
use rmcp::ServiceExt;
use rmcp::transport::StreamableHttpClientTransport;
use rmcp::transport::streamable_http_client::StreamableHttpClientTransportConfig;
use rmcp::transport::streamable_http_server::StreamableHttpService;
use rmcp::transport::streamable_http_server::session::local::LocalSessionManager;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::process::Command;

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const PARENT: &str = "b7ad6b7169203331";
const STATE: &str = "rojo=1";

/// The requests that the servers of the test received.
#[derive(Clone, Default)]
struct Received {
    /// The trace headers of each model request.
    requests: Arc<Mutex<Vec<Value>>>,
    /// The requests of the OTLP exporters.
    exports: Arc<Mutex<Vec<Value>>>,
}

/// Serves the model's API, an MCP server and an OTLP receiver. Returns the base URL.
async fn serve(received: &Received) -> String {
    let (requests, exports) = (received.requests.clone(), received.exports.clone());
    let model = move |headers: HeaderMap| async move {
        let header = |name| headers.get(name).map(|value| value.to_str().unwrap());
        let context =
            json!({"traceparent": header("traceparent"), "tracestate": header("tracestate")});
        requests.lock().unwrap().push(context);
        json!({"model": "claude-sonnet-4-6", "usage": {"input_tokens": 5, "output_tokens": 2}})
            .to_string()
    };
    let receiver = move |body: Bytes| async move {
        let export = serde_json::from_slice(&body).unwrap();
        exports.lock().unwrap().push(export);
        "{}"
    };
    let mcp = StreamableHttpService::new(
        || Ok(Server),
        Arc::<LocalSessionManager>::default(),
        Default::default(),
    );
    let router = Router::new()
        .route("/v1/messages", post(model))
        .route(
            "/overloaded",
            post(|| async { StatusCode::SERVICE_UNAVAILABLE }),
        )
        .route("/v1/traces", post(receiver.clone()))
        .route("/v1/logs", post(receiver))
        .nest_service("/mcp", mcp);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await });
    format!("http://{address}")
}

/// The trace contexts that arrived outside the agent's process.
struct Arrived {
    model: Value,
    stdio: Value,
    http: Value,
    child: Value,
    spans: Vec<Value>,
}

/// Starts telemetry that sends the signal of the variable `exporter` to the receiver. `tracing` is 1 if it is on.
fn start(url: &str, exporter: &str, tracing: &str) -> Telemetry {
    let config = Config::builder().environment([
        ("CLAUDE_CODE_ENABLE_TELEMETRY", "1"),
        ("CLAUDE_CODE_ENHANCED_TELEMETRY_BETA", tracing),
        (exporter, "otlp"),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/json"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", url),
        ("OTEL_LOG_TOOL_DETAILS", "1"),
        ("CLAUDE_CODE_OTEL_SHUTDOWN_TIMEOUT_MS", "60000"),
        ("TRACEPARENT", &format!("00-{TRACE}-{PARENT}-01")),
        ("TRACESTATE", STATE),
    ]);
    Telemetry::start(config.build(), Service::new("mcp-agent", "0.0.0"))
}

/// Begins a prompt of a session without a user.
fn begin(telemetry: &Telemetry) -> Prompt {
    let session = telemetry.session(SessionOptions::new().interactive(false));
    session.prompt("What is the weather?")
}

fn client() -> reqwest::Client {
    reqwest::Client::builder().no_proxy().build().unwrap()
}

/// Runs one turn of the agent.
async fn turn(tracing: &str) -> Arrived {
    let received = Received::default();
    let url = serve(&received).await;
    let telemetry = start(&url, "OTEL_TRACES_EXPORTER", tracing);
    let prompt = begin(&telemetry);

    let client = client();
    mcp_agent::ask(&prompt, &client, &format!("{url}/v1/messages"))
        .await
        .unwrap();

    let program = Path::new(env!("CARGO_BIN_EXE_mcp_server"));
    let local = mcp_agent::start_server(&prompt, program).await.unwrap();
    let stdio = mcp_agent::call_tool(&prompt, &local, "local", "report")
        .await
        .unwrap();
    local.cancel().await.unwrap();

    let transport = StreamableHttpClientTransport::with_client(
        client,
        StreamableHttpClientTransportConfig::with_uri(format!("{url}/mcp")),
    );
    let remote = ().serve(transport).await.unwrap();
    let http = mcp_agent::call_tool(&prompt, &remote, "remote", "report")
        .await
        .unwrap();
    remote.cancel().await.unwrap();

    let command = Command::new(env!("CARGO_BIN_EXE_child"));
    let child = mcp_agent::run(&prompt, command).await.unwrap();

    prompt.end();
    let report = telemetry.shutdown_async().await;
    assert!(report.is_complete(), "{report}");
    let spans = spans(&received.exports.lock().unwrap());
    let model = received.requests.lock().unwrap().remove(0);
    Arrived {
        model,
        stdio: stdio.structured_content.unwrap(),
        http: http.structured_content.unwrap(),
        child: serde_json::from_slice(&child.stdout).unwrap(),
        spans,
    }
}

/// Returns the spans of all requests.
fn spans(exports: &[Value]) -> Vec<Value> {
    items(exports, ["resourceSpans", "scopeSpans", "spans"])
}

/// Returns the items of all requests: those of the third list, within the second, within the first.
fn items(exports: &[Value], [outer, inner, last]: [&str; 3]) -> Vec<Value> {
    let members = |parent: &Value, name: &str| parent[name].as_array().unwrap().clone();
    let resources = exports.iter().flat_map(|export| members(export, outer));
    let scopes = resources.flat_map(|resource| members(&resource, inner));
    scopes.flat_map(|scope| members(&scope, last)).collect()
}

/// Returns the trace context that a child of the span receives.
fn context_of(span: &Value) -> Value {
    let id = span["spanId"].as_str().unwrap();
    json!({"traceparent": format!("00-{TRACE}-{id}-01"), "tracestate": STATE})
}

/// Returns the only span that meets a condition.
fn only(spans: &[Value], condition: impl Fn(&Value) -> bool) -> &Value {
    let found: Vec<_> = spans.iter().filter(|span| condition(span)).collect();
    assert_eq!(found.len(), 1, "{spans:#?}");
    found[0]
}

#[tokio::test]
async fn model_mcp_servers_and_child_process_continue_the_trace_of_the_prompt() {
    let arrived = turn("1").await;
    let spans = &arrived.spans[..];
    for span in spans {
        assert_eq!(span["traceId"], TRACE);
    }
    let child = |parent: &str, name: &str| {
        only(spans, |span| {
            span["parentSpanId"] == *parent && span["name"] == *name
        })
    };
    let id = |span: &Value| span["spanId"].as_str().unwrap().to_owned();
    let interaction = child(PARENT, "claude_code.interaction");
    let request = child(&id(interaction), "claude_code.llm_request");
    let execution = |tool: &str| {
        let name = json!({"key": "tool_name", "value": {"stringValue": tool}});
        let call = only(spans, |span| {
            span["name"] == "claude_code.tool"
                && span["attributes"].as_array().unwrap().contains(&name)
        });
        assert_eq!(call["parentSpanId"], interaction["spanId"]);
        child(&id(call), "claude_code.tool.execution")
    };

    assert_eq!(arrived.model, context_of(request));
    // The process of the server belongs to the prompt, each call to its tool.
    assert_eq!(arrived.stdio["process"], context_of(interaction));
    let of_tool = |tool: &str| context_of(execution(tool));
    assert_eq!(arrived.stdio["call"], of_tool("mcp__local__report"));
    assert_eq!(arrived.http["call"], of_tool("mcp__remote__report"));
    assert_eq!(arrived.child, of_tool("Bash"));
}

#[tokio::test]
async fn nothing_is_injected_when_tracing_is_off() {
    let arrived = turn("0").await;
    let none = json!({"traceparent": null, "tracestate": null});
    assert_eq!(arrived.spans, Vec::<Value>::new());
    assert_eq!(arrived.model, none);
    assert_eq!(arrived.stdio["call"], none);
    assert_eq!(arrived.http["call"], none);
    // The child processes inherit the environment of this process.
    let inherited = mcp_agent::server::environment();
    assert_eq!(arrived.stdio["process"], inherited);
    assert_eq!(arrived.child, inherited);
}

/// Records the failures of an agent. Returns the attributes of their events, in order.
async fn failures() -> Vec<BTreeMap<String, String>> {
    let received = Received::default();
    let url = serve(&received).await;
    let telemetry = start(&url, "OTEL_LOGS_EXPORTER", "0");
    let prompt = begin(&telemetry);

    let client = client();
    let overloaded = format!("{url}/overloaded?key=CANARY");
    mcp_agent::ask(&prompt, &client, &overloaded)
        .await
        .unwrap_err();
    // Nothing listens on this port.
    let unreachable = "http://127.0.0.1:1/?key=CANARY";
    mcp_agent::ask(&prompt, &client, unreachable)
        .await
        .unwrap_err();

    let program = Path::new(env!("CARGO_BIN_EXE_mcp_server"));
    let server = mcp_agent::start_server(&prompt, program).await.unwrap();
    let refused = mcp_agent::call_tool(&prompt, &server, "local", "refuse").await;
    assert_eq!(refused.unwrap().is_error, Some(true));
    mcp_agent::call_tool(&prompt, &server, "local", "unknown")
        .await
        .unwrap_err();
    let peer = server.peer().clone();
    server.cancel().await.unwrap();
    mcp_agent::call_tool(&prompt, &peer, "local", "report")
        .await
        .unwrap_err();

    let mut command = Command::new(env!("CARGO_BIN_EXE_child"));
    command.arg("fail");
    let output = mcp_agent::run(&prompt, command).await.unwrap();
    assert!(!output.status.success());
    mcp_agent::run(&prompt, Command::new("/no/such/program"))
        .await
        .unwrap_err();

    prompt.end();
    let report = telemetry.shutdown_async().await;
    assert!(report.is_complete(), "{report}");
    let exports = received.exports.lock().unwrap();
    let texts = |event: &Value| {
        let attributes = event["attributes"].as_array().unwrap().iter();
        let texts = attributes.filter_map(|attribute| {
            let text = attribute["value"]["stringValue"].as_str()?;
            Some((attribute["key"].as_str()?.to_owned(), text.to_owned()))
        });
        texts.collect()
    };
    let events = items(&exports, ["resourceLogs", "scopeLogs", "logRecords"]);
    events.iter().map(texts).collect()
}

#[tokio::test]
async fn failures_are_recorded_without_urls_and_without_texts_of_the_server() {
    let events = failures().await;
    let named = |name: &str, keys: [&str; 2]| -> Vec<_> {
        let named = events.iter().filter(|event| event["event.name"] == name);
        named
            .map(|event| keys.map(|key| event.get(key).map_or("", String::as_str)))
            .collect()
    };
    assert_eq!(
        named("api_error", ["status_code", "error"]),
        [
            ["503", "HTTP status server error (503 Service Unavailable)"],
            ["undefined", "error sending request"],
        ]
    );
    let results = named("tool_result", ["success", "error"]);
    assert_eq!(
        results,
        [
            ["false", "the MCP tool failed"],
            ["false", "MCP error -32602"],
            ["false", "no valid answer from the MCP server"],
            ["false", "exit status: 1"],
            ["false", "No such file or directory (os error 2)"],
        ]
    );
    assert_eq!(named("api_request", ["model", "error"]).len(), 0);
}
