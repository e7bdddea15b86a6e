//! The global telemetry of a program, for binaries that would otherwise pass it through every function.

use std::sync::OnceLock;

use crate::telemetry::Telemetry;

static GLOBAL: OnceLock<Telemetry> = OnceLock::new();

/// Sets the global telemetry of the program, which [`global`] returns from now on.
///
/// The global telemetry is a convenience for binaries; a library takes a [`Telemetry`], a [`Session`](crate::Session)
/// or a [`Recorder`](crate::Recorder), and this crate itself never uses it. A global is never dropped: call
/// `global().shutdown()` before the program ends.
///
/// ```
/// use claude_code_telemetry::{Identity, Telemetry, global, set_global};
///
/// // In `main`: Telemetry::start(Config::load(), Service::new("claude-code", "1.2.3"))
/// set_global(Telemetry::disabled()).expect("it is set once");
///
/// // Anywhere.
/// let session = global().session(Identity::new());
///
/// // At the end of `main`.
/// global().shutdown();
/// ```
///
/// # Errors
///
/// Returns an error if a global telemetry is already set. The error contains the rejected telemetry, so that it is not
/// shut down by accident.
pub fn set_global(telemetry: Telemetry) -> Result<(), AlreadySet> {
    GLOBAL
        .set(telemetry)
        .map_err(|telemetry| AlreadySet { telemetry })
}

/// Returns the global telemetry of the program; before [`set_global`], telemetry that is off.
///
/// Records made before [`set_global`] are lost, and sessions created before stay off:
/// [`EarlyRecords`](crate::EarlyRecords) keeps what happens before the start.
pub fn global() -> &'static Telemetry {
    static OFF: OnceLock<Telemetry> = OnceLock::new();
    GLOBAL
        .get()
        .unwrap_or_else(|| OFF.get_or_init(Telemetry::disabled))
}

/// The error of [`set_global`] when a global telemetry is already set.
#[derive(Clone, Debug, thiserror::Error)]
#[error("the global telemetry is set already; set it once, at the beginning of `main`")]
pub struct AlreadySet {
    /// The rejected telemetry.
    pub telemetry: Telemetry,
}
