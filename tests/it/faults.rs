//! Failing receivers: they do not block the host, all data that can be delivered is delivered, and health reports the
//! failure.
#![cfg(any(feature = "grpc", feature = "http"))]

use std::time::{Duration, Instant, SystemTime};

use crate::host::{
    PATIENCE, Protocol, assert_delta, otlp, select, session, sum, telemetry, wait_for_health,
    within,
};
use crate::support::{Answer, Message, Received, black_hole, refused_port};
use crate::{host, support};
use claude_code_telemetry::{Commit, ExporterHealth, ExporterState, Session, Signal, ToolResult};
use tonic::Code;

const COMMITS: &str = "claude_code.commit.count";
/// The timeouts of flush and shutdown that [`LIMITS`] sets.
const LIMIT: Duration = Duration::from_millis(500);
const LIMITS: [(&str, &str); 2] = [
    ("CLAUDE_CODE_OTEL_FLUSH_TIMEOUT_MS", "500"),
    ("CLAUDE_CODE_OTEL_SHUTDOWN_TIMEOUT_MS", "500"),
];

/// Records an event and a commit.
fn record(session: &Session) {
    session.record_tool_result(ToolResult::new("Read"));
    session.record_commit(Commit::new());
}

fn last_error(health: &ExporterHealth) -> String {
    health.last_error.clone().expect("an error").message
}

fn logs(received: &Received) -> Received {
    received.filter(|request| matches!(request.message, Message::Logs(_)))
}

/// Returns a response that asks the client to retry, over either protocol.
fn unavailable(protocol: Protocol) -> Answer {
    match protocol {
        Protocol::Grpc => Answer::code(Code::Unavailable, "overloaded"),
        _ => Answer::status(503).body("text/plain", "overloaded"),
    }
}

/// Asserts that flush and shutdown keep their deadlines when nothing can be delivered to `endpoint`, and that health
/// gives the reason.
#[track_caller]
fn assert_deadlines_are_kept(endpoint: &str, why: &str, extra: &[(&str, &str)]) {
    for protocol in Protocol::all() {
        let telemetry = telemetry(endpoint, protocol, &[&LIMITS, extra].concat());
        let session = telemetry.session(session("s"));
        record(&session);
        let report = within(LIMIT, || telemetry.flush());
        assert!(!report.is_complete());
        within(Duration::from_millis(50), || {
            telemetry.flush_within(Duration::from_millis(50))
        });
        let health = wait_for_health(&telemetry, |health| {
            let failing = |exporter: &ExporterHealth| exporter.state == ExporterState::Failing;
            health.exporters.iter().all(failing)
        });
        for signal in [Signal::Metrics, Signal::Logs] {
            let health = otlp(&health, signal);
            assert_eq!((health.delivered, health.dropped.total()), (0, 0));
            // Metrics have two series: the start of the session and the commits.
            assert_eq!(health.queued, if signal == Signal::Logs { 1 } else { 2 });
            assert!(last_error(&health).contains(why), "{}", last_error(&health));
            assert!(health.last_success.is_none());
        }
        let report = within(LIMIT, || telemetry.shutdown());
        assert!(report.exporters.iter().all(|exporter| {
            exporter.state == ExporterState::ShutDown
                && exporter.queued == 0
                && exporter.dropped.shutdown > 0
        }));
        assert!(report.to_string().contains(why), "{report}");
    }
}

#[test]
fn flush_and_shutdown_keep_their_deadlines_when_connections_are_refused() {
    let port = refused_port();
    assert_deadlines_are_kept(&port.endpoint(), "connection refused", &[]);
}

#[test]
fn flush_and_shutdown_keep_their_deadlines_without_a_response() {
    let hole = black_hole();
    let timeout = [("OTEL_EXPORTER_OTLP_TIMEOUT", "100")];
    assert_deadlines_are_kept(&hole.endpoint(), "no answer", &timeout);
}

