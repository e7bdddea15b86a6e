//! The exit statuses.

use std::process::ExitCode;

/// The end of a run, with its exit status. If several apply, the first one in this list is the status.
pub(crate) enum Status {
    /// The input could not be read, or the command line is invalid.
    Unreadable = 1,
    /// At least one line was bad.
    BadLines = 2,
    /// Telemetry was lost, or was not delivered in time.
    Lost = 3,
    /// Telemetry is off, or has no exporter.
    Off = 4,
    /// Everything was delivered.
    Delivered = 0,
}

impl From<Status> for ExitCode {
    fn from(status: Status) -> Self {
        Self::from(status as u8)
    }
}
