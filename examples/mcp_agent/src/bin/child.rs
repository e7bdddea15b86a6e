//! A child process that prints the trace context of its environment, and fails if it has an argument.

use std::process::ExitCode;

fn main() -> ExitCode {
    println!("{}", mcp_agent::server::environment());
    ExitCode::from(u8::from(std::env::args().len() > 1))
}
