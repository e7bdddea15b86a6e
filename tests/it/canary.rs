//! Content is sent where its flag allows it, and nowhere else.
//!
//! Each content field of each record and handle gets a unique marker. For each combination of the four flags and for
//! each exporter, [`ROWS`] lists where each marker has to appear. It must not appear anywhere else: in another
//! attribute, in the raw bytes of a request, in `Debug` output, or in a warning, a diagnostic, health or a report.
//!
//! [`SETTERS`] lists every public function that takes a string, as found in the sources. A new function fails the test
//! until it is listed there, either as content with its marker or as open.
#![cfg(all(
    feature = "grpc",
    feature = "http",
    feature = "prometheus",
    feature = "console"
))]

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;
use std::fs;
use std::path::Path;
use std::sync::{Arc, Mutex};

use claude_code_telemetry::{
    ApiError, ApiRequest, ApiRequestBody, ApiResponseBody, CodeEditDecision, Config, Content,
    Decision, DecisionSource, EditTool, HookOutcome, Identity, InstallTrigger, LlmRequestOptions,
    McpTool, Permission, PluginInstalled, PromptEnd, Service, SessionOptions, ShellParameters,
    Signal, SkillActivated, SkillParameters, StreamedResponse, Telemetry, ToolCallOptions,
    ToolDecision, ToolOutcome, ToolOutput, ToolResult, UserPrompt,
};
use serde_json::Value;

use crate::catalog_support::config;
use crate::host::{Protocol, Screen, start_with_diagnostics};
use crate::support::{Answer, Attributes, Received, Receiver};
use crate::{scraper, support};

/// The flags as bits.
const PROMPTS: u8 = 1;
const DETAILS: u8 = 2;
const CONTENT: u8 = 4;
const BODIES: u8 = 8;
const FLAGS: [(u8, &str); 4] = [
    (PROMPTS, "OTEL_LOG_USER_PROMPTS"),
    (DETAILS, "OTEL_LOG_TOOL_DETAILS"),
    (CONTENT, "OTEL_LOG_TOOL_CONTENT"),
    (BODIES, "OTEL_LOG_RAW_API_BODIES"),
];
/// The marker needs no flag.
const OPEN: u8 = 0;

/// Each row: a marker, the flags that it needs, and the places where it then appears. A marker without a row appears
/// nowhere.
///
/// A location is `event.attribute`, `span.attribute`, or `span/event.attribute` for a span event; `:status` is the
/// status message of a span.
const ROWS: &[(&str, u8, &[&str])] = &[
    (
        "prompt",
        PROMPTS,
        &["user_prompt.prompt", "interaction.user_prompt"],
    ),
    (
        "prompt_without_event",
        PROMPTS,
        &["interaction.user_prompt"],
    ),
    ("prompt_record", PROMPTS, &["user_prompt.prompt"]),
    // Bodies.
    ("request_body", BODIES, &["api_request_body.body"]),
    ("request_body_handle", BODIES, &["api_request_body.body"]),
    ("request_body_at", BODIES, &["api_request_body.body"]),
    ("response_body", BODIES, &["api_response_body.body"]),
    ("response_body_handle", BODIES, &["api_response_body.body"]),
    // The event of a tool result.
    (
        "result_parameters",
        DETAILS,
        &["tool_result.tool_parameters"],
    ),
    ("result_input", DETAILS, &["tool_result.tool_input"]),
    ("result_server", DETAILS, &["tool_result.tool_parameters"]),
    ("result_tool", DETAILS, &["tool_result.tool_parameters"]),
    ("named_server", DETAILS, &["tool_result.tool_parameters"]),
    ("named_tool", DETAILS, &["tool_result.tool_parameters"]),
    ("shell_command", DETAILS, &["tool_result.tool_parameters"]),
    (
        "shell_description",
        DETAILS,
        &["tool_result.tool_parameters"],
    ),
    ("shell_commit", DETAILS, &["tool_result.tool_parameters"]),
    ("skill_parameter", DETAILS, &["tool_result.tool_parameters"]),
    ("json", DETAILS, &["tool_result.tool_input"]),
    // Tool calls.
    ("late_parameters", DETAILS, &["tool_result.tool_parameters"]),
    (
        "call_shell",
        DETAILS,
        &["tool.full_command", "tool_result.tool_parameters"],
    ),
    (
        "call_input",
        DETAILS,
        &["tool.tool_input", "tool_result.tool_input"],
    ),
    (
        "input_command",
        DETAILS,
        &[
            "tool.full_command",
            "tool.tool_input",
            "tool_result.tool_input",
            "tool_result.tool_parameters",
        ],
    ),
    ("option_path", DETAILS, &["tool.file_path"]),
    (
        "input_path",
        DETAILS,
        &["tool.tool_input", "tool_result.tool_input"],
    ),
    (
        "edit_path",
        DETAILS,
        &[
            "tool.file_path",
            "tool.tool_input",
            "tool_result.tool_input",
        ],
    ),
    (
        "input_skill",
        DETAILS,
        &[
            "tool.skill_name",
            "tool.tool_input",
            "tool_result.tool_input",
            "tool_result.tool_parameters",
        ],
    ),
    (
        "subagent",
        DETAILS,
        &[
            "tool.subagent_type",
            "tool.tool_input",
            "tool_result.tool_input",
        ],
    ),
    (
        "call_server",
        DETAILS,
        &["tool.tool_name", "tool_result.tool_parameters"],
    ),
    (
        "call_tool",
        DETAILS,
        &["tool.tool_name", "tool_result.tool_parameters"],
    ),
    (
        "option_server",
        DETAILS,
        &["tool.tool_name", "tool_result.tool_parameters"],
    ),
    (
        "option_tool",
        DETAILS,
        &["tool.tool_name", "tool_result.tool_parameters"],
    ),
    ("dropped_input", DETAILS, &["tool.tool_input"]),
    ("denied_input", DETAILS, &["tool.tool_input"]),
    ("open_input", DETAILS, &["tool.tool_input"]),
    // Outputs of tool calls.
    ("output", CONTENT, &["tool/tool.output.output"]),
    ("plain_output", CONTENT, &["tool/tool.output.output"]),
    ("read_content", CONTENT, &["tool/tool.output.content"]),
    (
        "output_command",
        CONTENT | DETAILS,
        &["tool/tool.output.bash_command"],
    ),
    (
        "output_path",
        CONTENT | DETAILS,
        &["tool/tool.output.file_path"],
    ),
    (
        "written_content",
        CONTENT | DETAILS,
        &["tool/tool.output.content"],
    ),
    ("diff", CONTENT | DETAILS, &["tool/tool.output.diff"]),
    // Hooks.
    ("hook_definitions", DETAILS, &["hook.hook_definitions"]),
    ("hook_server", DETAILS, &["hook.hook_name"]),
    ("hook_tool", DETAILS, &["hook.hook_name"]),
    // Error messages.
    ("result_error", OPEN, &["tool_result.error"]),
    (
        "call_error",
        OPEN,
        &[
            "tool_result.error",
            "tool.execution.error",
            "tool.execution:status",
        ],
    ),
    ("api_error", OPEN, &["api_error.error"]),
    (
        "request_error",
        OPEN,
        &["api_error.error", "llm_request.error", "llm_request:status"],
    ),
    (
        "returned_error",
        OPEN,
        &[
            "tool_result.error",
            "tool.execution.error",
            "tool.execution:status",
        ],
    ),
    // Texts that need no flag.
    ("skill", OPEN, &["skill_activated.skill.name"]),
    ("skill_plugin", OPEN, &["skill_activated.plugin.name"]),
    (
        "skill_marketplace",
        OPEN,
        &["skill_activated.marketplace.name"],
    ),
    ("plugin", OPEN, &["plugin_installed.plugin.name"]),
    ("marketplace", OPEN, &["plugin_installed.marketplace.name"]),
    (
        "query_source",
        OPEN,
        &["api_request.query_source", "llm_request.query_source"],
    ),
    (
        "query_source",
        BODIES,
        &[
            "api_request_body.query_source",
            "api_response_body.query_source",
        ],
    ),
    ("server_scope", OPEN, &["tool_result.mcp_server_scope"]),
    ("hook_event", OPEN, &["hook.hook_event"]),
];

