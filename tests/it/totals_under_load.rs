//! Metric totals are exact while many threads record, sessions start and end, and readers collect.
#![cfg(all(any(feature = "grpc", feature = "http"), feature = "console"))]

use std::collections::BTreeMap;
use std::sync::Barrier;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use crate::host;
use crate::host::{
    Protocol, Screen, assert_cumulative, assert_delta, by_series, select, session, sum, telemetry,
};
use crate::support::{Message, Point};
use claude_code_telemetry::{
    ApiRequest, Commit, LinesOfCode, Session, StartType, Telemetry, TokenUsage,
};
use serde_json::Value;

const THREADS: usize = 8;
const COMMITS: &str = "claude_code.commit.count";
const STARTS: &str = "claude_code.session.count";

/// Runs `work` on every thread, and flushes continuously until all threads are done.
fn flush_during(telemetry: &Telemetry, work: impl Fn(usize) + Sync) {
    let running = AtomicUsize::new(THREADS);
    thread::scope(|scope| {
        for number in 0..THREADS {
            let (work, running) = (&work, &running);
            scope.spawn(move || {
                work(number);
                running.fetch_sub(1, Ordering::SeqCst);
            });
        }
        while running.load(Ordering::SeqCst) > 0 {
            telemetry.flush();
        }
    });
}

#[test]
fn totals_are_exact_while_eight_threads_record() {
    for temporality in ["delta", "cumulative"] {
        let receiver = Protocol::any().receiver();
        let telemetry = telemetry(
            &receiver.endpoint(),
            Protocol::any(),
            &[
                (
                    "OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE",
                    temporality,
                ),
                ("OTEL_LOGS_EXPORTER", "none"),
            ],
        );
        let session = telemetry.session(session("busy"));
        let request = ApiRequest::new("sonnet").cost_usd(0.25);
        let request = request.tokens(TokenUsage::new().input(1).output(2));
        // The threads record in portions, and a flush begins together with each.
        let portion = Barrier::new(THREADS + 1);
        thread::scope(|scope| {
            for _ in 0..THREADS {
                let session: Session = session.clone();
                let (portion, request) = (&portion, &request);
                scope.spawn(move || {
                    for _ in 0..20 {
                        portion.wait();
                        for _ in 0..250 {
                            session.record_commit(Commit::new());
                            session.record_api_request(request.clone());
                        }
                    }
                });
            }
            for _ in 0..20 {
                portion.wait();
                telemetry.flush();
            }
        });
        assert!(telemetry.shutdown().is_complete());
        let points = receiver.received().accepted().points();
        let total = |metric, own: &[_]| {
            let points = select(&points, metric, own);
            match temporality {
                "delta" => sum(&points),
                _ => points.last().unwrap().value,
            }
        };
        match temporality {
            "delta" => assert_delta(&points),
            _ => assert_cumulative(&points),
        }
        assert_eq!(total(COMMITS, &[]), 40_000.0);
        assert_eq!(total("claude_code.cost.usage", &[]), 10_000.0);
        assert_eq!(
            total("claude_code.token.usage", &[("type", "input")]),
            40_000.0
        );
        assert_eq!(
            total("claude_code.token.usage", &[("type", "output")]),
            80_000.0
        );
    }
}

/// The number of sessions that all threads open at the same time, several times each, and never again: a later opening
/// would hide the loss of a measurement that was recorded just after a reader saw the end of the session.
const SHARED_IDS: usize = 500;
/// The number of times that each thread opens a shared session.
const OPENINGS: usize = 4;
/// The number of sessions that only a single thread opens, for each thread. Together with the shared ones, they exceed
/// the number of ended sessions whose series are kept.
const OWN_IDS: usize = 120;

/// Records in sessions that end immediately after the records.
fn record_in_short_sessions(telemetry: &Telemetry, thread: usize, together: &Barrier) {
    for id in 0..SHARED_IDS {
        together.wait();
        for _ in 0..OPENINGS {
            let session = telemetry.session(session(&format!("shared-{id}")));
            session.record_commit(Commit::new().count(3));
            session.record_lines_of_code(LinesOfCode::new().added(1));
        }
        if id < OWN_IDS {
            let own = telemetry.session(session(&format!("own-{thread}-{id}")));
            own.record_commit(Commit::new());
        }
    }
}

/// Returns the expected totals by metric and `session.id`.
fn expected() -> BTreeMap<(String, String), f64> {
    let mut expected = BTreeMap::new();
    let opened = (THREADS * OPENINGS) as f64;
    for id in 0..SHARED_IDS {
        let id = format!("shared-{id}");
        expected.insert((COMMITS.to_owned(), id.clone()), 3.0 * opened);
        expected.insert((STARTS.to_owned(), id.clone()), opened);
        expected.insert(("claude_code.lines_of_code.count".to_owned(), id), opened);
    }
    for thread in 0..THREADS {
        for id in 0..OWN_IDS {
            let id = format!("own-{thread}-{id}");
            expected.insert((COMMITS.to_owned(), id.clone()), 1.0);
            expected.insert((STARTS.to_owned(), id), 1.0);
        }
    }
    expected
}

