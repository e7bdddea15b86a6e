//! Metric totals are exact: with both temporalities, for every reader, and for sessions that end and are opened
//! again.
#![cfg(all(any(feature = "grpc", feature = "http"), feature = "console"))]

use std::time::Duration;

use crate::host;
use crate::host::{
    Protocol, Screen, assert_cumulative, assert_delta, by_series, exporter, select, session, sum,
    telemetry, wait_for_health,
};
use crate::support::{Answer, Point, Receiver};
use claude_code_telemetry::{
    ActiveTime, ActivityType, ApiRequest, Commit, Cost, Exporter, LinesOfCode, PullRequest,
    Session, Signal, StartType, Telemetry, TokenUsage,
};

const COMMITS: &str = "claude_code.commit.count";
/// Without the session id, sessions of the same identity share their series.
const WITHOUT_SESSION_ID: (&str, &str) = ("OTEL_METRICS_INCLUDE_SESSION_ID", "false");
const CUMULATIVE: (&str, &str) = (
    "OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE",
    "cumulative",
);

fn start(receiver: &Receiver, extra: &[(&str, &str)]) -> Telemetry {
    telemetry(&receiver.endpoint(), Protocol::any(), extra)
}

fn commit(session: &Session, count: u64) {
    session.record_commit(Commit::new().count(count));
}

#[track_caller]
fn flush(telemetry: &Telemetry) {
    let report = telemetry.flush();
    assert!(report.is_complete(), "{report}");
}

fn points(receiver: &Receiver) -> Vec<Point> {
    receiver.received().accepted().deduplicated().points()
}

fn values(points: &[Point]) -> Vec<f64> {
    points.iter().map(|point| point.value).collect()
}

/// Records sessions with equal attributes: one stays open while the other ends and is opened again.
fn two_equal_sessions(telemetry: &Telemetry) {
    let first = telemetry.session(session("a"));
    let second = telemetry.session(session("b"));
    commit(&first, 1);
    commit(&second, 2);
    flush(telemetry);
    commit(&first, 3);
    drop(second);
    flush(telemetry);
    flush(telemetry);
    let second = telemetry.session(session("b"));
    commit(&second, 4);
    flush(telemetry);
    drop(first);
    drop(second);
    flush(telemetry);
    flush(telemetry);
    let third = telemetry.session(session("c"));
    commit(&third, 5);
    flush(telemetry);
}

#[test]
fn delta_points_add_up_across_sessions_with_equal_attributes() {
    let receiver = Protocol::any().receiver();
    let telemetry = start(&receiver, &[WITHOUT_SESSION_ID]);
    two_equal_sessions(&telemetry);
    let points = points(&receiver);
    assert_delta(&points);
    assert_eq!(
        values(&select(&points, COMMITS, &[])),
        [3.0, 3.0, 0.0, 4.0, 0.0, 0.0, 5.0]
    );
    assert_eq!(sum(&select(&points, "claude_code.session.count", &[])), 4.0);
    assert_eq!(by_series(&points).len(), 2);
    assert!(
        points
            .iter()
            .all(|point| !point.attributes.contains_key("session.id"))
    );
}

#[test]
fn cumulative_points_add_up_across_sessions_with_equal_attributes() {
    let receiver = Protocol::any().receiver();
    let telemetry = start(&receiver, &[WITHOUT_SESSION_ID, CUMULATIVE]);
    two_equal_sessions(&telemetry);
    let points = points(&receiver);
    assert_cumulative(&points);
    assert_eq!(
        values(&select(&points, COMMITS, &[])),
        [3.0, 6.0, 6.0, 10.0, 10.0, 10.0, 15.0]
    );
    assert_eq!(by_series(&points).len(), 2);
}

