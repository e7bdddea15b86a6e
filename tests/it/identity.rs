//! Standard attributes: the identity and session of a record, on every signal.
#![cfg(feature = "grpc")]

use std::time::Duration;

use claude_code_telemetry::{
    ActiveTime, ActivityType, ApiError, ApiRequest, Commit, Identity, LinesOfCode, NumberEncoding,
    Recorder, SessionOptions, Telemetry, TokenUsage, ToolOutcome, ToolResult, UserPrompt,
};
use opentelemetry_proto::tonic::common::v1::{KeyValue, any_value::Value as OtlpValue};
use serde_json::{Value, json};

use crate::catalog_support::{config, delivered, recorded};
use crate::host::{Diagnostics, Protocol, service, start_with_diagnostics};
use crate::support::{Attributes, Message, Received, Receiver};

fn kim() -> Identity {
    Identity::new()
        .user_id("user-kim")
        .organization_id("org-1")
        .email("kim@example.com")
        .account_uuid("uuid-kim")
        .account_id("user_01kim")
}

/// Records an item of each signal.
fn one_of_each(recorder: &Recorder) {
    recorder.record_commit(Commit::new());
    let tool = recorder.tool("Read");
    tool.executing();
    tool.finish(ToolOutcome::new());
}

/// Returns the attributes of all data points, events and spans, in the order in which they were sent.
fn items(received: &Received) -> Vec<(&'static str, Vec<KeyValue>)> {
    use opentelemetry_proto::tonic::metrics::v1::metric::Data;
    let mut items = Vec::new();
    for request in &received.requests {
        match &request.message {
            Message::Metrics(message) => {
                let scopes = message
                    .resource_metrics
                    .iter()
                    .flat_map(|r| &r.scope_metrics);
                for metric in scopes.flat_map(|s| &s.metrics) {
                    let Some(Data::Sum(sum)) = &metric.data else {
                        panic!("{} is not a sum", metric.name);
                    };
                    let points = sum.data_points.iter();
                    items.extend(points.map(|p| ("metrics", p.attributes.clone())));
                }
            }
            Message::Logs(message) => {
                let scopes = message.resource_logs.iter().flat_map(|r| &r.scope_logs);
                let records = scopes.flat_map(|s| &s.log_records);
                items.extend(records.map(|r| ("events", r.attributes.clone())));
            }
            Message::Traces(message) => {
                let scopes = message.resource_spans.iter().flat_map(|r| &r.scope_spans);
                let spans = scopes.flat_map(|s| &s.spans);
                items.extend(spans.map(|s| ("spans", s.attributes.clone())));
            }
            Message::Unreadable(why) => panic!("{why}"),
        }
    }
    for signal in ["metrics", "events", "spans"] {
        assert!(items.iter().any(|(of, _)| *of == signal), "no {signal}");
    }
    items
}

fn keys(attributes: &[KeyValue]) -> Vec<&str> {
    attributes.iter().map(|a| a.key.as_str()).collect()
}

fn get<'a>(attributes: &'a [KeyValue], key: &str) -> Option<&'a str> {
    let found = attributes.iter().find(|a| a.key == key)?;
    match found.value.as_ref()?.value.as_ref()? {
        OtlpValue::StringValue(text) => Some(text),
        other => panic!("{key} is not a string: {other:?}"),
    }
}

const STANDARD: [&str; 8] = [
    "user.id",
    "session.id",
    "app.version",
    "organization.id",
    "user.email",
    "user.account_uuid",
    "user.account_id",
    "terminal.type",
];

