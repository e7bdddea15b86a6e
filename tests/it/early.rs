//! Records from before the start of telemetry, and the global telemetry of a program.
#![cfg(feature = "testing")]

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use claude_code_telemetry::testing::InMemory;
use claude_code_telemetry::{
    ApiRequest, ApiRequestBody, ApiResponseBody, Commit, EarlyRecords, Identity, InstallTrigger,
    PluginInstalled, SkillActivated, Telemetry, ToolResult, UserPrompt, global, set_global,
};

fn plugin(name: String) -> PluginInstalled {
    PluginInstalled::new(name, "official", InstallTrigger::Cli)
}

#[test]
fn early_records_keep_their_order_and_time() {
    let early = EarlyRecords::new();
    let given = UNIX_EPOCH + Duration::from_secs(1_700_000_000);
    let before = SystemTime::now();
    early.record_plugin_installed(plugin("first".to_owned()));
    early.record_skill_activated(SkillActivated::new("second", "bundled").at(given));
    early.record_commit(Commit::new().count(3));
    let after = SystemTime::now();

    // The fixed clock of this telemetry differs from the system clock, which timed the records.
    let telemetry = InMemory::builder().fixed().start();
    let session = telemetry.session(Identity::new());
    let report = early.deliver_to(&session);
    assert_eq!((report.delivered, report.lost), (3, 0));

    let events = telemetry.events();
    assert_eq!(events.names(), ["plugin_installed", "skill_activated"]);
    assert_eq!(events[0].attributes["event.sequence"], 0);
    assert!((before..=after).contains(&events[0].time));
    assert_eq!(events[1].time, given);
    assert_eq!(telemetry.metrics().named("commit.count").total(), 3.0);
}

#[test]
fn records_after_the_delivery_go_directly_to_the_session() {
    let early = Arc::new(EarlyRecords::new());
    let telemetry = Telemetry::in_memory();
    let session = telemetry.session(Identity::new());
    early.record_plugin_installed(plugin("before".to_owned()));
    assert_eq!(early.deliver_to(&session).delivered, 1);
    let part_of_the_host = Arc::clone(&early);
    part_of_the_host.record_plugin_installed(plugin("after".to_owned()));
    assert_eq!(early.deliver_to(&session).delivered, 0);
    let names: Vec<_> = telemetry
        .events()
        .iter()
        .map(|event| event.attributes["plugin.name"].clone())
        .collect();
    assert_eq!(names, ["before", "after"]);
}

#[test]
fn early_records_of_many_threads_are_delivered_once() {
    let early = EarlyRecords::new();
    let telemetry = Telemetry::in_memory();
    let session = telemetry.session(Identity::new());
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let early = &early;
            scope.spawn(move || {
                for n in 0..100 {
                    early.record_plugin_installed(plugin(format!("{thread}-{n:02}")));
                }
            });
        }
        early.deliver_to(&session);
    });
    let mut names: Vec<_> = telemetry
        .events()
        .iter()
        .map(|event| event.attributes["plugin.name"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(names.len(), 400);
    // The records of each thread are in order.
    for thread in 0..4 {
        let of_thread = names
            .iter()
            .filter(|name| name.starts_with(&thread.to_string()));
        assert!(of_thread.is_sorted());
    }
    names.sort();
    names.dedup();
    assert_eq!(names.len(), 400);
}

#[test]
fn early_records_are_bounded_by_count_and_bytes_and_losses_are_counted() {
    let early = EarlyRecords::new();
    for n in 0..1_030 {
        early.record_plugin_installed(plugin(n.to_string()));
    }
    let telemetry = Telemetry::in_memory();
    let session = telemetry.session(Identity::new());
    let report = early.deliver_to(&session);
    // At most 1,024 records are kept.
    assert_eq!((report.delivered, report.lost), (1_024, 6));
    assert_eq!(telemetry.events().len(), 1_024);
    // The lost records leave a gap in the sequence numbers.
    session.record_plugin_installed(plugin("after".to_owned()));
    let events = telemetry.events();
    assert_eq!(events[1_023].attributes["event.sequence"], 1_023);
    assert_eq!(events[1_024].attributes["event.sequence"], 1_030);
    let health = telemetry.health();
    let lost = health
        .exporters
        .iter()
        .map(|exporter| exporter.dropped.queue_full);
    assert_eq!(lost.sum::<u64>(), 6);
    assert!(!telemetry.flush().is_complete());

    let early = EarlyRecords::new();
    for _ in 0..5 {
        let body = format!(r#"{{"text":"{}"}}"#, "x".repeat(1024 * 1024));
        early.record_api_request_body(ApiRequestBody::new("model", body));
    }
    early.record_commit(Commit::new());
    let report = early.deliver_to(&session);
    // At most 4 MiB are kept: three of the bodies, each of which is a little larger than 1 MiB, and the commit.
    assert_eq!((report.delivered, report.lost), (4, 2));
}

#[test]
fn every_string_of_an_early_record_counts_toward_the_byte_limit() {
    let large = || "x".repeat(5 * 1024 * 1024);
    let early = EarlyRecords::new();
    early.record_api_request_body(ApiRequestBody::new("model", "{}").query_source(large()));
    early.record_api_response_body(ApiResponseBody::new("model", "{}").query_source(large()));
    early.record_api_response_body(ApiResponseBody::new("model", "{}").request_id(large()));
    early.record_user_prompt(UserPrompt::new("hi").id(large()));
    early.record_api_request(ApiRequest::new("model").requested_model(large()));
    early.record_api_request(ApiRequest::new("model").stop_reason(large()));
    early.record_user_prompt(UserPrompt::new("hi"));
    let telemetry = Telemetry::in_memory();
    let report = early.deliver_to(&telemetry.session(Identity::new()));
    assert_eq!((report.delivered, report.lost), (1, 6));
}

#[test]
fn early_content_is_sent_only_if_the_session_policy_allows_it() {
    for (flag, sent) in [("0", false), ("1", true)] {
        let early = EarlyRecords::new();
        let input = String::from(r#"{"command":"secret"}"#);
        early.record_tool_result(ToolResult::new("Bash").input(input));
        assert!(!format!("{early:?}").contains("secret"));
        let telemetry = InMemory::builder()
            .variable("OTEL_LOG_TOOL_DETAILS", flag)
            .start();
        early.deliver_to(&telemetry.session(Identity::new()));
        assert_eq!(telemetry.dump().contains("secret"), sent);
    }
}

#[test]
fn early_records_count_as_delivered_when_telemetry_is_off() {
    let early = EarlyRecords::new();
    early.record_commit(Commit::new());
    let session = Telemetry::disabled().session(Identity::new());
    assert_eq!(early.deliver_to(&session).delivered, 1);
}

#[test]
fn global_telemetry_is_off_until_set_and_cannot_be_set_twice() {
    assert!(!global().is_enabled());
    let memory = Telemetry::in_memory();
    set_global(memory.telemetry().clone()).unwrap();
    assert!(global().is_enabled());
    global().session(Identity::new());
    assert_eq!(memory.metrics().named("session.count").total(), 1.0);

    let error = set_global(Telemetry::disabled()).unwrap_err();
    assert!(!error.telemetry.is_enabled());
    assert_eq!(
        error.to_string(),
        "the global telemetry is set already; set it once, at the beginning of `main`"
    );
    assert!(global().is_enabled());
}