/// Markers that appear in no record with any flags: thinking, names of MCP tools in decisions, names that an explicit
/// MCP tool replaces, outputs of failed tools, paths of which only the extension is used, responses of which only the
/// usage is read, and secrets of the configuration.
const NEVER: &[&str] = &[
    "thinking_request",
    "thinking_response",
    "thinking_request_handle",
    "thinking_response_handle",
    "redacted_data",
    "result_name",
    "option_name",
    "decision_server",
    "decision_tool",
    "decision_name",
    "decision_mcp_server",
    "decision_mcp_tool",
    "edited_path",
    "failed_output",
    "header",
    "metrics_header",
    "unknown_variable",
    "helper",
    "response_text",
    "streamed_text",
    "streamed_part",
];

/// Every public function that takes a string in `src/record`, `src/session` and `src/state`, with the markers that are
/// passed to it.
const SETTERS: &[(&str, &[&str])] = &[
    // Content.
    (
        "record/body.rs ApiRequestBody::new",
        &["request_body", "thinking_request"],
    ),
    (
        "record/body.rs ApiResponseBody::new",
        &["response_body", "thinking_response"],
    ),
    (
        "record/prompt.rs UserPrompt::new",
        &["prompt", "prompt_without_event", "prompt_record"],
    ),
    (
        "record/parameters.rs ShellParameters::new",
        &["shell_command", "call_shell"],
    ),
    (
        "record/parameters.rs ShellParameters::description",
        &["shell_description"],
    ),
    (
        "record/parameters.rs ShellParameters::git_commit_id",
        &["shell_commit"],
    ),
    (
        "record/parameters.rs SkillParameters::new",
        &["skill_parameter"],
    ),
    (
        "record/edit.rs CodeEditDecision::file_path",
        &["edited_path"],
    ),
    (
        "record/tool_name.rs McpTool::new",
        &[
            "result_server",
            "result_tool",
            "option_server",
            "option_tool",
        ],
    ),
    (
        "record/tool_name.rs McpTool::from_name",
        &["named_server", "named_tool"],
    ),
    (
        "record/tool.rs ToolDecision::new",
        &["decision_server", "decision_tool", "decision_name"],
    ),
    (
        "record/tool.rs ToolDecision::mcp",
        &["decision_mcp_server", "decision_mcp_tool"],
    ),
    (
        "record/tool.rs ToolResult::new",
        &["named_server", "named_tool", "result_name"],
    ),
    (
        "record/tool.rs ToolResult::parameters",
        &["result_parameters"],
    ),
    (
        "record/tool.rs ToolResult::input",
        &["result_input", "json"],
    ),
    (
        "record/tool.rs ToolResult::mcp",
        &["result_server", "result_tool"],
    ),
    ("record/tool.rs ToolResult::failed", &["result_error"]),
    (
        "record/api.rs ApiError::new",
        &["api_error", "request_error"],
    ),
    (
        "session/prompt/llm_request.rs LlmRequest::body",
        &["request_body_handle", "thinking_request_handle"],
    ),
    (
        "session/prompt/llm_request.rs LlmRequest::body_at",
        &["request_body_at", "thinking_request_handle"],
    ),
    (
        "session/prompt/llm_request.rs LlmRequest::response_body",
        &["response_body_handle", "thinking_response_handle"],
    ),
    (
        "session/prompt/tool_options.rs ToolCallOptions::new",
        &["call_server", "call_tool", "option_name"],
    ),
    (
        "session/prompt/tool_options.rs ToolCallOptions::input",
        &[
            "call_input",
            "input_command",
            "input_path",
            "edit_path",
            "input_skill",
            "subagent",
            "dropped_input",
            "denied_input",
            "open_input",
        ],
    ),
    (
        "session/prompt/tool_options.rs ToolCallOptions::parameters",
        &["call_shell"],
    ),
    (
        "session/prompt/tool_options.rs ToolCallOptions::mcp",
        &["option_server", "option_tool"],
    ),
    (
        "session/prompt/tool_options.rs ToolCallOptions::file_path",
        &["option_path"],
    ),
    (
        "session/prompt/tool_options.rs ToolOutcome::from_result",
        &["returned_error"],
    ),
    (
        "session/prompt/tool_options.rs ToolOutcome::failed",
        &["call_error"],
    ),
    (
        "session/prompt/tool_options.rs ToolOutcome::parameters",
        &["late_parameters"],
    ),
    (
        "session/prompt/tool_options.rs ToolOutcome::output",
        &["plain_output", "failed_output"],
    ),
    (
        "session/prompt/tool_output.rs ToolOutput::output",
        &["output"],
    ),
    (
        "session/prompt/tool_output.rs ToolOutput::content",
        &["read_content", "written_content"],
    ),
    ("session/prompt/tool_output.rs ToolOutput::diff", &["diff"]),
    (
        "session/prompt/tool_output.rs ToolOutput::bash_command",
        &["output_command"],
    ),
    (
        "session/prompt/tool_output.rs ToolOutput::file_path",
        &["output_path"],
    ),
    (
        "session/prompt/hook.rs HookOutcome::definitions",
        &["hook_definitions"],
    ),
    (
        "session/prompt/tool_call.rs PendingToolCall::begin",
        &["subagent"],
    ),
    (
        "session/recorder.rs operation_methods::hook",
        &["hook_event", "hook_server", "hook_tool"],
    ),
    (
        "session/recorder.rs operation_methods::hook_at",
        &["hook_server", "hook_tool"],
    ),
    (
        "session/recorder.rs operation_methods::tool",
        &["call_server", "call_tool"],
    ),
    ("session/mod.rs Session::prompt", &["prompt"]),
    // Content that is read and not kept.
    (
        "record/response.rs ApiRequest::from_response",
        &["response_text"],
    ),
    (
        "record/streamed_response.rs StreamedResponse::event",
        &["streamed_text"],
    ),
    (
        "record/streamed_response.rs StreamedResponse::push",
        &["streamed_part"],
    ),
    // Ids of the host, which are never sent.
    ("session/prompt/calls.rs Calls::begin_request", &[]),
    ("session/prompt/calls.rs Calls::request", &[]),
    ("session/prompt/calls.rs Calls::take_request", &[]),
    ("session/prompt/calls.rs Calls::begin_tool", &[]),
    ("session/prompt/calls.rs Calls::tool", &[]),
    ("session/prompt/calls.rs Calls::take_tool", &[]),
    // Open: sent without a flag.
    (
        "session/prompt/llm_request.rs LlmRequestOptions::provider",
        &[],
    ),
    ("record/response.rs ApiRequest::from_usage", &[]),
    ("record/streamed_response.rs StreamedResponse::new", &[]),
    ("record/streamed_response.rs StreamedResponse::header", &[]),
    ("record/api.rs ApiRequest::new", &[]),
    ("record/api.rs ApiRequest::requested_model", &[]),
    ("record/api.rs ApiRequest::request_id", &[]),
    ("record/api.rs ApiRequest::query_source", &["query_source"]),
    ("record/api.rs ApiRequest::stop_reason", &[]),
    ("record/api.rs ApiError::request_id", &[]),
    ("record/api.rs ApiError::query_source", &[]),
    ("record/body.rs ApiRequestBody::query_source", &[]),
    ("record/body.rs ApiResponseBody::query_source", &[]),
    ("record/body.rs ApiResponseBody::request_id", &[]),
    ("record/edit.rs CodeEditDecision::language", &[]),
    ("record/identity.rs Identity::user_id", &[]),
    ("record/identity.rs Identity::organization_id", &[]),
    ("record/identity.rs Identity::email", &[]),
    ("record/identity.rs Identity::account_uuid", &[]),
    ("record/identity.rs Identity::account_id", &[]),
    (
        "record/plugin.rs PluginInstalled::new",
        &["plugin", "marketplace"],
    ),
    ("record/plugin.rs PluginInstalled::version", &[]),
    ("record/prompt.rs UserPrompt::id", &[]),
    ("record/skill.rs SkillActivated::new", &["skill"]),
    ("record/skill.rs SkillActivated::plugin", &["skill_plugin"]),
    (
        "record/skill.rs SkillActivated::marketplace",
        &["skill_marketplace"],
    ),
    ("record/tool_name.rs McpTool::scope", &["server_scope"]),
    ("record/tool.rs ToolDecision::tool_use_id", &[]),
    ("record/tool.rs ToolResult::tool_use_id", &[]),
    ("record/tool.rs ToolResult::error_type", &[]),
    ("record/tool.rs ToolResult::mcp_server_scope", &[]),
    ("record/usage.rs Cost::new", &[]),
    ("record/usage.rs Tokens::new", &[]),
    ("session/prompt/llm_request.rs LlmRequestOptions::new", &[]),
    (
        "session/prompt/llm_request.rs LlmRequestOptions::query_source",
        &["query_source"],
    ),
    (
        "session/prompt/tool_options.rs ToolCallOptions::tool_use_id",
        &[],
    ),
    (
        "session/prompt/tool_options.rs ToolCallOptions::language",
        &[],
    ),
    (
        "session/prompt/tool_options.rs ToolOutcome::error_type",
        &[],
    ),
    ("session/recorder.rs operation_methods::llm_request", &[]),
    ("state/session_options.rs SessionOptions::id", &[]),
    (
        "state/session_options.rs SessionOptions::terminal_type",
        &[],
    ),
    (
        "state/session_options.rs SessionOptions::workspace_host_paths",
        &[],
    ),
];

