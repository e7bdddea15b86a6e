//! The catalog matches the documented contract, and everything that is sent matches the catalog.
#![cfg(feature = "grpc")]

mod empty;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::time::Duration;

use claude_code_telemetry::catalog::{
    self, Attribute, EVENT_ATTRIBUTES, EVENTS, Kind, METRICS, SPANS, STANDARD_ATTRIBUTES,
};
use claude_code_telemetry::{
    ActiveTime, ActivityType, ApiError, ApiRequest, ApiRequestBody, ApiResponseBody,
    CodeEditDecision, Commit, Decision, DecisionSource, EditTool, HookOutcome, Identity,
    InstallTrigger, LinesOfCode, LlmRequestOptions, McpTool, PluginInstalled, PullRequest,
    RequestContext, SessionOptions, SkillActivated, Speed, StartType, Telemetry, TokenType,
    TokenUsage, Tokens, ToolCallOptions, ToolDecision, ToolOutcome, ToolOutput, ToolResult,
    UserPrompt,
};
use opentelemetry_proto::tonic::common::v1::{KeyValue, any_value::Value};
use opentelemetry_proto::tonic::metrics::v1::metric;

use crate::catalog_support::recorded;
use crate::support::{Message, Received};

/// The contract. An attribute is written as `name:type`, followed by `?` if it is present only when its value is known,
/// `@` and the variable that has to be on, `!` if it is redacted instead of omitted, and `=` and the closed list of its
/// values. `ERROR` follows a span whose status can be an error, and ` + ` precedes an event of the span.
const CONTRACT: &str = "\
scope metrics com.anthropic.claude_code
scope events com.anthropic.claude_code.events
scope spans com.anthropic.claude_code.tracing 1.0.0

standard
 user.id:string
 session.id:string@OTEL_METRICS_INCLUDE_SESSION_ID
 app.version:string@OTEL_METRICS_INCLUDE_VERSION
 organization.id:string?
 user.email:string?
 user.account_uuid:string?@OTEL_METRICS_INCLUDE_ACCOUNT_UUID
 user.account_id:string?@OTEL_METRICS_INCLUDE_ACCOUNT_UUID
 terminal.type:string?

metric claude_code.session.count [{count}] Count of CLI sessions started
 start_type:string?=fresh|resume|continue
metric claude_code.lines_of_code.count [{count}] Count of lines of code modified
 type:string=added|removed
metric claude_code.pull_request.count [{count}] Number of pull requests created
metric claude_code.commit.count [{count}] Number of git commits created
metric claude_code.cost.usage [USD] Cost of the Claude Code session
 model:string
metric claude_code.token.usage [tokens] Number of tokens used
 model:string
 type:string=input|output|cacheRead|cacheCreation
metric claude_code.code_edit_tool.decision [{count}] Count of code editing tool permission decisions
 decision:string=accept|reject
 source:string=config|hook|user_permanent|user_temporary|user_abort|user_reject
 tool_name:string=Edit|Write|NotebookEdit
 language:string
metric claude_code.active_time.total [s] Total active time in seconds
 type:string=user|cli

every event
 event.name:string
 event.timestamp:string
 event.sequence:int
 workspace.host_paths:string[]?
 prompt.id:string?

event user_prompt claude_code.user_prompt
 prompt_length:int
 prompt:string@OTEL_LOG_USER_PROMPTS!
event api_request claude_code.api_request
 model:string
 input_tokens:int
 output_tokens:int
 cache_read_tokens:int
 cache_creation_tokens:int
 cost_usd:double
 duration_ms:int
 request_id:string?
 speed:string=fast|normal
 query_source:string?
event api_error claude_code.api_error
 model:string
 error:string
 status_code:string
 duration_ms:int
 attempt:int
 request_id:string?
 speed:string=fast|normal
 query_source:string?
event api_request_body claude_code.api_request_body @OTEL_LOG_RAW_API_BODIES
 body:string@OTEL_LOG_RAW_API_BODIES
 body_length:int
 body_truncated:string?=true
 model:string
 query_source:string?
event api_response_body claude_code.api_response_body @OTEL_LOG_RAW_API_BODIES
 body:string@OTEL_LOG_RAW_API_BODIES
 body_length:int
 body_truncated:string?=true
 model:string
 query_source:string?
 request_id:string?
