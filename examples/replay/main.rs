//! Replays a transcript: one agent run, written down as JSON lines, becomes the calls that the agent itself would make.
//!
//! ```text
//! cargo run --example replay -- run.jsonl
//! my-agent --events | cargo run --example replay -- -
//! ```
//!
//! A line is a JSON object whose `step` names the call; its other fields are what the call is told. Lines are replayed
//! as they are read, so that a host in another language can pipe its run in. The telemetry is configured by the
//! environment, as that of any host.
//!
//! | file | part |
//! | --- | --- |
//! | `transcript.rs` | reads lines, reports bad ones |
//! | `stop.rs` | the signals that end the input |
//! | `surrogates.rs` | halves of surrogate pairs |
//! | `run.rs` | the telemetry, the sessions, and which step makes which call |
//! | `backpressure.rs` | waits when lines come faster than they are delivered |
//! | `scope.rs` | one session, its open prompt, its tools |
//! | `nesting.rs` | which tool runs inside which, read ahead |
//! | `request.rs`, `tool.rs` | the steps that are more than one record |
//! | `field.rs`, and the crate's own `time.rs` | fields that are no part of a record |
//!
//! The format is that of `docs/TRANSCRIPT.md`; most of a step is read by the records themselves, with the crate's feature
//! `serde`.
//!
//! Standard output belongs to the console exporter and to the step `child_env`. Bad lines and what the library has to say go to standard error.
//! The exit status is 0, or 2 when a line was bad, or 1 when the transcript cannot be read. SIGTERM, SIGINT and SIGHUP end
//! the input: what was read is recorded and delivered within the shutdown limit.

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

/// The exit status when the transcript cannot be read.
const UNREADABLE: u8 = 1;
/// The exit status when a line was bad.
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
    // Not earlier: opening a pipe with a name may wait for its writer, and a signal ends that too.
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

/// The transcript, and what reading ahead tells of it.
fn open(path: Option<&OsStr>) -> io::Result<(File, Nesting)> {
    let Some(path) = path.filter(|path| *path != "-") else {
        return Ok((stop::stdin()?, Nesting::default()));
    };
    let mut file = File::open(path)?;
    let mut nesting = Nesting::default();
    // What is no regular file (a pipe with a name) can be read only once.
    if file.metadata()?.is_file() {
        nesting = Nesting::read(BufReader::new(&file));
        file.rewind()?;
    }
    Ok((file, nesting))
}

/// Writes a line to standard error. One that is closed is no reason to stop.
fn complain(message: impl fmt::Display) {
    let _ = writeln!(io::stderr(), "{message}");
}