#[test]
fn otlp_and_console_readers_get_the_same_totals() {
    let receiver = Protocol::any().receiver();
    // The receiver fails every second request, so that the two readers collect at different times.
    receiver.answer(|n| {
        if n % 2 == 0 {
            Answer::status(503)
        } else {
            Answer::Ok
        }
    });
    let screen = Screen::default();
    let environment = host::environment(
        &receiver.endpoint(),
        Protocol::any(),
        &[
            WITHOUT_SESSION_ID,
            ("OTEL_METRICS_EXPORTER", "console,otlp"),
        ],
    );
    let telemetry = Telemetry::builder(host::config(environment), host::service())
        .console_writer(screen.clone())
        .start();
    two_equal_sessions(&telemetry);
    // This flush may time out, so that the shutdown resends its data.
    telemetry.flush_within(Duration::from_millis(1));
    assert!(telemetry.shutdown().is_complete());
    let points = points(&receiver);
    assert_delta(&points);
    assert_eq!(sum(&select(&points, COMMITS, &[])), 15.0);
    let lines = screen.lines();
    let mut ends: Vec<String> = Vec::new();
    let mut total = 0.0;
    for line in lines.iter().filter(|line| line["name"] == COMMITS) {
        total += line["value"].as_f64().unwrap();
        if let Some(end) = ends.last() {
            assert_eq!(line["start"], end.as_str());
        }
        ends.push(line["time"].as_str().unwrap().to_owned());
    }
    assert_eq!(total, 15.0);
}

#[test]
fn delta_series_continue_when_a_session_is_opened_again() {
    let receiver = Protocol::any().receiver();
    let telemetry = start(&receiver, &[]);
    let first = telemetry.session(session("again").start_type(StartType::Fresh));
    commit(&first, 1);
    drop(first);
    flush(&telemetry);
    flush(&telemetry);
    let again = telemetry.session(session("again").start_type(StartType::Resume));
    commit(&again, 2);
    flush(&telemetry);
    let points = points(&receiver);
    assert_delta(&points);
    assert_eq!(values(&select(&points, COMMITS, &[])), [1.0, 2.0]);
    // Each start is counted, with its own start type.
    for word in ["fresh", "resume"] {
        let starts = select(
            &points,
            "claude_code.session.count",
            &[("start_type", word)],
        );
        assert_eq!(sum(&starts), 1.0);
    }
}

#[test]
fn cumulative_series_continue_when_a_session_is_opened_again() {
    let receiver = Protocol::any().receiver();
    let telemetry = start(&receiver, &[CUMULATIVE]);
    for round in 0..3 {
        let again = telemetry.session(session("again"));
        commit(&again, 2);
        again.prompt("Fix the bug").end();
        flush(&telemetry);
        drop(again);
        flush(&telemetry);
        flush(&telemetry);
        let points = points(&receiver);
        assert_cumulative(&points);
        let last = 2.0 * f64::from(round + 1);
        let values = values(&select(&points, COMMITS, &[]));
        assert_eq!(values[values.len() - 2..], [last, last]);
        assert_eq!(
            values.len(),
            2 * (round as usize + 1),
            "ended series are silent"
        );
        assert_eq!(
            receiver.received().logs().last().unwrap().attributes["event.sequence"],
            round
        );
    }
}

#[test]
fn ended_session_is_exported_once_more_and_then_no_longer() {
    for temporality in ["delta", "cumulative"] {
        let receiver = Protocol::any().receiver();
        let telemetry = start(&receiver, &[(CUMULATIVE.0, temporality)]);
        let ending = telemetry.session(session("ending"));
        let staying = telemetry.session(session("staying"));
        commit(&ending, 7);
        commit(&staying, 7);
        flush(&telemetry);
        drop(ending);
        for _ in 0..4 {
            flush(&telemetry);
        }
        let points = points(&receiver);
        let of = |id| values(&select(&points, COMMITS, &[("session.id", id)]));
        match temporality {
            "delta" => {
                assert_eq!(of("ending"), [7.0, 0.0]);
                assert_eq!(of("staying"), [7.0, 0.0, 0.0, 0.0, 0.0]);
            }
            _ => {
                assert_eq!(of("ending"), [7.0, 7.0]);
                assert_eq!(of("staying"), [7.0; 5]);
            }
        }
        drop(staying);
    }
}

#[test]
fn session_shorter_than_a_collection_interval_is_exported() {
    let receiver = Protocol::any().receiver();
    let telemetry = start(&receiver, &[]);
    commit(&telemetry.session(session("brief")), 3);
    flush(&telemetry);
    flush(&telemetry);
    assert_eq!(values(&select(&points(&receiver), COMMITS, &[])), [3.0]);
}