#[test]
fn recording_is_not_delayed_by_a_silent_receiver() {
    let hole = black_hole();
    for protocol in Protocol::all() {
        let telemetry = telemetry(
            &hole.endpoint(),
            protocol,
            &[
                ("CLAUDE_CODE_OTEL_SHUTDOWN_TIMEOUT_MS", "50"),
                ("OTEL_LOGS_EXPORT_INTERVAL", "10"),
                ("OTEL_METRIC_EXPORT_INTERVAL", "100"),
            ],
        );
        let session = telemetry.session(session("s"));
        telemetry.flush_within(Duration::from_millis(20));
        let start = Instant::now();
        for _ in 0..10_000 {
            record(&session);
        }
        let took = start.elapsed();
        // Waiting for a single response would take the exporter's timeout, 30 s.
        assert!(took < Duration::from_secs(8), "{took:?}");
    }
}

#[test]
fn events_are_resent_unchanged_after_a_retryable_response() {
    for protocol in Protocol::all() {
        let receiver = protocol.receiver();
        receiver.answer(move |n| {
            if n < 3 {
                unavailable(protocol)
            } else {
                Answer::Ok
            }
        });
        let telemetry = telemetry(
            &receiver.endpoint(),
            protocol,
            &[("OTEL_METRICS_EXPORTER", "none")],
        );
        let session = telemetry.session(session("s"));
        record(&session);
        telemetry.flush_within(Duration::from_millis(1));
        receiver.wait_until(PATIENCE, |received| !received.is_empty());
        // Records from the meantime are not added to the request that is resent.
        record(&session);
        let before = SystemTime::now();
        assert!(telemetry.flush().is_complete());
        let received = receiver.received();
        let bodies: Vec<_> = received
            .requests
            .iter()
            .map(|request| &request.body)
            .collect();
        assert_eq!(bodies.len(), 5);
        assert!(bodies[..4].iter().all(|body| *body == bodies[0]));
        assert_eq!(received.accepted().logs().len(), 2);
        let health = otlp(&telemetry.health(), Signal::Logs);
        assert_eq!(
            (health.state, health.delivered, health.retries),
            (ExporterState::Working, 2, 3)
        );
        assert_eq!(health.dropped.total(), 0);
        assert!(
            last_error(&health).contains("overloaded"),
            "{}",
            last_error(&health)
        );
        assert!(health.last_success.unwrap() >= before);
    }
}

#[test]
fn only_a_rejected_request_is_dropped_and_counted() {
    for protocol in Protocol::all() {
        let receiver = protocol.receiver();
        let refuse = move || match protocol {
            Protocol::Grpc => Answer::code(Code::InvalidArgument, "no such tenant"),
            _ => Answer::status(400).body("text/plain", "no such tenant"),
        };
        let telemetry = telemetry(&receiver.endpoint(), protocol, &[]);
        let session = telemetry.session(session("s"));
        // The receiver rejects metrics, and the first batch of events: only that one is full, with 512 records.
        receiver.answer_by(move |_, request| match &request.message {
            Message::Logs(logs) if logs.resource_logs[0].scope_logs[0].log_records.len() == 512 => {
                refuse()
            }
            Message::Metrics(_) => refuse(),
            _ => Answer::Ok,
        });
        for _ in 0..600 {
            session.record_tool_result(ToolResult::new("Read"));
        }
        session.record_commit(Commit::new());
        assert!(!telemetry.flush().is_complete());
        let health = telemetry.health();
        let (events, metrics) = (otlp(&health, Signal::Logs), otlp(&health, Signal::Metrics));
        assert_eq!(
            (events.delivered, events.dropped.refused, events.queued),
            (88, 512, 0)
        );
        assert_eq!(events.state, ExporterState::Working);
        assert_eq!(
            (metrics.delivered, metrics.dropped.refused, metrics.queued),
            (0, 2, 0)
        );
        assert_eq!(metrics.state, ExporterState::Failing);
        assert!(
            last_error(&metrics).contains("no such tenant"),
            "{}",
            last_error(&metrics)
        );
        // The next time window starts at the end of the lost one.
        let lost = receiver.received().points();
        receiver.answer(|_| Answer::Ok);
        session.record_commit(Commit::new().count(5));
        telemetry.flush();
        let points = receiver.received().accepted().points();
        assert_eq!(sum(&select(&points, COMMITS, &[])), 5.0);
        assert_delta(&[lost, points].concat());
        assert_eq!(
            otlp(&telemetry.health(), Signal::Metrics).state,
            ExporterState::Working
        );
    }
}

