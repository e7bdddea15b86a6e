//! A session of a simulated agent that fixes a test, commits, and opens a pull request.
//!
//! The calls are those of a real agent, in their order. The model and the tools are simulated by short sleeps.

use std::thread::{self, sleep};
use std::time::{Duration, Instant};

use claude_code_telemetry::{
    ActiveTime, ActivityType, ApiError, ApiRequest, Commit, Decision, DecisionSource, HookOutcome,
    Identity, InstallTrigger, LinesOfCode, LlmRequestOptions, PluginInstalled, PullRequest,
    Recorder, SessionOptions, ShellParameters, SkillActivated, StartType, Telemetry, TokenUsage,
    ToolCallOptions, ToolOutcome,
};

const SONNET: &str = "claude-sonnet-4-6";
const HAIKU: &str = "claude-haiku-4-5";
const FILE: &str = "src/parser.rs";

pub(crate) fn run(telemetry: &Telemetry) {
    let kim = Identity::new()
        .user_id("9b2f6c1e-quickstart")
        .organization_id("5d0c1a7e-8a53-4f0b-9a38-6a1f0c6f2e11")
        .email("kim@example.com");
    let session = telemetry.session(
        SessionOptions::new()
            .identity(kim)
            .start_type(StartType::Fresh),
    );
    session.record_plugin_installed(
        PluginInstalled::new("rust-tools", "example-marketplace", InstallTrigger::Cli)
            .version("1.4.0"),
    );
    session.record_active_time(ActiveTime::new(ActivityType::User, simulate_work(60)));

    let started = Instant::now();
    let prompt = session.prompt("The parser test fails. Fix it, commit, and open a pull request.");
    title(prompt.recorder());

    think(prompt.recorder(), 90, Tokens(1_204, 86, 0, 11_830));
    // Two concurrent tool calls.
    thread::scope(|scope| {
        scope.spawn(|| read(prompt.recorder()));
        scope.spawn(|| explore(prompt.recorder()));
    });
    think(prompt.recorder(), 120, Tokens(2_310, 412, 11_830, 1_204));
    edit(prompt.recorder());
    test(prompt.recorder());

    overloaded(prompt.recorder());
    think(prompt.recorder(), 70, Tokens(388, 174, 13_034, 2_722));
    write_notes(prompt.recorder());
    commit(prompt.recorder());
    pull_request(prompt.recorder());
    think(prompt.recorder(), 40, Tokens(96, 140, 15_756, 562));
    prompt.record_active_time(ActiveTime::new(ActivityType::Cli, started.elapsed()));

    prompt.end();
    drop(session);
}

/// Tokens: input, output, read from the cache, written to the cache.
struct Tokens(u32, u32, u32, u32);

/// Asks the model for the next step.
fn think(turn: &Recorder, milliseconds: u64, Tokens(input, output, read, written): Tokens) {
    let per_million = [(input, 3.0), (output, 15.0), (read, 0.3), (written, 3.75)];
    let cost: f64 = per_million
        .into_iter()
        .map(|(tokens, usd)| f64::from(tokens) * usd / 1e6)
        .sum();
    let usage = TokenUsage::new()
        .input(input.into())
        .output(output.into())
        .cache_read(read.into())
        .cache_creation(written.into());
    let request = turn.llm_request(LlmRequestOptions::new(SONNET).query_source("main"));
    simulate_work(milliseconds / 3);
    request.first_token();
    simulate_work(milliseconds * 2 / 3);
    request.finish(ApiRequest::new(SONNET).tokens(usage).cost_usd(cost));
}

/// Asks a small model for a title of the session.
fn title(turn: &Recorder) {
    let request = turn.llm_request(LlmRequestOptions::new(HAIKU).query_source("session_title"));
    simulate_work(25);
    request.finish(
        ApiRequest::new(HAIKU)
            .tokens(TokenUsage::new().input(2_412).output(18))
            .cost_usd(0.002_502),
    );
}

/// Records a request that fails after three attempts.
fn overloaded(turn: &Recorder) {
    let request = turn.llm_request(LlmRequestOptions::new(SONNET).query_source("main"));
    for _ in 1..3 {
        simulate_work(10);
        request.retry();
    }
    simulate_work(30);
    request.fail(ApiError::new(SONNET, "Overloaded").status_code(529));
}

