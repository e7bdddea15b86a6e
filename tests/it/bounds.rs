//! Queues are bounded in records and bytes. Items that do not fit are counted as dropped, and all others are
//! delivered.
#![cfg(any(feature = "grpc", feature = "http"))]

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use crate::host;
use crate::host::{PATIENCE, Protocol, otlp, session, telemetry};
use crate::support::{Answer, Receiver};
use claude_code_telemetry::{ApiRequest, Commit, Signal, Telemetry, ToolResult, UserPrompt};

/// The documented limits of an exporter's queue.
const MAX_RECORDS: u64 = 16_384;
const MAX_BYTES: usize = 32 * 1024 * 1024;

/// The largest request that receivers accept by default.
const MAX_REQUEST_BYTES: usize = 4 * 1024 * 1024;

/// Starts a receiver that responds with 503, and telemetry that has already failed to deliver a record to it.
fn start_with_failing_receiver(protocol: Protocol) -> (Receiver, Telemetry) {
    let receiver = protocol.receiver();
    receiver.answer(|_| Answer::status(503));
    let telemetry = telemetry(
        &receiver.endpoint(),
        protocol,
        &[
            ("OTEL_METRICS_EXPORTER", "none"),
            ("OTEL_LOG_USER_PROMPTS", "1"),
        ],
    );
    telemetry
        .session(session("first"))
        .record_tool_result(ToolResult::new("Read"));
    telemetry.flush_within(Duration::from_millis(10));
    receiver.wait_until(PATIENCE, |received| !received.is_empty());
    (receiver, telemetry)
}

/// Returns the sequence numbers of the delivered events of session `s`.
fn delivered_sequence_numbers(receiver: &Receiver) -> BTreeSet<u64> {
    let logs = receiver.received().accepted().logs();
    let logs = logs
        .iter()
        .filter(|log| log.attributes["session.id"] == "s");
    logs.map(|log| log.attributes["event.sequence"].as_u64().unwrap())
        .collect()
}

#[test]
fn queue_is_bounded_by_records() {
    let (receiver, telemetry) = start_with_failing_receiver(Protocol::any());
    let session = telemetry.session(session("s"));
    for _ in 0..20_000 {
        session.record_tool_result(ToolResult::new("Read"));
    }
    let events = otlp(&telemetry.health(), Signal::Logs);
    assert_eq!(events.queued, MAX_RECORDS);
    assert_eq!(events.dropped.queue_full, 20_001 - MAX_RECORDS);
    receiver.answer(|_| Answer::Ok);
    let report = telemetry.flush();
    let events = otlp(&telemetry.health(), Signal::Logs);
    assert_eq!(
        (events.queued, events.delivered),
        (0, MAX_RECORDS),
        "{report}"
    );
    let arrived = delivered_sequence_numbers(&receiver);
    assert_eq!(arrived.len() as u64 + events.dropped.total(), 20_000);
    // The oldest records are kept: the one of session `first`, and those with the numbers 0 to `MAX_RECORDS - 2`. The
    // gap in the sequence numbers shows the loss.
    assert_eq!(arrived.last(), Some(&(MAX_RECORDS - 2)));
    // The queue has room again.
    session.record_tool_result(ToolResult::new("Read"));
    telemetry.flush();
    assert!(delivered_sequence_numbers(&receiver).contains(&20_000));
}

#[test]
fn queue_is_bounded_by_bytes() {
    for protocol in Protocol::all() {
        let (receiver, telemetry) = start_with_failing_receiver(protocol);
        let session = telemetry.session(session("s"));
        let text = "x".repeat(1024 * 1024);
        for _ in 0..60 {
            session.record_user_prompt(UserPrompt::new(text.clone()));
        }
        let events = otlp(&telemetry.health(), Signal::Logs);
        // Each record is a little larger than its text. The one of session `first` is small.
        let bound = (MAX_BYTES / text.len()) as u64;
        assert!(
            events.queued <= bound + 1 && events.queued >= bound - 1,
            "{events:?}"
        );
        assert_eq!(events.queued + events.dropped.queue_full, 61);
        receiver.answer(|_| Answer::Ok);
        telemetry.flush();
        let events = otlp(&telemetry.health(), Signal::Logs);
        assert_eq!(events.queued, 0);
        assert_eq!(
            delivered_sequence_numbers(&receiver).len() as u64 + events.dropped.total(),
            60
        );
        let accepted = receiver.received().accepted();
        assert!(
            accepted
                .requests
                .iter()
                .all(|request| request.body.len() < MAX_REQUEST_BYTES)
        );
        assert!(
            accepted
                .logs()
                .iter()
                .filter(|log| log.attributes["session.id"] == "s")
                .all(|log| log.attributes["prompt"] == text.as_str())
        );
    }
}