#[test]
fn retry_delay_of_a_receiver_is_respected() {
    for protocol in Protocol::all() {
        let receiver = protocol.receiver();
        let wait = Duration::from_secs(1);
        receiver.answer(move |n| match (n, protocol) {
            (0, Protocol::Grpc) => {
                Answer::code(Code::ResourceExhausted, "slower").retry_after(wait)
            }
            (0, _) => Answer::status(429).retry_after(wait),
            _ => Answer::Ok,
        });
        let telemetry = telemetry(
            &receiver.endpoint(),
            protocol,
            &[("OTEL_METRICS_EXPORTER", "none")],
        );
        record(&telemetry.session(session("s")));
        assert!(telemetry.flush().is_complete());
        let requests = receiver.received().requests;
        assert_eq!(requests.len(), 2);
        let waited = requests[1].at - requests[0].at;
        assert!(
            waited >= wait - Duration::from_millis(5) && waited < wait + host::SLACK,
            "{waited:?}"
        );
    }
}

#[test]
fn shutdown_keeps_its_deadline_despite_a_longer_retry_delay() {
    for protocol in Protocol::all() {
        let receiver = protocol.receiver();
        receiver.answer(move |_| match protocol {
            Protocol::Grpc => {
                Answer::code(Code::Unavailable, "").retry_after(Duration::from_secs(3600))
            }
            _ => Answer::status(503).retry_after(Duration::from_secs(3600)),
        });
        let telemetry = telemetry(&receiver.endpoint(), protocol, &LIMITS);
        record(&telemetry.session(session("s")));
        within(LIMIT, || telemetry.flush());
        wait_for_health(&telemetry, |health| {
            let mut exporters = health.exporters.iter();
            exporters.all(|exporter| exporter.state == ExporterState::Failing)
        });
        let report = within(LIMIT, || telemetry.shutdown());
        assert!(
            report
                .exporters
                .iter()
                .all(|exporter| exporter.dropped.shutdown > 0)
        );
    }
}

#[test]
fn items_rejected_in_a_partial_success_are_counted() {
    for protocol in Protocol::all() {
        let receiver = protocol.receiver();
        receiver.answer(|_| Answer::partial(1, "too old"));
        let telemetry = telemetry(&receiver.endpoint(), protocol, &[]);
        let session = telemetry.session(session("s"));
        (0..3).for_each(|_| record(&session));
        let report = telemetry.flush();
        assert!(!report.is_complete());
        let health = telemetry.health();
        let (events, metrics) = (otlp(&health, Signal::Logs), otlp(&health, Signal::Metrics));
        assert_eq!(
            (events.delivered, events.dropped.rejected, events.retries),
            (2, 1, 0)
        );
        assert_eq!((metrics.delivered, metrics.dropped.rejected), (1, 1));
        assert_eq!(logs(&receiver.received()).len(), 1, "it is not sent again");
    }
}

#[test]
fn success_with_an_unreadable_body_counts_as_delivered() {
    for protocol in Protocol::all() {
        let receiver = protocol.receiver();
        receiver.answer(|_| Answer::Garbage);
        let telemetry = telemetry(&receiver.endpoint(), protocol, &[]);
        record(&telemetry.session(session("s")));
        assert!(telemetry.flush().is_complete());
        assert_eq!(receiver.received().len(), 2);
    }
}

