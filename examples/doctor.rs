//! Explains how this environment configures telemetry, and tries every exporter with an empty request.
//!
//! ```sh
//! cargo run --example doctor
//! ```
//!
//! Exit status: 0 if every configured exporter works, 1 if one does not, 2 for invalid arguments.

use std::io::Write;
use std::process::ExitCode;

use claude_code_telemetry::Config;

const USAGE: &str = "usage: doctor [--trust-workspace]

Prints how settings files and environment configure telemetry, then tries every exporter.

  --trust-workspace  the settings files of the project count, too
";

fn main() -> ExitCode {
    let mut trust = false;
    for argument in std::env::args_os().skip(1) {
        match argument.to_str() {
            Some("--trust-workspace") => trust = true,
            Some("--help" | "-h") => {
                say(USAGE);
                return ExitCode::SUCCESS;
            }
            _ => {
                let _ = std::io::stderr().write_all(USAGE.as_bytes());
                return ExitCode::from(2);
            }
        }
    }
    let config = Config::builder().trust_workspace(trust).build();
    say(&format!("{}\n", config.explain()));
    let diagnosis = config.diagnose();
    say(&format!("{diagnosis}\n"));
    ExitCode::from(if diagnosis.is_healthy() { 0 } else { 1 })
}

/// Writes to standard output. Does not panic if the reader has closed the pipe.
fn say(text: &str) {
    let _ = std::io::stdout().write_all(text.as_bytes());
}