/// Public types whose `Debug` output the tests do not search: the output has only numbers, times, values of closed
/// lists, paths of settings files and prefixes of model names, or a comment gives another reason.
const NO_TEXT: &[&str] = &[
    "ActiveTime",
    "ActivityType",
    // Shows a recorder and handles, which are searched.
    "Calls",
    "Commit",
    "Cost",
    "Decision",
    "DecisionSource",
    "Dropped",
    "EditTool",
    "Exporter",
    "ExporterState",
    "InstallTrigger",
    "Layer",
    "LinesOfCode",
    "NumberEncoding",
    "Providers",
    "Price",
    "Prices",
    "PricesError",
    "PullRequest",
    "RequestContext",
    "SettingsFiles",
    "Signal",
    "Speed",
    "StartType",
    "TokenType",
    // A string of the host, which shows itself.
    "Text",
    "TokenUsage",
    "Tokens",
    "TraceParent",
    "TraceParentError",
    // The unknown value in place of an exporter's name.
    "UnknownExporter",
    "ParseEnumError",
    // Parts of other types that are searched.
    "ChangedSetting",
    // Covered by the tests of the doctor.
    "Diagnosis",
    "Probe",
    // Parts of other types that are searched.
    "ExporterHealth",
    "Failure",
    "Provenance",
    "Setting",
    // These types show counts or no data.
    "AlreadySet",
    "EarlyRecords",
    "EarlyReport",
];

