//! The server of the Prometheus scrape endpoint: HTTP, ports, many and slow clients, and shutdown.
#![cfg(feature = "prometheus")]

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::time::{Duration, Instant};

use crate::host::{
    Diagnostics, config, config_builder, exporter, service, session, start_with_diagnostics,
    wait_for_health, wait_until, within,
};
use crate::scraper::{
    Exposition, address, connect, environment, read_response, request, scrape, telemetry,
};
use claude_code_telemetry::{
    Commit, Exporter, ExporterHealth, ExporterState, Health, Session, Signal, Telemetry,
};

/// A limit far below the timeouts of flush and shutdown, which are 60 s in these tests.
const SOON: Duration = Duration::from_secs(8);

/// Returns the health of the Prometheus exporter.
fn health(health: &Health) -> ExporterHealth {
    exporter(health, Signal::Metrics, Exporter::Prometheus)
}

fn is_served(telemetry: &Telemetry) -> bool {
    request(address(telemetry), "GET", "/metrics").status == 200
}

#[test]
fn server_responds_to_get_and_head_and_rejects_other_requests() {
    let telemetry = telemetry(&[]);
    let _session = telemetry.session(session("s"));
    let address = address(&telemetry);
    let get = request(address, "GET", "/metrics");
    assert_eq!(get.status, 200);
    assert_eq!(
        get.headers["content-type"],
        "text/plain; version=0.0.4; charset=utf-8"
    );
    assert!(get.body.contains("claude_code_session_count_total"));
    let again = request(address, "GET", "/metrics?x=y");
    assert_eq!((again.status, &again.body), (200, &get.body));
    assert_eq!(again.headers["content-type"], get.headers["content-type"]);

    let head = request(address, "HEAD", "/metrics");
    assert_eq!((head.status, head.body.as_str()), (200, ""));
    for name in ["content-type", "content-length"] {
        assert_eq!(head.headers[name], get.headers[name]);
    }
    for path in ["/", "/metrics/", "/other", "/%6detrics"] {
        let missing = request(address, "GET", path);
        assert_eq!(missing.status, 404, "{path}");
        assert!(missing.body.contains("/metrics"), "{path}");
    }
    for method in ["POST", "PUT", "DELETE", "OPTIONS", "NONSENSE"] {
        let refused = request(address, method, "/metrics");
        assert_eq!(refused.status, 405, "{method}");
        assert_eq!(refused.headers["allow"], "GET, HEAD");
    }
    // A client of HTTP/1.0 that closes its sending side after the request.
    let mut old = connect(address);
    old.write_all(b"GET /metrics HTTP/1.0\r\n\r\n").unwrap();
    old.shutdown(Shutdown::Write).unwrap();
    assert_eq!(read_response(old, false).body, get.body);
    // These bytes are not HTTP.
    let mut noise = connect(address);
    noise.write_all(b"\x16\x03\x01\x00\r\n\r\n").unwrap();
    let mut response = Vec::new();
    let _ = noise.read_to_end(&mut response);
    assert!(response.is_empty() || response.starts_with(b"HTTP/1.1 400"));
    assert!(is_served(&telemetry));
}

#[test]
fn health_counts_scrapes_and_flush_does_not_wait_for_a_scrape() {
    let telemetry = telemetry(&[]);
    let _session = telemetry.session(session("s"));
    let served = wait_for_health(&telemetry, |now| !health(now).addresses.is_empty());
    assert_eq!(health(&served).state, ExporterState::Idle);
    let report = within(SOON, || telemetry.flush());
    assert!(report.is_complete());
    assert_eq!(report.exporters[0].delivered, 0);

    // A HEAD request does not count as a delivery.
    request(address(&telemetry), "HEAD", "/metrics");
    scrape(&telemetry);
    let fetched = wait_for_health(&telemetry, |now| health(now).delivered > 0);
    let fetched = health(&fetched);
    assert_eq!(
        (fetched.delivered, fetched.state),
        (1, ExporterState::Working)
    );
    assert!(fetched.last_success.is_some());
    // Only series that could never be scraped, because the port was in use, count as lost.
    let report = telemetry.shutdown();
    assert!(report.is_complete(), "{report}");
}

