//! Headers, compression, endpoints and protocols of each signal follow the configuration.
#![cfg(all(feature = "grpc", feature = "http"))]

use std::collections::BTreeSet;
use std::time::Duration;

use crate::host;
use crate::host::{
    Diagnostics, Protocol, config, environment, otlp, service, start_with_diagnostics, telemetry,
    wait_for_health,
};
use crate::small_session::{EXTRA, assert_events, assert_metrics, finish, record_session};
use crate::support::{Answer, Message, Receiver};
use claude_code_telemetry::{Signal, Telemetry};

#[test]
fn configured_headers_are_sent_with_every_request() {
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
        record_session(&telemetry);
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
fn invalid_headers_are_omitted_and_others_are_sent() {
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
fn requests_are_compressed_when_configured() {
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
fn signals_use_separate_endpoints_and_protocols() {
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
fn general_endpoint_keeps_its_base_path() {
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

/// Returns the variables that set an endpoint without a path for each signal; the path `/` counts as none.
fn bare(receiver: &Receiver) -> Vec<(&'static str, String)> {
    ["METRICS", "LOGS", "TRACES"]
        .map(|signal| match signal {
            "METRICS" => ("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", receiver.endpoint()),
            "LOGS" => ("OTEL_EXPORTER_OTLP_LOGS_ENDPOINT", receiver.endpoint()),
            _ => ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", receiver.url("/")),
        })
        .to_vec()
}

/// Starts telemetry of metrics and events whose endpoints have no path. Returns the telemetry and its diagnostics.
/// Requests to the general endpoint, on which no receiver listens, would fail.
fn started(receiver: &Receiver, protocol: Protocol) -> (Telemetry, Diagnostics) {
    let bare = bare(receiver);
    let bare = bare.iter().map(|(name, url)| (*name, url.as_str()));
    let extra: Vec<_> = EXTRA.iter().copied().chain(bare).collect();
    let config = config(environment("http://127.0.0.1:1", protocol, &extra));
    start_with_diagnostics(Telemetry::builder(config, service()))
}

const HTTP: [Protocol; 2] = [Protocol::HttpProtobuf, Protocol::HttpJson];

#[test]
fn request_to_a_bare_endpoint_is_resent_to_the_standard_path_after_404_or_405() {
    for status in [404, 405] {
        for protocol in HTTP {
            let receiver = Receiver::http();
            receiver.answer_by(move |_, request| match request.path.as_str() {
                "/" => Answer::status(status),
                _ => Answer::Ok,
            });
            let (telemetry, diagnostics) = started(&receiver, protocol);
            record_session(&telemetry);
            let report = telemetry.flush();
            assert!(report.is_complete(), "{report}");
            record_session(&telemetry);
            assert!(telemetry.shutdown().is_complete());
            let received = receiver.received();
            for path in ["/v1/metrics", "/v1/logs"] {
                let signal = received.filter(|request| {
                    let text = String::from_utf8_lossy(&request.body).into_owned();
                    let is_of_signal =
                        text.contains("claude_code.session.count") == (path == "/v1/metrics");
                    request.path == path || (request.path == "/" && is_of_signal)
                });
                let paths: Vec<_> = signal
                    .requests
                    .iter()
                    .map(|one| one.path.as_str())
                    .collect();
                // Only the first request goes to the URL as configured. The same bytes are then sent to the standard
                // path.
                assert_eq!(paths, ["/", path, path]);
                assert_eq!(signal.requests[0].body, signal.requests[1].body);
            }
            for (path, signal) in [("/v1/metrics", "METRICS"), ("/v1/logs", "LOGS")] {
                let variable = format!("OTEL_EXPORTER_OTLP_{signal}_ENDPOINT");
                diagnostics.assert_once(&format!("takes them at {path}: add {path} to {variable}"));
            }
        }
    }
}

#[test]
fn bare_endpoint_is_kept_after_429() {
    let receiver = Receiver::http();
    receiver.answer_by(|_, request| match request.path.as_str() {
        // Only 404 and 405 move the requests to the standard path.
        "/" => Answer::status(429).retry_after(Duration::from_secs(3600)),
        _ => Answer::Ok,
    });
    let (telemetry, _) = started(&receiver, Protocol::HttpProtobuf);
    record_session(&telemetry);
    telemetry.flush_within(Duration::from_millis(300));
    // An error is recorded after all requests of an attempt.
    wait_for_health(&telemetry, |health| {
        let mut exporters = health.exporters.iter();
        exporters.all(|exporter| exporter.last_error.is_some())
    });
    let received = receiver.received();
    assert!(!received.is_empty());
    assert!(received.requests.iter().all(|request| request.path == "/"));
}

#[test]
fn first_response_is_reported_when_both_paths_are_unknown() {
    let receiver = Receiver::http();
    receiver.answer_by(|_, request| match request.path.as_str() {
        "/" => Answer::status(404).body("text/plain", "first"),
        _ => Answer::status(404).body("text/plain", "second"),
    });
    let (telemetry, _) = started(&receiver, Protocol::HttpProtobuf);
    record_session(&telemetry);
    assert!(!telemetry.shutdown().is_complete());
    let events = otlp(&telemetry.health(), Signal::Logs);
    assert!(events.dropped.refused > 0);
    let error = events.last_error.unwrap().message;
    assert!(error.contains("404") && error.contains("first"), "{error}");
}

#[test]
fn general_endpoint_gets_no_second_request_after_404() {
    let receiver = Receiver::http();
    receiver.answer(|_| Answer::status(404));
    let telemetry = telemetry(
        &receiver.endpoint(),
        Protocol::HttpProtobuf,
        EXTRA.as_slice(),
    );
    record_session(&telemetry);
    telemetry.shutdown();
    let received = receiver.received();
    let paths: BTreeSet<_> = received
        .requests
        .iter()
        .map(|one| one.path.as_str())
        .collect();
    assert_eq!(paths, BTreeSet::from(["/v1/logs", "/v1/metrics"]));
    assert_eq!(received.len(), 2);
}

#[test]
fn bare_endpoint_is_used_unchanged_when_it_accepts_requests() {
    let receiver = Receiver::http();
    receiver.answer_by(|_, request| match request.path.as_str() {
        "/" => Answer::status(200),
        _ => Answer::status(500),
    });
    let (telemetry, _) = started(&receiver, Protocol::HttpProtobuf);
    for _ in 0..2 {
        record_session(&telemetry);
        assert!(telemetry.flush().is_complete());
    }
    assert!(telemetry.shutdown().is_complete());
    let received = receiver.received();
    assert!(received.requests.iter().all(|request| request.path == "/"));
}

#[test]
fn data_of_a_bare_endpoint_is_kept_while_the_standard_path_is_unavailable() {
    for protocol in HTTP {
        let receiver = Receiver::http();
        receiver.answer_by(|n, request| match request.path.as_str() {
            "/" => Answer::status(404),
            // The first attempts at the standard path fail.
            _ if n < 8 => Answer::status(503),
            _ => Answer::Ok,
        });
        let (telemetry, _) = started(&receiver, protocol);
        record_session(&telemetry);
        let report = telemetry.shutdown();
        assert!(report.is_complete(), "{report}");
        let dropped = report.exporters.iter().map(|one| one.dropped.total());
        assert_eq!(dropped.sum::<u64>(), 0);
    }
}

/// The status alone confirms the path. A response whose body never ends does not change that.
#[test]
fn standard_path_is_remembered_when_the_body_of_its_success_never_ends() {
    let receiver = Receiver::http();
    receiver.answer_by(|_, request| match request.path.as_str() {
        "/" => Answer::status(404),
        _ => Answer::Drip,
    });
    let (telemetry, _) = started(&receiver, Protocol::HttpProtobuf);
    for _ in 0..2 {
        record_session(&telemetry);
        let report = telemetry.flush_within(Duration::from_secs(3));
        assert!(report.is_complete(), "{report}");
    }
    let at_root = receiver.received().filter(|request| request.path == "/");
    // One request of each signal: metrics and events. All later ones went to the standard paths.
    assert_eq!(at_root.len(), 2);
    telemetry.shutdown_within(Duration::from_secs(3));
}

#[test]
fn endpoint_of_a_signal_with_a_path_gets_no_second_request_after_404() {
    let receiver = Receiver::http();
    receiver.answer(|_| Answer::status(404));
    let url = receiver.url("/tenant");
    let extra = [("OTEL_EXPORTER_OTLP_LOGS_ENDPOINT", url.as_str())];
    let telemetry = telemetry(&receiver.endpoint(), Protocol::HttpProtobuf, &extra);
    record_session(&telemetry);
    telemetry.shutdown();
    let requests = receiver.received().requests;
    let paths: BTreeSet<_> = requests.iter().map(|one| one.path.as_str()).collect();
    assert_eq!(paths, BTreeSet::from(["/tenant", "/v1/metrics"]));
}
