//! An administrator's settings: they override all settings of a user, and the explanation of the configuration shows
//! it.
//!
//! ```sh
//! cargo run --example managed_settings                   # the files beside this one
//! cargo run --example managed_settings -- /etc/claude-code
//! ```
//!
//! Put `managed-settings.json` and `managed-settings.d` where [`SettingsFiles::system`] looks for them, and every agent
//! that calls `Config::load()` applies them. This example sends no data: it shows how an agent of this user would be
//! configured.

use std::env;
use std::io::{self, Write};

use claude_code_telemetry::{Config, Layer, SettingsFiles};

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/managed_settings");

fn main() -> io::Result<()> {
    let folder = env::args().nth(1).unwrap_or_else(|| FOLDER.to_owned());
    // The environment of a user who sets other values in the shell from which the agent is started.
    let environment = [
        (
            "OTEL_EXPORTER_OTLP_ENDPOINT",
            "http://collector.invalid:4318",
        ),
        ("OTEL_LOG_USER_PROMPTS", "1"),
        ("OTEL_METRIC_EXPORT_INTERVAL", "10000"),
    ];
    // A real agent uses `Config::load()`: the files of the machine, and the environment of the process.
    let config = Config::builder()
        .environment(environment)
        .settings_files(SettingsFiles::none().managed_folder(folder))
        .build();

    let mut out = io::stdout().lock();
    writeln!(out, "Effective settings:")?;
    for setting in config.explain().settings() {
        let (name, value, origin) = (setting.name(), setting.value(), setting.origin());
        writeln!(out, "  {name} = {value} ({})", origin.layer())?;
        for (value, origin) in setting.overrode() {
            writeln!(out, "    instead of {value} ({})", origin.layer())?;
        }
    }

    let is_unmanaged = |layer| layer != Layer::Managed;
    let settings = config.explain().settings().iter();
    let free = settings.filter(|setting| is_unmanaged(setting.origin().layer()));
    let free: Vec<_> = free.map(|setting| setting.name()).collect();
    writeln!(out, "Left to the user: {}", free.join(", "))?;

    for warning in config.warnings() {
        writeln!(out, "Warning: {warning}")?;
    }
    Ok(())
}
