//! The content of requests.

use opentelemetry_proto::tonic::collector::{
    logs::v1::ExportLogsServiceRequest, metrics::v1::ExportMetricsServiceRequest,
    trace::v1::ExportTraceServiceRequest,
};
use opentelemetry_proto::tonic::metrics::v1::{
    Metric, NumberDataPoint, ResourceMetrics, ScopeMetrics, Sum, metric, number_data_point,
};
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span};
use prost::Message as _;

use super::prelude::*;
use super::support::Message;

fn metrics() -> ExportMetricsServiceRequest {
    let point = NumberDataPoint {
        start_time_unix_nano: 1,
        time_unix_nano: u64::MAX,
        value: Some(number_data_point::Value::AsDouble(0.25)),
        ..NumberDataPoint::default()
    };
    let metric = Metric {
        name: "claude_code.cost.usage".to_owned(),
        data: Some(metric::Data::Sum(Sum {
            data_points: vec![point],
            aggregation_temporality: 1,
            is_monotonic: true,
        })),
        ..Metric::default()
    };
    ExportMetricsServiceRequest {
        resource_metrics: vec![ResourceMetrics {
            scope_metrics: vec![ScopeMetrics {
                metrics: vec![metric],
                ..ScopeMetrics::default()
            }],
            ..ResourceMetrics::default()
        }],
    }
}

fn traces() -> ExportTraceServiceRequest {
    let span = Span {
        trace_id: vec![0xab; 16],
        span_id: vec![0xcd; 8],
        name: "claude_code.interaction".to_owned(),
        kind: 1,
        start_time_unix_nano: 1,
        end_time_unix_nano: 2,
        ..Span::default()
    };
    ExportTraceServiceRequest {
        resource_spans: vec![ResourceSpans {
            scope_spans: vec![ScopeSpans {
                spans: vec![span],
                ..ScopeSpans::default()
            }],
            ..ResourceSpans::default()
        }],
    }
}

#[test]
fn each_signal_arrives_unchanged() {
    for &protocol in PROTOCOLS {
        let receiver = receiver(protocol);
        for (signal, body, expected) in [
            (
                Signal::Metrics,
                encode(protocol, Signal::Metrics, metrics().encode_to_vec().into()),
                Message::Metrics(metrics()),
            ),
            (
                Signal::Logs,
                encode(protocol, Signal::Logs, logs("ä").encode_to_vec().into()),
                Message::Logs(logs("ä")),
            ),
            (
                Signal::Traces,
                encode(protocol, Signal::Traces, traces().encode_to_vec().into()),
                Message::Traces(traces()),
            ),
        ] {
            let mut fixture = Fixture::new(protocol, &receiver.endpoint());
            let config = config(protocol, signal, &receiver.endpoint());
            fixture.client = {
                let _inside = fixture.runtime.enter();
                Client::new(signal, &config, None).unwrap()
            };
            fixture.body = body;
            assert_eq!(fixture.send(), DELIVERED);
            let received = receiver.received();
            assert_eq!(received.single().message, expected, "{protocol:?}");
            receiver.clear();
        }
    }
}

#[test]
fn process_environment_does_not_change_requests() {
    // Another test of this module passes in a process with these variables, although no process listens at the port.
    let refused = refused_port();
    let mut command = std::process::Command::new(std::env::current_exe().unwrap());
    command.args(["each_signal_arrives_unchanged", "--test-threads=1"]);
    for name in ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"] {
        command.env(name, refused.endpoint());
        command.env(name.to_lowercase(), refused.endpoint());
    }
    command.env_remove("NO_PROXY").env_remove("no_proxy");
    command.env("OTEL_EXPORTER_OTLP_HEADERS", "a=b");
    command.env("OTEL_EXPORTER_OTLP_ENDPOINT", refused.endpoint());
    let output = command.output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && text.contains("1 passed"),
        "{text}"
    );
}

#[test]
fn configured_headers_are_sent_and_do_not_replace_those_of_the_protocol() {
    for &protocol in PROTOCOLS {
        let receiver = receiver(protocol);
        let mut config = config(protocol, Signal::Logs, &receiver.endpoint());
        config.headers = [
            ("authorization", "Bearer sk-1"),
            ("x-scope", "a, b=c"),
            ("content-type", "text/plain"),
            ("content-length", "3"),
            ("content-encoding", "br"),
            ("transfer-encoding", "chunked"),
            ("te", "gzip"),
            ("connection", "close"),
            ("grpc-encoding", "snappy"),
            ("grpc-timeout", "1n"),
        ]
        .map(|(name, value)| header(name, value))
        .to_vec();
        assert_eq!(Fixture::with(config).send(), DELIVERED, "{protocol:?}");
        let received = receiver.received();
        let headers = &received.single().headers;
        assert_eq!(headers["authorization"], "Bearer sk-1");
        assert_eq!(headers["x-scope"], "a, b=c");
        let agent = concat!("claude-code-telemetry/", env!("CARGO_PKG_VERSION"));
        assert!(headers["user-agent"].starts_with(agent), "{headers:?}");
        if protocol == Protocol::Grpc {
            let timeout = &headers["grpc-timeout"];
            let left: u64 = timeout.strip_suffix('m').unwrap().parse().unwrap();
            // An attempt has 20 seconds, which are rounded up to the next millisecond.
            assert!((10_000..=20_001).contains(&left), "{timeout}");
        } else {
            let length = received.single().body.len();
            assert_eq!(headers["content-length"], length.to_string());
            assert!(!headers.contains_key("accept-encoding"), "{headers:?}");
            assert!(!headers.contains_key("transfer-encoding"), "{headers:?}");
        }
    }
}