fn canary(name: &str) -> String {
    format!("canary({name})")
}

/// Returns the names of the markers in a string.
fn markers(text: &str) -> BTreeSet<String> {
    let parts = text.split("canary(").skip(1);
    parts
        .map(|part| part.split(')').next().unwrap().to_owned())
        .collect()
}

/// Markers with the places where they appear.
type Found = BTreeSet<(String, String)>;

/// Returns the markers that must appear with these flags, with their locations.
fn expected(flags: u8) -> Found {
    let open = ROWS.iter().filter(|(_, needs, _)| flags & needs == *needs);
    open.flat_map(|(marker, _, places)| {
        places
            .iter()
            .map(|location| ((*marker).to_owned(), (*location).to_owned()))
    })
    .collect()
}

#[test]
fn content_appears_only_where_its_flag_allows() {
    let receivers = Protocol::all()
        .into_iter()
        .map(|protocol| (protocol, protocol.receiver()))
        .collect::<Vec<_>>();
    for flags in 0..16 {
        for (protocol, receiver) in &receivers {
            let run = Run::new(receiver, *protocol, flags);
            let case = format!("{protocol:?}, flags {flags:04b}");
            let expected = expected(flags);

            let sent = run.received.logs().len();
            assert!(sent > 20, "{case}: {sent}");
            compare(&format!("{case}: OTLP"), &run.otlp(), &expected);
            compare(&format!("{case}: console"), &run.console(), &expected);

            // The raw bytes contain no marker that the decoded message does not show.
            let names: BTreeSet<_> = expected.into_iter().map(|(marker, _)| marker).collect();
            let raw = run
                .received
                .requests
                .iter()
                .map(|r| String::from_utf8_lossy(&r.body));
            let raw: BTreeSet<_> = raw.flat_map(|body| markers(&body)).collect();
            assert_eq!(raw, names, "{case}: raw bytes");
            assert_eq!(markers(&run.console.text()), names, "{case}: lines");
            // The scrape response contains the same markers as the data points.
            assert_eq!(
                markers(&run.scrape_response),
                run.of_points(),
                "{case}: scrape response"
            );

            // Header values appear in request headers.
            for request in &run.received.requests {
                let values: Vec<_> = request.headers.values().map(String::as_str).collect();
                let header = match request.message {
                    support::Message::Metrics(_) => "metrics_header",
                    _ => "header",
                };
                let all = markers(&values.join(" "));
                let expected = [header, "helper"].map(str::to_owned);
                assert_eq!(all, BTreeSet::from(expected), "{case}");
            }

            // `Debug` output may contain markers that need no flag, except those of error messages.
            let open = |marker: &String| {
                let row = ROWS.iter().find(|(name, _, _)| name == marker);
                row.is_some_and(|(name, needs, _)| *needs == OPEN && !name.ends_with("_error"))
            };
            for (what, text) in &run.debug {
                let leaked: Vec<_> = markers(text)
                    .into_iter()
                    .filter(|marker| !open(marker))
                    .collect();
                assert_eq!(leaked, [""; 0], "{case}: {what}: {text}");
            }
        }
    }
}

#[track_caller]
fn compare(case: &str, found: &Found, expected: &Found) {
    let leaked: Vec<_> = found.difference(expected).collect();
    assert!(leaked.is_empty(), "{case}: leaked {leaked:#?}");
    let missing: Vec<_> = expected.difference(found).collect();
    assert!(missing.is_empty(), "{case}: missing {missing:#?}");
}

#[test]
fn every_marker_is_listed_and_used() {
    let rows = ROWS.iter().map(|(marker, _, _)| *marker);
    let known: BTreeSet<_> = rows.chain(NEVER.iter().copied()).collect();
    let never: BTreeSet<_> = NEVER.iter().copied().collect();
    assert!(ROWS.iter().all(|(marker, _, _)| !never.contains(marker)));
    for (setter, markers) in SETTERS {
        for marker in *markers {
            assert!(known.contains(marker), "{setter}: {marker}");
        }
    }
    // Every marker is recorded: this file calls `marker` with its name.
    let source = include_str!("canary.rs");
    for marker in known {
        assert!(
            source.contains(&format!("marker(\"{marker}\")")),
            "{marker} is put nowhere"
        );
    }
}

#[test]
fn public_functions_that_take_strings_are_listed() {
    let mut found = BTreeSet::new();
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    for folder in ["record", "session", "session/prompt", "state"] {
        let entries = fs::read_dir(source.join(folder)).unwrap();
        files.extend(entries.map(|entry| entry.unwrap().path()));
    }
    for file in files
        .iter()
        .filter(|file| file.extension().is_some_and(|e| e == "rs"))
    {
        let name = file.strip_prefix(&source).unwrap().to_str().unwrap();
        let name = name.replace('\\', "/");
        for function in functions_with_strings(&fs::read_to_string(file).unwrap()) {
            found.insert(format!("{name} {function}"));
        }
    }
    let listed: BTreeSet<_> = SETTERS.iter().map(|(name, _)| (*name).to_owned()).collect();
    let new: Vec<_> = found.difference(&listed).collect();
    assert!(
        new.is_empty(),
        "list them in SETTERS, and put a marker into those that take content: {new:#?}"
    );
    let gone: Vec<_> = listed.difference(&found).collect();
    assert!(gone.is_empty(), "no longer there: {gone:#?}");
}

