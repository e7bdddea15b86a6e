//! One session of a made-up agent: it mends a test, commits, and opens a pull request.
//!
//! The calls are those of a real agent, in its order. Model and tools are made up, and sleep for a moment instead.

use std::thread::sleep;
use std::time::{Duration, Instant};

use claude_code_telemetry::{
    ActiveTime, ActivityType, ApiError, ApiRequest, CodeEditDecision, Commit, Decision,
    DecisionSource, EditTool, Identity, InstallTrigger, LinesOfCode, PluginInstalled, PullRequest,
    Recorder, SessionOptions, ShellParameters, SkillActivated, StartType, Telemetry, TokenUsage,
    ToolDecision, ToolResult,
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
    session.record_active_time(ActiveTime::new(ActivityType::User, work(60)));

    let started = Instant::now();
    let prompt = session.prompt("The parser test fails. Fix it, commit, and open a pull request.");
    title(&prompt);

    think(&prompt, 90, Tokens(1_204, 86, 0, 11_830));
    read(&prompt);
    think(&prompt, 120, Tokens(2_310, 412, 11_830, 1_204));
    edit(&prompt);
    test(&prompt);

    overloaded(&prompt);
    think(&prompt, 70, Tokens(388, 174, 13_034, 2_722));
    write_notes(&prompt);
    commit(&prompt);
    pull_request(&prompt);
    think(&prompt, 40, Tokens(96, 140, 15_756, 562));
    prompt.record_active_time(ActiveTime::new(ActivityType::Cli, started.elapsed()));

    prompt.end();
    session.end();
}

/// Input, output, read from the cache, written to the cache.
struct Tokens(u32, u32, u32, u32);

/// The model is asked for the next step.
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
    turn.record_api_request(
        ApiRequest::new(SONNET)
            .tokens(usage)
            .cost_usd(cost)
            .duration(work(milliseconds))
            .query_source("main"),
    );
}

/// A small model finds a title for the session.
fn title(turn: &Recorder) {
    turn.record_api_request(
        ApiRequest::new(HAIKU)
            .tokens(TokenUsage::new().input(2_412).output(18))
            .cost_usd(0.002_502)
            .duration(work(25))
            .query_source("session_title"),
    );
}

/// A request that failed for good after three attempts.
fn overloaded(turn: &Recorder) {
    turn.record_api_error(
        ApiError::new(SONNET, "Overloaded")
            .status_code(529)
            .attempt(3)
            .duration(work(30))
            .query_source("main"),
    );
}

/// The configuration allows to read.
fn read(turn: &Recorder) {
    let (accept, config) = (Decision::Accept, DecisionSource::Config);
    turn.record_tool_decision(ToolDecision::new("Read", accept, config).tool_use_id("toolu_01"));
    turn.record_tool_result(
        ToolResult::new("Read")
            .tool_use_id("toolu_01")
            .decision(accept, config)
            .input(format!(r#"{{"file_path":"{FILE}"}}"#))
            .duration(work(4))
            .result_size_bytes(6_412),
    );
}

/// The user allows this edit.
fn edit(turn: &Recorder) {
    let (accept, user) = (Decision::Accept, DecisionSource::UserTemporary);
    work(80);
    turn.record_tool_decision(ToolDecision::new("Edit", accept, user).tool_use_id("toolu_02"));
    turn.record_code_edit_decision(
        CodeEditDecision::new(EditTool::Edit, accept, user).file_path(FILE),
    );
    let input =
        format!(r#"{{"file_path":"{FILE}","old_string":"i += 1","new_string":"i += width"}}"#);
    turn.record_tool_result(
        ToolResult::new("Edit")
            .tool_use_id("toolu_02")
            .decision(accept, user)
            .input(input)
            .duration(work(6))
            .result_size_bytes(184),
    );
    turn.record_lines_of_code(LinesOfCode::new().added(12).removed(5));
}

/// A command that fails.
fn test(turn: &Recorder) {
    let (accept, config) = (Decision::Accept, DecisionSource::Config);
    turn.record_tool_decision(ToolDecision::new("Bash", accept, config).tool_use_id("toolu_03"));
    turn.record_tool_result(
        ToolResult::new("Bash")
            .tool_use_id("toolu_03")
            .decision(accept, config)
            .parameters(ShellParameters::new("cargo test parser"))
            .duration(work(150))
            .failed("exit code 101")
            .error_type("ShellError")
            .result_size_bytes(2_048),
    );
}

/// The user says no: the tool does not run.
fn write_notes(turn: &Recorder) {
    let (reject, user) = (Decision::Reject, DecisionSource::UserReject);
    work(50);
    turn.record_tool_decision(ToolDecision::new("Write", reject, user).tool_use_id("toolu_04"));
    turn.record_code_edit_decision(
        CodeEditDecision::new(EditTool::Write, reject, user).file_path("NOTES.md"),
    );
}

/// A skill that ends in a commit.
fn commit(turn: &Recorder) {
    turn.record_skill_activated(SkillActivated::new("commit", "bundled"));
    let (accept, hook) = (Decision::Accept, DecisionSource::Hook);
    turn.record_tool_decision(ToolDecision::new("Bash", accept, hook).tool_use_id("toolu_05"));
    let command = ShellParameters::new("git commit -am 'Count bytes, not characters'");
    turn.record_tool_result(
        ToolResult::new("Bash")
            .tool_use_id("toolu_05")
            .decision(accept, hook)
            .parameters(command.git_commit_id("85eced1"))
            .duration(work(20))
            .result_size_bytes(96),
    );
    turn.record_commit(Commit::new());
}

/// The tool of an MCP server: its name leaves with `OTEL_LOG_TOOL_DETAILS` alone.
fn pull_request(turn: &Recorder) {
    let (tool, accept, user) = (
        "mcp__github__create_pull_request",
        Decision::Accept,
        DecisionSource::UserPermanent,
    );
    turn.record_tool_decision(ToolDecision::new(tool, accept, user).tool_use_id("toolu_06"));
    turn.record_tool_result(
        ToolResult::new(tool)
            .tool_use_id("toolu_06")
            .decision(accept, user)
            .duration(work(60))
            .result_size_bytes(731),
    );
    turn.record_pull_request(PullRequest::new());
}

/// Stands for work; says how long it took.
fn work(milliseconds: u64) -> Duration {
    let started = Instant::now();
    sleep(Duration::from_millis(milliseconds));
    started.elapsed()
}
