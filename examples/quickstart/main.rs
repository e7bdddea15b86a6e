//! An agent that reports its work, and a receiver that shows the data that arrives.
//!
//! ```sh
//! cargo run --example quickstart
//! OTEL_LOG_USER_PROMPTS=1 OTEL_LOG_TOOL_DETAILS=1 cargo run --example quickstart
//! OTEL_EXPORTER_OTLP_ENDPOINT=http://localhost:4317 cargo run --example quickstart
//! ```
//!
//! The first two commands need no collector: the receiver runs in this process, on a port of the loopback interface
//! only. The third sends to a collector instead, as configured by the environment.

mod agent;
mod decoded;
mod page;
mod receiver;
mod traces;
mod view;

use std::env;
use std::error::Error;
use std::process::ExitCode;

use claude_code_telemetry::{Config, Report, Service, Telemetry};

use decoded::Decoded;
use page::Page;
use receiver::Receiver;

const ENDPOINT: &str = "OTEL_EXPORTER_OTLP_ENDPOINT";

/// The documented variables that turn telemetry on.
const SETTINGS: [(&str, &str); 5] = [
    ("CLAUDE_CODE_ENABLE_TELEMETRY", "1"),
    ("CLAUDE_CODE_ENHANCED_TELEMETRY_BETA", "1"),
    ("OTEL_METRICS_EXPORTER", "otlp"),
    ("OTEL_LOGS_EXPORTER", "otlp"),
    ("OTEL_TRACES_EXPORTER", "otlp"),
];

/// The variables of the process whose names begin like this also apply to the run with a receiver in this process. They
/// select the content, not the destination.
const CONTENT: [&str; 3] = [
    "OTEL_LOG_",
    "OTEL_METRICS_INCLUDE_",
    "OTEL_RESOURCE_ATTRIBUTES",
];

fn main() -> Result<ExitCode, Box<dyn Error>> {
    let mut page = Page::new();
    let report = match env::var(ENDPOINT) {
        Ok(endpoint) if !endpoint.is_empty() => send_to(&endpoint, &mut page)?,
        _ => show_what_arrives(&mut page)?,
    };
    page.print()?;
    Ok(if report.is_complete() && !report.exporters.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// Runs the agent against a receiver in this process, and shows the decoded data.
fn show_what_arrives(page: &mut Page) -> Result<Report, Box<dyn Error>> {
    let receiver = Receiver::start()?;
    let address = receiver.address();

    let ours = SETTINGS.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let config = Config::builder()
        .environment(ours.into_iter().chain(content_switches()))
        .set(ENDPOINT, format!("http://{address}"))
        .set("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")
        .build();
    let warnings = config.warnings().to_vec();
    let report = run_agent(config);

    let decoded = Decoded::from(&receiver.stop()?);
    view::header(page, address, &decoded);
    view::warnings(page, &warnings);
    view::metrics(page, &decoded.points);
    view::events(page, &decoded.events);
    traces::traces(page, &decoded.spans);
    view::delivery(page, &report);
    view::hints(page);
    Ok(report)
}

/// Runs the agent against the collector that the environment names.
fn send_to(endpoint: &str, page: &mut Page) -> Result<Report, Box<dyn Error>> {
    let unset = |(name, _): &(&str, &str)| env::var_os(name).is_none();
    let config = SETTINGS
        .into_iter()
        .filter(unset)
        .fold(Config::builder(), |config, (name, value)| {
            config.set(name, value)
        })
        .build();
    view::destination(page, endpoint, config.explain().facts());
    view::warnings(page, config.warnings());
    page.print()?;

    let report = run_agent(config);
    view::delivery(page, &report);
    Ok(report)
}

/// Starts the telemetry, records, and shuts down, as an embedding program does.
fn run_agent(config: Config) -> Report {
    let telemetry = Telemetry::start(config, Service::new("claude-code", "2.1.112"));
    agent::run(&telemetry);
    telemetry.shutdown()
}

fn content_switches() -> impl Iterator<Item = (String, String)> {
    env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .filter(|(name, _)| CONTENT.iter().any(|start| name.starts_with(start)))
}
