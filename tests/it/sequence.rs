//! The order of events, their timestamps, and the identity that they belong to.
#![cfg(any(feature = "grpc", feature = "http"))]

use std::collections::BTreeMap;
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::host::{Protocol, select, session, sum, telemetry};
use crate::support::{Log, Receiver};
use crate::{host, support};
use claude_code_telemetry::{
    ApiError, ApiRequest, Commit, Identity, SessionOptions, Telemetry, TokenUsage, ToolResult,
    UserPrompt,
};
use serde_json::{Value, json};

const THREADS: usize = 8;
const RECORDS_PER_THREAD: usize = 1_000;

fn start(receiver: &Receiver) -> Telemetry {
    telemetry(&receiver.endpoint(), Protocol::any(), &[])
}

fn sequence(log: &Log) -> u64 {
    log.attributes["event.sequence"].as_u64().unwrap()
}

#[test]
fn sequence_numbers_are_unique_and_contiguous_across_eight_threads() {
    let receiver = Protocol::any().receiver();
    let telemetry = start(&receiver);
    let session = telemetry.session(session("busy"));
    thread::scope(|scope| {
        for number in 0..THREADS {
            let session = session.clone();
            scope.spawn(move || {
                for n in 0..RECORDS_PER_THREAD {
                    let id = format!("{number}-{n}");
                    session.record_tool_result(ToolResult::new("Read").tool_use_id(id));
                }
            });
        }
    });
    assert!(telemetry.shutdown().is_complete());
    let logs = receiver.received().logs();
    let mut numbers: Vec<u64> = logs.iter().map(sequence).collect();
    numbers.sort_unstable();
    assert!(
        numbers
            .iter()
            .copied()
            .eq(0..(THREADS * RECORDS_PER_THREAD) as u64)
    );

    // The sequence numbers of a thread's events follow the order in which they were recorded.
    let mut threads: BTreeMap<String, Vec<(usize, u64)>> = BTreeMap::new();
    for log in &logs {
        let id = log.attributes["tool_use_id"].as_str().unwrap();
        let (thread, n) = id.split_once('-').unwrap();
        threads
            .entry(thread.to_owned())
            .or_default()
            .push((n.parse().unwrap(), sequence(log)));
    }
    assert_eq!(threads.len(), THREADS);
    for events in threads.values_mut() {
        events.sort_unstable();
        assert_eq!(events.len(), RECORDS_PER_THREAD);
        assert!(events.windows(2).all(|pair| pair[0].1 < pair[1].1));
    }
}

#[test]
fn events_of_a_thread_arrive_in_order() {
    let receiver = Protocol::any().receiver();
    let telemetry = start(&receiver);
    let session = telemetry.session(session("ordered"));
    for n in 0..3_000u32 {
        session.record_api_error(ApiError::new("sonnet", "overloaded").attempt(n));
    }
    assert!(telemetry.flush().is_complete());
    let logs = receiver.received().logs();
    assert!(logs.iter().map(sequence).eq(0..3_000));
    assert!(
        logs.iter()
            .enumerate()
            .all(|(n, log)| log.attributes["attempt"] == n)
    );
    assert!(logs.windows(2).all(|pair| pair[0].time <= pair[1].time));
}

#[test]
fn sequence_numbers_are_counted_per_session() {
    let receiver = Protocol::any().receiver();
    let telemetry = start(&receiver);
    let sessions = ["a", "b"].map(|id| telemetry.session(session(id)));
    // A second handle of the same session shares its sequence.
    let twin = telemetry.session(session("a"));
    for n in 0..10 {
        sessions[n % 2].record_tool_result(ToolResult::new("Read"));
        twin.record_tool_result(ToolResult::new("Read"));
    }
    assert!(telemetry.flush().is_complete());
    let of = |id: &str| {
        let logs = receiver.received().logs();
        let logs = logs.iter().filter(|log| log.attributes["session.id"] == id);
        logs.map(sequence).collect::<Vec<_>>()
    };
    assert!(of("a").into_iter().eq(0..15));
    assert!(of("b").into_iter().eq(0..5));
}

#[test]
fn explicit_time_applies_to_events_but_not_to_metrics() {
    let receiver = Protocol::any().receiver();
    let telemetry = start(&receiver);
    let session = telemetry.session(session("moved"));
    let before = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap()
        .as_nanos() as u64;
    let long_ago = UNIX_EPOCH + Duration::from_millis(1_000_000_000_007);
    let tokens = TokenUsage::new().input(5);
    session.record_api_request(ApiRequest::new("sonnet").tokens(tokens).at(long_ago));
    let prompt = UserPrompt::new("x").at(UNIX_EPOCH - Duration::from_secs(1));
    session.prompt(prompt).end();
    session
        .record_tool_result(ToolResult::new("Read").at(UNIX_EPOCH + Duration::from_secs(1 << 40)));
    session.record_tool_result(ToolResult::new("Read"));
    assert!(telemetry.shutdown().is_complete());
    let received = receiver.received();
    let logs = received.logs();
    let stamps: Vec<_> = logs
        .iter()
        .map(|log| log.attributes["event.timestamp"].clone())
        .collect();
    assert_eq!(stamps[0], "2001-09-09T01:46:40.007Z");
    assert_eq!(
        (logs[0].time, logs[0].observed),
        (1_000_000_000_007_000_000, 1_000_000_000_007_000_000)
    );
    // Times outside of the range of the protocol are clamped to its ends.
    assert_eq!(
        (logs[1].time, &stamps[1]),
        (0, &json!("1970-01-01T00:00:00.000Z"))
    );
    assert_eq!(
        (logs[2].time, &stamps[2]),
        (u64::MAX, &json!("2554-07-21T23:34:33.709Z"))
    );
    assert!(logs[3].time >= before);
    assert!(logs.iter().map(sequence).eq(0..4));
    for point in select(&received.points(), "claude_code.token.usage", &[]) {
        assert!(
            before <= point.end && point.start <= point.end && before <= point.start,
            "{point:?}"
        );
    }
}

