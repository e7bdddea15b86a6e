//! A receiver with a size limit gets the batch in parts: in order, and only items that are too large by themselves
//! are lost.
#![cfg(all(feature = "grpc", feature = "http"))]

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use crate::host::{
    Protocol, assert_delta, by_series, otlp, select, session, sum, telemetry, test_identity,
};
use crate::support;
use crate::support::{Answer, Received, Request};
use claude_code_telemetry::{
    ApiRequest, Commit, LlmRequestOptions, Session, Signal, Telemetry, TokenUsage, ToolResult,
    UserPrompt,
};
use opentelemetry_proto::tonic::collector::logs::v1::logs_service_server::{
    LogsService, LogsServiceServer,
};
use opentelemetry_proto::tonic::collector::logs::v1::{
    ExportLogsServiceRequest, ExportLogsServiceResponse,
};
use opentelemetry_proto::tonic::collector::metrics::v1::metrics_service_server::{
    MetricsService, MetricsServiceServer,
};
use opentelemetry_proto::tonic::collector::metrics::v1::{
    ExportMetricsServiceRequest, ExportMetricsServiceResponse,
};
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{
    TraceService, TraceServiceServer,
};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use tokio::sync::oneshot;
use tonic::codec::CompressionEncoding;
use tonic::{Code, Response, Status};

/// The smallest limit in these tests, which admits a few items.
const LIMIT: usize = 8 * 1024;
/// The length of a large string in bytes. A request holds one of them, but not all that a test records.
const GIANT: usize = 300 * 1024;
const SESSIONS: usize = 40;
/// The number of prompts that [`record_sessions`] records in each session.
const PROMPTS: usize = 5;

const EXTRA: [(&str, &str); 4] = [
    ("CLAUDE_CODE_ENHANCED_TELEMETRY_BETA", "1"),
    ("OTEL_TRACES_EXPORTER", "otlp"),
    ("OTEL_LOG_USER_PROMPTS", "1"),
    ("OTEL_LOG_TOOL_DETAILS", "1"),
];

fn start(endpoint: &str, protocol: Protocol, extra: &[(&str, &str)]) -> Telemetry {
    telemetry(endpoint, protocol, &[&EXTRA, extra].concat())
}

/// Records events, spans and metrics of different sizes in many sessions.
fn record_sessions(telemetry: &Telemetry) -> Vec<Session> {
    let sessions: Vec<_> = (0..SESSIONS)
        .map(|n| telemetry.session(session(&format!("s-{n:02}"))))
        .collect();
    for n in 0..PROMPTS {
        for (number, session) in sessions.iter().enumerate() {
            let text = "x".repeat(1 + (n * SESSIONS + number) * 7);
            let prompt = session.prompt(UserPrompt::new(text));
            let call = prompt.llm_request(LlmRequestOptions::new("sonnet"));
            let tokens = TokenUsage::new().input(2);
            call.finish(ApiRequest::new("sonnet").tokens(tokens).cost_usd(0.1));
            session.record_commit(Commit::new());
        }
    }
    sessions
}

/// Asserts that the data of `rounds` rounds of [`record_sessions`] arrived: once and in order.
#[track_caller]
fn assert_all(received: &Received, rounds: usize) {
    let logs = received.logs();
    let count = rounds * SESSIONS * PROMPTS;
    assert_eq!(logs.len(), 2 * count);
    for n in 0..SESSIONS {
        let id = format!("s-{n:02}");
        let sequence: Vec<_> = logs
            .iter()
            .filter(|log| log.attributes["session.id"] == id.as_str())
            .map(|log| log.attributes["event.sequence"].as_u64().unwrap())
            .collect();
        let wanted = 0..(2 * rounds * PROMPTS) as u64;
        assert_eq!(sequence, wanted.collect::<Vec<_>>(), "{id}");
    }
    // The order of recording is kept across sessions too.
    assert!(logs.is_sorted_by_key(|log| log.time));
    let spans = received.spans();
    assert_eq!(spans.len(), 2 * count);
    assert!(spans.is_sorted_by_key(|span| span.end));
    let points = received.points();
    assert_delta(&points);
    let commits = select(&points, "claude_code.commit.count", &[]);
    assert_eq!(by_series(&commits).len(), SESSIONS);
    assert_eq!(sum(&commits), count as f64);
    let cost = sum(&select(&points, "claude_code.cost.usage", &[]));
    assert!((cost / (0.1 * count as f64) - 1.0).abs() < 1e-9);
}

