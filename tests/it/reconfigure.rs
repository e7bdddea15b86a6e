//! A new configuration after the start: no data is lost or counted twice, handles stay valid, and later records
//! follow the new configuration.
#![cfg(any(feature = "grpc", feature = "http"))]

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Barrier, Mutex, mpsc};
use std::task::{Context, Waker};
use std::thread;
use std::time::{Duration, Instant};

use crate::host;
use crate::host::{
    ENABLE_TRACES, PATIENCE, Protocol, assert_cumulative, assert_delta, by_series, config,
    config_builder, environment, otlp, select, service, session, start_with_diagnostics, sum,
    telemetry, wait_for_health, within,
};
use crate::support::{Answer, Log, Point, Received, Receiver, black_hole, refused_port};
use claude_code_telemetry::{
    ApiRequest, Commit, Decision, DecisionSource, Diagnostic, ExporterState, HookOutcome, Identity,
    McpTool, SettingsFiles, Signal, Telemetry, ToolCallOptions, ToolOutcome, UserPrompt,
};

const THREADS: usize = 8;
const COMMITS: &str = "claude_code.commit.count";
const STARTS: &str = "claude_code.session.count";
const TEMPORALITY: &str = "OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE";

const OFF: [(&str, &str); 1] = [("CLAUDE_CODE_ENABLE_TELEMETRY", "0")];

/// Reconfigures the telemetry to export to `receiver` from now on.
#[track_caller]
fn change(telemetry: &Telemetry, receiver: &Receiver, protocol: Protocol, extra: &[(&str, &str)]) {
    let config = config(environment(&receiver.endpoint(), protocol, extra));
    assert!(telemetry.reconfigure(config));
}

/// Returns the requests that several receivers accepted.
fn accepted_by(receivers: &[&Receiver]) -> Received {
    let all = receivers.iter().map(|receiver| receiver.received());
    Received {
        requests: all.flat_map(|all| all.accepted().requests).collect(),
    }
}

/// Returns the data points in order of their end time.
fn points(received: &Received) -> Vec<Point> {
    let mut points = received.points();
    points.sort_by_key(|point| point.end);
    points
}

/// Lets the receiver respond only after the returned sender is dropped. The returned channel gets a message for each
/// request that arrives.
pub(crate) fn block_responses(receiver: &Receiver) -> (mpsc::Receiver<()>, mpsc::Sender<()>) {
    let (arrived, arrivals) = mpsc::channel();
    let (allow, allowed) = mpsc::channel::<()>();
    let allowed = Mutex::new(allowed);
    receiver.answer(move |_| {
        arrived.send(()).unwrap();
        let _ = allowed.lock().unwrap().recv();
        Answer::Ok
    });
    (arrivals, allow)
}

fn sequence(log: &Log) -> u64 {
    log.attributes["event.sequence"].as_u64().unwrap()
}

/// Asserts that the events have the sequence numbers from 0 to `count` - 1, each once.
#[track_caller]
fn assert_complete(received: &Received, count: usize) {
    let mut numbers: Vec<_> = received.logs().iter().map(sequence).collect();
    numbers.sort_unstable();
    assert_eq!(numbers, (0..count as u64).collect::<Vec<_>>());
}

/// Returns the names of the events in order of arrival.
fn names(received: &Received) -> Vec<String> {
    let logs = received.logs();
    let name = |log: &Log| log.attributes["event.name"].as_str().unwrap().to_owned();
    logs.iter().map(name).collect()
}

fn request() -> ApiRequest {
    ApiRequest::new("sonnet").cost_usd(0.25)
}

#[test]
fn records_of_eight_threads_arrive_once_while_receivers_change() {
    const EACH: usize = 400;
    const CHANGES: usize = 12;
    let protocols = Protocol::all();
    let receivers: Vec<_> = protocols
        .iter()
        .map(|protocol| protocol.receiver())
        .collect();
    let extra = [
        ("OTEL_LOGS_EXPORT_INTERVAL", "10"),
        ("OTEL_METRIC_EXPORT_INTERVAL", "100"),
    ];
    let telemetry = telemetry(&receivers[0].endpoint(), protocols[0], &extra);
    let session = telemetry.session(session("busy"));
    // At least one change happens while the threads record each portion.
    let portion = Barrier::new(THREADS + 1);
    thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                for _ in 0..CHANGES {
                    portion.wait();
                    for _ in 0..EACH / CHANGES {
                        session.record_commit(Commit::new());
                        session.record_api_request(request());
                    }
                }
            });
        }
        for n in 1..=CHANGES {
            portion.wait();
            let index = n % protocols.len();
            change(&telemetry, &receivers[index], protocols[index], &extra);
        }
    });
    let report = telemetry.shutdown();
    assert!(report.is_complete(), "{report}");
    let count = THREADS * (EACH / CHANGES) * CHANGES;
    let all = accepted_by(&receivers.iter().collect::<Vec<_>>());
    assert_complete(&all, count);
    let points = points(&all);
    assert_delta(&points);
    assert_eq!(sum(&select(&points, COMMITS, &[])), count as f64);
    assert_eq!(
        sum(&select(&points, "claude_code.cost.usage", &[])),
        0.25 * count as f64
    );
    assert_eq!(sum(&select(&points, STARTS, &[])), 1.0);
    let health = telemetry.health();
    assert_eq!(otlp(&health, Signal::Logs).delivered, count as u64);
}