event tool_decision claude_code.tool_decision
 decision:string=accept|reject
 source:string=config|hook|user_permanent|user_temporary|user_abort|user_reject
 tool_name:string
 tool_use_id:string?
event tool_result claude_code.tool_result
 tool_name:string
 tool_use_id:string?
 success:string=true|false
 duration_ms:int
 error_type:string?
 error:string?
 tool_parameters:string?@OTEL_LOG_TOOL_DETAILS
 tool_input:string?@OTEL_LOG_TOOL_DETAILS
 tool_result_size_bytes:int?
 decision_source:string?=config|hook|user_permanent|user_temporary|user_abort|user_reject
 decision_type:string?=accept|reject
 mcp_server_scope:string?
event plugin_installed claude_code.plugin_installed
 plugin.name:string
 plugin.version:string?
 marketplace.name:string
 marketplace.is_official:string=true|false
 install.trigger:string=cli|ui
event skill_activated claude_code.skill_activated
 skill.name:string
 skill.source:string
 plugin.name:string?
 marketplace.name:string?

span claude_code.interaction interaction
 user_prompt:string@OTEL_LOG_USER_PROMPTS!
 user_prompt_length:int
 interaction.sequence:int
 interaction.duration_ms:int
span claude_code.llm_request llm_request ERROR
 model:string
 gen_ai.system:string
 gen_ai.request.model:string
 llm_request.context:string=interaction|tool|standalone
 speed:string=fast|normal
 query_source:string?
 duration_ms:int
 ttft_ms:int?
 input_tokens:int?
 output_tokens:int?
 cache_read_tokens:int?
 cache_creation_tokens:int?
 request_id:string?
 gen_ai.response.id:string?
 success:bool
 attempt:int
 status_code:int?
 error:string?
 response.has_tool_call:bool?
 stop_reason:string?
 gen_ai.response.finish_reasons:string[]?
 + gen_ai.request.attempt
 attempt:int
span claude_code.tool tool
 tool_name:string
 tool_use_id:string?
 gen_ai.tool.call.id:string?
 duration_ms:int
 result_tokens:int?
 file_path:string?@OTEL_LOG_TOOL_DETAILS
 full_command:string?@OTEL_LOG_TOOL_DETAILS
 skill_name:string?@OTEL_LOG_TOOL_DETAILS
 subagent_type:string?@OTEL_LOG_TOOL_DETAILS
 tool_input:string?@OTEL_LOG_TOOL_DETAILS
 + tool.output
 bash_command:string?@OTEL_LOG_TOOL_DETAILS
 file_path:string?@OTEL_LOG_TOOL_DETAILS
 diff:string?@OTEL_LOG_TOOL_DETAILS
 content:string?@OTEL_LOG_TOOL_CONTENT
 output:string?@OTEL_LOG_TOOL_CONTENT
span claude_code.tool.blocked_on_user tool.blocked_on_user
 duration_ms:int
 decision:string=accept|reject|unknown
 source:string=config|hook|user_permanent|user_temporary|user_abort|user_reject|unknown
span claude_code.tool.execution tool.execution ERROR
 duration_ms:int
 success:bool
 error:string?
span claude_code.hook hook ERROR
 hook_event:string
 hook_name:string
 num_hooks:int
 duration_ms:int
 num_success:int
 num_blocking:int
 num_non_blocking_error:int
 num_cancelled:int
 hook_definitions:string?@OTEL_LOG_TOOL_DETAILS
";

#[test]
fn catalog_matches_the_contract() {
    let catalog = formatted_catalog();
    for (number, (found, expected)) in catalog.lines().zip(CONTRACT.lines()).enumerate() {
        assert_eq!(found, expected, "line {}", number + 1);
    }
    assert_eq!(catalog, CONTRACT);
}

