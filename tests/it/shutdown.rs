//! The end: whenever and however often it comes, it is bounded, final and counted.
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
    Commit, ExporterHealth, ExporterState, Health, Session, Signal, Telemetry, TokenType, Tokens,
    ToolResult,
};

const LIMIT: Duration = Duration::from_millis(300);
const LIMITS: [(&str, &str); 2] = [
    ("CLAUDE_CODE_OTEL_FLUSH_TIMEOUT_MS", "300"),
    ("CLAUDE_CODE_OTEL_SHUTDOWN_TIMEOUT_MS", "300"),
];

fn record(session: &Session) {
    session.record_tool_result(ToolResult::new("Read"));
    session.record_commit(Commit::new());
}

fn all_off(health: &Health) -> bool {
    let ended = |exporter: &ExporterHealth| exporter.state == ExporterState::ShutDown;
    health.exporters.iter().all(ended)
}

/// The exporters know it a moment after the caller, who waits no longer than its limit.
fn all_lost(health: &Health) -> bool {
    let lost = |exporter: &ExporterHealth| exporter.dropped.shutdown > 0;
    health.exporters.iter().all(lost)
}

#[test]
fn twice_is_as_good_as_once() {
    for protocol in Protocol::all() {
        let receiver = protocol.receiver();
        let telemetry = telemetry(&receiver.endpoint(), protocol, &[]);
        record(&telemetry.session(session("s")));
        assert!(telemetry.shutdown().is_complete());
        let again = within(Duration::ZERO, || telemetry.shutdown());
        assert!(again.is_complete() && all_off(&telemetry.health()));
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
fn from_four_threads_at_once() {
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
fn from_four_threads_at_once_against_a_black_hole() {
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
fn health_agrees_with_the_report_when_a_shutdown_that_timed_out_returns() {
    let hole = black_hole();
    for protocol in Protocol::all() {
        let telemetry = telemetry(&hole.endpoint(), protocol, &LIMITS);
        let session = telemetry.session(session("s"));
        (0..100).for_each(|_| record(&session));
        let report = telemetry.shutdown();
        let health = telemetry.health();
        assert!(!report.is_complete() && all_off(&health), "{report}");
        for (reported, seen) in report.exporters.iter().zip(&health.exporters) {
            assert_eq!((reported.state, reported.queued), (seen.state, seen.queued));
            assert_eq!(reported.dropped, seen.dropped);
        }
        assert_eq!(otlp(&health, Signal::Events).dropped.shutdown, 100);
    }
}

#[test]
fn shutdown_that_timed_out_counts_the_series_that_changed() {
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
        // The exporter has ended by the time a second shutdown returns.
        telemetry.shutdown();
        assert_eq!(lost(&telemetry.health()), 2);
    }
}

#[test]
fn the_async_forms_keep_the_limits_against_a_black_hole() {
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
fn a_future_that_is_dropped_hurts_nobody() {
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
fn the_smaller_of_both_limits_counts() {
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
fn what_is_recorded_afterwards_is_dropped_and_counted() {
    let receiver = Protocol::any().receiver();
    let telemetry = telemetry(&receiver.endpoint(), Protocol::any(), &[]);
    let old = telemetry.session(session("s"));
    record(&old);
    telemetry.shutdown();
    let requests = receiver.received().len();
    record(&old);
    old.set_identity(host::somebody().email("kim@example.com"));
    let new = telemetry.session(session("new"));
    new.prompt("Fix the bug")
        .record_tool_result(ToolResult::new("Read"));
    new.end();
    telemetry.flush();
    let report = telemetry.shutdown();
    assert!(!report.is_complete());
    let events = otlp(&telemetry.health(), Signal::Events);
    assert_eq!(
        (events.delivered, events.dropped.shutdown, events.queued),
        (1, 3, 0)
    );
    assert_eq!(receiver.received().len(), requests);
}

#[test]
fn every_event_is_accounted_for_when_threads_go_on_recording() {
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
        let events = otlp(&telemetry.health(), Signal::Events);
        assert_eq!(events.delivered, receiver.received().logs().len() as u64);
        let known = events.delivered + events.dropped.total() + events.queued;
        assert_eq!(known, recorded.load(Ordering::SeqCst), "{events:?}");
    }
}

#[test]
fn a_drop_delivers_and_is_bounded() {
    for protocol in Protocol::all() {
        let receiver = protocol.receiver();
        let clones = telemetry(&receiver.endpoint(), protocol, &[]);
        let session = clones.session(session("s"));
        record(&session);
        let last = clones.clone();
        drop(clones);
        record(&session);
        assert!(receiver.received().is_empty());
        drop(last);
        assert_eq!(receiver.received().logs().len(), 2);
        // The session outlives it and does nothing.
        record(&session);
        session.prompt("Fix the bug");

        let hole = black_hole();
        let telemetry = telemetry(&hole.endpoint(), protocol, &LIMITS);
        record(&telemetry.session(host::session("s")));
        within(LIMIT, || drop(telemetry));
    }
}

#[test]
fn a_flush_that_waits_ends_with_the_shutdown() {
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
    wait_for_health(&telemetry, all_off);
}

#[test]
fn many_flushes_at_once_are_all_served() {
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
                    // A flush delivers what its own thread recorded before it.
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
fn telemetry_that_is_off_does_nothing() {
    let hole = black_hole();
    let off = |variable: &str, value: &str| {
        let mut environment = environment(&hole.endpoint(), Protocol::any(), &[]);
        environment.insert(variable.to_owned(), value.to_owned());
        Telemetry::start(host::config(environment), host::service())
    };
    let mut none = environment(&hole.endpoint(), Protocol::any(), &[]);
    none.insert("OTEL_METRICS_EXPORTER".to_owned(), "none".to_owned());
    none.insert("OTEL_LOGS_EXPORTER".to_owned(), String::new());
    for telemetry in [
        Telemetry::disabled(),
        off("CLAUDE_CODE_ENABLE_TELEMETRY", "0"),
        off("OTEL_SDK_DISABLED", "true"),
        Telemetry::start(host::config(none), host::service()),
    ] {
        assert!(!telemetry.is_enabled());
        let session = telemetry.session(session("s"));
        assert_eq!(session.id(), "s");
        let prompt = session.prompt("Fix the bug");
        record(&session);
        prompt.record_tool_result(ToolResult::new("Read"));
        session.set_identity(host::somebody());
        let report = within(Duration::ZERO, || {
            telemetry.flush();
            telemetry.shutdown()
        });
        assert!(report.is_complete() && report.exporters.is_empty());
        let text = report.to_string();
        let (first, rest) = text.split_once('\n').unwrap_or((&text, ""));
        assert_eq!(first, "telemetry is off");
        // Exporters are set, but do nothing: that is worth a warning.
        assert_eq!(
            rest.is_empty(),
            telemetry.explain().warnings().is_empty(),
            "{rest}"
        );
        assert!(telemetry.health().exporters.is_empty());
    }
}

#[test]
fn limits_beyond_all_reason_do_no_harm() {
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