/// Records a tool call that the configuration permits.
fn read(turn: &Recorder) {
    let tool = turn.tool(
        ToolCallOptions::new("Read")
            .tool_use_id("toolu_01")
            .input(format!(r#"{{"file_path":"{FILE}"}}"#)),
    );
    tool.decided(Decision::Accept, DecisionSource::Config);
    tool.executing();
    simulate_work(4);
    tool.finish(ToolOutcome::new().result_size_bytes(6_412));
}

/// Records a subagent, which asks a model and runs a tool inside its own call.
fn explore(turn: &Recorder) {
    let agent = turn.tool(
        ToolCallOptions::new("Agent")
            .tool_use_id("toolu_02")
            .input(r#"{"subagent_type":"Explore","prompt":"Who calls the parser?"}"#),
    );
    agent.decided(Decision::Accept, DecisionSource::Config);
    agent.executing();
    think(agent.recorder(), 45, Tokens(610, 40, 0, 0));
    let tool = agent.tool(ToolCallOptions::new("Grep").tool_use_id("toolu_03"));
    tool.decided(Decision::Accept, DecisionSource::Config);
    tool.executing();
    simulate_work(8);
    tool.finish(ToolOutcome::new().result_size_bytes(212));
    agent.finish(ToolOutcome::new().result_size_bytes(1_044));
}

/// Records an edit that the user permits.
fn edit(turn: &Recorder) {
    let input =
        format!(r#"{{"file_path":"{FILE}","old_string":"i += 1","new_string":"i += width"}}"#);
    let tool = turn.tool(
        ToolCallOptions::new("Edit")
            .tool_use_id("toolu_04")
            .input(input),
    );
    simulate_work(80);
    tool.decided(Decision::Accept, DecisionSource::UserTemporary);
    tool.executing();
    simulate_work(6);
    tool.record_lines_of_code(LinesOfCode::new().added(12).removed(5));
    tool.finish(ToolOutcome::new().result_size_bytes(184));
}

/// Records a command that fails.
fn test(turn: &Recorder) {
    let tool = turn.tool(
        ToolCallOptions::new("Bash")
            .tool_use_id("toolu_05")
            .parameters(ShellParameters::new("cargo test parser")),
    );
    tool.decided(Decision::Accept, DecisionSource::Config);
    tool.executing();
    simulate_work(150);
    tool.finish(
        ToolOutcome::new()
            .failed("exit code 101")
            .error_type("ShellError")
            .result_size_bytes(2_048),
    );
}

/// Records a tool call that the user rejects, so that the tool does not run.
fn write_notes(turn: &Recorder) {
    let tool = turn.tool(
        ToolCallOptions::new("Write")
            .tool_use_id("toolu_06")
            .file_path("NOTES.md"),
    );
    simulate_work(50);
    tool.decided(Decision::Reject, DecisionSource::UserReject);
    tool.end();
}

/// Records a skill that ends in a commit, which a hook permits.
fn commit(turn: &Recorder) {
    turn.record_skill_activated(SkillActivated::new("commit", "bundled"));
    let command = ShellParameters::new("git commit -am 'Count bytes, not characters'");
    let tool = turn.tool(
        ToolCallOptions::new("Bash")
            .tool_use_id("toolu_07")
            .parameters(command.git_commit_id("85eced1")),
    );
    let hooks = turn.hook("PreToolUse", "PreToolUse:Bash");
    simulate_work(12);
    hooks.finish(HookOutcome::new().succeeded(1));
    tool.decided(Decision::Accept, DecisionSource::Hook);
    tool.executing();
    simulate_work(20);
    tool.record_commit(Commit::new());
    tool.finish(ToolOutcome::new().result_size_bytes(96));
}

/// Records a call of an MCP tool, whose name is sent only with `OTEL_LOG_TOOL_DETAILS`.
fn pull_request(turn: &Recorder) {
    let tool =
        turn.tool(ToolCallOptions::new("mcp__github__create_pull_request").tool_use_id("toolu_08"));
    tool.decided(Decision::Accept, DecisionSource::UserPermanent);
    tool.executing();
    simulate_work(60);
    tool.record_pull_request(PullRequest::new());
    tool.finish(ToolOutcome::new().result_size_bytes(731));
}

/// Simulates work, and returns how long it took.
fn simulate_work(milliseconds: u64) -> Duration {
    let started = Instant::now();
    sleep(Duration::from_millis(milliseconds));
    started.elapsed()
}