/// Returns the public functions of a source file that take a string in any form, as `Type::name`.
fn functions_with_strings(source: &str) -> Vec<String> {
    let code = source.split("#[cfg(test)]").next().unwrap();
    let mut found = Vec::new();
    let mut owner = String::new();
    let mut in_setters = false;
    let mut lines = code.lines();
    while let Some(line) = lines.next() {
        if line.starts_with("impl") {
            let name = line.split(" for ").last().unwrap();
            let name = name.trim_start_matches("impl ").trim_end_matches(" {");
            owner = name.split('<').next().unwrap().to_owned();
        }
        if let Some(name) = line.strip_prefix("macro_rules! ") {
            owner = name.trim_end_matches(" {").to_owned();
        }
        let trimmed = line.trim_start();
        if let Some(record) = trimmed.strip_prefix("record ") {
            owner = record.split([' ', ':']).next().unwrap().to_owned();
        }
        in_setters = trimmed == "setters! {" || in_setters && trimmed != "}";
        // A setter that `setters!` or the definition of a record defines.
        let field = ["optional ", "required_in_transcript "]
            .iter()
            .find_map(|how| trimmed.strip_prefix(how))
            .or_else(|| trimmed.strip_suffix(',').filter(|_| in_setters));
        let setter = field
            .and_then(|field| field.split_once(": "))
            .map(|(name, rest)| (name, rest.split(' ').next().unwrap()));
        const KINDS: [&str; 4] = [
            "Option<Text>",
            "Option<SharedText>",
            "Option<Content>",
            "Option<McpTool>",
        ];
        if let Some((name, kind)) = setter
            && (KINDS.contains(&kind) || kind.starts_with("Gated<"))
            && line.starts_with("        ")
            && name.chars().all(|c| c.is_ascii_lowercase() || c == '_')
        {
            found.push(format!("{owner}::{name}"));
        }
        // The setters that `failure_setters!` defines.
        if trimmed.starts_with("failure_setters!(") {
            found.extend(["failed", "error_type"].map(|name| format!("{owner}::{name}")));
        }
        // The constructor that the definition of a record defines.
        if trimmed.starts_with("new(") && trimmed.contains("impl Into<") {
            found.push(format!("{owner}::new"));
        }
        let Some(signature) = trimmed.strip_prefix("pub fn ") else {
            continue;
        };
        let mut signature = signature.to_owned();
        while !signature.contains('{') && !signature.ends_with(';') {
            signature.push_str(lines.next().unwrap().trim());
        }
        let name = signature.split(['(', '<']).next().unwrap().to_owned();
        let parameters = signature.split(" -> ").next().unwrap();
        const TEXT: [&str; 10] = [
            "Into<",
            "&Result<",
            "&str",
            "String",
            "Content",
            "ToolOutput",
            "McpTool",
            "Cow<",
            "Arc<str>",
            "AsRef<",
        ];
        // A header carrier receives strings from the library and passes none to it.
        let takes =
            TEXT.iter().any(|text| parameters.contains(text)) && !parameters.contains("FnMut");
        // The setters of `failure_setters!` are listed where they are used.
        let is_defined_here = !name.starts_with('$') && owner != "failure_setters";
        if takes && line.starts_with("    ") && is_defined_here {
            found.push(format!("{owner}::{name}"));
        }
    }
    found
}

#[test]
fn debug_output_of_every_public_type_is_searched() {
    let receiver = Receiver::grpc();
    let run = Run::new(&receiver, Protocol::Grpc, 15);
    let searched: BTreeSet<_> = run.debug.iter().map(|(what, _)| what.as_str()).collect();
    let exempt: BTreeSet<_> = NO_TEXT.iter().copied().collect();
    let sources = [
        include_str!("../../src/lib.rs"),
        include_str!("../../src/record/mod.rs"),
    ];
    for source in sources {
        let uses = source.split("pub use ").skip(1);
        for names in uses.map(|part| part.split(';').next().unwrap()) {
            let names = names.split(|c: char| !c.is_alphanumeric());
            for name in names.filter(|name| name.starts_with(char::is_uppercase)) {
                assert!(
                    searched.contains(name) || exempt.contains(name),
                    "`Debug` of {name} is not searched"
                );
            }
        }
    }
}

/// A run of the scenario, with everything that it emitted.
struct Run {
    received: Received,
    console: Screen,
    /// The Prometheus scrape response.
    scrape_response: String,
    /// Texts that a host can see, each with the name of the type that produced it.
    debug: Vec<(String, String)>,
}

impl Run {
    fn new(receiver: &Receiver, protocol: Protocol, flags: u8) -> Self {
        let headers = format!("authorization={}", marker("header"));
        let metrics_headers = format!("authorization={}", marker("metrics_header"));
        let unknown = marker("unknown_variable");
        let quote = if cfg!(windows) { "" } else { "'" };
        let helper = format!(
            "echo {quote}{}{quote}",
            object("x-helper", marker("helper"))
        );
        let mut variables = vec![
            ("OTEL_METRICS_EXPORTER", "otlp,console,prometheus"),
            ("OTEL_EXPORTER_PROMETHEUS_PORT", "0"),
            ("OTEL_LOGS_EXPORTER", "otlp,console"),
            ("OTEL_TRACES_EXPORTER", "otlp,console"),
            ("OTEL_EXPORTER_OTLP_HEADERS", &*headers),
            ("OTEL_EXPORTER_OTLP_METRICS_HEADERS", &metrics_headers),
            // A misspelled variable, which causes a warning.
            ("OTEL_LOG_USER_PROMTS", &unknown),
        ];
        variables.extend(
            FLAGS
                .iter()
                .filter(|(bit, _)| flags & bit != 0)
                .map(|(_, name)| (*name, "1")),
        );
        let (builder, _folder) = config(receiver, protocol, &variables);
        let builder = builder.set("otelHeadersHelper", helper);
        let mut seen = Seen::default();
        seen.debug(&builder);
        let config = builder.build();
        seen.debug(&config);
        seen.debug(config.explain());
        let destination = config.otlp(Signal::Logs);
        // The name of this type contains a lifetime, so it is given here.
        let destination = format!("{:?}", destination.expect("an OTLP exporter"));
        seen.text("OtlpDestination", destination);
        seen.text("Explanation", config.explain().to_string());
        for warning in config.warnings() {
            seen.debug(warning);
            seen.text("Warning", warning.to_string());
        }

        receiver.clear();
        let console = Screen::default();
        let diagnostics = Arc::new(Mutex::new(Seen::default()));
        let sink = Arc::clone(&diagnostics);
        let builder = Telemetry::builder(config, seen.show(Service::new("claude-code", "1.2.3")));
        let telemetry = seen
            .show(builder)
            .console_writer(console.clone())
            .on_diagnostic(move |diagnostic| {
                let mut seen = sink.lock().unwrap();
                seen.debug(diagnostic);
                seen.text("Diagnostic", diagnostic.to_string());
            })
            .start();
        record(&telemetry, &mut seen);
        seen.debug(&telemetry);
        seen.debug(&telemetry.content_policy());
        let scrape_response = scrape(&telemetry);
        let report = telemetry.shutdown();
        assert!(report.is_complete(), "{report}");
        seen.debug(&report);
        seen.text("Report", report.to_string());
        let health = telemetry.health();
        seen.debug(&health);

        let mut debug = seen.0;
        debug.append(&mut diagnostics.lock().unwrap().0);
        Self {
            received: receiver.received().accepted(),
            console,
            scrape_response,
            debug,
        }
    }

