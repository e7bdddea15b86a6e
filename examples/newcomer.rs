//! The program of the README, unchanged: a prompt with one model request.
//!
//! ```sh
//! CLAUDE_CODE_ENABLE_TELEMETRY=1 OTEL_METRICS_EXPORTER=console OTEL_LOGS_EXPORTER=console cargo run --example newcomer
//! ```
#![allow(clippy::print_stdout)]

use claude_code_telemetry::{ApiRequest, Config, Identity, Service, Telemetry};

// `pub(crate)` for the test that runs it.
pub(crate) fn main() {
    let telemetry = Telemetry::start(Config::load(), Service::new("claude-code", "1.2.3"));
    let prompt = telemetry
        .session(Identity::new())
        .prompt("Fix the failing test");
    let request = prompt.llm_request("claude-sonnet-4-6"); // then ask the model
    request.finish(ApiRequest::new("claude-sonnet-4-6").cost_usd(0.0021));
    prompt.end();
    println!("{}", telemetry.shutdown());
}