#[test]
fn queue_is_bounded_by_records_under_concurrency() {
    let (receiver, telemetry) = start_with_failing_receiver(Protocol::any());
    let session = telemetry.session(session("s"));
    thread::scope(|scope| {
        for _ in 0..8 {
            let session = session.clone();
            scope.spawn(move || {
                for _ in 0..3_000 {
                    session.record_tool_result(ToolResult::new("Read"));
                }
            });
        }
    });
    let events = otlp(&telemetry.health(), Signal::Logs);
    assert!(events.queued <= MAX_RECORDS);
    assert_eq!(events.queued + events.dropped.queue_full, 24_001);
    receiver.answer(|_| Answer::Ok);
    telemetry.flush();
    let events = otlp(&telemetry.health(), Signal::Logs);
    assert_eq!(
        delivered_sequence_numbers(&receiver).len() as u64 + events.dropped.total(),
        24_000
    );
}

#[test]
fn batch_of_512_records_or_1_mib_is_sent_before_the_interval() {
    let receiver = Protocol::any().receiver();
    // The export interval is an hour.
    let telemetry = telemetry(
        &receiver.endpoint(),
        Protocol::any(),
        &[("OTEL_LOG_USER_PROMPTS", "1")],
    );
    let session = telemetry.session(session("s"));
    for _ in 0..512 {
        session.record_tool_result(ToolResult::new("Read"));
    }
    receiver.wait_until(PATIENCE, |received| received.logs().len() == 512);
    session.record_user_prompt(UserPrompt::new("x".repeat(2 * 1024 * 1024)));
    receiver.wait_until(PATIENCE, |received| received.logs().len() == 513);
}

#[test]
fn losses_are_reported_in_total_and_not_per_record() {
    let receiver = Protocol::any().receiver();
    receiver.answer(|_| Answer::status(503));
    let (sink, diagnostics) = std::sync::mpsc::channel();
    let sink = Mutex::new(sink);
    let environment = host::environment(
        &receiver.endpoint(),
        Protocol::any(),
        &[("OTEL_METRICS_EXPORTER", "none")],
    );
    let telemetry = Telemetry::builder(host::config(environment), host::service())
        .on_diagnostic(move |diagnostic| {
            let sink = sink.lock().unwrap_or_else(PoisonError::into_inner);
            let _ = sink.send(diagnostic.message.clone());
            // A panic of the callback must not stop the diagnostics.
            panic!("a callback that is broken");
        })
        .start();
    let session = telemetry.session(session("s"));
    for _ in 0..20_000 {
        session.record_tool_result(ToolResult::new("Read"));
    }
    receiver.wait_until(PATIENCE, |received| received.len() >= 2);
    receiver.answer(|_| Answer::Ok);
    telemetry.flush();
    telemetry.shutdown();
    // A dedicated thread calls the callback, in order. The last message has the total of the losses: 20,000 records
    // less the 16,384 that the queue holds.
    let mut messages: Vec<String> = Vec::new();
    while !messages
        .last()
        .is_some_and(|message| message.contains("3616 items are lost"))
    {
        messages.push(diagnostics.recv_timeout(PATIENCE).unwrap());
    }
    messages.extend(diagnostics.try_iter());
    // Losses are reported once immediately, if the exporter checked before all was recorded, and once at the end.
    let lost = messages.iter().filter(|message| message.contains("lost"));
    assert!((1..=2).contains(&lost.count()), "{messages:?}");
    let total = messages
        .iter()
        .find(|message| message.contains("3616 items"));
    assert!(total.unwrap().contains("queue was full"), "{messages:?}");
    let failed = messages
        .iter()
        .filter(|message| message.contains("HTTP 503"));
    assert_eq!(failed.count(), 1, "{messages:?}");
}

#[test]
fn oversized_record_is_truncated_to_fit_a_request() {
    for protocol in Protocol::all() {
        let receiver = protocol.receiver();
        let extra = [
            ("OTEL_LOG_USER_PROMPTS", "1"),
            ("OTEL_METRICS_EXPORTER", "none"),
        ];
        let telemetry = telemetry(&receiver.endpoint(), protocol, &extra);
        let session = telemetry.session(session("s"));
        let length = 5 * 1024 * 1024;
        session.record_user_prompt(UserPrompt::new("x".repeat(length)));
        session.record_user_prompt(UserPrompt::new("short"));
        assert!(telemetry.flush().is_complete());
        let received = receiver.received();
        assert!(
            received
                .requests
                .iter()
                .all(|request| request.body.len() < MAX_REQUEST_BYTES)
        );
        let logs = received.logs();
        let prompt = logs[0].attributes["prompt"].as_str().unwrap();
        assert!(prompt.len() < length && prompt.len() > 3 * 1024 * 1024);
        assert!(prompt.starts_with("xxx") && prompt.contains("[TRUNCATED"));
        assert_eq!(logs[0].attributes["prompt_length"], length);
        assert_eq!(logs[1].attributes["prompt"], "short");
        assert_eq!(otlp(&telemetry.health(), Signal::Logs).shortened, 1);
    }
}