#[test]
fn metrics_include_variables_apply_to_all_signals() {
    type Row<'a> = (&'a [(&'a str, &'a str)], &'a [&'a str]);
    const VERSION: (&str, &str) = ("OTEL_METRICS_INCLUDE_VERSION", "true");
    let table: [Row<'_>; 6] = [
        (&[VERSION], &[]),
        (&[], &["app.version"]),
        (
            &[VERSION, ("OTEL_METRICS_INCLUDE_SESSION_ID", "false")],
            &["session.id"],
        ),
        (
            &[VERSION, ("OTEL_METRICS_INCLUDE_ACCOUNT_UUID", "false")],
            &["user.account_uuid", "user.account_id"],
        ),
        // Any value that is not a boolean counts as false.
        (
            &[VERSION, ("OTEL_METRICS_INCLUDE_SESSION_ID", "maybe")],
            &["session.id"],
        ),
        // In the environment, an empty value counts as false.
        (
            &[("OTEL_METRICS_INCLUDE_SESSION_ID", "")],
            &["session.id", "app.version"],
        ),
    ];
    for (variables, left_out) in table {
        let mut variables = variables.to_vec();
        variables.push(("TERM_PROGRAM", "vscode"));
        let received = recorded(&variables, |telemetry| {
            let session = telemetry.session(SessionOptions::new().id("session-1").identity(kim()));
            one_of_each(session.prompt("hi").recorder());
        });
        let expected: Vec<_> = STANDARD
            .into_iter()
            .filter(|key| !left_out.contains(key))
            .collect();
        let value = |key| match key {
            "user.id" => "user-kim",
            "session.id" => "session-1",
            "app.version" => "1.2.3",
            "organization.id" => "org-1",
            "user.email" => "kim@example.com",
            "user.account_uuid" => "uuid-kim",
            "user.account_id" => "user_01kim",
            _ => "vscode",
        };
        for (signal, attributes) in items(&received) {
            let found = keys(&attributes);
            assert_eq!(found[..expected.len()], expected, "{signal}, {variables:?}");
            for key in STANDARD {
                let wanted = expected.contains(&key).then(|| value(key));
                assert_eq!(
                    get(&attributes, key),
                    wanted,
                    "{signal}, {key}, {variables:?}"
                );
            }
        }
    }
}

#[test]
fn email_is_omitted_when_the_host_turns_it_off() {
    let receiver = Receiver::grpc();
    let (builder, _folder) = config(&receiver, Protocol::Grpc, &[]);
    let received = delivered(&receiver, builder.user_email(false), |telemetry| {
        let session = telemetry.session(kim());
        one_of_each(session.prompt("hi").recorder());
        session.set_identity(kim().email("other@example.com"));
        one_of_each(session.prompt("hi").recorder());
    });
    for (signal, attributes) in items(&received) {
        assert_eq!(get(&attributes, "user.email"), None, "{signal}");
        assert_eq!(
            get(&attributes, "user.account_uuid"),
            Some("uuid-kim"),
            "{signal}"
        );
    }
    for request in &received.requests {
        assert!(!String::from_utf8_lossy(&request.body).contains("example.com"));
    }
}

#[test]
fn records_after_a_sign_in_have_the_new_identity() {
    let robin = || {
        Identity::new()
            .user_id("user-robin")
            .email("robin@example.com")
    };
    let received = recorded(&[], |telemetry| {
        let session = telemetry.session(Identity::new().user_id("nobody"));
        let prompt = session.prompt("hi");
        one_of_each(prompt.recorder());
        session.set_identity(kim());
        // Handles that were created before use the new identity.
        one_of_each(prompt.recorder());
        session.set_identity(kim());
        session.clone().set_identity(kim());
        one_of_each(session.recorder());
        session.set_identity(robin());
        one_of_each(prompt.recorder());
        session.set_identity(Identity::new().user_id("nobody"));
        one_of_each(prompt.recorder());
    });
    let commits = |user: &str| -> f64 {
        let points = received.points();
        let of_user = points
            .iter()
            .filter(|p| p.name == "claude_code.commit.count" && p.attributes["user.id"] == user);
        of_user.map(|point| point.value).sum()
    };
    assert_eq!(
        ["nobody", "user-kim", "user-robin"].map(commits),
        [2.0, 2.0, 1.0]
    );
    let emails = |user: &Value| match user.as_str().unwrap() {
        "nobody" => Value::Null,
        "user-kim" => json!("kim@example.com"),
        _ => json!("robin@example.com"),
    };
    let check = |attributes: &Attributes| {
        let email = attributes.get("user.email").cloned().unwrap_or_default();
        assert_eq!(email, emails(&attributes["user.id"]));
    };
    received.points().iter().for_each(|p| check(&p.attributes));
    received.logs().iter().for_each(|l| check(&l.attributes));
    received.spans().iter().for_each(|s| check(&s.attributes));

    let order = ["nobody", "user-kim", "user-kim", "user-robin", "nobody"];
    let users = |all: Vec<Attributes>| -> Vec<Value> {
        all.into_iter().map(|a| a["user.id"].clone()).collect()
    };
    let logs = received.logs().into_iter();
    let results = logs.filter(|l| l.body == "claude_code.tool_result");
    assert_eq!(users(results.map(|l| l.attributes).collect()), order);
    let spans = received.spans().into_iter();
    let tools = spans.filter(|s| s.name == "claude_code.tool");
    assert_eq!(users(tools.map(|s| s.attributes).collect()), order);
    // The sequence numbers of the session continue.
    let numbers: Vec<_> = received
        .logs()
        .iter()
        .map(|l| l.attributes["event.sequence"].clone())
        .collect();
    assert_eq!(numbers, [0, 1, 2, 3, 4, 5].map(Value::from));
}