#[test]
fn queued_data_goes_to_the_new_receiver_after_a_change() {
    for protocol in Protocol::all() {
        let (old, new) = (protocol.receiver(), protocol.receiver());
        let telemetry = telemetry(&old.endpoint(), protocol, &[]);
        let session = telemetry.session(session("one"));
        session.record_api_request(request());
        assert!(telemetry.flush().is_complete());
        session.record_api_request(request());
        change(&telemetry, &new, protocol, &[]);
        session.record_api_request(request());
        assert!(telemetry.shutdown().is_complete());
        let numbers = |receiver: &Receiver| {
            let logs = receiver.received().accepted().logs();
            logs.iter().map(sequence).collect::<Vec<_>>()
        };
        assert_eq!((numbers(&old), numbers(&new)), (vec![0], vec![1, 2]));
        let cost = |receiver: &Receiver| {
            let points = receiver.received().accepted().points();
            sum(&select(&points, "claude_code.cost.usage", &[]))
        };
        assert_eq!((cost(&old), cost(&new)), (0.25, 0.5));
        assert_delta(&points(&accepted_by(&[&old, &new])));
    }
}

#[test]
fn unreachable_receiver_does_not_delay_delivery_to_the_next_one() {
    let (refused, hole) = (refused_port(), black_hole());
    for dead in [refused.endpoint(), hole.endpoint()] {
        for protocol in Protocol::all() {
            let new = protocol.receiver();
            let telemetry = telemetry(
                &dead,
                protocol,
                &[
                    ("OTEL_LOGS_EXPORT_INTERVAL", "10"),
                    ("OTEL_METRIC_EXPORT_INTERVAL", "100"),
                    // A request that gets no response would wait for an hour.
                    ("OTEL_EXPORTER_OTLP_TIMEOUT", "3600000"),
                ],
            );
            let session = telemetry.session(session("one"));
            session.record_api_request(request());
            // A request is in flight or has failed.
            wait_for_health(&telemetry, |health| {
                let metrics = otlp(health, Signal::Metrics);
                metrics.state == ExporterState::Failing || metrics.queued > 0
            });
            within(Duration::ZERO, || change(&telemetry, &new, protocol, &[]));
            session.record_api_request(request());
            let report = telemetry.flush();
            assert!(report.is_complete(), "{report}");
            let received = new.received().accepted();
            assert_complete(&received, 2);
            let points = received.points();
            assert_delta(&points);
            assert_eq!(sum(&select(&points, "claude_code.cost.usage", &[])), 0.5);
        }
    }
}

#[test]
fn sessions_from_before_telemetry_was_turned_on_are_exported() {
    for protocol in Protocol::all() {
        let receiver = protocol.receiver();
        let telemetry = telemetry(&receiver.endpoint(), protocol, &OFF);
        let session = telemetry.session(session("early"));
        session.set_identity(Identity::new().user_id("user-1").email("kim@example.com"));
        let early = session.prompt("before");
        session.record_api_request(request());
        assert!(!telemetry.is_enabled());
        assert!(telemetry.health().exporters.is_empty());

        change(&telemetry, &receiver, protocol, &ENABLE_TRACES);
        assert!(telemetry.is_enabled());
        // This prompt began while telemetry was off, so it has neither an event nor a span.
        early.end();
        let prompt = session.prompt("after");
        let id = prompt.id().to_owned();
        prompt.llm_request("sonnet").finish(request());
        prompt.end();
        session.record_commit(Commit::new());
        assert!(telemetry.shutdown().is_complete());

        let received = receiver.received().accepted();
        assert_complete(&received, 2);
        assert_eq!(names(&received), ["user_prompt", "api_request"]);
        for log in received.logs() {
            assert_eq!(log.attributes["session.id"], "early");
            assert_eq!(log.attributes["user.email"], "kim@example.com");
            assert_eq!(log.attributes["prompt.id"], id.as_str());
        }
        let points = received.points();
        let total = |metric| sum(&select(&points, metric, &[("session.id", "early")]));
        assert_eq!(total("claude_code.cost.usage"), 0.25);
        assert_eq!((total(STARTS), total(COMMITS)), (1.0, 1.0));
        let mut spans: Vec<_> = received.spans().into_iter().map(|span| span.name).collect();
        spans.sort_unstable();
        assert_eq!(
            spans,
            ["claude_code.interaction", "claude_code.llm_request"]
        );
    }
}

#[test]
fn only_records_while_telemetry_is_on_are_exported() {
    for (temporality, protocol) in [("delta", Protocol::any()), ("cumulative", Protocol::any())] {
        let receiver = protocol.receiver();
        let extra = [(TEMPORALITY, temporality)];
        let telemetry = telemetry(&receiver.endpoint(), protocol, &extra);
        let session = telemetry.session(session("one"));
        let record = |count| {
            for _ in 0..count {
                session.record_commit(Commit::new());
                session.record_api_request(request());
            }
        };
        record(3);
        change(&telemetry, &receiver, protocol, &OFF);
        // An exporter that is turned off still delivers the data in its queue to the previous receiver.
        wait_for_health(&telemetry, |health| {
            let all = &health.exporters;
            all.len() == 2 && all.iter().all(|one| one.state == ExporterState::ShutDown)
        });
        record(50);
        assert!(telemetry.flush().is_complete());
        change(&telemetry, &receiver, protocol, &extra);
        record(4);
        assert!(telemetry.shutdown().is_complete());

        let received = receiver.received().accepted();
        assert_complete(&received, 7);
        let commits = select(&received.points(), COMMITS, &[]);
        let [first, second] = commits.as_slice() else {
            panic!("{commits:#?}");
        };
        assert_eq!((first.value, second.value), (3.0, 4.0));
        assert!(first.end <= second.start);
        assert_eq!(otlp(&telemetry.health(), Signal::Logs).delivered, 7);
    }
}

