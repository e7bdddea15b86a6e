//! What the host should know: warnings of the configuration, failing exporters, losses.

use std::fmt;
use std::io::Write;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

/// Something that the host or its user should know. It never holds a secret or content.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Diagnostic {
    /// What happened, in words.
    pub message: String,
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

/// The host's callback.
pub(crate) type Callback = Arc<dyn Fn(&Diagnostic) + Send + Sync>;

/// Where diagnostics go: the host's callback, and standard error when `CLAUDE_CODE_OTEL_DIAG_STDERR` is on.
#[derive(Default)]
pub(crate) struct Diagnostics {
    callback: Option<Callback>,
    stderr: bool,
}

impl Diagnostics {
    pub(crate) fn new(callback: Option<Callback>, stderr: bool) -> Self {
        Self { callback, stderr }
    }

    /// Tells; a callback that panics is ignored, and so is a closed standard error.
    pub(crate) fn report(&self, message: impl Into<String>) {
        let diagnostic = Diagnostic {
            message: message.into(),
        };
        if self.stderr {
            let _ = writeln!(std::io::stderr(), "claude-code-telemetry: {diagnostic}");
        }
        if let Some(callback) = &self.callback {
            let _ = catch_unwind(AssertUnwindSafe(|| callback(&diagnostic)));
        }
    }
}
