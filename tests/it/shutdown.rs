//! A flush and a shutdown end within their timeouts. Health counts the data that a shutdown did not deliver, and the
//! records after it.
#![cfg(any(feature = "grpc", feature = "http"))]

use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use crate::host;
use crate::host::{
    PATIENCE, Protocol, environment, otlp, select, session, sum, telemetry, wait_for_health, within,
};
use crate::support::{Answer, black_hole};
use claude_code_telemetry::{
    Commit, Config, ExporterHealth, ExporterState, Health, Session, Signal, Telemetry, TokenType,
    Tokens, ToolResult,
};

/// The timeout of a flush and of a shutdown that get no response. It is short, because such a test waits for it.
const LIMIT: Duration = Duration::from_millis(300);
/// The variables that set both timeouts to [`LIMIT`].
const LIMITS: [(&str, &str); 2] = [
    ("CLAUDE_CODE_OTEL_FLUSH_TIMEOUT_MS", "300"),
    ("CLAUDE_CODE_OTEL_SHUTDOWN_TIMEOUT_MS", "300"),
];

fn record(session: &Session) {
    session.record_tool_result(ToolResult::new("Read"));
    session.record_commit(Commit::new());
}

fn all_shut_down(health: &Health) -> bool {
    let ended = |exporter: &ExporterHealth| exporter.state == ExporterState::ShutDown;
    health.exporters.iter().all(ended)
}

/// Returns true when every exporter has counted its loss. This may happen shortly after the caller's deadline.
fn all_lost(health: &Health) -> bool {
    let lost = |exporter: &ExporterHealth| exporter.dropped.shutdown > 0;
    health.exporters.iter().all(lost)
}

#[test]
fn shutdown_is_idempotent() {
    for protocol in Protocol::all() {
        let receiver = protocol.receiver();
        let telemetry = telemetry(&receiver.endpoint(), protocol, &[]);
        record(&telemetry.session(session("s")));
        assert!(telemetry.shutdown().is_complete());
        let again = within(Duration::ZERO, || telemetry.shutdown());
        assert!(again.is_complete() && all_shut_down(&telemetry.health()));
        assert!(within(Duration::ZERO, || telemetry.flush()).is_complete());
        drop(telemetry);
        assert_eq!(receiver.received().logs().len(), 1);
        assert_eq!(
            sum(&select(
                &receiver.received().points(),
                "claude_code.commit.count",
                &[]
            )),
            1.0
        );
    }
}

#[test]
fn concurrent_shutdowns_deliver_everything_once() {
    for protocol in Protocol::all() {
        for _ in 0..10 {
            let receiver = protocol.receiver();
            let telemetry = telemetry(&receiver.endpoint(), protocol, &[]);
            let session = telemetry.session(session("s"));
            (0..100).for_each(|_| record(&session));
            let together = Barrier::new(4);
            thread::scope(|scope| {
                for _ in 0..4 {
                    scope.spawn(|| {
                        together.wait();
                        let report = telemetry.shutdown();
                        assert!(report.is_complete(), "{report}");
                    });
                }
            });
            let received = receiver.received();
            assert_eq!(received.logs().len(), 100);
            let commits = select(&received.points(), "claude_code.commit.count", &[]);
            assert_eq!(sum(&commits), 100.0);
        }
    }
}

#[test]
fn concurrent_shutdowns_keep_their_deadline_without_a_response() {
    let hole = black_hole();
    for protocol in Protocol::all() {
        let telemetry = telemetry(&hole.endpoint(), protocol, &LIMITS);
        record(&telemetry.session(session("s")));
        let together = Barrier::new(4);
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    together.wait();
                    let report = within(LIMIT, || telemetry.shutdown());
                    assert!(!report.is_complete());
                });
            }
        });
        wait_for_health(&telemetry, all_lost);
    }
}

#[test]
fn health_matches_the_report_after_a_shutdown_timeout() {
    let hole = black_hole();
    for protocol in Protocol::all() {
        let telemetry = telemetry(&hole.endpoint(), protocol, &LIMITS);
        let session = telemetry.session(session("s"));
        (0..100).for_each(|_| record(&session));
        let report = telemetry.shutdown();
        let health = telemetry.health();
        assert!(!report.is_complete() && all_shut_down(&health), "{report}");
        for (reported, seen) in report.exporters.iter().zip(&health.exporters) {
            assert_eq!((reported.state, reported.queued), (seen.state, seen.queued));
            assert_eq!(reported.dropped, seen.dropped);
        }
        assert_eq!(otlp(&health, Signal::Logs).dropped.shutdown, 100);
    }
}