#[test]
fn open_prompt_keeps_its_session_alive() {
    let receiver = Protocol::any().receiver();
    let telemetry = start(&receiver, &[]);
    let session = telemetry.session(session("kept"));
    let prompt = session.prompt("Fix the bug");
    drop(session);
    for _ in 0..3 {
        prompt.record_commit(Commit::new());
        flush(&telemetry);
    }
    assert_eq!(values(&select(&points(&receiver), COMMITS, &[])), [1.0; 3]);
}

#[test]
fn delta_points_are_contiguous_over_many_flushes() {
    let receiver = Protocol::any().receiver();
    let telemetry = start(&receiver, &[]);
    let session = telemetry.session(session("long"));
    for round in 0..60u64 {
        if round % 3 == 0 {
            commit(&session, round);
            session.record_lines_of_code(LinesOfCode::new().added(round));
        }
        if round % 5 == 0 {
            session.record_pull_request(PullRequest::new());
            session.record_active_time(ActiveTime::new(
                ActivityType::User,
                Duration::from_millis(round),
            ));
            let tokens = TokenUsage::new().input(round);
            session.record_api_request(ApiRequest::new("sonnet").tokens(tokens).cost_usd(0.1));
        }
        flush(&telemetry);
    }
    let points = points(&receiver);
    assert_delta(&points);
    assert_eq!(select(&points, COMMITS, &[]).len(), 60);
    let total = |metric, own: &[_]| sum(&select(&points, metric, own));
    assert_eq!(total(COMMITS, &[]), (0..60).step_by(3).sum::<u64>() as f64);
    assert_eq!(total("claude_code.pull_request.count", &[]), 12.0);
    let inputs = total("claude_code.token.usage", &[("type", "input")]);
    assert_eq!(inputs, (0..60).step_by(5).sum::<u64>() as f64);
    let near = |value: f64, wanted: f64| assert!((value / wanted - 1.0).abs() < 1e-9, "{value}");
    near(total("claude_code.cost.usage", &[]), 1.2);
    near(total("claude_code.active_time.total", &[]), 0.33);
}

#[test]
fn measurements_of_an_outage_arrive_in_a_single_point() {
    let receiver = Protocol::any().receiver();
    receiver.answer(|_| Answer::status(503));
    let telemetry = start(&receiver, &[]);
    let session = telemetry.session(session("outage"));
    commit(&session, 1);
    telemetry.flush_within(Duration::from_millis(20));
    wait_for_health(&telemetry, |health| {
        exporter(health, Signal::Metrics, Exporter::Otlp).retries > 0
    });
    for _ in 0..100 {
        commit(&session, 2);
    }
    receiver.answer(|_| Answer::Ok);
    flush(&telemetry);
    let points = points(&receiver);
    assert_delta(&points);
    // The first point, which the receiver did not accept, is resent unchanged.
    assert_eq!(values(&select(&points, COMMITS, &[])), [1.0, 200.0]);
}

#[test]
fn invalid_costs_are_omitted_and_counted() {
    let receiver = Protocol::any().receiver();
    let telemetry = start(&receiver, &[]);
    let session = telemetry.session(session("refused"));
    session.record_cost(Cost::new("sonnet", 0.5));
    for cost in [-1.0, f64::NAN, f64::INFINITY] {
        session.record_cost(Cost::new("sonnet", cost));
        let request = ApiRequest::new("sonnet").tokens(TokenUsage::new().input(1));
        session.record_api_request(request.cost_usd(cost));
    }
    flush(&telemetry);
    assert_eq!(telemetry.health().invalid_measurements, 6);
    let points = points(&receiver);
    assert_eq!(
        values(&select(&points, "claude_code.cost.usage", &[])),
        [0.5]
    );
    assert_eq!(
        values(&select(
            &points,
            "claude_code.token.usage",
            &[("type", "input")]
        )),
        [3.0]
    );
    let logs = receiver.received().logs();
    assert_eq!(logs.len(), 3);
    assert!(
        logs.iter()
            .all(|log| !log.attributes.contains_key("cost_usd"))
    );
}
