//! A small session, and assertions on the data that must arrive for it.
#![allow(dead_code, unreachable_pub)]

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use claude_code_telemetry::{
    ApiRequest, Commit, Decision, DecisionSource, Identity, LinesOfCode, SessionOptions, Speed,
    StartType, Telemetry, TokenUsage, ToolDecision, ToolResult, UserPrompt,
};
use serde_json::{Value, json};

use crate::host;
use crate::support::{self, Log, Received};

const SESSION: &str = "3f6d1c52-8b0e-4c77-9a51-0d2e6b8f4a10";
const PROMPT: &str = "9f1c2f7e-6a51-4c5c-9d3f-0d6e1b3a2c4d";
/// Variables that the telemetry is configured with, in addition to those of the receiver.
pub const EXTRA: [(&str, &str); 3] = [
    (
        "OTEL_RESOURCE_ATTRIBUTES",
        "team.id=core,deployment.environment=a%20b",
    ),
    ("OTEL_METRICS_INCLUDE_VERSION", "true"),
    ("OTEL_EXPORTER_OTLP_TIMEOUT", "5000"),
];

/// The standard attributes of every event and data point, in order.
const STANDARD: [(&str, &str); 10] = [
    ("user.id", "user-1"),
    ("session.id", SESSION),
    ("app.version", "1.2.3"),
    ("organization.id", "org-1"),
    ("user.email", "kim@example.com"),
    ("user.account_uuid", "account-1"),
    ("user.account_id", "user_01"),
    ("terminal.type", "vscode"),
    ("team.id", "core"),
    ("deployment.environment", "a b"),
];

/// Returns 2026-04-16T09:30:00.123Z, plus nanoseconds that the formatted timestamp does not include.
fn prompt_time() -> SystemTime {
    UNIX_EPOCH + Duration::new(1_776_331_800, 123_456_789)
}

/// Records a small session, from the prompt to a commit.
pub fn record_session(telemetry: &Telemetry) {
    let session = telemetry.session(
        SessionOptions::new()
            .id(SESSION)
            .identity(
                Identity::new()
                    .user_id("user-1")
                    .organization_id("org-1")
                    .email("kim@example.com")
                    .account_uuid("account-1")
                    .account_id("user_01"),
            )
            .terminal_type("vscode")
            .start_type(StartType::Fresh)
            .workspace_host_paths(["/work/a", "/work/b"]),
    );
    let prompt = session.prompt(UserPrompt::new("Fix the bug").id(PROMPT).at(prompt_time()));
    prompt.record_api_request(
        ApiRequest::new("sonnet")
            .tokens(TokenUsage::new().input(120).output(45).cache_read(2_000))
            .cost_usd(0.25)
            .duration(Duration::from_millis(900))
            .request_id("req_011"),
    );
    prompt.record_api_request(
        ApiRequest::new("haiku")
            .requested_model("sonnet")
            .tokens(TokenUsage::new().input(30).output(5).cache_creation(7))
            .cost_usd(0.5)
            .speed(Speed::Fast)
            .query_source("compact"),
    );
    prompt.record_tool_decision(
        ToolDecision::new("Bash", Decision::Accept, DecisionSource::Config).tool_use_id("toolu_1"),
    );
    prompt.record_tool_result(
        ToolResult::new("Bash")
            .tool_use_id("toolu_1")
            .duration(Duration::from_millis(12))
            .result_size_bytes(1_280),
    );
    session.record_lines_of_code(LinesOfCode::new().added(10).removed(3));
    session.record_commit(Commit::new());
}

/// Returns the attributes of an event that follow the standard attributes. Asserts that the standard attributes come
/// first and in order.
#[track_caller]
fn own_attributes(log: &Log) -> Vec<(String, Value)> {
    let pairs: Vec<(String, Value)> = log
        .raw
        .attributes
        .iter()
        .map(|pair| (pair.key.clone(), log.attributes[&pair.key].clone()))
        .collect();
    let (standard, own) = pairs.split_at(STANDARD.len());
    let expected = STANDARD.map(|(key, value)| (key.to_owned(), json!(value)));
    assert_eq!(standard, expected);
    own.to_vec()
}