    /// Returns the markers in all data that was sent over OTLP.
    fn otlp(&self) -> Found {
        let mut found = Found::new();
        for log in self.received.logs() {
            let name = log.attributes["event.name"].as_str().unwrap();
            search_all(&mut found, name, &log.attributes);
            search_all(&mut found, "resource", &log.resource);
            search(&mut found, "body", &log.body);
        }
        for point in self.received.points() {
            search_all(&mut found, &point.name, &point.attributes);
            search_all(&mut found, "resource", &point.resource);
        }
        for span in self.received.spans() {
            let name = span.attributes["span.type"].as_str().unwrap();
            search_all(&mut found, name, &span.attributes);
            search_all(&mut found, "resource", &span.resource);
            search(
                &mut found,
                &format!("{name}:status"),
                &span.status_message.into(),
            );
            for event in span.events {
                search_all(
                    &mut found,
                    &format!("{name}/{}", event.name),
                    &event.attributes,
                );
            }
        }
        found
    }

    /// Returns the markers in the metrics that were sent.
    fn of_points(&self) -> BTreeSet<String> {
        let mut found = Found::new();
        for point in self.received.points() {
            search_all(&mut found, "", &point.attributes);
            search_all(&mut found, "", &point.resource);
        }
        found.into_iter().map(|(marker, _)| marker).collect()
    }

    /// Returns the markers in all lines that were written to the console.
    fn console(&self) -> Found {
        let mut found = Found::new();
        for line in self.console.lines() {
            let attributes = &line["attributes"];
            let name = match line["signal"].as_str() {
                Some("events") => &attributes["event.name"],
                Some("spans") => &attributes["span.type"],
                _ => &line["name"],
            };
            let name = name.as_str().unwrap();
            for (key, value) in line.as_object().unwrap() {
                match (key.as_str(), value) {
                    ("attributes", Value::Object(members)) => {
                        for (key, value) in members {
                            search(&mut found, &format!("{name}.{key}"), value);
                        }
                    }
                    ("events", Value::Array(events)) => {
                        for event in events {
                            for (key, value) in event["attributes"].as_object().unwrap() {
                                let event = event["name"].as_str().unwrap();
                                search(&mut found, &format!("{name}/{event}.{key}"), value);
                            }
                        }
                    }
                    ("error", value) => search(&mut found, &format!("{name}:status"), value),
                    (key, value) => search(&mut found, key, value),
                }
            }
        }
        found
    }
}

/// Scrapes the Prometheus endpoint. Waits until it is served.
fn scrape(telemetry: &Telemetry) -> String {
    let body = scraper::request(scraper::address(telemetry), "GET", "/metrics").body;
    assert!(body.contains("claude_code_cost_usage_total{"), "{body}");
    body
}

fn search_all(found: &mut Found, owner: &str, attributes: &Attributes) {
    for (key, value) in attributes {
        search(found, &format!("{owner}.{key}"), value);
    }
}

fn search(found: &mut Found, location: &str, value: &Value) {
    let names = markers(&value.to_string());
    found.extend(
        names
            .into_iter()
            .map(|marker| (marker, location.to_owned())),
    );
}

/// Texts that a host can see, each with the name of the type that produced it.
#[derive(Default)]
struct Seen(Vec<(String, String)>);

impl Seen {
    /// Keeps the `Debug` output of a value.
    fn debug<T: Debug + ?Sized>(&mut self, value: &T) {
        let name = std::any::type_name::<T>().rsplit("::").next().unwrap();
        self.text(name, format!("{value:?} {value:#?}"));
    }

    /// Keeps the `Debug` output of a value, and returns the value.
    fn show<T: Debug>(&mut self, value: T) -> T {
        self.debug(&value);
        value
    }

    fn text(&mut self, what: &str, text: String) {
        self.0.push((what.to_owned(), text));
    }
}

/// Returns a marker. [`every_marker_is_listed_and_used`] searches this file for calls of this function.
fn marker(name: &str) -> String {
    canary(name)
}

