//! Replays a transcript: makes the calls of an agent whose run was recorded as JSON lines.
//!
//! ```text
//! cargo run --example replay -- run.jsonl
//! my-agent --events | cargo run --example replay -- -
//! ```
//!
//! A line is a JSON object whose `step` names the call; its other fields are the arguments of the call. Lines are
//! replayed as they are read, so that a host in another language can pipe its run into this program. The environment
//! configures the telemetry, as for any host.
//!
//! | file | part |
//! | --- | --- |
//! | `transcript.rs` | reads lines, reports bad ones |
//! | `stop.rs` | signals that end the input |
//! | `surrogates.rs` | lone surrogates in JSON text |
//! | `run.rs` | the telemetry, the sessions, and the call for each step |
//! | `backpressure.rs` | waits when lines arrive faster than they are delivered |
//! | `scope.rs` | one session, its open prompt, its tools |
//! | `nesting.rs` | which tool runs inside which, determined by reading ahead |
//! | `request.rs`, `tool.rs` | steps that consist of more than one record |
//! | `field.rs`, and the crate's own `time.rs` | fields that do not belong to a record |
//!
//! `docs/TRANSCRIPT.md` specifies the format. The records parse most of a step themselves, with the crate's feature
//! `serde`.
//!
//! Standard output is reserved for the console exporter and the step `child_env`. Bad lines and diagnostics of the
//! library are written to standard error. The exit status is 0, or 2 if a line was bad, or 1 if the transcript cannot
//! be read. SIGTERM, SIGINT and SIGHUP end the input: the lines that were already read are recorded and delivered
//! within the shutdown timeout.

mod backpressure;
mod field;
mod nesting;
mod request;
mod run;
mod scope;
#[cfg(unix)]
mod stop;
#[cfg(not(unix))]
#[path = "stop_elsewhere.rs"]
mod stop;
mod surrogates;
#[path = "../../src/serial/time.rs"]
mod time;
mod tool;
mod transcript;

use std::ffi::OsStr;
use std::fmt;
use std::fs::File;
use std::io::{self, BufReader, Seek, Write};
use std::process::ExitCode;

use nesting::Nesting;
use stop::Stop;

/// The exit status if the transcript cannot be read.
const UNREADABLE: u8 = 1;
/// The exit status if a line was bad.
const BAD_LINES: u8 = 2;

fn main() -> ExitCode {
    let mut arguments = std::env::args_os().skip(1);
    let path = arguments.next();
    if arguments.next().is_some() {
        complain("usage: replay [PATH]; without a path, or with -, it reads standard input");
        return UNREADABLE.into();
    }
    let (file, nesting) = match open(path.as_deref()) {
        Ok(opened) => opened,
        Err(error) => {
            let path = path.unwrap_or_default();
            complain(format_args!("cannot open {}: {error}", path.display()));
            return UNREADABLE.into();
        }
    };
    // The signals are blocked only after the file is open: opening a named pipe may wait for its writer, and a signal
    // must be able to end that wait.
    let stop = match Stop::on_signals() {
        Ok(stop) => stop,
        Err(error) => {
            complain(format_args!("cannot wait for signals: {error}"));
            return UNREADABLE.into();
        }
    };
    let input = BufReader::new(stop.input(file));
    match transcript::replay(input, nesting, &stop) {
        Ok(0) => ExitCode::SUCCESS,
        Ok(_) => BAD_LINES.into(),
        Err(error) => {
            complain(format_args!("cannot read the transcript: {error}"));
            UNREADABLE.into()
        }
    }
}

/// Opens the transcript, and reads ahead to find its nested tools.
fn open(path: Option<&OsStr>) -> io::Result<(File, Nesting)> {
    let Some(path) = path.filter(|path| *path != "-") else {
        return Ok((stop::stdin()?, Nesting::default()));
    };
    let mut file = File::open(path)?;
    let mut nesting = Nesting::default();
    // Only a regular file can be read twice; a named pipe cannot.
    if file.metadata()?.is_file() {
        nesting = Nesting::read(BufReader::new(&file));
        file.rewind()?;
    }
    Ok((file, nesting))
}

/// Writes a line to standard error. Continues if standard error is closed.
fn complain(message: impl fmt::Display) {
    let _ = writeln!(io::stderr(), "{message}");
}
