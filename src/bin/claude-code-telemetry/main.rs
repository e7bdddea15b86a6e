//! The program of the crate: it records the runs of agents in any language, and shows what is configured and emitted.
//!
//! It uses only the public interface of the library, and emits the telemetry that the library emits for any host.

mod catalog;
mod doctor;
mod explain;
mod output;
mod replay;
mod status;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use status::Status;

/// Emits the OpenTelemetry data that is documented for Claude Code, from any AI agent.
///
/// The environment variables and the settings files of Claude Code configure it.
#[derive(Parser)]
#[command(
    version,
    after_help = "\
Run a command with --help to see its options and exit statuses. Without a valid command, the exit
status is 1."
)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Replay(replay::Arguments),
    Doctor(doctor::Arguments),
    Explain(explain::Arguments),
    Catalog(catalog::Arguments),
}

fn main() -> ExitCode {
    let command = match Arguments::try_parse() {
        Ok(arguments) => arguments.command,
        Err(error) => {
            // clap also reports `--help` and `--version` in this way.
            let _ = error.print();
            return match error.use_stderr() {
                true => invalid_command_line(),
                false => ExitCode::SUCCESS,
            };
        }
    };
    match command {
        Command::Replay(arguments) => replay::run(arguments).into(),
        Command::Doctor(arguments) => doctor::run(&arguments),
        Command::Explain(arguments) => explain::run(&arguments),
        Command::Catalog(arguments) => catalog::run(&arguments),
    }
}

/// Returns the exit status for an invalid command line. That of `doctor` differs, because 1 is its status for an
/// exporter that does not work.
fn invalid_command_line() -> ExitCode {
    match std::env::args_os().nth(1) {
        Some(command) if command == "doctor" => doctor::INVALID_COMMAND_LINE.into(),
        _ => Status::Unreadable.into(),
    }
}
