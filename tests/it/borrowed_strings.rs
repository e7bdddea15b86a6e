//! Constructors and setters accept strings in any form: borrowed, owned, static, or `Cow`.
#![cfg(feature = "testing")]

use std::borrow::Cow;

use claude_code_telemetry::{
    ApiError, ApiRequest, Content, HookOutcome, Identity, LlmRequestOptions, PluginInstalled,
    Service, SessionOptions, SkillActivated, Telemetry, Text, ToolCallOptions, ToolOutcome,
    ToolOutput, ToolResult, UserPrompt,
};

/// Strings that a host knows only at run time.
struct Agent {
    model: String,
    request_id: String,
    question: String,
    tool: String,
    error: String,
}

impl Agent {
    fn new() -> Self {
        Self {
            model: "claude-sonnet-4-6".to_owned(),
            request_id: "req_011CSHoEeqs5C35K2UUqR7Fy".to_owned(),
            question: "Fix the failing test".to_owned(),
            tool: "Bash".to_owned(),
            error: "the command failed with status 1".to_owned(),
        }
    }
}

/// A host that has only `&str`s. Where the content does not matter, the name of the model is passed.
#[test]
fn references_are_accepted_wherever_a_string_is_given() {
    let agent = Agent::new();
    let (model, tool_name): (&str, &str) = (&agent.model, &agent.tool);
    let memory = Telemetry::in_memory();
    let telemetry = memory.telemetry();

    let options = SessionOptions::new()
        .identity(Identity::new().email(model))
        .id(model);
    let session = telemetry.session(options);
    let prompt = session.prompt(&*agent.question);
    let request = prompt.llm_request(model);
    request.finish(
        ApiRequest::new(model)
            .request_id(&*agent.request_id)
            .stop_reason(model),
    );
    let options = LlmRequestOptions::new(model).query_source(model);
    prompt
        .llm_request(options)
        .fail(ApiError::new(model, &*agent.error).request_id(model));
    let tool = prompt.tool(tool_name);
    tool.finish(ToolOutcome::new().failed(&*agent.error).error_type(model));
    let options = ToolCallOptions::new(tool_name)
        .tool_use_id(model)
        .input(&*agent.question);
    let output = ToolOutput::new().bash_command(model).output(model);
    prompt
        .tool(options)
        .finish(ToolOutcome::new().output(output));
    prompt.hook(tool_name, tool_name).finish(HookOutcome::new());
    prompt.record_tool_result(ToolResult::new(tool_name).tool_use_id(model));
    prompt.record_skill_activated(SkillActivated::new(model, model).plugin(model));
    let trigger = claude_code_telemetry::InstallTrigger::Cli;
    prompt.record_plugin_installed(PluginInstalled::new(model, model, trigger).version(model));
    prompt.end();

    let requests = memory.events().named("api_request");
    assert_eq!(
        requests.only().unwrap().attributes["request_id"],
        &*agent.request_id
    );
    let failed = memory.events().named("api_error");
    assert_eq!(failed.only().unwrap().attributes["error"], &*agent.error);
    assert_eq!(memory.spans().named("tool").len(), 2);
}

#[test]
fn every_form_of_a_string_is_accepted() {
    const STATIC: Text = Text::from_static("claude-sonnet-4-6");
    const CONTENT: Content = Content::from_static("Fix the failing test");
    let agent = Agent::new();
    let memory = Telemetry::in_memory();
    let session = memory.telemetry().session(Identity::new());
    let borrowed: Cow<'static, str> = Cow::Borrowed("claude-sonnet-4-6");
    let owned: Cow<'static, str> = Cow::Owned(agent.model.clone());
    let lossy: Cow<'_, str> = String::from_utf8_lossy(agent.model.as_bytes());
    let question: Cow<'_, str> = String::from_utf8_lossy(agent.question.as_bytes());
    for request in [
        ApiRequest::new("claude-sonnet-4-6"),
        ApiRequest::new(&agent.model),
        ApiRequest::new(agent.model.clone()),
        ApiRequest::new(borrowed),
        ApiRequest::new(owned.clone()),
        ApiRequest::new(STATIC),
        ApiRequest::new(&lossy),
        ApiRequest::new(lossy.clone().into_owned()),
    ] {
        session.record_api_request(request);
    }
    for prompt in [
        UserPrompt::new("Fix the failing test"),
        UserPrompt::new(&agent.question),
        UserPrompt::new(agent.question.clone()),
        UserPrompt::new(Cow::Borrowed("Fix the failing test")),
        UserPrompt::new(CONTENT),
        UserPrompt::new(&question),
        UserPrompt::new(question.clone().into_owned()),
    ] {
        session.prompt(prompt).end();
    }
    session.llm_request(STATIC).finish(ApiRequest::new(owned));
    let requests = memory.events().named("api_request");
    assert_eq!(requests.with("model", "claude-sonnet-4-6").len(), 9);
    let prompts = memory.events().named("user_prompt");
    assert_eq!(prompts.with("prompt_length", 20).len(), 7);
    let _ = Service::new(&agent.model, &agent.model);
}
