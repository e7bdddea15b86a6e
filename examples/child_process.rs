//! A tool that starts a program, which continues the trace of the agent.
//!
//! ```sh
//! cargo build --examples
//! export CLAUDE_CODE_ENABLE_TELEMETRY=1 CLAUDE_CODE_ENHANCED_TELEMETRY_BETA=1
//! export OTEL_TRACES_EXPORTER=otlp OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf
//! cargo run --example child_process -- http://localhost:4318
//! ```
//!
//! The program is `child_process_child`. Its span is a child of the span of the tool's execution. The argument is the
//! endpoint to which the program exports its span, because the `OTEL_*` variables of the agent do not reach it.

use std::env;
use std::error::Error;
use std::process::{Command, ExitCode, ExitStatus};

use claude_code_telemetry::{
    Config, Decision, DecisionSource, Identity, Prompt, Service, Telemetry, ToolOutcome,
};

fn main() -> Result<ExitCode, Box<dyn Error>> {
    let endpoint = env::args()
        .nth(1)
        .ok_or("the OTLP/HTTP endpoint is missing: pass it as the first argument, for example http://localhost:4318")?;
    // Cargo puts the examples into the same folder.
    let program = env::current_exe()?
        .with_file_name("child_process_child")
        .with_extension(env::consts::EXE_EXTENSION);
    let mut command = Command::new(program);
    command.arg(endpoint);

    let telemetry = Telemetry::start(Config::load(), Service::new("claude-code", "2.1.112"));
    let session = telemetry.session(Identity::new());
    let prompt = session.prompt("Run the program.");
    let succeeded = bash(&prompt, command);
    prompt.end();
    telemetry.shutdown();

    Ok(if succeeded {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// Records a tool call that runs a command. Returns true if the command succeeded.
fn bash(prompt: &Prompt, mut command: Command) -> bool {
    let tool = prompt.tool("Bash");
    tool.decided(Decision::Accept, DecisionSource::Config);
    tool.executing();

    // Passes the trace context of the execution, and removes the exporter settings.
    tool.child_env().apply(&mut command);
    let status = command.status();
    let succeeded = status.as_ref().is_ok_and(ExitStatus::success);
    tool.finish(match status {
        Ok(_) if succeeded => ToolOutcome::new(),
        Ok(status) => ToolOutcome::new()
            .failed(status.to_string())
            .error_type("ShellError"),
        Err(error) => ToolOutcome::new().failed(error.to_string()),
    });
    succeeded
}
