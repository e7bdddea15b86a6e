//! The Prometheus scrape response: its series, names, labels and values, also after the end of a session.
#![cfg(feature = "prometheus")]

use std::process::Command;
use std::time::Duration;

use crate::example;
use crate::host;
use crate::host::session;
use crate::scraper;
use crate::scraper::{Exposition, Labels, address, request, scrape, telemetry};
use claude_code_telemetry::{
    ActiveTime, ActivityType, ApiRequest, CodeEditDecision, Commit, Cost, Decision, DecisionSource,
    EditTool, Identity, LinesOfCode, PullRequest, SessionOptions, StartType, Telemetry, TokenUsage,
};

fn labels(list: &[(&str, &str)]) -> Labels {
    let owned = |&(name, value): &(&str, &str)| (name.to_owned(), value.to_owned());
    list.iter().map(owned).collect()
}

/// Records data for every metric in a session that stays open.
fn record_every_metric(telemetry: &Telemetry, id: &str) -> claude_code_telemetry::Session {
    let session = telemetry.session(session(id).start_type(StartType::Fresh));
    session.record_lines_of_code(LinesOfCode::new().added(10).removed(3));
    session.record_pull_request(PullRequest::new());
    session.record_commit(Commit::new().count(2));
    let usage = TokenUsage::new().input(120).output(45).cache_read(2_000);
    session.record_api_request(ApiRequest::new("sonnet").tokens(usage).cost_usd(0.25));
    session.record_code_edit_decision(
        CodeEditDecision::new(EditTool::Edit, Decision::Accept, DecisionSource::Config)
            .file_path("main.rs"),
    );
    session.record_active_time(ActiveTime::new(
        ActivityType::User,
        Duration::from_millis(1_500),
    ));
    session
}