/// Asserts that all events of the session arrived with exactly the expected attributes.
#[track_caller]
pub fn assert_events(received: &Received) {
    let logs = received.logs();
    let expected: [(&str, Vec<(&str, Value)>); 5] = [
        (
            "user_prompt",
            vec![
                ("prompt_length", json!(11)),
                ("prompt", json!("<REDACTED>")),
            ],
        ),
        (
            "api_request",
            vec![
                ("model", json!("sonnet")),
                ("input_tokens", json!(120)),
                ("output_tokens", json!(45)),
                ("cache_read_tokens", json!(2_000)),
                ("cache_creation_tokens", json!(0)),
                ("cost_usd", json!(0.25)),
                ("duration_ms", json!(900)),
                ("request_id", json!("req_011")),
                ("speed", json!("normal")),
            ],
        ),
        (
            "api_request",
            vec![
                ("model", json!("haiku")),
                ("input_tokens", json!(30)),
                ("output_tokens", json!(5)),
                ("cache_read_tokens", json!(0)),
                ("cache_creation_tokens", json!(7)),
                ("cost_usd", json!(0.5)),
                ("duration_ms", json!(0)),
                ("speed", json!("fast")),
                ("query_source", json!("compact")),
            ],
        ),
        (
            "tool_decision",
            vec![
                ("decision", json!("accept")),
                ("source", json!("config")),
                ("tool_name", json!("Bash")),
                ("tool_use_id", json!("toolu_1")),
            ],
        ),
        (
            "tool_result",
            vec![
                ("tool_name", json!("Bash")),
                ("tool_use_id", json!("toolu_1")),
                ("success", json!("true")),
                ("duration_ms", json!(12)),
                ("tool_result_size_bytes", json!(1_280)),
            ],
        ),
    ];
    assert_eq!(logs.len(), expected.len());
    for (sequence, (log, (name, own))) in logs.iter().zip(expected).enumerate() {
        assert_eq!(log.body, json!(format!("claude_code.{name}")));
        assert_eq!(
            (log.scope.as_str(), log.scope_version.as_str()),
            ("com.anthropic.claude_code.events", "1.2.3")
        );
        assert_eq!(log.time, log.observed);
        assert_eq!((log.severity, log.severity_text.as_str()), (0, ""));
        assert_eq!(
            (log.name.as_str(), log.raw.dropped_attributes_count),
            (format!("claude_code.{name}").as_str(), 0)
        );
        assert_eq!(
            (log.trace_id.as_str(), log.span_id.as_str(), log.flags),
            ("", "", 0)
        );
        assert_resource(&log.resource);
        let mut wanted = vec![
            ("event.name", json!(name)),
            ("event.timestamp", json!(iso8601(log.time))),
            ("event.sequence", json!(sequence)),
            ("workspace.host_paths", json!(["/work/a", "/work/b"])),
            ("prompt.id", json!(PROMPT)),
        ];
        wanted.extend(own);
        let wanted: Vec<_> = wanted
            .into_iter()
            .map(|(key, value)| (key.to_owned(), value))
            .collect();
        assert_eq!(own_attributes(log), wanted);
    }
    let first = &logs[0];
    assert_eq!(first.time, 1_776_331_800_123_456_789);
    assert_eq!(
        first.attributes["event.timestamp"],
        "2026-04-16T09:30:00.123Z"
    );
    // The events without an explicit time have the current time.
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap()
        .as_nanos() as u64;
    assert!(now.abs_diff(logs[1].time) < 60_000_000_000);
}

