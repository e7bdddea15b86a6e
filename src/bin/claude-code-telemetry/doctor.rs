//! The command `doctor`.

use std::process::ExitCode;

use clap::Args;

use crate::explain::Trust;
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
    trust: Trust,
}

/// Prints the explanation of the configuration and the diagnosis of its exporters.
pub(crate) fn run(arguments: &Arguments) -> ExitCode {
    let config = arguments.trust.config();
    // The diagnosis contains the other warnings.
    print(format_args!("{}\n", config.explain().without_diagnosed()));
    let diagnosis = config.diagnose();
    print(format_args!("{diagnosis}\n"));
    match diagnosis.is_healthy() {
        true => ExitCode::SUCCESS,
        false => UNHEALTHY.into(),
    }
}
