//! A small agent that asks a model, runs the tools that the model calls, and asks again. The model and the tools are
//! simulated; the calls to the telemetry are those of a real agent.
//!
//! ```sh
//! cargo run --example agent_loop
//! ```
//!
//! | file | part |
//! | --- | --- |
//! | `main.rs` | starts the telemetry, a session and two prompts; shuts down in order |
//! | `turn.rs` | a turn: model requests with retries, and concurrent tool calls |
//! | `tools.rs` | a tool call: hooks, permission, execution, result; subagents and background work |
//! | `script.rs` | the simulated model, users and tools, without telemetry |
//!
//! Only the first three call this crate. The environment configures the telemetry; without a configuration the agent
//! behaves the same, and every call to the telemetry does nothing.

mod script;
mod tools;
mod turn;

use std::io::{self, Write};
use std::time::{Duration, Instant};

use claude_code_telemetry::{
    ActiveTime, ActivityType, Config, Identity, Service, Session, SessionOptions, StartType,
    Telemetry,
};

use script::Model;
use turn::Agent;

const HOW_TO_ENABLE: &str = "Telemetry is off. To print it: CLAUDE_CODE_ENABLE_TELEMETRY=1 \
     CLAUDE_CODE_ENHANCED_TELEMETRY_BETA=1 OTEL_METRICS_EXPORTER=console OTEL_LOGS_EXPORTER=console \
     OTEL_TRACES_EXPORTER=console cargo run --example agent_loop";

#[tokio::main]
async fn main() -> io::Result<()> {
    // Start the telemetry once for each process. No step can fail: errors in the settings are reported and ignored.
    let config = Config::load();
    let agent = Agent::new(config.max_retries());
    let telemetry = Telemetry::builder(config, Service::new("claude-code", "2.1.112"))
        .on_diagnostic(|diagnostic| drop(writeln!(io::stderr(), "telemetry: {diagnostic}")))
        .start();
    if !telemetry.is_enabled() {
        writeln!(io::stderr(), "{HOW_TO_ENABLE}")?;
    }

    // Start a session for each conversation.
    let session = telemetry.session(
        SessionOptions::new()
            .identity(Identity::new().email("kim@example.com"))
            .start_type(StartType::Fresh),
    );
    submit(&session, &agent, "Fix the parser.", script::fix()).await?;
    submit(&session, &agent, "Explain it.", script::explain()).await?;

    // Wait for work that outlived its prompt. Nothing is recorded after that.
    agent.wait_for_background().await;
    drop(session);
    let report = telemetry.shutdown_async().await;
    if telemetry.is_enabled() {
        writeln!(io::stderr(), "{report}")?;
    }
    Ok(())
}

/// Submits a prompt and waits for the end of its turn.
async fn submit(
    session: &Session,
    agent: &Agent,
    text: &'static str,
    model: Model,
) -> io::Result<()> {
    let typed = Duration::from_millis(40 * text.len() as u64);
    session.record_active_time(ActiveTime::new(ActivityType::User, typed));

    let started = Instant::now();
    let prompt = session.prompt(text);
    let answer = agent.turn(prompt.recorder().clone(), model).await;
    prompt.record_active_time(ActiveTime::new(ActivityType::Cli, started.elapsed()));
    prompt.end();

    match answer {
        Ok(answer) => writeln!(io::stderr(), "> {text}\n{answer}"),
        Err(failure) => writeln!(io::stderr(), "> {text}\n{}", failure.message),
    }
}