/// Formats a timestamp as documented, without using the crate.
fn iso8601(nanos: u64) -> String {
    let since = Duration::from_nanos(nanos);
    let (days, second) = (since.as_secs() / 86_400, since.as_secs() % 86_400);
    let (mut year, mut day) = (1970, days);
    let leap = |year: u64| {
        year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
    };
    while day >= 365 + u64::from(leap(year)) {
        day -= 365 + u64::from(leap(year));
        year += 1;
    }
    let lengths = [
        31,
        28 + u64::from(leap(year)),
        31,
        30,
        31,
        30,
        31,
        31,
        30,
        31,
        30,
        31,
    ];
    let mut month = 0;
    while day >= lengths[month] {
        day -= lengths[month];
        month += 1;
    }
    format!(
        "{year:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z",
        month + 1,
        day + 1,
        second / 3600,
        second / 60 % 60,
        second % 60,
        since.subsec_millis()
    )
}

#[track_caller]
fn assert_resource(resource: &support::Attributes) {
    assert_eq!(resource["service.name"], "claude-code");
    assert_eq!(resource["service.version"], "1.2.3");
    assert_eq!(resource["team.id"], "core");
    assert_eq!(resource["deployment.environment"], "a b");
    let known = [
        "host.arch",
        "os.type",
        "os.version",
        "service.name",
        "service.version",
        "wsl.version",
        "team.id",
        "deployment.environment",
    ];
    assert!(
        resource.keys().all(|key| known.contains(&key.as_str())),
        "{resource:?}"
    );
    assert!(resource.contains_key("host.arch") && resource.contains_key("os.type"));
}

/// Asserts that all metrics of the session arrived with exactly the expected attributes and values.
#[track_caller]
pub fn assert_metrics(received: &Received) {
    let model = ("model", "sonnet");
    let tokens = |kind| vec![model, ("type", kind)];
    let expected = [
        (
            "claude_code.session.count",
            "{count}",
            "Count of CLI sessions started",
            vec![("start_type", "fresh")],
            1.0,
        ),
        (
            "claude_code.lines_of_code.count",
            "{count}",
            "Count of lines of code modified",
            vec![("type", "added")],
            10.0,
        ),
        (
            "claude_code.lines_of_code.count",
            "{count}",
            "Count of lines of code modified",
            vec![("type", "removed")],
            3.0,
        ),
        (
            "claude_code.commit.count",
            "{count}",
            "Number of git commits created",
            vec![],
            1.0,
        ),
        (
            "claude_code.cost.usage",
            "USD",
            "Cost of the Claude Code session",
            vec![model],
            0.75,
        ),
        (
            "claude_code.token.usage",
            "tokens",
            "Number of tokens used",
            tokens("input"),
            150.0,
        ),
        (
            "claude_code.token.usage",
            "tokens",
            "Number of tokens used",
            tokens("output"),
            50.0,
        ),
        (
            "claude_code.token.usage",
            "tokens",
            "Number of tokens used",
            tokens("cacheRead"),
            2_000.0,
        ),
        (
            "claude_code.token.usage",
            "tokens",
            "Number of tokens used",
            tokens("cacheCreation"),
            7.0,
        ),
    ];
    let points = received.points();
    host::assert_delta(&points);
    assert_eq!(host::by_series(&points).len(), expected.len());
    for (name, unit, description, own, value) in expected {
        let points = host::select(&points, name, &own);
        assert_eq!(host::sum(&points), value, "{name} {own:?}");
        for point in points {
            assert_eq!(
                (point.unit.as_str(), point.description.as_str()),
                (unit, description)
            );
            assert_eq!(
                (point.scope.as_str(), point.scope_version.as_str()),
                ("com.anthropic.claude_code", "1.2.3")
            );
            assert!(!point.integer && point.monotonic && point.temporality == 1);
            let attributes: support::Attributes = STANDARD
                .iter()
                .chain(&own)
                .map(|(key, value)| ((*key).to_owned(), json!(value)))
                .collect();
            assert_eq!(point.attributes, attributes);
            assert_resource(&point.resource);
        }
    }
}

/// Records the session, then flushes and shuts down.
pub fn finish(telemetry: &Telemetry) {
    record_session(telemetry);
    assert!(telemetry.flush().is_complete());
    let report = telemetry.shutdown();
    assert!(report.is_complete(), "{report}");
}
