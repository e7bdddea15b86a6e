//! The command `doctor`.

use std::process::ExitCode;

use clap::Args;

use crate::explain::ConfigArguments;
use crate::output::print;

/// The exit status if an exporter does not work, or a variable is probably misspelled.
const UNHEALTHY: u8 = 1;
/// The exit status if the command line is invalid.
pub(crate) const INVALID_COMMAND_LINE: u8 = 2;

/// Explains the configuration, and tries every exporter with an empty request
#[derive(Args)]
#[command(after_help = "\
Exit status:
  0  everything that is configured works, or telemetry is off
  1  an exporter does not work, or a variable is probably misspelled
  2  the command line is invalid")]
pub(crate) struct Arguments {
    #[command(flatten)]
    config: ConfigArguments,
}

/// Prints the explanation of the configuration and the diagnosis of its exporters.
pub(crate) fn run(arguments: &Arguments) -> ExitCode {
    let config = arguments.config.build();
    // The warnings that are left out here, about misspelled and misplaced variables, are in the diagnosis below.
    print(format_args!("{}\n", config.explain().without_diagnosed()));
    let diagnosis = config.diagnose();
    print(format_args!("{diagnosis}\n"));
    match diagnosis.is_healthy() {
        true => ExitCode::SUCCESS,
        false => UNHEALTHY.into(),
    }
}
