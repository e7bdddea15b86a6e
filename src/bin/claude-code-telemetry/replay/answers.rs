//! The stream for the answers to steps: one JSON object a line.

use std::ffi::OsStr;
use std::fs::{File, OpenOptions};
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
    /// Opens a stream: a number is an inherited descriptor, any other text is a file, which is replaced. `None` means
    /// the standard streams.
    pub(crate) fn open(target: Option<&OsStr>) -> io::Result<Self> {
        let Some(target) = target else {
            return Ok(Self::Standard);
        };
        let number = target.to_str().filter(|text| text.parse::<i32>().is_ok());
        match number {
            Some(number) => inherited(number),
            None => File::create(target),
        }
        .map(Self::Separate)
    }

    /// Writes an answer. A reader that takes no answers is waited for until a signal ends the input. A stream that is
    /// closed is not an error. `console` is set while the console exporter is on.
    pub(crate) fn write(&mut self, answer: &Value, console: bool, stop: &Stop) {
        let line = format!("{answer}\n");
        match self {
            Self::Separate(file) => stop.write(file, &line),
            Self::Standard if console => stop.write(io::stderr(), &line),
            Self::Standard => stop.write(io::stdout(), &line),
        }
    }
}

/// Opens an inherited descriptor.
fn inherited(number: &str) -> io::Result<File> {
    // A file that the descriptor refers to keeps its content.
    let opened = OpenOptions::new()
        .append(true)
        .open(format!("/dev/fd/{number}"));
    #[cfg(target_os = "linux")]
    if let Err(error) = &opened
        && error.raw_os_error() == Some(libc::ENXIO)
    {
        return socket(number);
    }
    opened
}

/// Duplicates an inherited socket, which Linux does not open by its path. Node passes pipes to subprocesses as sockets.
#[cfg(target_os = "linux")]
fn socket(number: &str) -> io::Result<File> {
    use rustix::process::{PidfdFlags, PidfdGetfdFlags, getpid, pidfd_getfd, pidfd_open};

    let number = number.parse().map_err(io::Error::other)?;
    let process = pidfd_open(getpid(), PidfdFlags::empty())?;
    Ok(pidfd_getfd(process, number, PidfdGetfdFlags::empty())?.into())
}