#[test]
fn series_limit_follows_the_expected_sessions() {
    let config = || {
        host::config(host::environment(
            "http://127.0.0.1:9",
            Protocol::any(),
            &[],
        ))
    };
    let limit = |telemetry: &Telemetry| {
        telemetry.shutdown_within(Duration::ZERO);
        telemetry.health().series_limit
    };
    let usual = Telemetry::start(config(), host::service());
    assert_eq!(limit(&usual), 200_000);
    let large = Telemetry::builder(config(), host::service())
        .expected_sessions(100_000)
        .start();
    // 32 series for each expected session.
    assert_eq!(limit(&large), 3_200_000);
    assert_eq!(Telemetry::disabled().health().series_limit, 0);
}

#[test]
fn long_strings_are_truncated_in_metrics_but_not_in_events() {
    let receiver = Protocol::any().receiver();
    let telemetry = telemetry(&receiver.endpoint(), Protocol::any(), &[]);
    // Each character has two UTF-16 units. The limit for metrics is 1,024 units.
    let long = "\u{1f600}".repeat(50_000);
    let cut = "\u{1f600}".repeat(512);
    let session = telemetry.session(session("s"));
    session.set_identity(host::test_identity().organization_id(long.clone()));
    for _ in 0..3 {
        session.record_api_request(ApiRequest::new(long.clone()).cost_usd(1.0));
    }
    assert!(telemetry.shutdown().is_complete());
    let received = receiver.received();
    let points = received.points();
    let costs = host::select(&points, "claude_code.cost.usage", &[]);
    assert_eq!((costs.len(), host::sum(&costs)), (1, 3.0));
    assert_eq!(costs[0].attributes["model"], cut.as_str());
    assert_eq!(costs[0].attributes["organization.id"], cut.as_str());
    let logs = received.logs();
    assert_eq!(logs.len(), 3);
    assert!(logs.iter().all(|log| {
        log.attributes["model"] == long.as_str()
            && log.attributes["organization.id"] == long.as_str()
    }));
    assert_eq!(telemetry.health().shortened_attributes, 2);
}

#[test]
fn series_stay_bounded_after_identity_changes() {
    let receiver = Protocol::any().receiver();
    let extra = [("OTEL_LOGS_EXPORTER", "none")];
    let telemetry = telemetry(&receiver.endpoint(), Protocol::any(), &extra);
    let session = telemetry.session(session("s"));
    for n in 0..2_000 {
        session.set_identity(host::test_identity().email(format!("{n}@example.com")));
        session.record_commit(Commit::new());
    }
    telemetry.flush();
    telemetry.flush();
    let health = telemetry.health();
    // The series of the last 64 identities, including the current one. One more is tolerated.
    assert!(health.series <= 65, "{}", health.series);
    assert!(health.series_bytes > 0 && health.series_bytes < health.series_bytes_limit);
    assert!(telemetry.shutdown().is_complete());
    let points = receiver.received().points();
    let commits = host::select(&points, "claude_code.commit.count", &[]);
    assert_eq!(host::sum(&commits), 2_000.0);
}

#[test]
fn series_are_kept_for_the_last_1024_ended_sessions() {
    let receiver = Protocol::any().receiver();
    let telemetry = telemetry(
        &receiver.endpoint(),
        Protocol::any(),
        &[("OTEL_LOGS_EXPORTER", "none")],
    );
    for n in 0..3_000 {
        let session = telemetry.session(session(&format!("s-{n}")));
        session.record_commit(Commit::new());
        session.set_identity(host::test_identity().email("kim@example.com"));
        session.record_commit(Commit::new());
        if n % 100 == 0 {
            telemetry.flush();
        }
    }
    telemetry.flush();
    telemetry.flush();
    // Each session has three series: its start, and its commits with each of its identities.
    assert_eq!(telemetry.health().series, 3 * 1_024);
    assert!(telemetry.shutdown().is_complete());
    let points = receiver.received().points();
    let commits = host::select(&points, "claude_code.commit.count", &[]);
    assert_eq!(host::sum(&commits), 6_000.0);
}

#[test]
fn series_of_a_replaced_identity_are_removed_when_sessions_share_an_id() {
    let receiver = Protocol::any().receiver();
    let extra = [("OTEL_LOGS_EXPORTER", "none")];
    let telemetry = telemetry(&receiver.endpoint(), Protocol::any(), &extra);
    let identity = |n: usize| host::test_identity().email(format!("{n}@example.com"));
    let (first, second) = (
        telemetry.session(session("s")),
        telemetry.session(session("s")),
    );
    // The second session has more identities than the 64 that are kept for an id, while the first still has an older
    // one.
    first.set_identity(identity(1_000));
    (0..100).for_each(|n| second.set_identity(identity(n)));
    first.record_commit(Commit::new());
    drop((first, second));
    telemetry.flush();
    // The series of the last 1,024 ended sessions are kept, so these sessions displace `s`. Each has a single series.
    for n in 0..1_024 {
        telemetry.session(session(&format!("s-{n}")));
    }
    telemetry.flush();
    telemetry.flush();
    assert_eq!(telemetry.health().series, 1_024);
    assert!(telemetry.shutdown().is_complete());
}
