//! The stream for the answers to steps: one JSON object a line.

use std::ffi::OsStr;
use std::fmt::Display;
use std::fs::File;
use std::io;

use serde_json::Value;

use super::stop::Stop;

/// The stream for answers.
pub(crate) enum Answers {
    /// Standard output, or standard error while the console exporter writes to standard output.
    Standard,
    /// A stream that only answers use.
    Separate(File),
}

impl Answers {
    /// Returns the stream for answers if it is open when the program starts: a standard stream if `target`, the value
    /// of `--answers`, is `None`, or the inherited descriptor with the number `target`. Returns `None` if `target` is a
    /// path.
    ///
    /// Call this before anything else opens a descriptor: the new descriptor could get that number.
    pub(crate) fn inherited(target: Option<&OsStr>) -> Result<Option<Self>, String> {
        let Some(target) = target else {
            return Ok(Some(Self::Standard));
        };
        let number = target.to_str().filter(|text| {
            !text.is_empty() && text.bytes().all(|character| character.is_ascii_digit())
        });
        number
            .map(|number| descriptor(number).map(Self::Separate))
            .transpose()
            .map_err(|reason| cannot_open(target, reason))
    }

    /// Opens a named pipe, or a file, whose content is replaced.
    pub(crate) fn create(target: &OsStr) -> Result<Self, String> {
        let opened = File::create(target).map(Self::Separate);
        opened.map_err(|error| cannot_open(target, error))
    }

    /// Writes an answer. A reader that takes no answers is waited for until a signal ends the input. A stream that is
    /// closed is not an error. `console` is true while the console exporter is on.
    pub(crate) fn write(&mut self, answer: &Value, console: bool, stop: &Stop) {
        let line = format!("{answer}\n");
        match self {
            Self::Separate(file) => stop.write(file, &line),
            Self::Standard if console => stop.write(io::stderr(), &line),
            Self::Standard => stop.write(io::stdout(), &line),
        }
    }
}

fn cannot_open(target: &OsStr, reason: impl Display) -> String {
    match target.is_empty() {
        true => "cannot open a stream for answers: the value of --answers is empty".to_owned(),
        false => format!("cannot open {} for answers: {reason}", target.display()),
    }
}

/// Takes an inherited descriptor, or duplicates that of a standard stream. Subprocesses do not inherit the result: for the
/// host, the answers end when no process has the descriptor. To open the path of the descriptor (`/dev/fd/4`) instead would
/// fail for a socket, and after a change of user.
#[cfg(unix)]
#[allow(
    unsafe_code,
    reason = "std has no other way to use an inherited descriptor"
)]
fn descriptor(number: &str) -> Result<File, String> {
    use std::os::fd::{AsFd, FromRawFd};

    let file = match number.parse() {
        Ok(0) => return Err("descriptor 0 is standard input".to_owned()),
        Ok(1) => io::stdout().as_fd().try_clone_to_owned().map(File::from),
        Ok(2) => io::stderr().as_fd().try_clone_to_owned().map(File::from),
        // SAFETY: the call fails if the descriptor is not open, and changes no other descriptor.
        Ok(raw) if unsafe { libc::fcntl(raw, libc::F_SETFD, libc::FD_CLOEXEC) } == 0 => {
            // SAFETY: the descriptor is open, and nothing else owns it: the host passed it for the answers.
            Ok(unsafe { File::from_raw_fd(raw) })
        }
        _ => {
            return Err(format!(
                "this process did not inherit descriptor {number}; pass it (pass_fds in Python, stdio in Node, {number}> in a shell)"
            ));
        }
    };
    file.map_err(|error| error.to_string())
}

#[cfg(not(unix))]
fn descriptor(_: &str) -> Result<File, String> {
    Err("descriptors are inherited only on Unix; give a file".to_owned())
}