/// Returns the response of a receiver that rejects requests of more than `limit` bytes; `None` if the request fits.
fn too_large(protocol: Protocol, request: &Request, limit: usize) -> Option<Answer> {
    let size = request.body.len();
    (size > limit).then(|| match protocol {
        Protocol::Grpc => Answer::code(
            Code::ResourceExhausted,
            &format!("grpc: received message larger than max ({size} vs. {limit})"),
        ),
        Protocol::HttpProtobuf => Answer::status(413),
        // This is the response of Go's HTTP server.
        Protocol::HttpJson => {
            Answer::status(400).body("text/plain", "http: request body too large\n")
        }
    })
}

#[test]
fn oversized_batches_are_split_until_they_fit() {
    for protocol in Protocol::all() {
        let receiver = protocol.receiver();
        receiver
            .answer_by(move |_, request| too_large(protocol, request, LIMIT).unwrap_or(Answer::Ok));
        let telemetry = start(&receiver.endpoint(), protocol, &[]);
        let _sessions = record_sessions(&telemetry);
        let report = telemetry.flush();
        assert!(report.is_complete(), "{report}");
        assert_all(&receiver.received().accepted(), 1);
        let _more = record_sessions(&telemetry);
        let report = telemetry.shutdown();
        assert!(report.is_complete(), "{report}");
        let received = receiver.received();
        assert_all(&received.accepted(), 2);
        assert!(received.len() > received.accepted().len());
    }
}

/// Splitting continues after the receiver was unavailable in between.
#[test]
fn split_batches_are_retried_when_the_receiver_is_unavailable() {
    for protocol in Protocol::all() {
        let receiver = protocol.receiver();
        receiver.answer_by(move |n, request| {
            too_large(protocol, request, 40 * 1024).unwrap_or(match (n % 3, protocol) {
                (0, Protocol::Grpc) => Answer::code(Code::Unavailable, "busy"),
                (0, _) => Answer::status(503),
                _ => Answer::Ok,
            })
        });
        let telemetry = start(&receiver.endpoint(), protocol, &[]);
        let _sessions = record_sessions(&telemetry);
        let report = telemetry.shutdown();
        assert!(report.is_complete(), "{report}");
        assert_all(&receiver.received().accepted(), 1);
    }
}

#[test]
fn only_an_oversized_item_is_dropped_and_counted() {
    for protocol in Protocol::all() {
        let receiver = protocol.receiver();
        receiver
            .answer_by(move |_, request| too_large(protocol, request, LIMIT).unwrap_or(Answer::Ok));
        let telemetry = start(&receiver.endpoint(), protocol, &[]);
        // The session id exceeds the limit, and so does every event and span with it. Attributes of metrics are truncated
        // at 1,024 UTF-16 code units; three attributes of this length, each of three bytes a unit, make a data point too
        // large.
        let long = "€".repeat(1024);
        let identity = test_identity()
            .organization_id(long.clone())
            .email(long.clone())
            .account_id(long);
        let giant = telemetry.session(session(&"g".repeat(2 * LIMIT)).identity(identity));
        giant.record_tool_result(ToolResult::new("Read"));
        let _sessions = record_sessions(&telemetry);
        giant.prompt("Fix the bug").end();
        giant.record_commit(Commit::new());
        let report = telemetry.flush();
        assert!(!report.is_complete());
        assert_all(&receiver.received().accepted(), 1);
        let health = telemetry.health();
        for (signal, lost) in [(Signal::Logs, 2), (Signal::Traces, 1), (Signal::Metrics, 2)] {
            let exporter = otlp(&health, signal);
            assert_eq!(
                (
                    exporter.dropped.refused,
                    exporter.dropped.total(),
                    exporter.queued
                ),
                (lost, lost, 0),
                "{protocol:?} {signal}"
            );
            assert!(exporter.last_error.is_some());
        }
        // Later data is delivered.
        let _more = record_sessions(&telemetry);
        telemetry.flush();
        assert_all(&receiver.received().accepted(), 2);
    }
}