#[test]
fn records_after_an_identity_change_have_the_new_identity() {
    let receiver = Protocol::any().receiver();
    let telemetry = start(&receiver);
    let identity = |user: &str, organization: &str| {
        Identity::new().user_id(user).organization_id(organization)
    };
    let options = SessionOptions::new()
        .id("changing")
        .identity(identity("old", "org-1"));
    let session = telemetry.session(options);
    let prompt = session.prompt("Fix the bug");
    prompt.record_commit(Commit::new().count(1));
    session.set_identity(identity("new", "org-2").email("kim@example.com"));
    prompt.record_commit(Commit::new().count(10));
    prompt.record_tool_result(ToolResult::new("Read"));
    assert!(telemetry.flush().is_complete());
    session.set_identity(identity("old", "org-1"));
    session.record_commit(Commit::new().count(100));
    session.record_tool_result(ToolResult::new("Read"));
    assert!(telemetry.flush().is_complete());
    assert!(telemetry.shutdown().is_complete());

    let received = receiver.received();
    let who = |attributes: &support::Attributes| {
        let text = |key| {
            attributes
                .get(key)
                .and_then(Value::as_str)
                .unwrap_or("-")
                .to_owned()
        };
        [text("user.id"), text("organization.id"), text("user.email")].join(" ")
    };
    let events: Vec<_> = received
        .logs()
        .iter()
        .map(|log| who(&log.attributes))
        .collect();
    assert_eq!(
        events,
        ["old org-1 -", "new org-2 kim@example.com", "old org-1 -"]
    );
    assert!(received.logs().iter().map(sequence).eq(0..3));
    let points = received.points();
    host::assert_delta(&points);
    let commits = |user| select(&points, "claude_code.commit.count", &[("user.id", user)]);
    assert_eq!(sum(&commits("old")), 101.0);
    assert_eq!(sum(&commits("new")), 10.0);
    assert!(
        commits("old")
            .iter()
            .all(|point| who(&point.attributes) == "old org-1 -")
    );
    assert!(
        commits("new")
            .iter()
            .all(|point| who(&point.attributes) == "new org-2 kim@example.com")
    );
    // The session start is counted once, for the first identity.
    let starts = select(&points, "claude_code.session.count", &[]);
    assert!(
        starts
            .iter()
            .all(|point| point.attributes["user.id"] == "old")
    );
    assert_eq!(sum(&starts), 1.0);
}

#[test]
fn every_commit_is_counted_while_the_identity_changes() {
    let receiver = Protocol::any().receiver();
    let telemetry = start(&receiver);
    let session = telemetry.session(session("changing"));
    thread::scope(|scope| {
        for _ in 0..4 {
            let session = session.clone();
            scope.spawn(move || {
                for _ in 0..RECORDS_PER_THREAD {
                    session.record_commit(Commit::new());
                }
            });
        }
        for n in 0..200 {
            session.set_identity(Identity::new().user_id(format!("user-{}", n % 3)));
        }
        telemetry.flush();
    });
    assert!(telemetry.shutdown().is_complete());
    let points = receiver.received().points();
    host::assert_delta(&points);
    assert_eq!(
        sum(&select(&points, "claude_code.commit.count", &[])),
        (4 * RECORDS_PER_THREAD) as f64
    );
}

/// An event of a prompt has the id of that prompt. An event of the session has the id of the newest prompt, even after
/// its end, and none before the first prompt.
#[test]
fn events_have_the_id_of_their_prompt() {
    let receiver = Protocol::any().receiver();
    let telemetry = start(&receiver);
    let session = telemetry.session(session("prompts"));
    let tool = || ToolResult::new("Read");
    session.record_tool_result(tool());
    let first = session.prompt(UserPrompt::new("one").id("p-1"));
    let second = session.prompt(UserPrompt::new("two").id("p-2").without_event());
    first.record_tool_result(tool());
    second.record_tool_result(tool());
    session.record_tool_result(tool());
    second.end();
    session.record_tool_result(tool());
    assert!(telemetry.flush().is_complete());
    let received = receiver.received();
    let ids: Vec<_> = received
        .logs()
        .iter()
        .map(|log| log.attributes.get("prompt.id").cloned())
        .collect();
    let expected = [
        None,
        Some("p-1"),
        Some("p-1"),
        Some("p-2"),
        Some("p-2"),
        Some("p-2"),
    ];
    assert_eq!(ids, expected.map(|id| id.map(Value::from)));
    assert!(
        received
            .points()
            .iter()
            .all(|point| !point.attributes.contains_key("prompt.id"))
    );
}