#[test]
fn turning_off_a_signal_does_not_affect_the_others() {
    let protocol = Protocol::any();
    let receiver = protocol.receiver();
    let telemetry = telemetry(&receiver.endpoint(), protocol, &ENABLE_TRACES);
    let session = telemetry.session(session("one"));
    let prompt = session.prompt("first");
    change(
        &telemetry,
        &receiver,
        protocol,
        &[
            ("OTEL_LOGS_EXPORTER", "none"),
            ("OTEL_TRACES_EXPORTER", "none"),
        ],
    );
    session.record_api_request(request());
    // Traces are off, so this span is not exported.
    prompt.end();
    change(&telemetry, &receiver, protocol, &ENABLE_TRACES);
    session.record_api_request(request());
    assert!(telemetry.shutdown().is_complete());
    let received = receiver.received().accepted();
    assert_complete(&received, 2);
    assert!(received.spans().is_empty());
    let points = points(&received);
    assert_delta(&points);
    assert_eq!(sum(&select(&points, "claude_code.cost.usage", &[])), 0.5);
}

#[test]
fn open_prompts_and_tool_calls_continue_after_a_change() {
    let protocol = Protocol::any();
    let (old, new) = (protocol.receiver(), protocol.receiver());
    let telemetry = telemetry(&old.endpoint(), protocol, &ENABLE_TRACES);
    let session = telemetry.session(session("one"));
    let prompt = session.prompt("Fix the bug");
    let tool = prompt.tool("Bash");
    tool.decided(Decision::Accept, DecisionSource::Config);
    assert!(telemetry.flush().is_complete());
    change(&telemetry, &new, protocol, &ENABLE_TRACES);
    tool.executing();
    tool.finish(ToolOutcome::new());
    let id = prompt.id().to_owned();
    prompt.end();
    assert!(telemetry.shutdown().is_complete());
    assert_eq!(
        names(&old.received().accepted()),
        ["user_prompt", "tool_decision"]
    );
    let received = new.received().accepted();
    assert_eq!(names(&received), ["tool_result"]);
    assert_eq!(received.logs()[0].attributes["prompt.id"], id.as_str());
    assert_complete(&accepted_by(&[&old, &new]), 3);
    let spans = accepted_by(&[&old, &new]).spans();
    let find = |name: &str| spans.iter().find(|span| span.name == name).unwrap();
    let (interaction, call) = (find("claude_code.interaction"), find("claude_code.tool"));
    assert_eq!(call.parent_span_id, interaction.span_id);
    assert_eq!(
        find("claude_code.tool.execution").parent_span_id,
        call.span_id
    );
    assert_eq!(
        find("claude_code.tool.blocked_on_user").parent_span_id,
        call.span_id
    );
}

#[test]
fn shutdown_ends_a_call_that_was_reserved_with_traces_and_began_without() {
    let protocol = Protocol::any();
    let receiver = protocol.receiver();
    let telemetry = telemetry(&receiver.endpoint(), protocol, &ENABLE_TRACES);
    let prompt = telemetry.session(session("reserved")).prompt("hi");
    let reserved = prompt.reserve_tool();
    change(&telemetry, &receiver, protocol, &[]);
    let tool = reserved.begin(ToolCallOptions::new("Agent"));
    change(&telemetry, &receiver, protocol, &ENABLE_TRACES);
    assert!(telemetry.shutdown().is_complete());
    let spans = receiver.received().spans();
    assert!(spans.iter().any(|span| span.name == "claude_code.tool"));
    assert_eq!(telemetry.health().unfinished_spans, 2);
    drop((tool, prompt));
}

#[test]
fn content_follows_the_configuration_at_the_time_of_recording() {
    let protocol = Protocol::any();
    let receiver = protocol.receiver();
    let prompts_on = [&ENABLE_TRACES[..], &[("OTEL_LOG_USER_PROMPTS", "1")]].concat();
    let telemetry = telemetry(&receiver.endpoint(), protocol, &ENABLE_TRACES);
    let session = telemetry.session(session("one"));
    let texts = ["held back", "shown", "held back again"];
    for (text, extra) in texts
        .iter()
        .zip([&ENABLE_TRACES[..], &prompts_on, &ENABLE_TRACES[..]])
    {
        change(&telemetry, &receiver, protocol, extra);
        assert_eq!(telemetry.content_policy().user_prompts(), *text == "shown");
        session.prompt(*text).end();
    }
    assert!(telemetry.shutdown().is_complete());
    let received = receiver.received().accepted();
    let logs = received.logs();
    let prompts: Vec<_> = logs.iter().map(|log| &log.attributes["prompt"]).collect();
    assert_eq!(prompts, ["<REDACTED>", "shown", "<REDACTED>"]);
    let spans = received.spans();
    let prompts: Vec<_> = spans
        .iter()
        .map(|span| &span.attributes["user_prompt"])
        .collect();
    assert_eq!(prompts, ["<REDACTED>", "shown", "<REDACTED>"]);
}