#[test]
fn requests_stay_under_4_mib_and_state_their_length() {
    for protocol in Protocol::all() {
        for compression in ["none", "gzip"] {
            let receiver = protocol.receiver();
            let telemetry = start(
                &receiver.endpoint(),
                protocol,
                &[
                    ("OTEL_EXPORTER_OTLP_COMPRESSION", compression),
                    ("OTEL_METRICS_EXPORTER", "none"),
                ],
            );
            let session = telemetry.session(session("s"));
            // A string that gzip cannot compress well.
            let mut noise = 1u64;
            let text: String = (0..GIANT)
                .map(|_| {
                    noise = noise
                        .wrapping_mul(6_364_136_223_846_793_005)
                        .wrapping_add(1);
                    char::from(b'a' + (noise >> 60) as u8)
                })
                .collect();
            // More than 3.5 MiB in total, at which the exporter splits a batch.
            let count = 13;
            for _ in 0..count {
                session.prompt(text.clone()).end();
            }
            let report = telemetry.flush();
            assert!(report.is_complete(), "{report}");
            let received = receiver.received();
            assert_eq!(
                (received.logs().len(), received.spans().len()),
                (count, count)
            );
            let prompts = received.logs();
            assert!(
                prompts
                    .iter()
                    .all(|log| log.attributes["prompt"] == text.as_str())
            );
            for request in &received.requests {
                assert!(request.body.len() < 4 * 1024 * 1024);
                let gzip = request
                    .headers
                    .iter()
                    .any(|(name, value)| name.ends_with("-encoding") && value == "gzip");
                assert_eq!(gzip, compression == "gzip", "{:?}", request.headers);
                if protocol != Protocol::Grpc {
                    let length = request.body.len().to_string();
                    assert_eq!(request.headers["content-length"], length);
                    assert!(!request.headers.contains_key("transfer-encoding"));
                }
            }
        }
    }
}

/// The messages that tonic's own server received.
#[derive(Clone, Default)]
struct TonicServer(Arc<Mutex<Vec<support::Message>>>);

impl TonicServer {
    fn received(&self) -> Received {
        let request = |message: &support::Message| Request {
            path: String::new(),
            headers: Default::default(),
            body: Default::default(),
            at: std::time::Instant::now(),
            message: message.clone(),
            answer: Answer::Ok,
        };
        Received {
            requests: self.0.lock().unwrap().iter().map(request).collect(),
        }
    }
}

macro_rules! service {
    ($service:ident, $request:ty, $response:ty, $message:ident) => {
        #[tonic::async_trait]
        impl $service for TonicServer {
            async fn export(
                &self,
                request: tonic::Request<$request>,
            ) -> Result<Response<$response>, Status> {
                let message = support::Message::$message(request.into_inner());
                self.0.lock().unwrap().push(message);
                Ok(Response::new(<$response>::default()))
            }
        }
    };
}

service!(
    LogsService,
    ExportLogsServiceRequest,
    ExportLogsServiceResponse,
    Logs
);
service!(
    MetricsService,
    ExportMetricsServiceRequest,
    ExportMetricsServiceResponse,
    Metrics
);
service!(
    TraceService,
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
    Traces
);

/// Runs tonic's own server with this limit for messages, or with its default limit of 4 MiB.
fn start_tonic_server(limit: Option<usize>) -> (TonicServer, String, oneshot::Sender<()>) {
    let tonic_server = TonicServer::default();
    let services = tonic_server.clone();
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let (stop, stopped) = oneshot::channel::<()>();
    thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async move {
            listener.set_nonblocking(true).unwrap();
            let listener = tokio::net::TcpListener::from_std(listener).unwrap();
            macro_rules! limited {
                ($server:ident) => {{
                    let server =
                        $server::new(services.clone()).accept_compressed(CompressionEncoding::Gzip);
                    match limit {
                        Some(limit) => server.max_decoding_message_size(limit),
                        None => server,
                    }
                }};
            }
            let server = tonic::transport::Server::builder()
                .add_service(limited!(LogsServiceServer))
                .add_service(limited!(MetricsServiceServer))
                .add_service(limited!(TraceServiceServer))
                .serve_with_incoming(tonic::transport::server::TcpIncoming::from(listener));
            tokio::select! {
                served = server => served.unwrap(),
                _ = stopped => {}
            }
        });
    });
    (tonic_server, endpoint, stop)
}

