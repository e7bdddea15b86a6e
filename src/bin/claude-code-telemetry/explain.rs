//! The command `explain`.

use std::process::ExitCode;

use clap::{Args, ValueEnum};
use claude_code_telemetry::{Config, Setting, Warning};
use serde_json::{Value, json};

use crate::output::print;

/// The line about telemetry that is off, with the same text as in the diagnosis that `doctor` prints.
const OFF: &str = "\nTelemetry is off: it needs CLAUDE_CODE_ENABLE_TELEMETRY=1, and OTEL_SDK_DISABLED must not be on.\n";

/// Shows the variables that are set, their origin, the consequences and probable mistakes
#[derive(Args)]
#[command(after_help = "Exit status: 0, or 1 if the command line is invalid.")]
pub(crate) struct Arguments {
    #[command(flatten)]
    config: ConfigArguments,
    /// Output format
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

#[derive(Clone, Copy, ValueEnum)]
enum Format {
    Text,
    Json,
}

/// The arguments that the configuration depends on.
#[derive(Args)]
pub(crate) struct ConfigArguments {
    /// Applies the settings files of the project in the current directory, too
    #[arg(long)]
    trust_workspace: bool,
}

impl ConfigArguments {
    /// Returns the configuration that the settings files and the process environment describe.
    pub(crate) fn build(&self) -> Config {
        Config::builder()
            .trust_workspace(self.trust_workspace)
            .build()
    }
}

/// Prints the explanation of the configuration.
pub(crate) fn run(arguments: &Arguments) -> ExitCode {
    let config = arguments.config.build();
    match arguments.format {
        Format::Text => {
            print(config.explain());
            if !config.is_enabled() {
                print(OFF);
            }
        }
        Format::Json => print(format_args!("{:#}\n", explanation(&config))),
    }
    ExitCode::SUCCESS
}

fn explanation(config: &Config) -> Value {
    let explanation = config.explain();
    json!({
        "enabled": config.is_enabled(),
        "settings": explanation.settings().iter().map(setting).collect::<Vec<_>>(),
        "facts": explanation.facts().collect::<Vec<_>>(),
        "warnings": explanation.warnings().iter().map(warning).collect::<Vec<_>>(),
    })
}

fn setting(setting: &Setting) -> Value {
    let overrode = setting.overrode();
    let overrode =
        overrode.map(|(value, origin)| json!({ "value": value, "origin": origin.to_string() }));
    json!({
        "name": setting.name(),
        "value": setting.value(),
        "origin": setting.origin().to_string(),
        "default": setting.default(),
        "meaning": setting.meaning(),
        "overrode": overrode.collect::<Vec<_>>(),
    })
}

fn warning(warning: &Warning) -> Value {
    json!({
        "variable": warning.variable(),
        "value": warning.value(),
        "origin": warning.origin().map(ToString::to_string),
        "nearest": warning.nearest(),
        "message": warning.to_string(),
    })
}
