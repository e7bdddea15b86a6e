//! Records every record and every handle, with an empty string for each optional string.
#![allow(unreachable_pub)]

use std::time::Duration;

use claude_code_telemetry::{
    ActiveTime, ActivityType, ApiError, ApiRequest, ApiRequestBody, ApiResponseBody,
    CodeEditDecision, Commit, Decision, DecisionSource, EditTool, HookOutcome, Identity,
    InstallTrigger, LinesOfCode, LlmRequestOptions, Permission, PluginInstalled, PullRequest,
    SessionOptions, SkillActivated, Telemetry, ToolCallOptions, ToolDecision, ToolOutcome,
    ToolOutput, ToolResult, UserPrompt,
};

pub fn record_empty_strings(telemetry: &Telemetry) {
    let identity = Identity::new()
        .user_id("")
        .organization_id("")
        .email("")
        .account_uuid("")
        .account_id("");
    let options = SessionOptions::new().id("").terminal_type("");
    let session = telemetry.session(options.identity(identity));
    let (accept, config) = (Decision::Accept, DecisionSource::Config);

    let prompt = session.prompt(UserPrompt::new("hello").id(""));
    assert!(!prompt.id().is_empty());
    prompt.record_lines_of_code(LinesOfCode::new().added(1));
    prompt.record_commit(Commit::new());
    prompt.record_pull_request(PullRequest::new());
    prompt.record_active_time(ActiveTime::new(ActivityType::User, Duration::ZERO));
    prompt.record_code_edit_decision(
        CodeEditDecision::new(EditTool::Write, accept, config).language(""),
    );
    let successful_request = || {
        ApiRequest::new("m")
            .requested_model("")
            .request_id("")
            .query_source("")
            .stop_reason("")
    };
    let failed = || ApiError::new("m", "e").request_id("").query_source("");
    prompt.record_api_request(successful_request());
    prompt.record_api_error(failed());
    prompt.record_api_request_body(ApiRequestBody::new("m", "{}").query_source(""));
    prompt.record_api_response_body(
        ApiResponseBody::new("m", "{}")
            .query_source("")
            .request_id(""),
    );
    prompt.record_tool_decision(ToolDecision::new("Edit", accept, config).tool_use_id(""));
    prompt.record_tool_result(
        ToolResult::new("Bash")
            .tool_use_id("")
            .failed("")
            .error_type("")
            .parameters("")
            .input("")
            .mcp_server_scope(""),
    );
    let parameters = r#"{"full_command":"","description":"","git_commit_id":""}"#;
    prompt.record_tool_result(ToolResult::new("Bash").parameters(parameters));
    prompt.record_plugin_installed(PluginInstalled::new("p", "m", InstallTrigger::Cli).version(""));
    prompt.record_skill_activated(
        SkillActivated::new("skill", "bundled")
            .plugin("")
            .marketplace(""),
    );

    let options = || LlmRequestOptions::new("m").query_source("");
    prompt.llm_request(options()).finish(successful_request());
    prompt.llm_request(options()).fail(failed());
    let call = |options: ToolCallOptions, outcome: ToolOutcome| {
        let tool = prompt.tool(options.tool_use_id(""));
        tool.decided_as(Permission::accepted(config).without_result());
        tool.executing();
        tool.finish(outcome.parameters(""));
    };
    let output = ToolOutput::new()
        .output("")
        .content("")
        .diff("")
        .bash_command("")
        .file_path("");
    let empty = ToolCallOptions::new("Write").input("").parameters("");
    call(
        empty.file_path("").language(""),
        ToolOutcome::new().output(output),
    );
    call(
        ToolCallOptions::new("Bash"),
        ToolOutcome::new().failed("").error_type(""),
    );
    prompt
        .hook("Stop", "Stop")
        .finish(HookOutcome::new().definitions(""));
}