#[test]
fn shutdown_timeout_counts_only_changed_series_as_lost() {
    for protocol in Protocol::all() {
        let receiver = protocol.receiver();
        let telemetry = telemetry(&receiver.endpoint(), protocol, &LIMITS[1..]);
        let session = telemetry.session(session("s"));
        for n in 0..100 {
            session.record_tokens(Tokens::new(format!("model-{n}"), TokenType::Input, 1));
        }
        assert!(telemetry.flush().is_complete());
        receiver.answer_by(|_, _| Answer::Hang);
        session.record_tokens(Tokens::new("model-7", TokenType::Input, 1));
        session.record_commit(Commit::new());
        let report = telemetry.shutdown();
        assert!(!report.is_complete(), "{report}");
        let lost = |health: &Health| otlp(health, Signal::Metrics).dropped.shutdown;
        assert_eq!(lost(&telemetry.health()), 2);
        // The exporter has ended when a second shutdown returns.
        telemetry.shutdown();
        assert_eq!(lost(&telemetry.health()), 2);
    }
}

#[test]
fn points_that_repeat_delivered_values_are_not_lost() {
    for protocol in Protocol::all() {
        for answer in [Answer::Hang, Answer::status(503), Answer::status(400)] {
            let receiver = protocol.receiver();
            // The points must be sent before the deadline.
            let limit = ("CLAUDE_CODE_OTEL_SHUTDOWN_TIMEOUT_MS", "2000");
            let telemetry = telemetry(&receiver.endpoint(), protocol, &[limit]);
            let session = telemetry.session(session("s"));
            record(&session);
            assert!(telemetry.flush().is_complete());
            let delivered = receiver.received().points().len();
            receiver.answer(move |_| answer.clone());
            let report = telemetry.shutdown();
            assert!(report.in_time && report.is_complete(), "{report}");
            assert!(!report.to_string().contains("not everything"), "{report}");
            // The points were sent, and not accepted.
            let sent = receiver.received().points().len();
            assert!(sent > delivered, "{sent}");
            let health = telemetry.health();
            assert_eq!(otlp(&health, Signal::Metrics).dropped.total(), 0);
        }
    }
}

#[test]
fn only_points_with_new_values_are_lost_when_they_are_rejected() {
    for protocol in Protocol::all() {
        let receiver = protocol.receiver();
        let telemetry = telemetry(&receiver.endpoint(), protocol, &[]);
        let session = telemetry.session(session("s"));
        record(&session);
        assert!(telemetry.flush().is_complete());
        receiver.answer(|_| Answer::status(400));
        for expected in [0, 1] {
            // This flush repeats earlier values, so it adds no loss. The one below sends a new commit, which is lost.
            let report = telemetry.flush();
            assert_eq!(report.is_complete(), expected == 0, "{report}");
            let health = telemetry.health();
            let metrics = otlp(&health, Signal::Metrics);
            assert_eq!(metrics.dropped.refused, expected, "{report}");
            session.record_commit(Commit::new());
            telemetry.flush();
        }
    }
}

#[test]
fn report_shows_the_warnings_about_the_configuration() {
    let start = |variables: &[(&str, &str)]| {
        let config = Config::builder()
            .environment(variables.iter().copied())
            .build();
        Telemetry::start(config, host::service())
    };
    let one = start(&[("OTEL_EXPORTER_OLTP_ENDPOINT", "CANARY")]).shutdown();
    assert_eq!(
        one.to_string(),
        "telemetry is off\n\
         1 warning about the configuration:\n\
         - OTEL_EXPORTER_OLTP_ENDPOINT (environment): unknown variable, so it has no effect; did you mean \
         OTEL_EXPORTER_OTLP_ENDPOINT?\n\
         Telemetry::explain returns the whole configuration, and Config::diagnose or `claude-code-telemetry doctor` \
         tries its exporters"
    );

    // The report shows at most five warnings and the number of the others, and truncates each.
    let long = "é".repeat(10_000);
    let names =
        ["LOGS", "TRACES", "METRICS"].map(|signal| format!("OTEL_EXPORTER_OTLP_{signal}_TIMEOUT"));
    let mut variables: Vec<_> = names.iter().map(|name| (&**name, &*long)).collect();
    variables.extend([
        ("OTEL_EXPORTER_OTLP_TIMEOUT", &*long),
        ("OTEL_EXPORTER_OTLP_COMPRESSION", &long),
        ("OTEL_LOGS_EXPORT_INTERVAL", &long),
        ("OTEL_TRACES_EXPORT_INTERVAL", &long),
    ]);
    let many = start(&variables).shutdown();
    let text = many.to_string();
    assert!(many.warnings == 7 && text.contains("7 warnings about the configuration:\n- "));
    assert_eq!(text.matches("\n- ").count(), 6, "{text}");
    assert!(text.contains("…\n- and 2 more\n"), "{text}");
    assert!(text.chars().count() < 2_000, "{text}");
}

