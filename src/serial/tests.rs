//! Tests of deserialization, and of the errors for rejected values.

use std::fmt::Debug;

use proptest::collection::vec;
use proptest::prelude::{Strategy, any, prop_oneof, proptest};
use proptest::sample::select;
use serde::de::DeserializeOwned;

use crate::*;

fn read<T: DeserializeOwned>(json: &str) -> T {
    serde_json::from_str(json).unwrap_or_else(|error| panic!("{json}: {error}"))
}

#[track_caller]
fn refused<T: DeserializeOwned + Debug>(json: &str, expected: &str) {
    let error = serde_json::from_str::<T>(json).unwrap_err().to_string();
    assert!(error.contains(expected), "{json}: {error}");
}

#[test]
fn record_is_read_from_its_attribute_names() {
    let usage = TokenUsage::new().input(120).output(45).cache_read(2_000);
    assert_eq!(
        read::<ApiRequest>(
            r#"{"model":"m","input_tokens":120,"output_tokens":45,"cache_read_tokens":2000,
                "cost_usd":0.5,"duration_ms":900,"request_id":"req_1","speed":"fast",
                "at":"2026-04-20T09:00:01.5Z","event.sequence":7}"#
        ),
        ApiRequest::new("m")
            .tokens(usage)
            .cost_usd(0.5)
            .duration(std::time::Duration::from_millis(900))
            .request_id("req_1")
            .speed(Speed::Fast)
            .at(std::time::UNIX_EPOCH + std::time::Duration::from_millis(1_776_675_601_500))
    );
    // The duration may be missing, because a handle measures it.
    assert_eq!(
        read::<ApiRequest>(r#"{"model":"m","cost_usd":0.5}"#),
        ApiRequest::new("m").cost_usd(0.5)
    );
    assert_eq!(
        read::<ApiError>(r#"{"model":"m","error":"e"}"#),
        ApiError::new("m", "e")
    );
    for name in ["plugin_name", "plugin.name"] {
        let json = format!(
            r#"{{"{name}":"p","marketplace.name":"m","install_trigger":"ui","marketplace_is_official":"true"}}"#
        );
        assert_eq!(
            read::<PluginInstalled>(&json),
            PluginInstalled::new("p", "m", InstallTrigger::Ui).official(true)
        );
    }
    assert_eq!(
        read::<ApiError>(r#"{"model":"m","error":"e","status_code":"undefined","duration_ms":0}"#),
        read::<ApiError>(r#"{"model":"m","error":"e","duration_ms":0}"#),
    );
    assert_eq!(
        read::<ApiError>(r#"{"model":"m","error":"e","status_code":"529","duration_ms":0}"#),
        read::<ApiError>(r#"{"model":"m","error":"e","status_code":529,"duration_ms":0}"#),
    );
}

#[test]
fn null_counts_as_missing_and_unknown_members_are_ignored() {
    assert_eq!(
        read::<ToolDecision>(
            r#"{"tool_name":"Bash","decision":"accept","source":"config","tool_use_id":null,"new":{"x":1}}"#
        ),
        ToolDecision::new("Bash", Decision::Accept, DecisionSource::Config)
    );
    assert_eq!(read::<Commit>("{}"), Commit::new());
}

#[test]
fn empty_optional_value_counts_as_missing() {
    let empty = r#"{"model":"m","metric_model":"","request_id":"","query_source":"","stop_reason":"","cost_usd":0,"duration_ms":0}"#;
    assert_eq!(
        read::<ApiRequest>(empty),
        read(r#"{"model":"m","cost_usd":0,"duration_ms":0}"#)
    );
    assert_eq!(
        read::<SkillActivated>(
            r#"{"skill_name":"s","skill_source":"bundled","plugin_name":"","marketplace_name":""}"#
        ),
        SkillActivated::new("s", "bundled")
    );
    read::<UserPrompt>(r#"{"text":"hi","prompt_id":""}"#);
    let session = r#"{"session_id":"","email":"","workspace_host_paths":[]}"#;
    assert_eq!(read::<SessionOptions>(session).workspace_host_paths, None);
    let tool = read::<ToolCallOptions>(r#"{"tool_name":"Edit","file_path":"","language":""}"#);
    assert!(tool.file_path.content().is_none() && tool.language.is_none());
}

#[test]
fn invalid_value_is_rejected_with_the_expected_form() {
    refused::<ApiRequest>(
        r#"{"model":"m","cost_usd":-1,"duration_ms":1}"#,
        "the value must be a finite number that is not negative",
    );
    refused::<ApiRequest>(
        r#"{"model":"m","duration_ms":1}"#,
        "missing field `cost_usd`",
    );
    refused::<ApiRequest>(
        r#"{"model":"m","cost_usd":0,"duration_ms":-1}"#,
        "invalid value: integer `-1`",
    );
    refused::<Tokens>(
        r#"{"model":"m","type":"input","count":18446744073709551615}"#,
        "the number is too large",
    );
    refused::<Tokens>(
        r#"{"model":"m","type":"cache_read","count":1}"#,
        r#"unknown value "cache_read": expected one of input, output, cacheRead, cacheCreation"#,
    );
    refused::<ToolResult>(
        r#"{"tool_name":"Bash","decision_type":"accept"}"#,
        "a decision without its source",
    );
    refused::<ToolResult>(
        r#"{"tool_name":"Bash","input":[1]}"#,
        "expected a JSON object",
    );
    refused::<UserPrompt>(
        r#"{"text":"hi","prompt_id":"7"}"#,
        r#""7" is not a UUID with hyphens"#,
    );
    for time in [
        "2026-04-20 09:00:01",
        "2026-04-20T09:00:01.500000+0200Z",
        "2026-04-20T09:00:01.Z",
        "2026-04-20T09:00:01.1234567890Z",
    ] {
        refused::<UserPrompt>(
            &format!(r#"{{"text":"hi","at":"{time}"}}"#),
            "is not a time in UTC such as 2026-04-20T09:00:01.5Z",
        );
    }
    refused::<ActiveTime>(r#"{"type":"cli","seconds":-0.5}"#, "negative");
    refused::<ApiError>(
        r#"{"model":"m","error":"e","status_code":"x","duration_ms":0}"#,
        "expected an HTTP status or \"undefined\"",
    );
}

#[test]
fn error_about_content_does_not_repeat_it() {
    refused::<ToolResult>(
        r#"{"tool_name":"Bash","input":"secret plans"}"#,
        "JSON object",
    );
    let error =
        serde_json::from_str::<ToolResult>(r#"{"tool_name":"Bash","input":"secret plans"}"#);
    assert!(!error.unwrap_err().to_string().contains("secret"));
}

/// Deserializes a text as each of the types. Every text results in a value or an error, never in a panic.
macro_rules! read_as {
    ($json:expr; $($record:ty),* $(,)?) => {
        $(let _ = serde_json::from_slice::<$record>($json);)*
    };
}

fn read_as_each(json: &[u8]) {
    read_as!(
        json;
        ActiveTime, ActivityType, ApiError, ApiRequest, ApiRequestBody, ApiResponseBody,
        CodeEditDecision, Commit, Cost, Decision, DecisionSource, EditTool, HookOutcome, Identity,
        InstallTrigger, LinesOfCode, LlmRequestOptions, McpTool, Permission, PluginInstalled, PromptEnd,
        PullRequest, RequestContext, SessionOptions, SkillActivated, Speed, StartType, TokenType,
        TokenUsage, Tokens, ToolCallOptions, ToolDecision, ToolOutcome, ToolOutput, ToolResult,
        UserPrompt,
    );
}

/// Returns the names of the fields of all types, which are in backquotes in the document, and values whose
/// deserialization needs validation.
fn parts() -> (Vec<String>, Vec<&'static str>) {
    let document = include_str!("../../docs/TRANSCRIPT.md");
    let fields = document.split('`').skip(1).step_by(2);
    let is_field = |field: &&str| field.chars().all(|c| c.is_ascii_lowercase() || c == '_');
    let values = vec![
        "null",
        "true",
        "\"true\"",
        "\"\"",
        "\"accept\"",
        "\"config\"",
        "\"fresh\"",
        "\"undefined\"",
        "\"529\"",
        "\"12345678-1234-1234-1234-123456789abc\"",
        "\"2026-04-20T09:00:01.5Z\"",
        "\"0000-01-01T00:00:00Z\"",
        "\"9999-12-31T23:59:60.999999999+00:00\"",
        "\"\u{e9}26-04-20T09:00:01.5\u{e9}\"",
        "-1",
        "1e308",
        "-0.0",
        "18446744073709551615",
        "9223372036854775807",
        "99999999999999999999999",
        "[]",
        "[\"a\",1]",
        "{}",
        "{\"server\":\"s\",\"tool\":\"t\"}",
        "{\"output\":\"o\"}",
    ];
    (fields.filter(is_field).map(str::to_owned).collect(), values)
}

proptest! {
    #[test]
    fn any_bytes_are_a_value_or_an_error(json: Vec<u8>) {
        read_as_each(&json);
    }

    #[test]
    fn any_object_of_known_fields_is_a_value_or_an_error(
        object in vec((select(parts().0), prop_oneof![
            8 => select(parts().1).prop_map(str::to_owned),
            1 => any::<String>().prop_map(|text| serde_json::Value::from(text).to_string()),
            1 => any::<f64>().prop_map(|number| serde_json::Value::from(number).to_string()),
        ]), 0..12),
    ) {
        let fields: Vec<_> = object
            .iter()
            .map(|(field, value)| format!("\"{field}\":{value}"))
            .collect();
        read_as_each(format!("{{{}}}", fields.join(",")).as_bytes());
    }
}