#[test]
fn scrape_response_is_served_to_64_concurrent_clients() {
    let telemetry = telemetry(&[]);
    let session = telemetry.session(session("s"));
    session.record_commit(Commit::new());
    let address = address(&telemetry);
    std::thread::scope(|scope| {
        let clients: Vec<_> = (0..64)
            .map(|_| scope.spawn(move || request(address, "GET", "/metrics")))
            .collect();
        for client in clients {
            let page = Exposition::read(&client.join().unwrap().body);
            assert_eq!(page.sum("claude_code_commit_count_total", &[]), 1.0);
        }
    });
}

#[test]
fn scrape_response_includes_all_records_from_before_the_request() {
    let telemetry = telemetry(&[]);
    let session = telemetry.session(session("s"));
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for n in 1..=20 {
                    session.record_commit(Commit::new());
                    let seen = scrape(&telemetry).sum("claude_code_commit_count_total", &[]);
                    assert!(seen >= f64::from(n), "{seen} of {n}");
                }
            });
        }
    });
    let page = scrape(&telemetry);
    assert_eq!(page.sum("claude_code_commit_count_total", &[]), 160.0);
}

#[test]
fn slow_clients_do_not_block_other_clients() {
    let telemetry = telemetry(&[]);
    let session = telemetry.session(session("s"));
    let address = address(&telemetry);
    // There are more clients than the server accepts connections (128), and none of them completes its request.
    let slow: Vec<TcpStream> = (0..200)
        .map(|_| {
            let mut client = connect(address);
            client
                .write_all(b"GET /metrics HTTP/1.1\r\nhost: x")
                .unwrap();
            client
        })
        .collect();
    session.record_commit(Commit::new());
    assert!(is_served(&telemetry));
    // The server closes the connections of the slow clients.
    for mut client in slow {
        let mut response = Vec::new();
        let _ = client.read_to_end(&mut response);
        assert!(!response.starts_with(b"HTTP/1.1 200"));
    }
}

/// Returns a client that has read only the first byte of a scrape response, and 4,000 sessions, whose long ids make the
/// response larger than the buffers of a connection.
fn client_that_stops_reading(telemetry: &Telemetry) -> (TcpStream, Vec<Session>) {
    let sessions = (0..4_000)
        .map(|n| telemetry.session(session(&format!("{n:0>1000}"))))
        .collect();
    let mut client = connect(address(telemetry));
    client
        .write_all(b"GET /metrics HTTP/1.1\r\nhost: localhost\r\n\r\n")
        .unwrap();
    client.read_exact(&mut [0; 1]).unwrap();
    (client, sessions)
}

#[test]
fn client_that_does_not_read_blocks_neither_others_nor_the_shutdown() {
    let telemetry = telemetry(&[]);
    let _client_and_sessions = client_that_stops_reading(&telemetry);
    assert_eq!(
        scrape(&telemetry).families["claude_code_session_count_total"]
            .samples
            .len(),
        4_000
    );
    within(SOON, || telemetry.shutdown());
}

#[test]
fn shutdown_closes_the_scrape_endpoint_and_frees_the_port() {
    let telemetry = telemetry(&[]);
    let _session = telemetry.session(session("s"));
    let address = address(&telemetry);
    let mut silent = connect(address);
    let report = within(SOON, || telemetry.shutdown());
    assert!(report.is_complete(), "{report}");
    assert!(health(&telemetry.health()).addresses.is_empty());
    let mut response = Vec::new();
    let _ = silent.read_to_end(&mut response);
    assert!(response.is_empty());
    // The port is free again.
    wait_until_free(address);
}

#[track_caller]
fn wait_until_free(address: SocketAddr) {
    wait_until(|| TcpListener::bind(address).is_ok());
}

/// Starts telemetry whose scrape endpoint is configured for this port. Returns it with its diagnostics.
fn start_on_port(
    port: u16,
    range: Option<std::ops::RangeInclusive<u16>>,
) -> (Telemetry, Diagnostics) {
    let mut config = config_builder(environment(&[(
        "OTEL_EXPORTER_PROMETHEUS_PORT",
        &port.to_string(),
    )]));
    if let Some(range) = range {
        config = config.prometheus_port_range(range);
    }
    start_with_diagnostics(Telemetry::builder(config.build(), service()))
}

