//! Any bytes as a line of a transcript: deserializing each type returns a value or an error.
#![no_main]

use claude_code_telemetry::{
    ActiveTime, ApiError, ApiRequest, ApiRequestBody, ApiResponseBody, CodeEditDecision, Commit,
    Cost, HookOutcome, Identity, LinesOfCode, LlmRequestOptions, McpTool, Permission,
    PluginInstalled, PromptEnd, PullRequest, SessionOptions, SkillActivated, TokenUsage, Tokens,
    ToolCallOptions, ToolDecision, ToolOutcome, ToolOutput, ToolResult, UserPrompt,
};
use libfuzzer_sys::fuzz_target;

macro_rules! read_as {
    ($json:expr; $($record:ty),* $(,)?) => {
        $(let _ = serde_json::from_slice::<$record>($json);)*
    };
}

fuzz_target!(|json: &[u8]| {
    read_as!(
        json;
        ActiveTime, ApiError, ApiRequest, ApiRequestBody, ApiResponseBody, CodeEditDecision, Commit,
        Cost, HookOutcome, Identity, LinesOfCode, LlmRequestOptions, McpTool, Permission,
        PluginInstalled, PromptEnd, PullRequest, SessionOptions, SkillActivated, TokenUsage, Tokens,
        ToolCallOptions, ToolDecision, ToolOutcome, ToolOutput, ToolResult, UserPrompt,
    );
});