/// Formats the catalog in the form of [`CONTRACT`].
fn formatted_catalog() -> String {
    let mut out = String::new();
    let scope = scopes();
    for (signal, name) in scope {
        writeln!(out, "scope {signal} {name}").unwrap();
    }
    out.push_str("\nstandard\n");
    write_attributes(&mut out, STANDARD_ATTRIBUTES);
    out.push('\n');
    for metric in METRICS {
        let (name, unit, description) = (metric.name, metric.unit, metric.description);
        writeln!(out, "metric {name} [{unit}] {description}").unwrap();
        write_attributes(&mut out, metric.attributes);
    }
    out.push_str("\nevery event\n");
    write_attributes(&mut out, EVENT_ATTRIBUTES);
    out.push('\n');
    for event in EVENTS {
        let gate = event
            .gate
            .map_or(String::new(), |gate| format!(" @{}", gate.variable()));
        writeln!(out, "event {} {}{gate}", event.name, event.body).unwrap();
        write_attributes(&mut out, event.attributes);
    }
    out.push('\n');
    for span in SPANS {
        let error = if span.error.is_some() { " ERROR" } else { "" };
        writeln!(out, "span {} {}{error}", span.name, span.span_type).unwrap();
        write_attributes(&mut out, span.attributes);
        for event in span.events {
            writeln!(out, " + {}", event.name).unwrap();
            write_attributes(&mut out, event.attributes);
        }
    }
    out
}