#[test]
fn empty_identity_strings_count_as_unknown() {
    let received = recorded(&[("OTEL_METRICS_INCLUDE_VERSION", "1")], |telemetry| {
        let unknown = Identity::new()
            .user_id("")
            .organization_id("")
            .email("")
            .account_uuid("")
            .account_id("");
        let options = SessionOptions::new()
            .id("")
            .identity(unknown.clone())
            .terminal_type("")
            .workspace_host_paths([""; 0]);
        let session = telemetry.session(options);
        // A random UUID.
        assert_eq!(session.id().len(), 36);
        one_of_each(session.prompt("hi").recorder());
        session.set_identity(unknown);
        one_of_each(session.prompt("hi").recorder());
    });
    for (signal, attributes) in items(&received) {
        let found = keys(&attributes);
        assert_eq!(
            found[..3],
            ["user.id", "session.id", "app.version"],
            "{signal}"
        );
        // The id of the installation.
        assert_eq!(get(&attributes, "user.id").unwrap().len(), 64, "{signal}");
        for key in &STANDARD[3..] {
            assert!(!found.contains(key), "{signal}: {key}");
        }
        assert!(!found.contains(&"workspace.host_paths"));
    }
}

#[test]
fn terminal_is_detected_unless_the_host_sets_it() {
    type Row<'a> = (&'a [(&'a str, &'a str)], Option<&'a str>, Option<&'a str>);
    let table: [Row<'_>; 7] = [
        (&[], None, None),
        (&[("TERM", "xterm")], None, Some("xterm")),
        (
            &[("TERM", "screen"), ("TMUX", "/tmp/x,1,0")],
            None,
            Some("tmux"),
        ),
        (
            &[("TERM_PROGRAM", "iTerm.app"), ("TMUX", "x")],
            None,
            Some("iTerm.app"),
        ),
        (
            &[("TERM_PROGRAM", "vscode"), ("CURSOR_TRACE_ID", "1")],
            None,
            Some("cursor"),
        ),
        (&[("TERM_PROGRAM", "vscode")], Some("zed"), Some("zed")),
        (&[("TERM_PROGRAM", "vscode")], Some(""), None),
    ];
    for (variables, host, expected) in table {
        let received = recorded(variables, |telemetry| {
            let mut options = SessionOptions::new().identity(kim());
            if let Some(host) = host {
                options = options.terminal_type(host);
            }
            one_of_each(telemetry.session(options).prompt("hi").recorder());
        });
        for (signal, attributes) in items(&received) {
            assert_eq!(
                get(&attributes, "terminal.type"),
                expected,
                "{signal} {variables:?}"
            );
        }
    }
}

#[test]
fn workspace_paths_are_only_on_events() {
    let received = recorded(&[], |telemetry| {
        let options = SessionOptions::from(kim()).workspace_host_paths(["/work/a", "/work/b"]);
        one_of_each(telemetry.session(options).prompt("hi").recorder());
    });
    for log in received.logs() {
        assert_eq!(
            log.attributes["workspace.host_paths"],
            json!(["/work/a", "/work/b"])
        );
    }
    for (signal, attributes) in items(&received) {
        let has = keys(&attributes).contains(&"workspace.host_paths");
        assert_eq!(has, signal == "events", "{signal}");
    }
}

/// Custom attributes. Some of their keys are also keys of certain records, of every record, or of the resource.
const CUSTOM: &str = "team=a%20b,dept=%E2%82%AC,model=x,event.name=y,type=z,span.type=s,user.id=evil,\
                      user.email=evil,prompt.id=evil,error=e,tool_input=i,status_code=1,service.name=svc,host.name=h,\
                      os.name=o,deployment.environment=prod";