fn object(key: &str, marker: String) -> String {
    format!(r#"{{"{key}":"{marker}"}}"#)
}

const ACCEPT: Decision = Decision::Accept;
const CONFIG: DecisionSource = DecisionSource::Config;

/// Records the whole scenario, with a marker in every field that takes a string.
fn record(telemetry: &Telemetry, seen: &mut Seen) {
    let identity = seen.show(Identity::new().email("kim@example.com"));
    let options = seen.show(SessionOptions::new().identity(identity));
    let session = telemetry.session(options);
    seen.debug(&session);
    seen.debug(session.recorder());
    let prompt = session.prompt(seen.show(UserPrompt::new(marker("prompt"))));
    seen.debug(&prompt);
    let quiet = UserPrompt::new(marker("prompt_without_event")).without_event();
    drop(session.prompt(quiet));
    prompt.record_user_prompt(UserPrompt::new(marker("prompt_record")));

    record_requests(prompt.recorder(), seen);
    record_results(prompt.recorder(), seen);
    record_calls(prompt.recorder(), seen);

    let hook_name = format!(
        "PreToolUse:mcp__{}__{}",
        marker("hook_server"),
        marker("hook_tool")
    );
    let hook = prompt.hook(marker("hook_event"), hook_name);
    seen.debug(&hook);
    let definitions = Content::from(object("command", marker("hook_definitions")));
    let outcome = HookOutcome::new().failed(1).definitions(definitions);
    hook.finish(seen.show(outcome));

    prompt.record_skill_activated(
        seen.show(
            SkillActivated::new(marker("skill"), "bundled")
                .plugin(marker("skill_plugin"))
                .marketplace(marker("skill_marketplace")),
        ),
    );
    prompt.record_plugin_installed(seen.show(PluginInstalled::new(
        marker("plugin"),
        marker("marketplace"),
        InstallTrigger::Cli,
    )));
    prompt.end_with(seen.show(PromptEnd::new()));
}

fn record_requests(prompt: &claude_code_telemetry::Recorder, seen: &mut Seen) {
    let body = |marker: String, thinking: String, data: String| {
        format!(
            r#"{{"messages":[{{"role":"user","content":"{marker}"}},{{"role":"assistant","content":[
            {{"type":"thinking","thinking":"{thinking}","signature":"s"}},
            {{"type":"redacted_thinking","data":"{data}"}}]}}]}}"#
        )
    };
    let text = format!(
        r#"{{"content":[{{"type":"text","text":"{}"}}]}}"#,
        marker("response_text")
    );
    prompt.record_api_request(seen.show(ApiRequest::from_response("model", text)));
    let mut streamed = StreamedResponse::new("model");
    streamed.event(&object("text", marker("streamed_text")));
    streamed.push(format!("data: {{\"text\":\"{}", marker("streamed_part")));
    seen.debug(&streamed);
    prompt.record_api_request(streamed.into_request());

    let data = || marker("redacted_data");
    let request = body(marker("request_body"), marker("thinking_request"), data());
    prompt.record_api_request_body(
        seen.show(ApiRequestBody::new("model", request).query_source(marker("query_source"))),
    );
    let response = body(marker("response_body"), marker("thinking_response"), data());
    prompt.record_api_response_body(seen.show(ApiResponseBody::new("model", response)));
    prompt.record_api_error(seen.show(ApiError::new("model", marker("api_error"))));

    let options = LlmRequestOptions::new("model").query_source(marker("query_source"));
    let request = prompt.llm_request(seen.show(options));
    seen.debug(&request);
    let text = body(
        marker("request_body_handle"),
        marker("thinking_request_handle"),
        data(),
    );
    request.body(seen.show(Content::from(text)));
    let text = body(
        marker("request_body_at"),
        marker("thinking_request_handle"),
        data(),
    );
    request.body_at(text, std::time::SystemTime::now());
    let text = body(
        marker("response_body_handle"),
        marker("thinking_response_handle"),
        data(),
    );
    request.response_body(text);
    request.finish(seen.show(ApiRequest::new("model")));
    let request = prompt.llm_request("model");
    request.fail(ApiError::new("model", marker("request_error")));
}

fn record_results(prompt: &claude_code_telemetry::Recorder, seen: &mut Seen) {
    let mcp = || {
        McpTool::new(marker("result_server"), marker("result_tool")).scope(marker("server_scope"))
    };
    let results = [
        ToolResult::new(marker("result_name")).mcp(seen.show(mcp())),
        ToolResult::new(format!(
            "mcp__{}__{}",
            marker("named_server"),
            marker("named_tool")
        )),
        ToolResult::new("Other")
            .parameters(object("a", marker("result_parameters")))
            .input(object("a", marker("result_input")))
            .failed(marker("result_error")),
        ToolResult::new("Bash").parameters(
            seen.show(
                ShellParameters::new(format!("{} --flag", marker("shell_command")))
                    .description(marker("shell_description"))
                    .git_commit_id(marker("shell_commit")),
            ),
        ),
        ToolResult::new("Skill")
            .parameters(seen.show(SkillParameters::new(marker("skill_parameter"))))
            .input(Content::json(&[marker("json")])),
    ];
    for result in results {
        prompt.record_tool_result(seen.show(result));
    }
    let name = format!(
        "mcp__{}__{}",
        marker("decision_server"),
        marker("decision_tool")
    );
    let mcp = McpTool::new(marker("decision_mcp_server"), marker("decision_mcp_tool"));
    for decision in [
        ToolDecision::new(name, ACCEPT, CONFIG),
        ToolDecision::new(marker("decision_name"), ACCEPT, CONFIG).mcp(&mcp),
    ] {
        prompt.record_tool_decision(seen.show(decision));
    }
    let path = format!("/{}.rs", marker("edited_path"));
    let edit = CodeEditDecision::new(EditTool::Edit, ACCEPT, CONFIG).file_path(&path);
    prompt.record_code_edit_decision(seen.show(edit));
}