#[test]
fn async_flush_and_shutdown_keep_their_deadlines_without_a_response() {
    let hole = black_hole();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    for protocol in Protocol::all() {
        let telemetry = telemetry(&hole.endpoint(), protocol, &LIMITS);
        record(&telemetry.session(session("s")));
        within(LIMIT, || runtime.block_on(telemetry.flush_async()));
        let report = within(LIMIT, || runtime.block_on(telemetry.shutdown_async()));
        assert!(!report.in_time && !report.is_complete());
        wait_for_health(&telemetry, all_lost);
    }
}

#[test]
fn dropped_flush_and_shutdown_futures_have_no_effect() {
    let receiver = Protocol::any().receiver();
    let telemetry = telemetry(&receiver.endpoint(), Protocol::any(), &[]);
    record(&telemetry.session(session("s")));
    drop(telemetry.flush_async());
    drop(telemetry.shutdown_async());
    assert!(telemetry.flush().is_complete());
    assert!(telemetry.shutdown().is_complete());
    assert_eq!(receiver.received().logs().len(), 1);
}

#[test]
fn shorter_of_the_two_timeouts_applies() {
    let hole = black_hole();
    let telemetry = telemetry(&hole.endpoint(), Protocol::any(), &LIMITS);
    record(&telemetry.session(session("s")));
    within(LIMIT, || telemetry.flush_within(Duration::from_secs(60)));
    within(Duration::ZERO, || telemetry.flush_within(Duration::ZERO));
    within(Duration::from_millis(20), || {
        telemetry.shutdown_within(Duration::from_millis(20))
    });
}

#[test]
fn records_after_shutdown_are_dropped_and_counted() {
    let receiver = Protocol::any().receiver();
    let telemetry = telemetry(&receiver.endpoint(), Protocol::any(), &[]);
    let old = telemetry.session(session("s"));
    record(&old);
    telemetry.shutdown();
    let requests = receiver.received().len();
    record(&old);
    old.set_identity(host::test_identity().email("kim@example.com"));
    let new = telemetry.session(session("new"));
    new.prompt("Fix the bug")
        .record_tool_result(ToolResult::new("Read"));
    drop(new);
    telemetry.flush();
    let report = telemetry.shutdown();
    assert!(!report.is_complete());
    let events = otlp(&telemetry.health(), Signal::Logs);
    // Dropped: the tool result of the old session, and the prompt and the tool result of the new one.
    assert_eq!(
        (events.delivered, events.dropped.shutdown, events.queued),
        (1, 3, 0)
    );
    assert_eq!(receiver.received().len(), requests);
}

#[test]
fn every_event_is_counted_when_threads_record_during_shutdown() {
    for _ in 0..2 {
        let receiver = Protocol::any().receiver();
        let telemetry = telemetry(&receiver.endpoint(), Protocol::any(), &[]);
        let session = telemetry.session(session("s"));
        let (recorded, stop) = (AtomicU64::new(0), AtomicBool::new(false));
        thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    while !stop.load(Ordering::SeqCst) {
                        session.record_tool_result(ToolResult::new("Read"));
                        recorded.fetch_add(1, Ordering::SeqCst);
                    }
                });
            }
            receiver.wait_until(PATIENCE, |received| received.len() > 2);
            telemetry.shutdown();
            stop.store(true, Ordering::SeqCst);
        });
        let events = otlp(&telemetry.health(), Signal::Logs);
        assert_eq!(events.delivered, receiver.received().logs().len() as u64);
        let known = events.delivered + events.dropped.total() + events.queued;
        assert_eq!(known, recorded.load(Ordering::SeqCst), "{events:?}");
    }
}

#[test]
fn dropping_the_last_handle_delivers_within_the_deadline() {
    for protocol in Protocol::all() {
        let receiver = protocol.receiver();
        let first = telemetry(&receiver.endpoint(), protocol, &[]);
        let session = first.session(session("s"));
        record(&session);
        let last = first.clone();
        drop(first);
        record(&session);
        assert!(receiver.received().is_empty());
        drop(last);
        assert_eq!(receiver.received().logs().len(), 2);
        // The session outlives the telemetry, and its calls do nothing.
        record(&session);
        session.prompt("Fix the bug").end();

        let hole = black_hole();
        let telemetry = telemetry(&hole.endpoint(), protocol, &LIMITS);
        record(&telemetry.session(host::session("s")));
        within(LIMIT, || drop(telemetry));
    }
}