#[test]
fn gzip_request_is_sent_and_its_answer_is_read() {
    for &protocol in PROTOCOLS {
        let receiver = receiver(protocol);
        receiver.answer(|_| Answer::partial(2, "late"));
        let mut config = config(protocol, Signal::Logs, &receiver.endpoint());
        config.compression = Compression::Gzip;
        let mut fixture = Fixture::with(config);
        let long = logs(&"a prompt ".repeat(5000));
        fixture.body = fixture.client.encode(long.encode_to_vec().into());
        // Every attempt sends these bytes.
        assert!(fixture.body.len() < 2000, "{protocol:?}");
        let expected = Ok(Delivery {
            rejected: 2,
            message: Some("late".to_owned()),
            standard_path: None,
        });
        assert_eq!(fixture.send(), expected, "{protocol:?}");
        let received = receiver.received();
        assert_eq!(received.single().message, Message::Logs(long));
        assert!(received.single().body.len() < 2000, "{received:?}");
    }
}

#[test]
fn resent_request_has_the_same_bytes() {
    for &protocol in PROTOCOLS {
        for compression in [Compression::None, Compression::Gzip] {
            let receiver = receiver(protocol);
            receiver.answer(|n| {
                if n == 0 {
                    Answer::status(503)
                } else {
                    Answer::Ok
                }
            });
            let mut config = config(protocol, Signal::Logs, &receiver.endpoint());
            config.compression = compression;
            let fixture = Fixture::with(config);
            assert!(matches!(kind(&fixture.send()), ErrorKind::Answered(_)));
            assert_eq!(fixture.send(), DELIVERED);
            let received = receiver.received();
            assert_eq!(received.len(), 2);
            assert_eq!(received.requests[0].body, received.requests[1].body);
            assert_eq!(received.accepted().logs().len(), 1);
        }
    }
}

#[test]
fn large_request_arrives_completely() {
    for &protocol in PROTOCOLS {
        let receiver = receiver(protocol);
        let mut fixture = Fixture::new(protocol, &receiver.endpoint());
        let large = logs(&"0123456789".repeat(400_000));
        fixture.body = fixture.client.encode(large.encode_to_vec().into());
        assert_eq!(fixture.send(), DELIVERED);
        assert_eq!(receiver.received().single().message, Message::Logs(large));
    }
}

#[test]
fn concurrent_requests_are_each_answered() {
    for &protocol in PROTOCOLS {
        let receiver = receiver(protocol);
        let fixture = Fixture::new(protocol, &receiver.endpoint());
        let client = std::sync::Arc::new(fixture.client);
        fixture.runtime.block_on(async {
            let mut tasks = tokio::task::JoinSet::new();
            for n in 0..20 {
                let client = std::sync::Arc::clone(&client);
                let body = client.encode(logs(&n.to_string()).encode_to_vec().into());
                tasks.spawn(async move {
                    client
                        .send(body, Instant::now() + LONG, &Accepted::default())
                        .await
                });
            }
            for outcome in tasks.join_all().await {
                assert_eq!(outcome, DELIVERED);
            }
        });
        let mut bodies: Vec<_> = receiver
            .received()
            .logs()
            .into_iter()
            .map(|log| log.body)
            .collect();
        bodies.sort_by_key(|body| body.as_str().unwrap().parse::<u64>().unwrap());
        bodies.dedup();
        assert_eq!(bodies.len(), 20);
    }
}