fn scopes() -> [(&'static str, String); 3] {
    use catalog::scope::{EVENTS, METRICS, SPANS, SPANS_VERSION};
    [
        ("metrics", METRICS.to_owned()),
        ("events", EVENTS.to_owned()),
        ("spans", format!("{SPANS} {SPANS_VERSION}")),
    ]
}

fn write_attributes(out: &mut String, attributes: &[Attribute]) {
    for attribute in attributes {
        let kind = attribute.kind.name();
        write!(out, " {}:{kind}", attribute.name).unwrap();
        if attribute.conditional {
            out.push('?');
        }
        if let Some(gate) = attribute.gate {
            write!(out, "@{}", gate.variable()).unwrap();
        }
        if attribute.redacted {
            out.push('!');
        }
        if !attribute.values.is_empty() {
            write!(out, "={}", attribute.values.join("|")).unwrap();
        }
        out.push('\n');
    }
}

/// Variables with which every attribute is present: the content flags, the version, which is off by default, a limit
/// that truncates the bodies, and the type of the terminal.
const EVERYTHING: [(&str, &str); 7] = [
    ("OTEL_LOG_USER_PROMPTS", "1"),
    ("OTEL_LOG_TOOL_DETAILS", "1"),
    ("OTEL_LOG_TOOL_CONTENT", "1"),
    ("OTEL_LOG_RAW_API_BODIES", "1"),
    ("OTEL_METRICS_INCLUDE_VERSION", "1"),
    ("CLAUDE_CODE_OTEL_CONTENT_MAX_LENGTH", "200"),
    ("TERM_PROGRAM", "vscode"),
];

#[test]
fn records_with_every_field_have_all_catalog_attributes() {
    let received = recorded(&EVERYTHING, record_every_field);
    let seen = Seen::of(&received);
    for metric in METRICS {
        seen.assert_names(metric.name, metric.attributes);
        seen.assert_names(&format!("{}/standard", metric.name), STANDARD_ATTRIBUTES);
    }
    for event in EVENTS {
        seen.assert_names(event.body, event.attributes);
        seen.assert_names(&format!("{}/standard", event.body), STANDARD_ATTRIBUTES);
        seen.assert_names(&format!("{}/event", event.body), EVENT_ATTRIBUTES);
    }
    for span in SPANS {
        seen.assert_names(span.name, span.attributes);
        seen.assert_names(&format!("{}/standard", span.name), STANDARD_ATTRIBUTES);
        for event in span.events {
            seen.assert_names(&format!("{}/{}", span.name, event.name), event.attributes);
        }
    }
}

#[test]
fn records_with_only_required_fields_have_no_conditional_attributes() {
    let variables = [
        ("OTEL_METRICS_INCLUDE_SESSION_ID", "0"),
        ("OTEL_METRICS_INCLUDE_ACCOUNT_UUID", "0"),
        // The events of bodies exist only with this flag.
        ("OTEL_LOG_RAW_API_BODIES", "1"),
    ];
    let received = recorded(&variables, record_required_fields);
    assert_required_only(&received);
    // Events that are recorded before any prompt have no prompt id.
    let first = &received.logs()[0];
    assert_eq!(first.body, "claude_code.skill_activated");
    assert!(!first.attributes.contains_key("prompt.id"));
}

#[test]
fn empty_optional_strings_are_omitted() {
    let variables = [
        ("OTEL_METRICS_INCLUDE_SESSION_ID", "0"),
        ("OTEL_METRICS_INCLUDE_ACCOUNT_UUID", "0"),
        ("OTEL_LOG_RAW_API_BODIES", "1"),
        ("OTEL_LOG_TOOL_DETAILS", "1"),
        ("OTEL_LOG_TOOL_CONTENT", "1"),
    ];
    let received = recorded(&variables, empty::record_empty_strings);
    assert_required_only(&received);
    for span in received.spans() {
        assert!(span.events.iter().all(|event| event.name != "tool.output"));
        assert!(
            !span.attributes.values().any(|value| value == ""),
            "{span:?}"
        );
    }
    for log in received.logs() {
        assert!(!log.attributes.values().any(|value| value == ""), "{log:?}");
    }
    for point in received.points() {
        assert!(
            !point.attributes.values().any(|value| value == ""),
            "{point:?}"
        );
    }
    // An empty string gets the same default value as a missing one.
    for point in received.points() {
        let value_of = |key: &str| point.attributes.get(key).and_then(|value| value.as_str());
        assert!(matches!(value_of("model"), None | Some("m")), "{point:?}");
        assert!(
            matches!(value_of("language"), None | Some("unknown")),
            "{point:?}"
        );
    }
}

/// Asserts that all records and handles were recorded, each with only its required attributes. Of the standard
/// attributes that is the first one, `user.id`: the variables of the tests turn off `session.id`.
fn assert_required_only(received: &Received) {
    let seen = Seen::of(received);
    let required = |list: &[Attribute]| -> Vec<Attribute> {
        let kept = list.iter().filter(|attribute| !attribute.conditional);
        kept.copied().collect()
    };
    for metric in METRICS {
        seen.assert_names(metric.name, &required(metric.attributes));
        seen.assert_names(
            &format!("{}/standard", metric.name),
            &STANDARD_ATTRIBUTES[..1],
        );
    }
    for event in EVENTS {
        seen.assert_names(event.body, &required(event.attributes));
        seen.assert_names(
            &format!("{}/standard", event.body),
            &STANDARD_ATTRIBUTES[..1],
        );
    }
    for span in SPANS {
        // A successful request also has its token counts, and a failed request its error.
        if span.span_type != "llm_request" {
            seen.assert_names(span.name, &required(span.attributes));
        }
        seen.assert_names(
            &format!("{}/standard", span.name),
            &STANDARD_ATTRIBUTES[..1],
        );
    }
}

/// The attribute keys that were seen, by group: the name of an item, or a part of it such as `NAME/standard`. Order,
/// types and values were asserted while the keys were collected.
#[derive(Default)]
struct Seen(BTreeMap<String, BTreeSet<String>>);

impl Seen {
    fn of(received: &Received) -> Self {
        let mut seen = Self::default();
        for request in &received.requests {
            match &request.message {
                Message::Metrics(message) => {
                    for scope in message
                        .resource_metrics
                        .iter()
                        .flat_map(|r| &r.scope_metrics)
                    {
                        let name = scope.scope.as_ref().map(|s| (&*s.name, &*s.version));
                        assert_eq!(name, Some(("com.anthropic.claude_code", "1.2.3")));
                        for sent in &scope.metrics {
                            seen.metric(sent);
                        }
                    }
                }
                Message::Logs(message) => {
                    for scope in message.resource_logs.iter().flat_map(|r| &r.scope_logs) {
                        let name = scope.scope.as_ref().map(|s| (&*s.name, &*s.version));
                        assert_eq!(name, Some(("com.anthropic.claude_code.events", "1.2.3")));
                        for record in &scope.log_records {
                            seen.event(record);
                        }
                    }
                }
                Message::Traces(message) => {
                    for scope in message.resource_spans.iter().flat_map(|r| &r.scope_spans) {
                        let name = scope.scope.as_ref().map(|s| (&*s.name, &*s.version));
                        assert_eq!(name, Some(("com.anthropic.claude_code.tracing", "1.0.0")));
                        for span in &scope.spans {
                            seen.span(span);
                        }
                    }
                }
                Message::Unreadable(why) => panic!("{why}"),
            }
        }
        seen
    }

    fn metric(&mut self, sent: &opentelemetry_proto::tonic::metrics::v1::Metric) {
        let known = METRICS
            .iter()
            .find(|metric| metric.name == sent.name)
            .unwrap_or_else(|| panic!("{} is not in the catalog", sent.name));
        assert_eq!(
            (&*sent.unit, &*sent.description),
            (known.unit, known.description)
        );
        let Some(metric::Data::Sum(sum)) = &sent.data else {
            panic!("{} is not a sum", sent.name);
        };
        assert!(sum.is_monotonic);
        assert_eq!(sum.aggregation_temporality, 1, "delta");
        for point in &sum.data_points {
            let rest = self.prefix(
                known.name,
                "standard",
                &point.attributes,
                STANDARD_ATTRIBUTES,
            );
            let rest = self.prefix(known.name, "", rest, known.attributes);
            assert_eq!(rest, [], "{}", known.name);
            assert!(point.exemplars.is_empty() && point.flags == 0);
            use opentelemetry_proto::tonic::metrics::v1::number_data_point::Value;
            assert!(matches!(point.value, Some(Value::AsDouble(_))));
        }
    }

    fn event(&mut self, record: &opentelemetry_proto::tonic::logs::v1::LogRecord) {
        let Some(Value::StringValue(body)) = record.body.as_ref().unwrap().value.as_ref() else {
            panic!("the body of an event is not a string");
        };
        let known = EVENTS
            .iter()
            .find(|event| event.body == body)
            .unwrap_or_else(|| panic!("{body} is not in the catalog"));
        let rest = self.prefix(body, "standard", &record.attributes, STANDARD_ATTRIBUTES);
        assert_eq!(text_of(&rest[0]), known.name);
        let rest = self.prefix(body, "event", rest, EVENT_ATTRIBUTES);
        let rest = self.prefix(body, "", rest, known.attributes);
        assert_eq!(rest, [], "{body}");
        assert_eq!(record.time_unix_nano, record.observed_time_unix_nano);
        assert_eq!((record.severity_number, &*record.severity_text), (0, ""));
        assert_eq!(record.event_name, *body);
        assert_eq!(record.dropped_attributes_count, 0);
    }

    fn span(&mut self, span: &opentelemetry_proto::tonic::trace::v1::Span) {
        let known = SPANS
            .iter()
            .find(|known| known.name == span.name)
            .unwrap_or_else(|| panic!("{} is not in the catalog", span.name));
        assert_eq!(span.kind, 1, "INTERNAL");
        let rest = self.prefix(
            known.name,
            "standard",
            &span.attributes,
            STANDARD_ATTRIBUTES,
        );
        assert_eq!(
            (&*rest[0].key, text_of(&rest[0])),
            ("span.type", known.span_type)
        );
        let rest = self.prefix(known.name, "", &rest[1..], known.attributes);
        assert_eq!(rest, [], "{}", known.name);
        let status = span.status.clone().unwrap_or_default();
        match status.code {
            0 => assert_eq!(status.message, ""),
            2 => assert!(known.error.is_some(), "{} never fails", known.name),
            other => panic!("{other} is not a status of the contract"),
        }
        assert!(span.links.is_empty());
        for event in &span.events {
            let known_event = known
                .events
                .iter()
                .find(|known| known.name == event.name)
                .unwrap_or_else(|| panic!("{} is not an event of {}", event.name, known.name));
            // Attributes that mark a truncation follow the truncated attribute.
            let (of_truncation, others): (Vec<_>, Vec<_>) =
                event.attributes.iter().cloned().partition(|a| {
                    a.key.ends_with("_truncated") || a.key.ends_with("_original_length")
                });
            assert!(of_truncation.len() % 2 == 0);
            let rest = self.prefix(
                known.name,
                known_event.name,
                &others,
                known_event.attributes,
            );
            assert_eq!(rest, [], "{}", known_event.name);
        }
    }

    /// Removes the attributes of `known` from the front of `sent`, in their order, and returns the rest. An attribute
    /// must be present unless it is conditional or depends on a variable.
    fn prefix<'a>(
        &mut self,
        owner: &str,
        part: &str,
        sent: &'a [KeyValue],
        known: &[Attribute],
    ) -> &'a [KeyValue] {
        let group = match part {
            "" => owner.to_owned(),
            part => format!("{owner}/{part}"),
        };
        let seen = self.0.entry(group.clone()).or_default();
        let mut rest = sent;
        for attribute in known {
            let Some((first, others)) = rest.split_first().filter(|(a, _)| a.key == attribute.name)
            else {
                let depends_on_variable = attribute.gate.is_some() && !attribute.redacted;
                assert!(
                    attribute.conditional || depends_on_variable,
                    "{group} needs {} at {:?}",
                    attribute.name,
                    rest.first()
                );
                continue;
            };
            assert_eq!(kind_of(first), attribute.kind, "{group}: {}", first.key);
            if !attribute.values.is_empty() {
                let value = text_of(first);
                assert!(
                    attribute.values.contains(&value),
                    "{group}: {}={value}",
                    first.key
                );
            }
            seen.insert(first.key.clone());
            rest = others;
        }
        rest
    }

    fn assert_names(&self, group: &str, known: &[Attribute]) {
        let names: BTreeSet<_> = known.iter().map(|a| a.name.to_owned()).collect();
        assert_eq!(self.0.get(group), Some(&names), "{group}");
    }
}