#[test]
fn mcp_names_are_sent_only_if_details_are_on_from_the_beginning_to_the_end() {
    let protocol = Protocol::any();
    let on = [&ENABLE_TRACES[..], &[("OTEL_LOG_TOOL_DETAILS", "1")]].concat();
    for (before, after, sent) in [
        (&on[..], &on[..], "mcp__srv__find"),
        (&on, &ENABLE_TRACES, "mcp_tool"),
        (&ENABLE_TRACES, &on, "mcp_tool"),
    ] {
        let receiver = protocol.receiver();
        let telemetry = telemetry(&receiver.endpoint(), protocol, before);
        let session = telemetry.session(session("one"));
        let prompt = session.prompt("hi");
        let hook = prompt.hook("PreToolUse", "PreToolUse:mcp__srv__find");
        let mcp = ToolCallOptions::new("find").mcp(McpTool::new("srv", "find"));
        let tools = [prompt.tool("mcp__srv__find"), prompt.tool(mcp)];
        change(&telemetry, &receiver, protocol, after);
        hook.finish(HookOutcome::new());
        for tool in tools {
            tool.finish(ToolOutcome::new());
        }
        prompt.end();
        assert!(telemetry.shutdown().is_complete());
        let received = receiver.received().accepted();
        let results = received.logs();
        let results = results
            .iter()
            .filter(|log| log.name == "claude_code.tool_result");
        let parameters = results.map(|log| log.attributes.get("tool_parameters"));
        let expected = r#"{"mcp_server_name":"srv","mcp_tool_name":"find"}"#.into();
        let expected = (sent == "mcp__srv__find").then_some(&expected);
        assert_eq!(parameters.collect::<Vec<_>>(), [expected; 2]);
        let spans = received.spans();
        let names = |name: &str, key: &str| -> Vec<_> {
            let named = spans.iter().filter(|span| span.name == name);
            named.map(|span| span.attributes[key].clone()).collect()
        };
        assert_eq!(names("claude_code.tool", "tool_name"), [sent, sent]);
        let hook = format!("PreToolUse:{sent}");
        assert_eq!(names("claude_code.hook", "hook_name"), [hook]);
    }
}