#[test]
fn exporter_reconnects_after_a_broken_connection() {
    for protocol in Protocol::all() {
        for broken in [Answer::Reset, Answer::Cut] {
            let receiver = protocol.receiver();
            let answer = broken.clone();
            receiver.answer(move |n| if n < 2 { answer.clone() } else { Answer::Ok });
            let telemetry = telemetry(&receiver.endpoint(), protocol, &[]);
            record(&telemetry.session(session("s")));
            assert!(telemetry.flush().is_complete(), "{protocol:?} {broken:?}");
            let once = receiver.received().accepted().deduplicated();
            // Over HTTP the status arrives first. If the body breaks off after a success, the data counts as
            // delivered.
            let delivered = |signal| otlp(&telemetry.health(), signal).delivered;
            assert_eq!(
                (delivered(Signal::Logs), delivered(Signal::Metrics)),
                (1, 2)
            );
            assert!(once.logs().len() <= 1 && once.points().len() <= 2);
            if broken == Answer::Reset || protocol == Protocol::Grpc {
                assert_eq!((once.logs().len(), once.points().len()), (1, 2));
            }
        }
    }
}

#[cfg(feature = "http")]
#[test]
fn exporter_with_an_invalid_endpoint_is_off_and_counts_its_losses() {
    let receiver = Protocol::HttpProtobuf.receiver();
    let telemetry = telemetry(
        &receiver.endpoint(),
        Protocol::HttpProtobuf,
        &[(
            "OTEL_EXPORTER_OTLP_LOGS_ENDPOINT",
            "http://10.0.0.999:4318/v1/logs",
        )],
    );
    let health = wait_for_health(&telemetry, |health| {
        otlp(health, Signal::Logs).state == ExporterState::Off
    });
    assert!(last_error(&otlp(&health, Signal::Logs)).contains("10.0.0.999"));
    let session = telemetry.session(session("s"));
    (0..20).for_each(|_| record(&session));
    let report = within(LIMIT, || telemetry.flush());
    assert!(!report.is_complete());
    let health = telemetry.health();
    let events = otlp(&health, Signal::Logs);
    // An exporter that is off has no queue.
    assert_eq!((events.queued, events.delivered), (0, 0));
    assert_eq!(events.dropped.total(), 20);
    // The other signal is not affected.
    assert_eq!(otlp(&health, Signal::Metrics).state, ExporterState::Working);
    let commits = select(&receiver.received().points(), COMMITS, &[]);
    assert_eq!(sum(&commits), 20.0);
}

/// Starts a server that responds to each request with interim responses only, until the client disconnects.
#[cfg(feature = "http")]
fn interim_responses() -> std::net::SocketAddr {
    use std::io::{Read, Write};

    let listener = std::net::TcpListener::bind((std::net::Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            std::thread::spawn(move || {
                let mut stream = stream.unwrap();
                let _ = stream.read(&mut [0; 64 * 1024]);
                let flood = "HTTP/1.1 102 Processing\r\n\r\n".repeat(1000);
                while stream.write_all(flood.as_bytes()).is_ok() {}
            });
        }
    });
    address
}

#[test]
#[cfg(feature = "http")]
fn flood_of_interim_responses_fails_the_attempt_and_only_that_signal() {
    let receiver = Protocol::HttpProtobuf.receiver();
    let logs = format!("http://{}/v1/logs", interim_responses());
    let telemetry = telemetry(
        &receiver.endpoint(),
        Protocol::HttpProtobuf,
        &[
            ("OTEL_EXPORTER_OTLP_LOGS_ENDPOINT", &logs),
            ("OTEL_LOGS_EXPORT_INTERVAL", "10"),
            ("OTEL_METRIC_EXPORT_INTERVAL", "100"),
            ("CLAUDE_CODE_OTEL_SHUTDOWN_TIMEOUT_MS", "500"),
            // The timeout is an hour, so only the limit on interim responses can end an attempt.
            ("OTEL_EXPORTER_OTLP_TIMEOUT", "3600000"),
        ],
    );
    let session = telemetry.session(session("s"));
    record(&session);
    let health = wait_for_health(&telemetry, |health| otlp(health, Signal::Logs).retries > 1);
    let events = otlp(&health, Signal::Logs);
    assert_eq!(
        (events.state, events.dropped.total()),
        (ExporterState::Failing, 0)
    );
    assert!(
        last_error(&events).contains("interim responses"),
        "{}",
        last_error(&events)
    );
    // Metrics are delivered during the whole time.
    receiver.wait_until(PATIENCE, |received| received.accepted().len() > 20);
    telemetry.flush_within(LIMIT);
}