#[test]
fn pending_flush_ends_with_the_shutdown() {
    let receiver = Protocol::any().receiver();
    receiver.answer(|_| Answer::Hang);
    let telemetry = telemetry(
        &receiver.endpoint(),
        Protocol::any(),
        &[("CLAUDE_CODE_OTEL_FLUSH_TIMEOUT_MS", "60000"), LIMITS[1]],
    );
    record(&telemetry.session(session("s")));
    thread::scope(|scope| {
        let flush = scope.spawn(|| telemetry.flush());
        receiver.wait_until(PATIENCE, |received| !received.is_empty());
        within(LIMIT, || {
            telemetry.shutdown();
            flush.join().unwrap();
        });
    });
    wait_for_health(&telemetry, all_shut_down);
}

#[test]
fn concurrent_flushes_deliver_the_records_of_their_threads() {
    let receiver = Protocol::any().receiver();
    let telemetry = telemetry(&receiver.endpoint(), Protocol::any(), &[]);
    thread::scope(|scope| {
        for number in 0..8 {
            let (telemetry, receiver) = (&telemetry, &receiver);
            scope.spawn(move || {
                let session = telemetry.session(session(&format!("s-{number}")));
                for n in 0..20u64 {
                    session.record_tool_result(ToolResult::new("Read"));
                    telemetry.flush();
                    // A flush delivers all events that its own thread recorded before.
                    let logs = receiver.received().logs();
                    let mine = logs
                        .iter()
                        .filter(|log| log.attributes["session.id"] == session.id());
                    assert_eq!(mine.count() as u64, n + 1);
                }
            });
        }
    });
}

#[test]
fn disabled_telemetry_does_nothing() {
    let hole = black_hole();
    let off = |variable: &str, value: &str| {
        let mut environment = environment(&hole.endpoint(), Protocol::any(), &[]);
        environment.insert(variable.to_owned(), value.to_owned());
        Telemetry::start(host::config(environment), host::service())
    };
    let mut none = environment(&hole.endpoint(), Protocol::any(), &[]);
    none.insert("OTEL_METRICS_EXPORTER".to_owned(), "none".to_owned());
    none.insert("OTEL_LOGS_EXPORTER".to_owned(), String::new());
    let without_exporter = Telemetry::start(host::config(none), host::service());
    for (telemetry, expected) in [
        (Telemetry::disabled(), "telemetry is off"),
        (off("CLAUDE_CODE_ENABLE_TELEMETRY", "0"), "telemetry is off"),
        (off("OTEL_SDK_DISABLED", "true"), "telemetry is off"),
        (without_exporter, "telemetry has no exporter"),
    ] {
        assert!(!telemetry.is_enabled());
        let session = telemetry.session(session("s"));
        assert_eq!(session.id(), "s");
        let prompt = session.prompt("Fix the bug");
        record(&session);
        prompt.record_tool_result(ToolResult::new("Read"));
        session.set_identity(host::test_identity());
        let report = within(Duration::ZERO, || {
            telemetry.flush();
            telemetry.shutdown()
        });
        assert!(report.is_complete() && report.exporters.is_empty());
        let text = report.to_string();
        let (first, rest) = text.split_once('\n').unwrap_or((&text, ""));
        assert_eq!(first, expected);
        // The other lines are the warnings about the configuration, such as one about exporters without effect.
        assert_eq!(
            rest.is_empty(),
            telemetry.explain().warnings().is_empty(),
            "{rest}"
        );
        assert!(telemetry.health().exporters.is_empty());
    }
}

#[test]
fn maximum_timeouts_and_intervals_do_not_overflow() {
    let receiver = Protocol::any().receiver();
    let telemetry = telemetry(
        &receiver.endpoint(),
        Protocol::any(),
        &[
            ("CLAUDE_CODE_OTEL_FLUSH_TIMEOUT_MS", "18446744073709551615"),
            (
                "CLAUDE_CODE_OTEL_SHUTDOWN_TIMEOUT_MS",
                "18446744073709551615",
            ),
            ("OTEL_EXPORTER_OTLP_TIMEOUT", "18446744073709551615"),
            ("OTEL_METRIC_EXPORT_INTERVAL", "18446744073709551615"),
            ("OTEL_LOGS_EXPORT_INTERVAL", "18446744073709551615"),
        ],
    );
    record(&telemetry.session(session("s")));
    assert!(telemetry.flush().is_complete());
    assert!(telemetry.shutdown().is_complete());
    assert_eq!(receiver.received().logs().len(), 1);
}