#[test]
fn custom_attributes_follow_standard_attributes_and_replace_none() {
    let received = recorded(&[("OTEL_RESOURCE_ATTRIBUTES", CUSTOM)], record_for_custom);
    for (signal, attributes) in items(&received) {
        let found = keys(&attributes);
        let unique: std::collections::BTreeSet<_> = found.iter().collect();
        assert_eq!(unique.len(), found.len(), "{signal}: {found:?}");
        assert_eq!(get(&attributes, "team"), Some("a b"), "{signal}");
        assert_eq!(get(&attributes, "dept"), Some("€"), "{signal}");
        assert_eq!(
            get(&attributes, "deployment.environment"),
            Some("prod"),
            "{signal}"
        );
        assert_eq!(get(&attributes, "user.id"), Some("user-robin"), "{signal}");
        // Custom values of standard attributes and of the resource's own attributes are only on the resource.
        for key in ["user.email", "service.name", "host.name", "os.name"] {
            assert_eq!(get(&attributes, key), None, "{signal}: {key}");
        }
        let standard = ["user.id", "session.id", "team", "dept"];
        assert_eq!(found[..4], standard, "{signal}");
    }
    for log in received.logs() {
        let name = log.attributes["event.name"].as_str().unwrap();
        assert_eq!(log.body, format!("claude_code.{name}"));
        assert_ne!(log.attributes["prompt.id"], "evil");
        // A record's own key never has the custom value, even if the record has no value for it.
        let model = match name {
            "api_request" | "api_error" => "sonnet",
            _ => "x",
        };
        assert_eq!(log.attributes["model"], model, "{name}");
        let (error, input) = match name {
            "api_error" => (Some("overloaded"), Some("i")),
            "tool_result" => (None, None),
            _ => (Some("e"), Some("i")),
        };
        let text = |key: &str| log.attributes.get(key).and_then(Value::as_str);
        assert_eq!(
            (text("error"), text("tool_input")),
            (error, input),
            "{name}"
        );
    }
    for point in received.points() {
        let text = |key: &str| point.attributes.get(key).and_then(Value::as_str);
        let (model, kind) = match point.name.as_str() {
            "claude_code.cost.usage" => ("sonnet", Some("z")),
            "claude_code.token.usage" => ("sonnet", None),
            "claude_code.lines_of_code.count" => ("x", Some("added")),
            _ => ("x", Some("z")),
        };
        assert_eq!(text("model"), Some(model), "{}", point.name);
        if kind.is_some() {
            assert_eq!(text("type"), kind, "{}", point.name);
        }
    }
    for span in received.spans() {
        assert_eq!(
            span.name,
            format!(
                "claude_code.{}",
                span.attributes["span.type"].as_str().unwrap()
            )
        );
        assert!(
            !span.attributes.contains_key("error")
                || span.name.contains("interaction")
                || span.name.contains("tool")
        );
        if span.name == "claude_code.llm_request" {
            assert_eq!(span.attributes["model"], "sonnet");
            assert!(!span.attributes.contains_key("status_code"));
        }
    }
    // The resource contains all custom attributes.
    let resource = &received.logs()[0].resource;
    assert_eq!(resource["service.name"], "svc");
    assert_eq!(resource["host.name"], "h");
    assert_eq!(resource["user.id"], "evil");
    assert_eq!(resource["team"], "a b");
    assert_eq!(resource["event.name"], "y");
}

fn record_for_custom(telemetry: &Telemetry) {
    let session = telemetry.session(Identity::new().user_id("user-robin"));
    let prompt = session.prompt("hi");
    one_of_each(prompt.recorder());
    prompt.record_lines_of_code(LinesOfCode::new().added(1));
    prompt.record_api_error(ApiError::new("sonnet", "overloaded"));
    let request = prompt.llm_request("sonnet");
    request.finish(ApiRequest::new("sonnet").cost_usd(0.5));
}