fn kind_of(attribute: &KeyValue) -> Kind {
    match attribute.value.as_ref().unwrap().value.as_ref().unwrap() {
        Value::StringValue(_) => Kind::String,
        Value::IntValue(_) => Kind::Int,
        Value::DoubleValue(_) => Kind::Double,
        Value::BoolValue(_) => Kind::Bool,
        Value::ArrayValue(array) => {
            let is_text = |value: &Option<Value>| matches!(value, Some(Value::StringValue(_)));
            assert!(array.values.iter().all(|value| is_text(&value.value)));
            Kind::StringArray
        }
        other => panic!("{other:?} is not a kind of the catalog"),
    }
}

fn text_of(attribute: &KeyValue) -> &str {
    match &attribute.value.as_ref().unwrap().value {
        Some(Value::StringValue(text)) => text,
        other => panic!("{} is not a string: {other:?}", attribute.key),
    }
}

const ACCEPT: (Decision, DecisionSource) = (Decision::Accept, DecisionSource::Config);

/// Records every record and every handle with all optional values.
fn record_every_field(telemetry: &Telemetry) {
    let identity = Identity::new()
        .user_id("user")
        .organization_id("organization")
        .email("kim@example.com")
        .account_uuid("uuid")
        .account_id("user_01");
    let session = telemetry.session(
        SessionOptions::new()
            .identity(identity)
            .start_type(StartType::Resume)
            .workspace_host_paths(["/a", "/b"]),
    );
    let long = format!(r#"{{"text":"{}"}}"#, "x".repeat(1000));
    let prompt = session.prompt(UserPrompt::new("hello"));
    let ms = Duration::from_millis(5);

    prompt.record_lines_of_code(LinesOfCode::new().added(1).removed(2));
    prompt.record_commit(Commit::new());
    prompt.record_pull_request(PullRequest::new());
    prompt.record_tokens(Tokens::new("m", TokenType::Input, 1));
    prompt.record_active_time(ActiveTime::new(ActivityType::User, ms));
    prompt.record_active_time(ActiveTime::new(ActivityType::Cli, ms));
    prompt.record_code_edit_decision(
        CodeEditDecision::new(EditTool::Edit, ACCEPT.0, ACCEPT.1).file_path("a.rs"),
    );
    let usage = TokenUsage::new()
        .input(1)
        .output(2)
        .cache_read(3)
        .cache_creation(4);
    let answered = ApiRequest::new("m")
        .requested_model("n")
        .tokens(usage)
        .cost_usd(0.5)
        .duration(ms)
        .request_id("req")
        .speed(Speed::Fast)
        .query_source("main")
        .attempt(2)
        .time_to_first_token(ms)
        .has_tool_call(true)
        .stop_reason("end_turn");
    let failed = ApiError::new("m", "overloaded")
        .status_code(529)
        .duration(ms)
        .attempt(3)
        .request_id("req")
        .speed(Speed::Fast)
        .query_source("main");
    prompt.record_api_request(answered.clone());
    prompt.record_api_error(failed.clone());
    prompt.record_api_request_body(ApiRequestBody::new("m", long.clone()).query_source("main"));
    prompt.record_api_response_body(
        ApiResponseBody::new("m", long.clone())
            .query_source("main")
            .request_id("req"),
    );
    prompt.record_user_prompt(UserPrompt::new("again"));
    prompt.record_tool_decision(ToolDecision::new("Edit", ACCEPT.0, ACCEPT.1).tool_use_id("toolu"));
    prompt.record_tool_result(
        ToolResult::new("mcp__server__tool")
            .tool_use_id("toolu")
            .failed("error")
            .error_type("ShellError")
            .duration(ms)
            .parameters(r#"{"a":1}"#)
            .input(r#"{"b":2}"#)
            .result_size_bytes(7)
            .decision(ACCEPT.0, ACCEPT.1)
            .mcp(McpTool::new("server", "tool").scope("user")),
    );
    prompt.record_plugin_installed(
        PluginInstalled::new("plugin", "marketplace", InstallTrigger::Ui)
            .version("1")
            .official(true),
    );
    prompt.record_skill_activated(
        SkillActivated::new("skill", "plugin")
            .plugin("plugin")
            .marketplace("marketplace"),
    );

    let options = || LlmRequestOptions::new("m").query_source("main");
    let request = prompt.llm_request(options().context(RequestContext::Standalone));
    request.body(long.clone());
    request.response_body(long.clone());
    request.retry();
    request.first_token();
    request.finish(answered);
    prompt.llm_request(options()).fail(failed);

    let tool = prompt.tool(
        ToolCallOptions::new("Agent")
            .tool_use_id("toolu")
            .input(r#"{"subagent_type":"Explore"}"#)
            .parameters(r#"{"full_command":"ls","skill_name":"commit"}"#)
            .mcp(McpTool::new("server", "tool").scope("user"))
            .file_path("/a.rs")
            .language("Rust"),
    );
    tool.decided(ACCEPT.0, ACCEPT.1);
    tool.executing();
    let output = ToolOutput::new()
        .bash_command("ls")
        .file_path("/a.rs")
        .diff("+a")
        .content("a")
        .output("x".repeat(1000));
    let outcome = ToolOutcome::new().result_size_bytes(1).result_tokens(2);
    tool.finish(outcome.clone().output(output));
    let tool = prompt.tool("Bash");
    tool.executing();
    tool.finish(outcome.failed("error").error_type("ShellError"));

    prompt.hook("PreToolUse", "PreToolUse:Bash").finish(
        HookOutcome::new()
            .count(4)
            .succeeded(1)
            .blocking(1)
            .failed(1)
            .cancelled(1)
            .definitions("[]"),
    );
    prompt.end();
    drop(session);
}

/// Records every record and every handle with the required values only.
fn record_required_fields(telemetry: &Telemetry) {
    let session = telemetry.session(SessionOptions::new().terminal_type(""));
    session.record_skill_activated(SkillActivated::new("skill", "bundled"));
    let prompt = session.prompt("hello");
    prompt.record_lines_of_code(LinesOfCode::new().added(1));
    prompt.record_commit(Commit::new());
    prompt.record_pull_request(PullRequest::new());
    prompt.record_active_time(ActiveTime::new(ActivityType::User, Duration::ZERO));
    prompt.record_code_edit_decision(CodeEditDecision::new(
        EditTool::Write,
        Decision::Reject,
        DecisionSource::UserReject,
    ));
    prompt.record_api_request(ApiRequest::new("m"));
    prompt.record_api_error(ApiError::new("m", "overloaded"));
    prompt.record_api_request_body(ApiRequestBody::new("m", "{}"));
    prompt.record_api_response_body(ApiResponseBody::new("m", "{}"));
    prompt.record_tool_decision(ToolDecision::new("Edit", ACCEPT.0, ACCEPT.1));
    prompt.record_tool_result(ToolResult::new("Edit"));
    prompt.record_plugin_installed(PluginInstalled::new("p", "m", InstallTrigger::Cli));
    prompt.llm_request("m").finish(ApiRequest::new("m"));
    drop(prompt.llm_request("m"));
    let tool = prompt.tool("Edit");
    tool.executing();
    tool.finish(ToolOutcome::new());
    prompt.hook("Stop", "Stop").finish(HookOutcome::new());
}