/// Asserts that the totals are as expected, and shows only the wrong ones.
#[track_caller]
fn assert_totals(found: BTreeMap<(String, String), f64>) {
    let expected = expected();
    let wrong = |(key, value): &(&(String, String), &f64)| expected.get(*key) != Some(*value);
    let wrong: Vec<_> = found.iter().filter(wrong).collect();
    assert!(wrong.is_empty(), "wrong totals: {wrong:?}");
    assert_eq!(found.len(), expected.len());
}

#[test]
fn totals_of_two_readers_are_exact_while_sessions_start_and_end() {
    let receiver = Protocol::any().receiver();
    let screen = Screen::default();
    let environment = host::environment(
        &receiver.endpoint(),
        Protocol::any(),
        &[
            ("OTEL_METRICS_EXPORTER", "otlp,console"),
            ("OTEL_LOGS_EXPORTER", "none"),
        ],
    );
    let telemetry = Telemetry::builder(host::config(environment), host::service())
        .console_writer(screen.clone())
        .start();
    let together = Barrier::new(THREADS);
    flush_during(&telemetry, |thread| {
        record_in_short_sessions(&telemetry, thread, &together)
    });
    assert!(telemetry.shutdown().is_complete());

    let points = receiver.received().accepted().points();
    assert_delta(&points);
    let mut over_otlp = BTreeMap::new();
    for Point {
        name,
        attributes,
        value,
        ..
    } in points
    {
        let id = attributes["session.id"].as_str().unwrap().to_owned();
        *over_otlp.entry((name, id)).or_default() += value;
    }
    assert_totals(over_otlp);

    let mut on_screen = BTreeMap::new();
    for line in screen.lines() {
        let value = line["value"].as_f64().unwrap();
        assert!(value >= 0.0, "{line}");
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let key = (text(&line["name"]), text(&line["attributes"]["session.id"]));
        *on_screen.entry(key).or_default() += value;
    }
    assert_totals(on_screen);
}

#[test]
fn cumulative_values_never_decrease_while_sessions_start_and_end() {
    let receiver = Protocol::any().receiver();
    let telemetry = telemetry(
        &receiver.endpoint(),
        Protocol::any(),
        &[
            (
                "OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE",
                "cumulative",
            ),
            ("OTEL_LOGS_EXPORTER", "none"),
        ],
    );
    let together = Barrier::new(THREADS);
    flush_during(&telemetry, |thread| {
        record_in_short_sessions(&telemetry, thread, &together)
    });
    assert!(telemetry.shutdown().is_complete());
    let points = receiver.received().accepted().points();
    assert_cumulative(&points);
    let last = by_series(&points).into_values().map(|points| {
        let last = points.last().unwrap();
        let id = last.attributes["session.id"].as_str().unwrap().to_owned();
        ((last.name.clone(), id), last.value)
    });
    assert_totals(last.collect());
}

#[test]
fn series_of_many_sessions_are_split_into_small_requests() {
    const SESSIONS: usize = 2_000;
    for protocol in Protocol::all() {
        let receiver = protocol.receiver();
        let telemetry = telemetry(
            &receiver.endpoint(),
            protocol,
            // Every data point repeats this attribute, so the points of all sessions exceed the size of one request.
            &[(
                "OTEL_RESOURCE_ATTRIBUTES",
                &format!("team={}", "x".repeat(700)),
            )],
        );
        let sessions: Vec<Session> = (0..SESSIONS)
            .map(|n| telemetry.session(session(&format!("s-{n}")).start_type(StartType::Fresh)))
            .collect();
        for round in 0..2 {
            for (n, session) in sessions.iter().enumerate() {
                session.record_commit(Commit::new().count(n as u64 + round));
                session.record_lines_of_code(LinesOfCode::new().added(1).removed(2));
                session.record_api_request_event(ApiRequest::new("sonnet"));
            }
            let report = telemetry.flush();
            assert!(report.is_complete(), "{report}");
        }
        let received = receiver.received();
        let metrics = received.filter(|request| matches!(request.message, Message::Metrics(_)));
        assert!(metrics.len() > 2, "{}", metrics.len());
        assert!(
            received
                .requests
                .iter()
                .all(|request| request.body.len() < 4 * 1024 * 1024)
        );
        let points = metrics.points();
        assert_eq!(points.len(), 2 * SESSIONS * 4);
        assert_delta(&points);
        for (_, points) in by_series(&points) {
            let [first, second] = &points[..] else {
                panic!("one point a collection: {points:?}");
            };
            let id = first.attributes["session.id"].as_str().unwrap();
            let n: f64 = id.strip_prefix("s-").unwrap().parse().unwrap();
            let values = match (first.name.as_str(), first.attributes.get("type")) {
                (COMMITS, _) => (n, n + 1.0),
                (STARTS, _) => (1.0, 0.0),
                (_, Some(kind)) if kind == "added" => (1.0, 1.0),
                _ => (2.0, 2.0),
            };
            assert_eq!((first.value, second.value), values, "{id} {}", first.name);
        }
        let logs = received.logs();
        assert_eq!(logs.len(), 2 * SESSIONS);
    }
}
