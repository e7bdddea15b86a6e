//! One prompt, a model request, MCP servers over stdio and HTTP and a child process are one trace.
#![allow(clippy::unwrap_used)]

use std::path::Path;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::http::HeaderMap;
use axum::routing::post;
use claude_code_telemetry::{Config, Service, SessionOptions, Telemetry};
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

/// What the servers of the test received.
#[derive(Clone, Default)]
struct Received {
    /// The trace headers of each model request.
    requests: Arc<Mutex<Vec<Value>>>,
    /// The requests of the OTLP exporter.
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
        .route("/v1/traces", post(receiver))
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

/// Runs one turn of the agent.
async fn turn(tracing: &str) -> Arrived {
    let received = Received::default();
    let url = serve(&received).await;
    let config = Config::builder().environment([
        ("CLAUDE_CODE_ENABLE_TELEMETRY", "1"),
        ("CLAUDE_CODE_ENHANCED_TELEMETRY_BETA", tracing),
        ("OTEL_TRACES_EXPORTER", "otlp"),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/json"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", &url),
        ("OTEL_LOG_TOOL_DETAILS", "1"),
        ("CLAUDE_CODE_OTEL_SHUTDOWN_TIMEOUT_MS", "60000"),
        ("TRACEPARENT", &format!("00-{TRACE}-{PARENT}-01")),
        ("TRACESTATE", STATE),
    ]);
    let telemetry = Telemetry::start(config.build(), Service::new("mcp-agent", "0.0.0"));
    let session = telemetry.session(SessionOptions::new().interactive(false));
    let prompt = session.prompt("What is the weather?");

    let client = reqwest::Client::builder().no_proxy().build().unwrap();
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
    let members = |parent: &Value, name: &str| parent[name].as_array().unwrap().clone();
    let resources = exports
        .iter()
        .flat_map(|export| members(export, "resourceSpans"));
    let scopes = resources.flat_map(|resource| members(&resource, "scopeSpans"));
    scopes.flat_map(|scope| members(&scope, "spans")).collect()
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