#[test]
#[cfg(feature = "http")]
fn json_follows_the_specification() {
    let text = String::from_utf8(
        encode(
            Protocol::HttpJson,
            Signal::Traces,
            traces().encode_to_vec().into(),
        )
        .to_vec(),
    )
    .unwrap();
    for part in [
        r#""resourceSpans":["#,
        r#""traceId":"abababababababababababababababab""#,
        r#""spanId":"cdcdcdcdcdcdcdcd""#,
        r#""kind":1"#,
        r#""endTimeUnixNano":"2""#,
    ] {
        assert!(text.contains(part), "{part} in {text}");
    }
    let text = String::from_utf8(
        encode(
            Protocol::HttpJson,
            Signal::Metrics,
            metrics().encode_to_vec().into(),
        )
        .to_vec(),
    )
    .unwrap();
    for part in [
        r#""timeUnixNano":"18446744073709551615""#,
        r#""asDouble":0.25"#,
        r#""aggregationTemporality":1"#,
        r#""isMonotonic":true"#,
    ] {
        assert!(text.contains(part), "{part} in {text}");
    }
    let text = String::from_utf8(
        encode(
            Protocol::HttpJson,
            Signal::Logs,
            logs("a").encode_to_vec().into(),
        )
        .to_vec(),
    )
    .unwrap();
    assert!(text.contains(r#""body":{"stringValue":"a"}"#), "{text}");
    assert!(
        text.contains(r#""eventName":"claude_code.user_prompt""#),
        "{text}"
    );
    let empty = encode(Protocol::HttpJson, Signal::Logs, Bytes::new());
    assert_eq!(empty, r#"{"resourceLogs":[]}"#);
}

#[test]
fn invalid_endpoint_or_header_is_reported_without_secrets() {
    let build = |endpoint: &str, headers: &[(&str, &str)]| {
        let mut config = config(PROTOCOLS[0], Signal::Logs, "http://localhost:4317");
        config.endpoint = endpoint.parse().unwrap();
        config.headers = headers
            .iter()
            .map(|(name, value)| header(name, value))
            .collect();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        let _inside = runtime.enter();
        Client::new(Signal::Logs, &config, None).err()
    };
    let valid = "http://user:secret@localhost:4317/base?key=secret";
    assert_eq!(build(valid, &[("a", "b")]), None);
    for endpoint in [
        // The configuration has no TLS.
        "https://user:secret@host/?key=secret",
        "/path",
        "ftp://host/",
    ] {
        let error = build(endpoint, &[]).unwrap();
        assert!(error.contains(" cannot be an OTLP endpoint: "), "{error}");
        assert!(!error.contains("secret"), "{error}");
    }
    let error = build(valid, &[("a", "secret\nb: c")]).unwrap();
    assert_eq!(error, "the value of the header a cannot be sent");
    let error = build(valid, &[("a b", "secret")]).unwrap();
    assert_eq!(error, r#""a b" cannot be a header's name"#);
}

/// Tests against tonic's own server from the generated code. The other receivers of these tests are written by hand.
#[test]
#[cfg(feature = "grpc")]
fn generated_server_accepts_the_requests() {
    use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceResponse;
    use opentelemetry_proto::tonic::collector::logs::v1::logs_service_server::{
        LogsService, LogsServiceServer,
    };
    use tonic::codec::CompressionEncoding::Gzip;

    struct Service;

    #[tonic::async_trait]
    impl LogsService for Service {
        async fn export(
            &self,
            request: tonic::Request<ExportLogsServiceRequest>,
        ) -> Result<tonic::Response<ExportLogsServiceResponse>, tonic::Status> {
            assert_eq!(request.into_inner(), logs("Fix the bug"));
            Ok(tonic::Response::new(ExportLogsServiceResponse::default()))
        }
    }

    let server = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap();
    let incoming = server
        .block_on(async { tonic::transport::server::TcpIncoming::bind(([127, 0, 0, 1], 0).into()) })
        .unwrap();
    let endpoint = format!("http://{}", incoming.local_addr().unwrap());
    server.spawn(
        tonic::transport::Server::builder()
            .add_service(
                LogsServiceServer::new(Service)
                    .accept_compressed(Gzip)
                    .send_compressed(Gzip)
                    .max_decoding_message_size(1000),
            )
            .serve_with_incoming(incoming),
    );
    for compression in [Compression::None, Compression::Gzip] {
        let mut config = config(Protocol::Grpc, Signal::Logs, &endpoint);
        config.compression = compression;
        let mut fixture = Fixture::with(config);
        assert_eq!(fixture.send(), DELIVERED);
        fixture.body = fixture
            .client
            .encode(logs(&"0123456789".repeat(1000)).encode_to_vec().into());
        let outcome = fixture.send();
        assert!(class(&outcome) == FailureClass::TooLarge, "{outcome:?}");
    }
    let mut fixture = Fixture::new(Protocol::Grpc, &endpoint);
    fixture.client = {
        let _inside = fixture.runtime.enter();
        let config = config(Protocol::Grpc, Signal::Traces, &endpoint);
        Client::new(Signal::Traces, &config, None).unwrap()
    };
    let outcome = fixture.send();
    assert!(class(&outcome) == FailureClass::Rejected, "{outcome:?}");
    assert!(text(&outcome).contains("UNIMPLEMENTED"), "{outcome:?}");
}
