//! Headers, compression, endpoints and protocols are as configured, for each signal.
#![cfg(all(feature = "grpc", feature = "http"))]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "support/host.rs"]
mod host;
#[path = "support/small_session.rs"]
mod small_session;
mod support;

use claude_code_telemetry::Telemetry;
use host::{Protocol, telemetry};
use small_session::{EXTRA, assert_events, assert_metrics, finish, work};
use support::{Message, Receiver};

#[test]
fn headers_come_with_every_request() {
    for protocol in Protocol::all() {
        let receiver = protocol.receiver();
        let telemetry = telemetry(
            &receiver.endpoint(),
            protocol,
            &[
                (
                    "OTEL_EXPORTER_OTLP_HEADERS",
                    "authorization=Bearer%20abc,x-team=core",
                ),
                ("OTEL_EXPORTER_OTLP_METRICS_HEADERS", "X-Team=metrics"),
            ],
        );
        work(&telemetry);
        telemetry.shutdown();
        let received = receiver.received();
        assert_eq!(received.len(), 2);
        for request in &received.requests {
            let team = match request.message {
                Message::Metrics(_) => "metrics",
                _ => "core",
            };
            assert_eq!(request.headers["authorization"], "Bearer abc");
            assert_eq!(request.headers["x-team"], team);
        }
    }
}

#[test]
fn headers_that_cannot_be_sent_are_left_out_and_the_others_arrive() {
    const GENERAL: &str = "OTEL_EXPORTER_OTLP_HEADERS";
    for protocol in Protocol::all() {
        let receiver = protocol.receiver();
        let unsendable = "Host=elsewhere,Connection=close,Upgrade=h2c,Keep-Alive=1,Proxy-Connection=1,\
                          Transfer-Encoding=chunked,TE=gzip,Trailer=x,Content-Length=1";
        let general = format!("{unsendable},x-bad-bin=n%20o,x-good-bin=c2VudA==,x-team=core");
        let extra = [&EXTRA[..], &[(GENERAL, general.as_str())]].concat();
        let config = host::config(host::environment(&receiver.endpoint(), protocol, &extra));
        let mut warnings: Vec<_> = config.warnings().iter().map(ToString::to_string).collect();
        let start = format!("{GENERAL}=<hidden> (environment): pair ");
        assert!(
            warnings.iter().all(|text| text.starts_with(&start)),
            "{warnings:?}"
        );
        let is_grpc = protocol == Protocol::Grpc;
        let binary = warnings
            .iter()
            .filter(|text| text.contains("(x-bad-bin)"))
            .count();
        assert_eq!(binary, usize::from(is_grpc), "{warnings:?}");
        warnings.retain(|text| !text.contains("(x-bad-bin)"));
        assert_eq!(
            warnings.len(),
            unsendable.split(',').count(),
            "{warnings:?}"
        );
        assert!(!config.explain().to_string().contains("elsewhere"));

        let telemetry = Telemetry::start(config, host::service());
        finish(&telemetry);
        let received = receiver.received();
        assert_events(&received);
        assert_metrics(&received);
        for request in &received.requests {
            let headers = &request.headers;
            assert_eq!(headers["x-team"], "core");
            assert_eq!(headers["x-good-bin"], "c2VudA==");
            let bad = headers.get("x-bad-bin").map(String::as_str);
            assert_eq!(bad, (!is_grpc).then_some("n o"));
            for name in ["upgrade", "keep-alive", "proxy-connection", "trailer"] {
                assert!(!headers.contains_key(name), "{name} over {protocol:?}");
            }
            assert!(headers.get("host").is_none_or(|host| host != "elsewhere"));
        }
    }
}

#[test]
fn requests_are_compressed_when_asked() {
    let gzip = [
        EXTRA.as_slice(),
        &[("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip")],
    ]
    .concat();
    for protocol in Protocol::all() {
        let receiver = protocol.receiver();
        finish(&telemetry(&receiver.endpoint(), protocol, &gzip));
        let received = receiver.received();
        let header = match protocol {
            Protocol::Grpc => "grpc-encoding",
            _ => "content-encoding",
        };
        assert!(
            received
                .requests
                .iter()
                .all(|request| request.headers[header] == "gzip")
        );
        assert_events(&received);
        assert_metrics(&received);
    }
}

#[test]
fn every_signal_can_have_an_endpoint_and_a_protocol_of_its_own() {
    let (metrics, events) = (Receiver::grpc(), Receiver::http());
    let mut extra = EXTRA.to_vec();
    let (grpc, http) = (metrics.endpoint(), events.url("/tenant/logs?key=1"));
    extra.extend([
        ("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", grpc.as_str()),
        ("OTEL_EXPORTER_OTLP_METRICS_PROTOCOL", "grpc"),
        ("OTEL_EXPORTER_OTLP_LOGS_ENDPOINT", http.as_str()),
        ("OTEL_EXPORTER_OTLP_LOGS_PROTOCOL", "http/json"),
    ]);
    finish(&telemetry(
        "http://127.0.0.1:9",
        Protocol::HttpProtobuf,
        &extra,
    ));
    assert_metrics(&metrics.received());
    assert_eq!(metrics.received().logs(), []);
    assert_events(&events.received());
    assert_eq!(events.received().points(), []);
    assert_eq!(events.received().requests[0].path, "/tenant/logs?key=1");
    assert_eq!(
        events.received().requests[0].headers["content-type"],
        "application/json"
    );
}

#[test]
fn the_general_endpoint_keeps_its_base_path() {
    let receiver = Receiver::http();
    finish(&telemetry(
        &receiver.url("/base"),
        Protocol::HttpProtobuf,
        &EXTRA,
    ));
    let mut paths: Vec<_> = receiver
        .received()
        .requests
        .into_iter()
        .map(|request| request.path)
        .collect();
    paths.sort();
    paths.dedup();
    assert_eq!(paths, ["/base/v1/logs", "/base/v1/metrics"]);
}