#[test]
fn every_metric_has_the_expected_name_labels_and_value() {
    let telemetry = telemetry(&[("OTEL_METRICS_INCLUDE_VERSION", "1")]);
    let identity = Identity::new()
        .user_id("user-1")
        .organization_id("org-1")
        .email("kim@example.com")
        .account_uuid("account-1")
        .account_id("user_01");
    let session_with_identity =
        telemetry.session(SessionOptions::new().id("other").identity(identity));
    let _session = record_every_metric(&telemetry, "s");
    let page = scrape(&telemetry);

    let standard = [
        ("app_version", "1.2.3"),
        ("session_id", "s"),
        ("user_id", "user-1"),
    ];
    type Samples<'a> = Vec<(Vec<(&'a str, &'a str)>, f64)>;
    let expected: [(&str, &str, Samples<'_>); 8] = [
        (
            "claude_code_session_count_total",
            "Count of CLI sessions started",
            vec![(vec![("start_type", "fresh")], 1.0)],
        ),
        (
            "claude_code_lines_of_code_count_total",
            "Count of lines of code modified",
            vec![
                (vec![("type", "added")], 10.0),
                (vec![("type", "removed")], 3.0),
            ],
        ),
        (
            "claude_code_pull_request_count_total",
            "Number of pull requests created",
            vec![(vec![], 1.0)],
        ),
        (
            "claude_code_commit_count_total",
            "Number of git commits created",
            vec![(vec![], 2.0)],
        ),
        (
            "claude_code_cost_usage_total",
            "Cost of the Claude Code session",
            vec![(vec![("model", "sonnet")], 0.25)],
        ),
        (
            "claude_code_token_usage_total",
            "Number of tokens used",
            vec![
                (vec![("model", "sonnet"), ("type", "input")], 120.0),
                (vec![("model", "sonnet"), ("type", "output")], 45.0),
                (vec![("model", "sonnet"), ("type", "cacheRead")], 2_000.0),
                (vec![("model", "sonnet"), ("type", "cacheCreation")], 0.0),
            ],
        ),
        (
            "claude_code_code_edit_tool_decision_total",
            "Count of code editing tool permission decisions",
            vec![(
                vec![
                    ("decision", "accept"),
                    ("language", "Rust"),
                    ("source", "config"),
                    ("tool_name", "Edit"),
                ],
                1.0,
            )],
        ),
        (
            "claude_code_active_time_total",
            "Total active time in seconds",
            vec![(vec![("type", "user")], 1.5)],
        ),
    ];
    // The other family is `target_info`.
    assert_eq!(page.families.len(), expected.len() + 1, "{page:#?}");
    for (name, help, samples) in expected {
        let family = &page.families[name];
        assert_eq!(
            (family.kind.as_str(), family.help.as_str()),
            ("counter", help)
        );
        let found = page.select(name, &[("session_id", "s")]);
        assert_eq!(found.len(), samples.len(), "{name}: {found:?}");
        for (metric_labels, value) in samples {
            let all = [metric_labels.as_slice(), &standard].concat();
            assert_eq!(family.samples.get(&labels(&all)), Some(&value), "{name}");
        }
    }
    let identity_labels = [
        ("app_version", "1.2.3"),
        ("organization_id", "org-1"),
        ("session_id", "other"),
        ("user_account_id", "user_01"),
        ("user_account_uuid", "account-1"),
        ("user_email", "kim@example.com"),
        ("user_id", "user-1"),
    ];
    let sessions = &page.families["claude_code_session_count_total"];
    assert_eq!(sessions.samples.get(&labels(&identity_labels)), Some(&1.0));
    drop(session_with_identity);

    let target = &page.families["target_info"];
    assert_eq!(target.kind, "gauge");
    let (target, one) = target.samples.iter().next().unwrap();
    assert_eq!(
        (target["service_name"].as_str(), *one),
        ("claude-code", 1.0)
    );
    assert_eq!(target["service_version"], "1.2.3");
    assert!(target.contains_key("host_arch") && target.contains_key("os_type"));
    assert!(telemetry.shutdown().is_complete());
}

#[test]
fn promtool_reports_no_problem() {
    if !example::is_installed("promtool") {
        return;
    }
    let telemetry = telemetry(&[("OTEL_RESOURCE_ATTRIBUTES", "2nd=x,__name__=y,a:b=z")]);
    let _session = record_every_metric(&telemetry, "s");
    let body = request(address(&telemetry), "GET", "/metrics").body;
    let mut promtool = Command::new("promtool");
    let output = example::run_with_input(promtool.args(["check", "metrics"]), &body);
    assert!(output.status.success(), "{output:?}");
    let output = [output.stdout, output.stderr].concat();
    assert_eq!(String::from_utf8(output).unwrap(), "");
}

#[test]
fn scrape_response_has_no_series_before_the_first_record() {
    let telemetry = telemetry(&[]);
    let page = scrape(&telemetry);
    let names: Vec<_> = page.families.keys().map(String::as_str).collect();
    assert_eq!(names, ["target_info"]);
}

#[test]
fn label_values_are_escaped() {
    let telemetry = telemetry(&[]);
    let odd = "a \"quoted\" back\\slash,\nnew line, {brace}= Grüße \u{1F980} \\n\\";
    let session = telemetry.session(session("s"));
    session.record_cost(Cost::new(odd, 0.1));
    session.record_cost(Cost::new(format!("{odd}\\"), 0.2));
    let page = scrape(&telemetry);
    for (model, usd) in [(odd.to_owned(), 0.1), (format!("{odd}\\"), 0.2)] {
        let found = page.sum("claude_code_cost_usage_total", &[("model", &model)]);
        assert_eq!(found, usd);
    }
}

#[test]
fn custom_attributes_become_labels_but_never_replace_standard_labels() {
    let attributes = "team.id=core,a_b=2,a.b=1,user_id=nobody,start.type=never,2nd=x,model=none,\
                      __name__=no,service.namespace=n,job=agents";
    let telemetry = telemetry(&[("OTEL_RESOURCE_ATTRIBUTES", attributes)]);
    let session = telemetry.session(session("s").start_type(StartType::Resume));
    session.record_cost(Cost::new("sonnet", 1.0));
    session.record_commit(Commit::new());
    let page = scrape(&telemetry);
    let custom = [
        ("_2nd", "x"),
        ("_name__", "no"),
        // The values of keys that become the same label are joined.
        ("a_b", "1;2"),
        ("job", "agents"),
        ("session_id", "s"),
        ("team_id", "core"),
        ("user_id", "user-1"),
    ];
    for (name, others) in [
        // A key that is an attribute only of other metrics is a custom label.
        (
            "claude_code_commit_count_total",
            vec![("model", "none"), ("start_type", "never")],
        ),
        (
            "claude_code_cost_usage_total",
            vec![("model", "sonnet"), ("start_type", "never")],
        ),
        (
            "claude_code_session_count_total",
            vec![("model", "none"), ("start_type", "resume")],
        ),
    ] {
        let found: Vec<_> = page.families[name].samples.keys().cloned().collect();
        assert_eq!(found, [labels(&[&custom[..], &others].concat())], "{name}");
    }
    let (target, _) = page.families["target_info"].samples.iter().next().unwrap();
    assert_eq!(target["a_b"], "1;2");
    assert_eq!(target["service_namespace"], "n");
    assert_eq!(target["_name__"], "no");
}

#[test]
fn custom_attributes_are_only_on_target_info_if_excluded_from_metrics() {
    let telemetry = telemetry(&[
        ("OTEL_RESOURCE_ATTRIBUTES", "team=core"),
        ("OTEL_METRICS_INCLUDE_RESOURCE_ATTRIBUTES", "false"),
    ]);
    let _session = telemetry.session(session("s"));
    let page = scrape(&telemetry);
    let team = [("team", "core")];
    assert_eq!(page.select("claude_code_session_count_total", &team), []);
    assert_eq!(page.select("target_info", &team).len(), 1);
}

#[test]
fn values_never_decrease_and_ended_sessions_stay_in_the_scrape_response() {
    let telemetry = telemetry(&[]);
    let commits =
        |page: &Exposition, id| page.sum("claude_code_commit_count_total", &[("session_id", id)]);
    let first = telemetry.session(session("first"));
    first.record_commit(Commit::new());
    assert_eq!(commits(&scrape(&telemetry), "first"), 1.0);
    first.record_commit(Commit::new());
    drop(first);
    let second = telemetry.session(session("second"));
    second.record_commit(Commit::new());
    // A scrape does not change the values that the next scrape gets.
    for _ in 0..3 {
        let page = scrape(&telemetry);
        assert_eq!(
            (commits(&page, "first"), commits(&page, "second")),
            (2.0, 1.0)
        );
    }
    // A new session with the same id continues the series.
    let again = telemetry.session(session("first"));
    again.record_commit(Commit::new());
    let page = scrape(&telemetry);
    assert_eq!(commits(&page, "first"), 3.0);
    assert_eq!(
        page.sum(
            "claude_code_session_count_total",
            &[("session_id", "first")]
        ),
        2.0
    );
}

#[test]
fn scrape_response_contains_the_series_of_ten_thousand_sessions() {
    const SESSIONS: usize = 10_000;
    let telemetry = telemetry(&[]);
    let sessions: Vec<_> = (0..SESSIONS)
        .map(|n| {
            let session = telemetry.session(session(&format!("session-{n}")));
            let usage = TokenUsage::new().input(n as u64).output(1);
            session.record_api_request(ApiRequest::new("sonnet").tokens(usage).cost_usd(0.5));
            session
        })
        .collect();
    let page = scrape(&telemetry);
    for (name, series, sum) in [
        ("claude_code_session_count_total", SESSIONS, SESSIONS as f64),
        (
            "claude_code_cost_usage_total",
            SESSIONS,
            SESSIONS as f64 / 2.0,
        ),
        (
            "claude_code_token_usage_total",
            4 * SESSIONS,
            (SESSIONS * (SESSIONS - 1) / 2 + SESSIONS) as f64,
        ),
    ] {
        assert_eq!(page.families[name].samples.len(), series, "{name}");
        assert_eq!(page.sum(name, &[]), sum, "{name}");
    }
    drop(sessions);
}

#[test]
#[cfg(any(feature = "grpc", feature = "http"))]
fn otlp_and_prometheus_totals_are_exact_together() {
    let protocol = host::Protocol::any();
    let receiver = protocol.receiver();
    let telemetry = telemetry(&[
        ("OTEL_METRICS_EXPORTER", "otlp,prometheus"),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", protocol.name()),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", &receiver.endpoint()),
        ("OTEL_METRIC_EXPORT_INTERVAL", host::NEVER),
    ]);
    let mut previous_cost = 0.0;
    for round in 1..=4 {
        let id = format!("session-{}", round % 2);
        let session = telemetry.session(session(&id));
        session.record_cost(Cost::new("sonnet", 0.5));
        session.record_commit(Commit::new().count(round));
        assert!(telemetry.flush().is_complete());
        drop(session);
        let page = scrape(&telemetry);
        let now = page.sum("claude_code_cost_usage_total", &[]);
        assert_eq!(now, previous_cost + 0.5);
        previous_cost = now;
        assert_eq!(
            page.sum("claude_code_commit_count_total", &[]),
            (1..=round).sum::<u64>() as f64
        );
    }
    assert!(telemetry.shutdown().is_complete());
    let points = receiver.received().points();
    host::assert_delta(&points);
    assert_eq!(
        host::sum(&host::select(&points, "claude_code.cost.usage", &[])),
        2.0
    );
    assert_eq!(
        host::sum(&host::select(&points, "claude_code.commit.count", &[])),
        10.0
    );
}

#[test]
fn series_with_equal_labels_after_a_reconfiguration_are_one_sample() {
    let with_attributes = |attributes| {
        scraper::environment(&[
            ("OTEL_RESOURCE_ATTRIBUTES", attributes),
            ("OTEL_EXPORTER_PROMETHEUS_PORT", "0"),
        ])
    };
    let telemetry = scraper::telemetry(&[("OTEL_RESOURCE_ATTRIBUTES", "a=1,b=2")]);
    let session = telemetry.session(session("s"));
    session.record_commit(Commit::new());
    // The same attributes in another order.
    assert!(telemetry.reconfigure(host::config(with_attributes("b=2,a=1"))));
    session.record_commit(Commit::new());
    let response = scraper::request(scraper::address(&telemetry), "GET", "/metrics");
    let name = "claude_code_commit_count_total{";
    let lines = response.body.lines().filter(|line| line.starts_with(name));
    let lines: Vec<_> = lines.collect();
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert!(lines[0].ends_with(" 2"), "{lines:?}");
}