#[test]
fn response_body_that_was_set_while_its_switch_is_off_is_not_sent() {
    let protocol = Protocol::any();
    let receiver = protocol.receiver();
    let telemetry = telemetry(&receiver.endpoint(), protocol, &[]);
    let session = telemetry.session(session("one"));
    let [before, shown, replaced] = [(); 3].map(|()| session.llm_request("m"));
    before.response_body(r#"{"held":"back"}"#);
    let on = [("OTEL_LOG_RAW_API_BODIES", "1")];
    change(&telemetry, &receiver, protocol, &on);
    shown.response_body(r#"{"shown":1}"#);
    replaced.response_body(r#"{"first":1}"#);
    change(&telemetry, &receiver, protocol, &[]);
    replaced.response_body(r#"{"last":1}"#);
    change(&telemetry, &receiver, protocol, &on);
    for request in [before, shown, replaced] {
        request.finish(ApiRequest::new("m"));
    }
    assert!(telemetry.shutdown().is_complete());
    let logs = receiver.received().accepted().logs();
    let bodies = logs.iter().filter_map(|log| log.attributes.get("body"));
    assert_eq!(bodies.collect::<Vec<_>>(), [r#"{"shown":1}"#]);
}

#[test]
fn unreadable_managed_settings_turn_content_off_but_not_exporters() {
    let protocol = Protocol::any();
    let receiver = protocol.receiver();
    let managed = tempfile::tempdir().unwrap();
    let file = managed.path().join("managed-settings.json");
    let configured = |settings: &str| {
        std::fs::write(&file, settings).unwrap();
        let files = SettingsFiles::none().managed_folder(managed.path());
        config_builder(environment(&receiver.endpoint(), protocol, &ENABLE_TRACES))
            .settings_files(files)
            .set("OTEL_LOG_USER_PROMPTS", "1")
            .build()
    };
    let (telemetry, diagnostics) =
        start_with_diagnostics(Telemetry::builder(configured("{}"), service()));
    let session = telemetry.session(session("one"));
    session.prompt("shown").end();
    for (settings, text) in [("{\"env\": ", "held back"), ("{}", "shown again")] {
        assert!(telemetry.reconfigure(configured(settings)));
        session.prompt(text).end();
    }
    assert!(telemetry.shutdown().is_complete());
    let received = receiver.received().accepted();
    let logs = received.logs();
    let prompts: Vec<_> = logs.iter().map(|log| &log.attributes["prompt"]).collect();
    assert_eq!(prompts, ["shown", "<REDACTED>", "shown again"]);
    let messages = diagnostics.all().join("\n");
    let file = file.to_str().unwrap();
    assert!(
        messages.contains(file) && messages.contains("Until this is fixed"),
        "{messages}"
    );
    assert!(
        messages.contains("OTEL_LOG_USER_PROMPTS=1 (host): counts as off"),
        "{messages}"
    );
}

#[test]
fn change_of_temporality_counts_every_record_once() {
    let protocol = Protocol::any();
    let receiver = protocol.receiver();
    let telemetry = telemetry(&receiver.endpoint(), protocol, &[]);
    let sessions = ["one", "two"].map(|id| telemetry.session(session(id)));
    let mut expected = 0.0;
    for temporality in [
        "delta",
        "cumulative",
        "delta",
        "cumulative",
        "cumulative",
        "delta",
    ] {
        change(
            &telemetry,
            &receiver,
            protocol,
            &[(TEMPORALITY, temporality)],
        );
        for count in [1, 2] {
            for session in &sessions {
                session.record_commit(Commit::new().count(count));
                expected += count as f64;
            }
            assert!(telemetry.flush().is_complete());
        }
        // A remaining measurement is still to be exported when the configuration changes.
        sessions[0].record_commit(Commit::new());
        expected += 1.0;
    }
    // A session ends, and a session with its id begins under another temporality.
    let [first, _] = sessions;
    drop(first);
    assert!(telemetry.flush().is_complete());
    change(
        &telemetry,
        &receiver,
        protocol,
        &[(TEMPORALITY, "cumulative")],
    );
    let first = telemetry.session(session("one"));
    first.record_commit(Commit::new());
    expected += 1.0;
    assert!(telemetry.shutdown().is_complete());

    // The total is the sum of the delta values and of the growth of the cumulative series since their start.
    let points = receiver.received().accepted().points();
    let mut total = 0.0;
    for (name, points) in by_series(&select(&points, COMMITS, &[])) {
        let mut covered = points[0].start;
        let mut last: Option<&Point> = None;
        for point in &points {
            let grown = match last {
                Some(last) if point.temporality == 2 && point.start == last.start => {
                    point.value - last.value
                }
                _ => {
                    assert!(
                        point.start >= covered,
                        "{name} counts a time twice: {points:#?}"
                    );
                    point.value
                }
            };
            assert!(grown >= 0.0, "{name} fell: {points:#?}");
            total += grown;
            covered = point.end;
            last = Some(point).filter(|point| point.temporality == 2);
        }
    }
    assert_eq!(total, expected);
}

#[test]
fn cumulative_series_keep_their_start_after_a_change_of_receiver() {
    let protocol = Protocol::any();
    let (old, new) = (protocol.receiver(), protocol.receiver());
    let extra = [(TEMPORALITY, "cumulative")];
    let telemetry = telemetry(&old.endpoint(), protocol, &extra);
    let session = telemetry.session(session("one"));
    session.record_commit(Commit::new());
    assert!(telemetry.flush().is_complete());
    change(&telemetry, &new, protocol, &extra);
    session.record_commit(Commit::new());
    assert!(telemetry.shutdown().is_complete());
    let points = points(&accepted_by(&[&old, &new]));
    assert_cumulative(&points);
    let commits = select(&points, COMMITS, &[]);
    let values: Vec<_> = commits.iter().map(|point| point.value).collect();
    assert_eq!(values, [1.0, 2.0]);
}

#[test]
fn changed_standard_attributes_apply_to_later_records_only() {
    let protocol = Protocol::any();
    let receiver = protocol.receiver();
    let telemetry = telemetry(&receiver.endpoint(), protocol, &[]);
    let sessions = ["one", "two"].map(|id| telemetry.session(session(id)));
    let record = |count| {
        for session in &sessions {
            session.record_commit(Commit::new().count(count));
            session.record_api_request(request());
        }
    };
    record(1);
    let without = [
        ("OTEL_METRICS_INCLUDE_SESSION_ID", "false"),
        ("OTEL_METRICS_INCLUDE_VERSION", "true"),
        ("OTEL_RESOURCE_ATTRIBUTES", "team=a"),
    ];
    change(&telemetry, &receiver, protocol, &without);
    record(10);
    // Without session ids, all sessions share a series, also one that starts now.
    telemetry
        .session(session("three"))
        .record_commit(Commit::new().count(5));
    assert!(telemetry.flush().is_complete());
    change(&telemetry, &receiver, protocol, &[]);
    record(100);
    assert!(telemetry.shutdown().is_complete());

    let received = receiver.received().accepted();
    let commits = select(&points(&received), COMMITS, &[]);
    assert_delta(&commits);
    for id in ["one", "two"] {
        assert_eq!(
            sum(&select(&commits, COMMITS, &[("session.id", id)])),
            101.0
        );
    }
    let shared = select(
        &commits,
        COMMITS,
        &[("team", "a"), ("app.version", "1.2.3")],
    );
    assert!(
        shared
            .iter()
            .all(|point| !point.attributes.contains_key("session.id"))
    );
    assert_eq!(sum(&shared), 25.0);
    assert_eq!(sum(&commits), 227.0);
    let logs = received.logs();
    let with_id = |log: &&Log| log.attributes.contains_key("session.id");
    assert_eq!((logs.len(), logs.iter().filter(with_id).count()), (6, 4));
    // The resource is that of the time of the export, so events from before the change may also have the attribute.
    let team = logs.iter().filter(|log| log.resource.contains_key("team"));
    assert!(team.count() >= 2);
}

#[test]
fn series_without_a_session_id_is_exported_only_while_it_is_used() {
    let protocol = Protocol::any();
    let receiver = protocol.receiver();
    let without = [("OTEL_METRICS_INCLUDE_SESSION_ID", "false")];
    let telemetry = telemetry(&receiver.endpoint(), protocol, &without);
    let session = telemetry.session(session("one"));
    session.record_commit(Commit::new());
    change(&telemetry, &receiver, protocol, &[]);
    session.record_commit(Commit::new());
    assert!(telemetry.flush().is_complete());
    receiver.clear();
    session.record_commit(Commit::new());
    assert!(telemetry.flush().is_complete());
    let commits = select(&receiver.received().points(), COMMITS, &[]);
    assert_eq!(commits.len(), 1, "{commits:#?}");
    // The series without a session id is exported again when it is used again.
    change(&telemetry, &receiver, protocol, &without);
    session.record_commit(Commit::new());
    assert!(telemetry.shutdown().is_complete());
    let commits = select(&receiver.received().points(), COMMITS, &[]);
    let shared = commits
        .iter()
        .filter(|point| !point.attributes.contains_key("session.id"));
    let values: Vec<_> = shared.map(|point| point.value).collect();
    assert_eq!(values, [1.0]);
}

#[test]
fn exporter_with_an_invalid_endpoint_is_off_until_it_is_corrected() {
    let protocol = Protocol::any();
    let receiver = protocol.receiver();
    let config = config(environment(&receiver.endpoint(), protocol, &[]));
    let (sender, diagnostics) = mpsc::channel();
    let telemetry = Telemetry::builder(config, service())
        .on_diagnostic(move |diagnostic: &Diagnostic| {
            let _ = sender.send(diagnostic.message.clone());
        })
        .start();
    let session = telemetry.session(session("one"));
    session.record_api_request(request());
    let broken = [("OTEL_EXPORTER_OTLP_LOGS_ENDPOINT", "not a url")];
    change(&telemetry, &receiver, protocol, &broken);
    let warnings = telemetry.explain().warnings().to_vec();
    assert_eq!(warnings.len(), 1);
    assert_eq!(
        warnings[0].variable(),
        Some("OTEL_EXPORTER_OTLP_LOGS_ENDPOINT")
    );
    let message = diagnostics.recv_timeout(PATIENCE).unwrap();
    assert_eq!(message, warnings[0].to_string());
    // The exporter of events is off, but still delivers the data from before the change to the previous receiver.
    receiver.wait_until(PATIENCE, |received| received.logs().len() == 1);
    let health = wait_for_health(&telemetry, |health| {
        otlp(health, Signal::Logs).state == ExporterState::Off
    });
    let events = otlp(&health, Signal::Logs);
    assert_eq!(events.last_error.unwrap().message, warnings[0].to_string());
    session.record_api_request(request());
    let report = telemetry.flush();
    assert!(!report.is_complete());
    assert_eq!(report.warnings, 1);
    let points = receiver.received().accepted().points();
    assert_eq!(sum(&select(&points, "claude_code.cost.usage", &[])), 0.5);
    // The event that was recorded while the exporter was off has no sequence number, so the numbers have no gap.
    change(&telemetry, &receiver, protocol, &[]);
    session.record_api_request(request());
    assert!(telemetry.shutdown().is_complete());
    assert_complete(&receiver.received().accepted(), 2);
}

#[test]
fn exporter_that_is_turned_off_counts_undeliverable_data_as_dropped() {
    let protocol = Protocol::any();
    let dead = refused_port();
    let telemetry = telemetry(
        &dead.endpoint(),
        protocol,
        &[
            ("CLAUDE_CODE_OTEL_SHUTDOWN_TIMEOUT_MS", "50"),
            ("OTEL_METRICS_EXPORTER", "none"),
        ],
    );
    let session = telemetry.session(session("one"));
    session.record_api_request(request());
    session.record_api_request(request());
    let receiver = protocol.receiver();
    let none = [
        ("OTEL_METRICS_EXPORTER", "none"),
        ("OTEL_LOGS_EXPORTER", "none"),
    ];
    change(&telemetry, &receiver, protocol, &none);
    wait_for_health(&telemetry, |health| {
        let events = otlp(health, Signal::Logs);
        (events.dropped.shutdown, events.queued) == (2, 0)
    });
    change(&telemetry, &receiver, protocol, &[]);
    session.record_api_request(request());
    telemetry.shutdown();
    let logs = receiver.received().accepted().logs();
    assert_eq!(logs.iter().map(sequence).collect::<Vec<_>>(), [2]);
    let events = otlp(&telemetry.health(), Signal::Logs);
    assert_eq!((events.delivered, events.dropped.total()), (1, 2));
}

#[test]
fn explanation_lists_changes_of_host_settings() {
    let protocol = Protocol::any();
    let receiver = protocol.receiver();
    let telemetry = telemetry(&receiver.endpoint(), protocol, &[]);
    let config = config_builder(environment(&receiver.endpoint(), protocol, &[]))
        .user_email(false)
        .build();
    assert!(telemetry.reconfigure(config));
    let explanation = telemetry.explain();
    let [change] = explanation.changes() else {
        panic!("one change expected: {explanation}");
    };
    assert_eq!(change.to_string(), "user_email: (not set) -> false");
}

#[test]
fn explanation_lists_changes_without_secrets() {
    let protocol = Protocol::any();
    let receiver = protocol.receiver();
    let secret = |value: &'static str| [("OTEL_EXPORTER_OTLP_HEADERS", value)];
    let telemetry = telemetry(&receiver.endpoint(), protocol, &secret("k=CANARY-1"));
    assert!(telemetry.explain().changes().is_empty());
    let extra = [&secret("k=CANARY-2")[..], &[("OTEL_LOG_USER_PROMPTS", "1")]].concat();
    change(&telemetry, &receiver, protocol, &extra);
    let explanation = telemetry.explain();
    let changes: Vec<_> = explanation
        .changes()
        .iter()
        .map(|change| (change.name(), change.before(), change.after()))
        .collect();
    assert_eq!(
        changes,
        [
            (
                "OTEL_EXPORTER_OTLP_HEADERS",
                Some("<hidden>"),
                Some("<hidden>")
            ),
            ("OTEL_LOG_USER_PROMPTS", None, Some("1")),
        ]
    );
    let text = format!("{explanation} {explanation:?} {telemetry:?}");
    assert!(
        text.contains("- OTEL_LOG_USER_PROMPTS: (not set) -> 1"),
        "{text}"
    );
    assert!(!text.contains("CANARY"), "{text}");
    telemetry.shutdown();
}

#[test]
fn reconfiguration_fails_after_a_concurrent_shutdown() {
    let protocol = Protocol::any();
    let receivers = [protocol.receiver(), protocol.receiver()];
    let telemetry = telemetry(&receivers[0].endpoint(), protocol, &ENABLE_TRACES);
    let session = telemetry.session(session("one"));
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        for number in 0..2 {
            let (telemetry, receivers, over) = (&telemetry, &receivers, &over);
            scope.spawn(move || {
                let lists: [&[(&str, &str)]; 3] = [&ENABLE_TRACES, &OFF, &[]];
                for n in number.. {
                    let endpoint = receivers[n % 2].endpoint();
                    let config = config(environment(&endpoint, protocol, lists[n % 3]));
                    // A change that starts after the shutdown must fail. A change that started before it may succeed.
                    let late = over.load(Ordering::SeqCst);
                    if !telemetry.reconfigure(config) {
                        break;
                    }
                    assert!(!late);
                }
            });
            scope.spawn(|| {
                while !over.load(Ordering::SeqCst) {
                    session.record_api_request(request());
                    drop(telemetry.session(host::session("other")));
                    thread::yield_now();
                }
            });
            scope.spawn(|| {
                telemetry.flush();
            });
        }
        receivers[0].wait_until(PATIENCE, |received| !received.is_empty());
        receivers[1].wait_until(PATIENCE, |received| !received.is_empty());
        telemetry.shutdown();
        // From now on every change must fail.
        let config = config(environment(&receivers[0].endpoint(), protocol, &[]));
        assert!(!telemetry.reconfigure(config));
        over.store(true, Ordering::SeqCst);
    });
    let received = accepted_by(&[&receivers[0], &receivers[1]]);
    let mut numbers: Vec<_> = received
        .logs()
        .iter()
        .filter(|log| log.attributes["session.id"] == "one")
        .map(sequence)
        .collect();
    let count = numbers.len();
    numbers.sort_unstable();
    numbers.dedup();
    assert_eq!(numbers.len(), count, "an event was received twice");
    assert!(
        telemetry
            .health()
            .exporters
            .iter()
            // Each of the two recording threads may have been recording an event when the shutdown ended.
            .all(|one| one.queued <= 2)
    );
}

#[test]
fn unchanged_configuration_does_not_shorten_the_retry_pauses() {
    for protocol in Protocol::all() {
        let receiver = protocol.receiver();
        receiver.answer(|_| Answer::status(503));
        let extra = [("OTEL_METRICS_EXPORTER", "none")];
        let telemetry = telemetry(&receiver.endpoint(), protocol, &extra);
        telemetry
            .session(session("one"))
            .record_api_request(request());
        thread::scope(|scope| {
            let flushed = scope.spawn(|| telemetry.flush());
            receiver.wait_until(PATIENCE, |received| !received.is_empty());
            change(&telemetry, &receiver, protocol, &extra);
            let before = receiver.received().len();
            let received = receiver.wait_until(PATIENCE, |received| received.len() >= before + 4);
            for pair in received.requests[before..].windows(2) {
                let pause = pair[1].at - pair[0].at;
                // The pause during a flush is 200 ms, and begins after the receiver recorded the arrival.
                assert!(pause >= Duration::from_millis(200), "{pause:?}");
            }
            receiver.answer(|_| Answer::Ok);
            assert!(flushed.join().unwrap().is_complete());
        });
        assert_complete(&receiver.received().accepted(), 1);
    }
}

#[test]
fn disabled_telemetry_cannot_be_reconfigured() {
    let telemetry = Telemetry::disabled();
    let receiver = Protocol::any().receiver();
    let config = config(environment(&receiver.endpoint(), Protocol::any(), &[]));
    assert!(!telemetry.reconfigure(config));
    assert!(!telemetry.is_enabled());
}

#[test]
fn request_in_flight_during_a_change_is_delivered_once() {
    let protocol = Protocol::any();
    let (old, new) = (protocol.receiver(), protocol.receiver());
    let telemetry = telemetry(
        &old.endpoint(),
        protocol,
        &[("OTEL_METRICS_EXPORTER", "none")],
    );
    let session = telemetry.session(session("one"));
    session.record_api_request(request());
    let (arrivals, allow) = block_responses(&old);
    thread::scope(|scope| {
        let flushed = scope.spawn(|| telemetry.flush());
        arrivals.recv_timeout(PATIENCE).unwrap();
        change(
            &telemetry,
            &new,
            protocol,
            &[("OTEL_METRICS_EXPORTER", "none")],
        );
        drop(allow);
        assert!(flushed.join().unwrap().is_complete());
    });
    assert!(telemetry.shutdown().is_complete());
    assert_complete(&old.received().accepted(), 1);
    assert!(new.received().is_empty());
}

/// A pass delivers everything recorded before it. While the first request is in flight, the next pass becomes due:
/// because of a flush, or because a batch is complete.
#[test]
fn resource_changes_between_two_passes_without_a_pause() {
    let protocol = Protocol::any();
    let of_team = |team| {
        [
            ("OTEL_METRICS_EXPORTER", "none"),
            ("OTEL_RESOURCE_ATTRIBUTES", team),
        ]
    };
    for (batch, is_flushed) in [(1, true), (512, false)] {
        let receiver = protocol.receiver();
        let telemetry = telemetry(&receiver.endpoint(), protocol, &of_team("team=a"));
        let session = telemetry.session(session("one"));
        session.record_api_request(request());
        let (arrivals, allow) = block_responses(&receiver);
        thread::scope(|scope| {
            scope.spawn(|| telemetry.flush());
            arrivals.recv_timeout(PATIENCE).unwrap();
            for _ in 0..batch {
                session.record_api_request(request());
            }
            change(&telemetry, &receiver, protocol, &of_team("team=b"));
            let mut flush = std::pin::pin!(telemetry.flush_async());
            if is_flushed {
                let mut context = Context::from_waker(Waker::noop());
                assert!(flush.as_mut().poll(&mut context).is_pending());
            }
            drop(allow);
            arrivals.recv_timeout(PATIENCE).unwrap();
        });
        assert!(telemetry.shutdown().is_complete());
        let logs = receiver.received().accepted().logs();
        let teams: Vec<_> = logs
            .iter()
            .map(|log| log.resource["team"].as_str())
            .collect();
        let mut expected = vec![Some("b"); batch + 1];
        expected[0] = Some("a");
        assert_eq!(teams, expected);
    }
}

/// The exporter is removed twice while a request is in flight. The end of the first removal must not drop the events
/// that are recorded in between.
#[test]
fn records_between_two_removals_of_an_exporter_are_delivered() {
    let protocol = Protocol::any();
    let receiver = protocol.receiver();
    let only_events = [("OTEL_METRICS_EXPORTER", "none")];
    let telemetry = telemetry(&receiver.endpoint(), protocol, &only_events);
    let session = telemetry.session(session("one"));
    session.record_api_request(request());
    let (arrivals, allow) = block_responses(&receiver);
    change(&telemetry, &receiver, protocol, &OFF);
    arrivals.recv_timeout(PATIENCE).unwrap();
    change(&telemetry, &receiver, protocol, &only_events);
    for _ in 0..10 {
        session.record_api_request(request());
    }
    change(&telemetry, &receiver, protocol, &OFF);
    drop(allow);
    let health = wait_for_health(&telemetry, |health| {
        otlp(health, Signal::Logs).state == ExporterState::ShutDown
    });
    let events = otlp(&health, Signal::Logs);
    assert_eq!((events.delivered, events.dropped.total()), (11, 0));
    assert_complete(&receiver.received().accepted(), 11);
}

#[test]
fn repeated_reconfiguration_does_not_postpone_a_due_export() {
    let protocol = Protocol::any();
    let receiver = protocol.receiver();
    let extra = [("OTEL_LOGS_EXPORT_INTERVAL", "300")];
    let telemetry = telemetry(&receiver.endpoint(), protocol, &extra);
    let session = telemetry.session(session("s"));
    session.record_commit(Commit::new());
    session.record_user_prompt(UserPrompt::new("Fix the bug"));
    let deadline = Instant::now() + PATIENCE;
    while receiver.received().logs().is_empty() {
        assert!(Instant::now() < deadline, "nothing is sent");
        let config = config(environment(&receiver.endpoint(), protocol, &extra));
        assert!(telemetry.reconfigure(config));
    }
    telemetry.shutdown();
}

#[test]
fn shutdown_is_complete_after_an_invalid_exporter_was_removed() {
    let protocol = Protocol::any();
    let receiver = protocol.receiver();
    let bad = [("OTEL_EXPORTER_OTLP_LOGS_ENDPOINT", "nowhere at all")];
    let telemetry = telemetry(&receiver.endpoint(), protocol, &bad);
    assert!(!telemetry.flush().is_complete());
    let none = [("OTEL_LOGS_EXPORTER", "none")];
    assert!(telemetry.reconfigure(config(environment(&receiver.endpoint(), protocol, &none))));
    let report = telemetry.shutdown();
    assert!(report.is_complete(), "{report}");
}

#[test]
fn exporter_that_is_turned_on_again_while_it_drains_keeps_its_connection() {
    for protocol in Protocol::all() {
        let receiver = protocol.receiver();
        let (arrivals, allow) = block_responses(&receiver);
        let (on, off) = (
            [("OTEL_METRICS_EXPORTER", "none")],
            [
                ("OTEL_METRICS_EXPORTER", "none"),
                ("OTEL_LOGS_EXPORTER", "none"),
            ],
        );
        let telemetry = telemetry(&receiver.endpoint(), protocol, &on);
        let session = telemetry.session(session("s"));
        session.record_api_request(request());
        change(&telemetry, &receiver, protocol, &off);
        arrivals.recv().unwrap();
        change(&telemetry, &receiver, protocol, &on);
        drop(allow);
        assert!(telemetry.flush().is_complete());
        session.record_api_request(request());
        assert!(telemetry.shutdown().is_complete());
        assert_eq!(receiver.received().logs().len(), 2);
        assert_eq!(receiver.connections(), 1, "{protocol:?}");
    }
}