#[test]
fn taken_port_is_reported_once_and_bound_when_it_becomes_free() {
    let first = telemetry(&[]);
    let port = address(&first).port();
    let (second, diagnostics) = start_on_port(port, None);
    let session = second.session(session("s"));
    session.record_commit(Commit::new());
    let failing = wait_for_health(&second, |now| health(now).state == ExporterState::Failing);
    let error = health(&failing).last_error.unwrap().message;
    for part in [
        &format!("port {port} of localhost is taken"),
        "OTEL_EXPORTER_PROMETHEUS_PORT",
    ] {
        assert!(error.contains(part), "{error}");
    }
    assert!(health(&failing).addresses.is_empty());
    // A flush succeeds meanwhile.
    assert!(second.flush().is_complete());
    assert!(is_served(&first));

    first.shutdown();
    assert_eq!(address(&second).port(), port);
    let page = scrape(&second);
    assert_eq!(page.sum("claude_code_commit_count_total", &[]), 1.0);
    second.shutdown();
    diagnostics.assert_once("is taken");
    diagnostics.assert_once("the page is at http://");
}

#[test]
fn series_are_counted_as_lost_if_the_port_never_becomes_free() {
    let first = telemetry(&[]);
    let (second, diagnostics) = start_on_port(address(&first).port(), None);
    let session = second.session(session("s"));
    session.record_commit(Commit::new());
    wait_for_health(&second, |now| health(now).state == ExporterState::Failing);
    let report = second.shutdown();
    assert!(!report.is_complete());
    // The series of session starts and of commits.
    assert_eq!(report.exporters[0].dropped.shutdown, 2);
    // Only the port and the loss are reported, each once.
    diagnostics.assert_once("is taken");
    diagnostics.assert_once("2 items are lost so far");
    assert_eq!(diagnostics.count(""), 2);
}

#[test]
fn next_free_port_is_taken_from_the_allowed_range() {
    // Occupies a port, and allows it and the two ports after it. Other processes may hold these two, so the test makes
    // up to six attempts.
    for attempt in 0.. {
        let taken = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let port = taken.local_addr().unwrap().port();
        if port > 65_000 {
            continue;
        }
        let (telemetry, diagnostics) = start_on_port(port, Some(port..=port + 2));
        wait_for_health(&telemetry, |now| {
            health(now).state == ExporterState::Failing || !health(now).addresses.is_empty()
        });
        let explained = telemetry.explain().to_string();
        assert!(
            explained.contains(&format!("the first free one of {port} to {}", port + 2)),
            "{explained}"
        );
        let addresses = health(&telemetry.health()).addresses;
        if addresses.is_empty() && attempt < 5 {
            continue;
        }
        assert!(
            (port + 1..=port + 2).contains(&addresses[0].port()),
            "{addresses:?}"
        );
        assert!(is_served(&telemetry));
        telemetry.shutdown();
        diagnostics.assert_once(&format!("because port {port} is taken"));
        return;
    }
}

#[test]
fn invalid_host_and_port_give_warnings_and_defaults() {
    let config = config(environment(&[
        ("OTEL_EXPORTER_PROMETHEUS_HOST", "http://localhost:1234"),
        ("OTEL_EXPORTER_PROMETHEUS_PORT", "ninety"),
    ]));
    let explained = config.explain().to_string();
    for part in [
        "OTEL_EXPORTER_PROMETHEUS_HOST=http://localhost:1234 (environment): neither a host name",
        "OTEL_EXPORTER_PROMETHEUS_PORT=ninety (environment): not a whole number up to 65535",
        "metrics: Prometheus page at http://localhost:9464/metrics; its values are always cumulative",
    ] {
        assert!(explained.contains(part), "{part} is not in {explained}");
    }
}

#[test]
fn metrics_are_served_only_on_the_configured_address() {
    let telemetry = telemetry(&[("OTEL_EXPORTER_PROMETHEUS_HOST", "127.0.0.1")]);
    let address = address(&telemetry);
    assert_eq!(health(&telemetry.health()).addresses, [address]);
    assert!(address.ip().is_loopback());
    assert!(is_served(&telemetry));
}