/// A limit that ends before the 1 s that a response gets for its body.
#[cfg(feature = "http")]
const BEFORE_BODY: Duration = Duration::from_millis(900);

#[test]
#[cfg(feature = "http")]
fn success_status_counts_when_the_body_exceeds_the_deadline() {
    for protocol in [Protocol::HttpProtobuf, Protocol::HttpJson] {
        let receiver = protocol.receiver();
        // A success whose body never ends.
        receiver.answer(|_| Answer::Drip);
        // A busy machine may receive the status after the deadline, and then needs another attempt.
        let is_met = (0..5).any(|_| {
            let telemetry = telemetry(&receiver.endpoint(), protocol, &[]);
            let session = telemetry.session(session("s"));
            record(&session);
            let report = within(BEFORE_BODY, || telemetry.flush_within(BEFORE_BODY));
            if !report.is_complete() {
                let mut exporters = report.exporters.iter();
                assert!(
                    exporters.all(|exporter| exporter.dropped.total() == 0),
                    "{report}"
                );
                assert!(!report.in_time, "{report}");
                return false;
            }
            assert_eq!(otlp(&telemetry.health(), Signal::Logs).delivered, 1);
            record(&session);
            let report = within(BEFORE_BODY, || telemetry.shutdown_within(BEFORE_BODY));
            if !report.is_complete() {
                assert!(!report.in_time, "{report}");
                return false;
            }
            let health = telemetry.health();
            assert_eq!(otlp(&health, Signal::Logs).delivered, 2);
            assert_eq!(otlp(&health, Signal::Logs).retries, 0);
            true
        });
        assert!(is_met, "{protocol:?}");
    }
}

#[test]
fn unresponsive_address_does_not_delay_the_next_address() {
    // `localhost` resolves to ::1 and 127.0.0.1. The backlog of the port on ::1 is full.
    for protocol in Protocol::all() {
        let receiver = protocol.receiver();
        let Some(_full) = support::full_backlog((std::net::Ipv6Addr::LOCALHOST, receiver.port()))
        else {
            eprintln!("skipped: this machine has no ::1");
            return;
        };
        let endpoint = format!("http://localhost:{}", receiver.port());
        let telemetry = telemetry(&endpoint, protocol, &[]);
        let session = telemetry.session(session("s"));
        record(&session);
        assert!(telemetry.flush().is_complete());
    }
}

/// The export attempt started before the shutdown and has a later deadline.
#[test]
#[cfg(feature = "http")]
fn shutdown_is_complete_during_a_response_that_never_ends() {
    for protocol in [Protocol::HttpProtobuf, Protocol::HttpJson] {
        let receiver = protocol.receiver();
        receiver.answer(|_| Answer::Drip);
        let extra = [
            ("OTEL_METRICS_EXPORTER", "none"),
            ("OTEL_LOGS_EXPORT_INTERVAL", "10"),
        ];
        // A busy machine may receive the status after the deadline, or the shutdown may return after the 1 s for the
        // body. Both need another attempt.
        let is_met = (0..5).any(|_| {
            receiver.clear();
            let began = Instant::now();
            let telemetry = telemetry(&receiver.endpoint(), protocol, &extra);
            telemetry
                .session(session("s"))
                .record_tool_result(ToolResult::new("Read"));
            receiver.wait_until(PATIENCE, |received| !received.logs().is_empty());
            let report = within(BEFORE_BODY, || telemetry.shutdown_within(BEFORE_BODY));
            if !report.is_complete() {
                assert!(!report.in_time, "{report}");
                return false;
            }
            assert_eq!(otlp(&telemetry.health(), Signal::Logs).delivered, 1);
            began.elapsed() < Duration::from_secs(1)
        });
        assert!(is_met, "{protocol:?}");
    }
}