#[test]
fn tonic_server_with_the_default_limit_accepts_everything() {
    let (tonic_server, endpoint, _stop) = start_tonic_server(None);
    let telemetry = start(&endpoint, Protocol::Grpc, &[]);
    let _sessions = record_sessions(&telemetry);
    let session = telemetry.session(session("large"));
    for _ in 0..80 {
        session.prompt("y".repeat(GIANT)).end();
    }
    let report = telemetry.shutdown();
    assert!(report.is_complete(), "{report}");
    let large = |attributes: &support::Attributes| attributes["session.id"] == "large";
    let received = tonic_server.received();
    let logs = received.logs();
    assert_eq!(logs.iter().filter(|log| large(&log.attributes)).count(), 80);
    assert_eq!(logs.len(), 80 + 2 * SESSIONS * PROMPTS);
}

#[test]
fn tonic_server_with_a_small_limit_gets_split_batches() {
    for compression in ["none", "gzip"] {
        let (tonic_server, endpoint, _stop) = start_tonic_server(Some(LIMIT));
        let extra = [("OTEL_EXPORTER_OTLP_COMPRESSION", compression)];
        let telemetry = start(&endpoint, Protocol::Grpc, &extra);
        let _sessions = record_sessions(&telemetry);
        // The session id makes this event too large by itself.
        telemetry
            .session(session(&"g".repeat(2 * LIMIT)))
            .record_tool_result(ToolResult::new("Read"));
        telemetry.shutdown();
        assert_all(&tonic_server.received(), 1);
        let events = otlp(&telemetry.health(), Signal::Logs);
        assert_eq!((events.dropped.refused, events.dropped.total()), (1, 1));
    }
}

/// Starts a server that responds to a request of more than `limit` bytes with 413 after its head, without reading the
/// body, and disconnects after `linger`. Returns the lengths of the accepted bodies, and the endpoint.
fn hasty_server(limit: usize, linger: Duration) -> (Arc<Mutex<Vec<usize>>>, String) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let taken: Arc<Mutex<Vec<usize>>> = Arc::default();
    let lengths = Arc::clone(&taken);
    thread::spawn(move || {
        for stream in listener.incoming() {
            let lengths = Arc::clone(&lengths);
            thread::spawn(move || serve_hasty(stream.unwrap(), limit, linger, &lengths));
        }
    });
    (taken, endpoint)
}

fn serve_hasty(mut stream: TcpStream, limit: usize, linger: Duration, taken: &Mutex<Vec<usize>>) {
    loop {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            if !matches!(stream.read(&mut byte), Ok(1)) {
                return;
            }
            head.push(byte[0]);
        }
        let head = String::from_utf8(head).unwrap().to_ascii_lowercase();
        let (_, length) = head.split_once("content-length: ").unwrap();
        let length: usize = length.split_once('\r').unwrap().0.parse().unwrap();
        if length > limit {
            let _ = stream.write_all(
                b"HTTP/1.1 413 Payload Too Large\r\nconnection: close\r\ncontent-length: 0\r\n\r\n",
            );
            let _ = stream.shutdown(std::net::Shutdown::Write);
            thread::sleep(linger);
            return;
        }
        let mut body = vec![0; length];
        stream.read_exact(&mut body).unwrap();
        taken.lock().unwrap().push(length);
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
    }
}

#[test]
fn response_before_the_end_of_the_request_is_processed() {
    for linger in [Duration::from_millis(200), Duration::ZERO] {
        let (taken, endpoint) = hasty_server(1024 * 1024, linger);
        let extra = [
            ("OTEL_METRICS_EXPORTER", "none"),
            ("OTEL_TRACES_EXPORTER", "none"),
        ];
        let telemetry = start(&endpoint, Protocol::HttpProtobuf, &extra);
        let session = telemetry.session(session("s"));
        for _ in 0..40 {
            session.record_user_prompt(UserPrompt::new("z".repeat(GIANT)));
        }
        let report = telemetry.shutdown();
        assert!(report.is_complete(), "{linger:?}: {report}");
        let taken = taken.lock().unwrap();
        assert!(taken.iter().sum::<usize>() > 40 * GIANT);
        assert!(taken.iter().all(|length| *length <= 1024 * 1024));
    }
}