#[test]
fn custom_attributes_are_only_on_the_resource_when_configured() {
    let variables = [
        ("OTEL_RESOURCE_ATTRIBUTES", CUSTOM),
        ("OTEL_METRICS_INCLUDE_RESOURCE_ATTRIBUTES", "false"),
    ];
    let received = recorded(&variables, record_for_custom);
    for (signal, attributes) in items(&received) {
        for key in ["team", "dept", "deployment.environment"] {
            assert_eq!(get(&attributes, key), None, "{signal}: {key}");
        }
    }
    for point in received.points() {
        assert_eq!(point.resource["team"], "a b");
    }
    assert_eq!(received.logs()[0].resource["dept"], "€");
    assert_eq!(received.spans()[0].resource["dept"], "€");
}

/// Returns the `user.id` of sessions without an identity, and the diagnostics.
fn user_id(path: &std::path::Path) -> (String, Diagnostics) {
    let receiver = Receiver::grpc();
    let (config, _folder) = config(&receiver, Protocol::Grpc, &[]);
    let config = config.installation_id_path(path).build();
    let (telemetry, diagnostics) = start_with_diagnostics(Telemetry::builder(config, service()));
    for _ in 0..2 {
        one_of_each(telemetry.session(Identity::new()).prompt("hi").recorder());
    }
    assert!(telemetry.shutdown().is_complete());
    let received = receiver.received().accepted();
    let items = items(&received);
    let ids = items.iter().map(|(_, a)| get(a, "user.id").unwrap());
    let ids: std::collections::BTreeSet<_> = ids.collect();
    assert_eq!(ids.len(), 1, "{ids:?}");
    let id = ids.first().unwrap().to_string();
    assert!(id.len() == 64 && id.bytes().all(|b| b.is_ascii_hexdigit()));
    (id, diagnostics)
}

#[test]
fn installation_id_is_kept_across_starts() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state/installation-id");
    let (first, diagnostics) = user_id(&path);
    assert_eq!(diagnostics.all(), [""; 0]);
    let (second, diagnostics) = user_id(&path);
    assert_eq!((&second, diagnostics.all()), (&first, vec![]));
    assert_eq!(std::fs::read_to_string(&path).unwrap().trim(), first);
    assert_ne!(user_id(&folder.path().join("other")).0, first);
}

#[test]
fn unwritable_installation_id_is_stable_in_the_process_and_reported() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    std::fs::write(&file, "in the way").unwrap();
    let (first, diagnostics) = user_id(&file.join("installation-id"));
    diagnostics.assert_once("installation id");
    assert_eq!(diagnostics.all().len(), 1);
    let (second, diagnostics) = user_id(&file.join("installation-id"));
    diagnostics.assert_once("installation id");
    assert_eq!((second, diagnostics.all().len()), (first, 1));
}

#[test]
fn event_numbers_are_strings_when_configured() {
    let receiver = Receiver::grpc();
    let (builder, _folder) = config(&receiver, Protocol::Grpc, &[]);
    let builder = builder.number_encoding(NumberEncoding::Text);
    let received = delivered(&receiver, builder, |telemetry| {
        let session = telemetry.session(kim());
        let prompt = session.prompt(UserPrompt::new("hello"));
        let request = prompt.llm_request("m");
        let tokens = TokenUsage::new().input(7);
        request.finish(ApiRequest::new("m").tokens(tokens).cost_usd(0.25));
        prompt.record_tool_result(ToolResult::new("Read").result_size_bytes(9));
        prompt.record_active_time(ActiveTime::new(
            ActivityType::Cli,
            Duration::from_millis(1500),
        ));
    });
    let logs = received.logs();
    for (number, log) in logs.iter().enumerate() {
        assert_eq!(log.attributes["event.sequence"], json!(number));
        for (key, value) in &log.attributes {
            assert!(
                !value.is_number() || key == "event.sequence",
                "{key}={value}"
            );
        }
    }
    assert_eq!(logs[0].attributes["prompt_length"], "5");
    assert_eq!(logs[1].attributes["input_tokens"], "7");
    assert_eq!(logs[1].attributes["output_tokens"], "0");
    assert_eq!(logs[1].attributes["cost_usd"], "0.25");
    assert_eq!(logs[2].attributes["tool_result_size_bytes"], "9");
    let spans = received.spans();
    let request = spans.iter().find(|s| s.name == "claude_code.llm_request");
    assert_eq!(request.unwrap().attributes["input_tokens"], json!(7));
    let points = received.points();
    let time = points.iter().find(|p| p.unit == "s").unwrap();
    assert_eq!((time.value, time.integer), (1.5, false));
}