/// A web page that lets its own host name resolve to 127.0.0.1 (DNS rebinding) must not read the metrics.
#[test]
fn requests_for_foreign_host_names_are_rejected_on_loopback() {
    let telemetry = telemetry(&[]);
    let _session = telemetry.session(session("s"));
    let address = address(&telemetry);
    let status = |host: &str| {
        let mut client = connect(address);
        write!(client, "GET /metrics HTTP/1.1\r\n{host}\r\n").unwrap();
        let response = read_response(client, false);
        assert_eq!(
            response.body.contains("claude_code_session_count_total"),
            response.status == 200
        );
        response.status
    };
    for allowed in [
        "localhost",
        "LocalHost:9464",
        "127.0.0.1",
        "127.0.0.1:80",
        "[::1]",
        "[::1]:9464",
        "192.0.2.1:9464",
    ] {
        assert_eq!(status(&format!("host: {allowed}\r\n")), 200, "{allowed}");
    }
    for forbidden in [
        "rebound.example",
        "rebound.example:9464",
        "localhost.example",
        "127.0.0.1.example",
        "",
    ] {
        assert_eq!(
            status(&format!("host: {forbidden}\r\n")),
            403,
            "{forbidden}"
        );
    }
    let both = "host: localhost\r\nhost: rebound.example\r\n";
    assert_eq!(status(both), 403);
}

#[test]
fn reconfiguration_turns_the_scrape_endpoint_on_and_moves_it_and_turns_it_off() {
    let config_with = |extra: &[(&str, &str)]| config(environment(extra));
    let none = ("OTEL_METRICS_EXPORTER", "none");
    let telemetry = Telemetry::start(config_with(&[none]), service());
    assert!(telemetry.health().exporters.is_empty());
    let session = telemetry.session(session("s"));
    let commits = |page: &Exposition| page.sum("claude_code_commit_count_total", &[]);

    assert!(telemetry.reconfigure(config_with(&[])));
    session.record_commit(Commit::new());
    let first = address(&telemetry);
    assert_eq!(commits(&scrape(&telemetry)), 1.0);
    // The same configuration again changes nothing.
    assert!(telemetry.reconfigure(config_with(&[])));
    assert_eq!(address(&telemetry), first);

    // Another resource starts the scrape endpoint again, on another port: the configured port 0 selects any free one.
    let named = ("OTEL_SERVICE_NAME", "other");
    assert!(telemetry.reconfigure(config_with(&[named])));
    wait_until_free(first);
    session.record_commit(Commit::new());
    wait_for_health(&telemetry, |now| {
        let addresses = health(now).addresses;
        !addresses.is_empty() && addresses[0] != first
    });
    let page = scrape(&telemetry);
    assert_eq!(commits(&page), 2.0);
    assert_eq!(
        page.select("target_info", &[("service_name", "other")])
            .len(),
        1
    );

    let second = address(&telemetry);
    assert!(telemetry.reconfigure(config_with(&[none])));
    wait_until_free(second);
    assert!(health(&telemetry.health()).addresses.is_empty());
    assert!(telemetry.shutdown().is_complete());
}

/// A scrape endpoint that closes waits up to 500 ms for responses in progress. The timeouts of flush and
/// shutdown are shorter: 50 ms.
#[test]
fn async_flush_and_shutdown_keep_their_deadlines_while_the_scrape_endpoint_closes() {
    let config_with = |exporter, shutdown_timeout| {
        config(environment(&[
            ("OTEL_METRICS_EXPORTER", exporter),
            ("CLAUDE_CODE_OTEL_FLUSH_TIMEOUT_MS", "50"),
            ("CLAUDE_CODE_OTEL_SHUTDOWN_TIMEOUT_MS", shutdown_timeout),
        ]))
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    // The endpoint closes for half a second only, so a busy machine may need another attempt.
    let is_met = (0..5).any(|_| {
        let telemetry = Telemetry::start(config_with("prometheus", "60000"), service());
        let _client_and_sessions = client_that_stops_reading(&telemetry);
        let began = Instant::now();
        assert!(telemetry.reconfigure(config_with("none", "50")));
        wait_for_health(&telemetry, |now| health(now).addresses.is_empty());
        let flush = runtime.block_on(telemetry.flush_async());
        let shutdown = runtime.block_on(telemetry.shutdown_async());
        // An unfinished scrape counts as no loss.
        assert!(shutdown.is_complete(), "{shutdown}");
        let has_closed = began.elapsed() >= Duration::from_millis(500);
        assert!(!flush.in_time || has_closed, "{flush}");
        !flush.in_time
    });
    assert!(is_met);
}
