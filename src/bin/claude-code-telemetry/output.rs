//! Standard output and standard error. A closed stream is not an error.

use std::fmt::Display;
use std::io::{self, Write};

/// Writes to standard output.
pub(crate) fn print(text: impl Display) {
    let _ = write!(io::stdout(), "{text}");
}

/// Writes a line to standard error.
pub(crate) fn print_to_stderr(message: impl Display) {
    let _ = writeln!(io::stderr(), "{message}");
}