fn record_calls(prompt: &claude_code_telemetry::Recorder, seen: &mut Seen) {
    let call_name = format!("mcp__{}__{}", marker("call_server"), marker("call_tool"));
    let output_path = || marker("output_path");
    let calls = [
        (
            ToolCallOptions::new("Bash")
                .input(object("command", marker("call_input")))
                .parameters(ShellParameters::new(marker("call_shell"))),
            ToolOutput::new()
                .bash_command(marker("output_command"))
                .output(marker("output")),
        ),
        (
            ToolCallOptions::new("PowerShell").input(object("command", marker("input_command"))),
            marker("plain_output").into(),
        ),
        (
            ToolCallOptions::new("Read")
                .input(object("file_path", marker("input_path")))
                .file_path(marker("option_path")),
            ToolOutput::new()
                .file_path(output_path())
                .content(marker("read_content")),
        ),
        (
            ToolCallOptions::new("Edit")
                .input(object("file_path", format!("/{}.rs", marker("edit_path")))),
            ToolOutput::new()
                .diff(marker("diff"))
                .content(marker("written_content")),
        ),
        (
            ToolCallOptions::new("Skill").input(object("skill", marker("input_skill"))),
            ToolOutput::new(),
        ),
        (ToolCallOptions::new(call_name), ToolOutput::new()),
        (
            ToolCallOptions::new(marker("option_name"))
                .mcp(McpTool::new(marker("option_server"), marker("option_tool"))),
            ToolOutput::new(),
        ),
    ];
    for (options, output) in calls {
        let tool = prompt.tool(seen.show(options));
        seen.debug(&tool);
        tool.decided_as(seen.show(Permission::new(ACCEPT, CONFIG)));
        tool.executing();
        seen.debug(&tool.child_env());
        let outcome = ToolOutcome::new().output(seen.show(output));
        tool.finish(seen.show(outcome));
    }

    let reserved = prompt.reserve_tool();
    seen.debug(&reserved);
    let subagent = ToolCallOptions::new("Agent").input(object("subagent_type", marker("subagent")));
    let tool = reserved.begin(subagent);
    let failed = ToolOutcome::new()
        .failed(marker("call_error"))
        .parameters(object("late", marker("late_parameters")));
    tool.finish(seen.show(failed.output(marker("failed_output"))));

    let tool = prompt.tool("Glob");
    tool.decided(ACCEPT, CONFIG);
    tool.executing();
    let returned: Result<(), _> = Err(marker("returned_error"));
    tool.finish(seen.show(ToolOutcome::from_result(&returned)));

    let input = |marker| ToolCallOptions::new("Glob").input(object("pattern", marker));
    drop(prompt.tool(input(marker("dropped_input"))));
    let denied = prompt.tool(input(marker("denied_input")));
    denied.decided(Decision::Reject, DecisionSource::UserReject);
    denied.finish(ToolOutcome::new());
    // The shutdown ends this tool call.
    std::mem::forget(prompt.tool(input(marker("open_input"))));
}

/// Problems of a configuration are reported without its secrets.
#[test]
fn configuration_secrets_never_appear_in_output() {
    let secret = marker("header");
    let pem = format!("-----BEGIN PRIVATE KEY----- {secret}");
    let url = format!("http://user:{secret}@127.0.0.1:1/?key={secret}#{secret}");
    let variables: BTreeMap<String, String> = [
        ("CLAUDE_CODE_ENABLE_TELEMETRY", "1"),
        ("OTEL_METRICS_EXPORTER", "otlp"),
        ("OTEL_LOGS_EXPORTER", "otlp"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", &url),
        (
            "OTEL_EXPORTER_OTLP_LOGS_ENDPOINT",
            &format!("nonsense {url}"),
        ),
        (
            "OTEL_EXPORTER_OTLP_HEADERS",
            &format!("{secret},a b={secret},x=%zz{secret},={secret}"),
        ),
        (
            "OTEL_EXPORTER_OTLP_LOGS_HEADERS",
            &format!("ok=a{secret}\u{7f}\n"),
        ),
        ("OTEL_EXPORTER_OTLP_CLIENT_KEY", &pem),
        ("CLAUDE_CODE_CLIENT_KEY", &pem),
        ("HTTPS_PROXY", &url),
        ("OTEL_EXPORTER_OTLP_HEADER", &secret),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .into();
    let builder = Config::builder()
        .environment(variables)
        .set("otelHeadersHelper", format!("echo {secret}"))
        .set("OTEL_EXPORTER_OTLP_METRICS_HEADERS", format!("k={secret}"));
    let mut seen = Seen::default();
    seen.debug(&builder);
    let config = builder.build();
    seen.debug(&config);
    seen.debug(config.explain());
    seen.text("Explanation", config.explain().to_string());
    for setting in config.explain().settings() {
        seen.debug(setting);
        seen.text("value", setting.value().to_owned());
        seen.text(
            "overrode",
            format!("{:?}", setting.overrode().collect::<Vec<_>>()),
        );
    }
    for warning in config.warnings() {
        seen.debug(warning);
        seen.text("Warning", warning.to_string());
        seen.text("value", format!("{:?}", warning.value()));
    }
    let builder = Telemetry::builder(config, Service::new("claude-code", "1"));
    let (telemetry, diagnostics) = start_with_diagnostics(builder);
    telemetry.session(Identity::new().user_id("user"));
    let report = telemetry.shutdown();
    seen.debug(&report);
    seen.text("Report", report.to_string());
    for text in diagnostics.all() {
        seen.text("Diagnostic", text);
    }
    assert!(seen.0.len() > 20);
    for (what, text) in seen.0 {
        assert!(!text.contains(&secret), "{what}: {text}");
    }
}

/// A receiver that repeats the credentials in its refusal does not cause them to appear in the host's log.
#[test]
fn header_values_repeated_by_a_receiver_are_redacted() {
    for protocol in Protocol::all() {
        let receiver = protocol.receiver();
        let secret = marker("header");
        let text = format!("bad token {secret}");
        receiver.answer(move |_| match protocol {
            Protocol::Grpc => Answer::code(tonic::Code::InvalidArgument, &text),
            _ => Answer::status(400).body("text/plain", text.as_str()),
        });
        let header = format!("authorization=Bearer%20{secret}");
        let (builder, _folder) = config(
            &receiver,
            protocol,
            &[("OTEL_EXPORTER_OTLP_HEADERS", &header)],
        );
        let builder = Telemetry::builder(builder.build(), Service::new("claude-code", "1"));
        let (telemetry, diagnostics) = start_with_diagnostics(builder);
        telemetry.session(Identity::new().user_id("user"));
        let report = telemetry.shutdown();
        let text = format!(
            "{report} {report:?} {:?} {:?}",
            telemetry.health(),
            diagnostics.all()
        );
        assert!(text.contains("bad token"), "{protocol:?}: {text}");
        assert!(!text.contains(&secret), "{protocol:?}: {text}");
    }
}
