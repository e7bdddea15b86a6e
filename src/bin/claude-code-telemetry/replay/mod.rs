//! The command `replay`: makes the calls of an agent whose run is written as JSON lines.
//!
//! A line is a JSON object whose `step` names the call; its other fields are the arguments of the call. Lines are
//! replayed as they are read, so that a host in another language can pipe its run into this program.
//! `docs/TRANSCRIPT.md` specifies the format. The records parse most of a step themselves, with the crate's feature
//! `serde`.
//!
//! | file | part |
//! | --- | --- |
//! | `transcript.rs` | reads lines, reports bad ones |
//! | `stop.rs` | signals that end the input |
//! | `surrogates.rs` | lone surrogates in JSON text |
//! | `run.rs` | the telemetry, the sessions, and the call for each step |
//! | `answers.rs` | the stream for the answers to steps |
//! | `backpressure.rs` | waits when lines arrive faster than they are delivered |
//! | `scope.rs` | one session, its open prompt, its calls |
//! | `open_calls.rs` | calls by the host's ids, from their beginning to their end |
//! | `recent.rs` | a map that forgets its oldest entries |
//! | `nesting.rs` | which tool runs inside which, determined by reading ahead |
//! | `request.rs`, `tool.rs` | steps that consist of more than one record |
//! | `live.rs` | steps of calls that are reported while they run |
//! | `question.rs` | steps that have an answer |
//! | `field.rs`, and the library's own `time.rs` | fields that do not belong to a record |
//!
//! Standard output is reserved for the console exporter and for answers. Bad lines and diagnostics of the library are
//! written to standard error.

mod answers;
mod backpressure;
mod field;
mod live;
mod nesting;
mod open_calls;
mod question;
mod recent;
mod request;
mod run;
mod scope;
#[cfg(unix)]
mod stop;
#[cfg(not(unix))]
#[path = "stop_elsewhere.rs"]
mod stop;
mod surrogates;
#[path = "../../../serial/time.rs"]
mod time;
mod tool;
mod transcript;

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, BufReader, Seek};
use std::path::{Path, PathBuf};

use clap::Args;

use crate::output::print_to_stderr;
use crate::status::Status;
use answers::Answers;
use nesting::Nesting;
use run::Run;
use stop::Stop;

/// Records the run of an agent in any language, written as JSON lines
#[derive(Args)]
#[command(
    long_about = "\
Records the run of an agent in any language, written as JSON lines.

Each line is recorded when it is read, and exported at the interval of its signal. At the end of
the input, the rest is delivered. SIGTERM, SIGINT and SIGHUP end the input, and change no exit
status. Bad lines and problems of the delivery are reported on standard error. Standard output is
only for the console exporter and for the answers to child_env and trace_context.
docs/TRANSCRIPT.md describes the lines.",
    after_help = "\
Exit status, the first one that applies:
  1  the input cannot be read, the stream for answers cannot be opened, or the command line is
     invalid
  2  a line was bad
  3  telemetry was lost, or was not delivered in time
  4  telemetry is off
  0  everything was delivered

Examples:
  claude-code-telemetry replay run.jsonl
  my-agent | claude-code-telemetry replay -"
)]
pub(crate) struct Arguments {
    /// The file with the lines; standard input without it, or with -
    file: Option<PathBuf>,
    /// The stream for answers: the number of an inherited descriptor, or a file
    ///
    /// Without it, answers go to standard output, or to standard error while the console
    /// exporter is on.
    #[arg(long, value_name = "FD|FILE", verbatim_doc_comment)]
    answers: Option<OsString>,
}

/// Replays the transcript, and delivers its telemetry.
pub(crate) fn run(arguments: Arguments) -> Status {
    replay(arguments).unwrap_or_else(|problem| {
        print_to_stderr(problem);
        Status::Unreadable
    })
}

/// Replays the transcript. The error says why the transcript cannot be read, or the answers cannot be written.
fn replay(arguments: Arguments) -> Result<Status, String> {
    let target = arguments.answers;
    let answers = Answers::inherited(target.as_deref())?;
    let stop = Stop::on_signals().map_err(|error| format!("cannot wait for signals: {error}"))?;
    let file = arguments.file.filter(|path| path.as_os_str() != "-");
    // Opening a named pipe waits for its other end. A signal can end this wait.
    let opened = stop
        .run(move || open(file.as_deref(), answers, &target.unwrap_or_default()))
        .map_err(|error| {
            format!(
                "cannot open the input: {error}; raise the limit of threads (ulimit -u) or of open files (ulimit -n)"
            )
        })?;
    let replayed = match opened.transpose()? {
        Some((file, nesting, answers)) => {
            let input = BufReader::new(stop.input(file));
            transcript::replay(input, Run::new(nesting, answers, &stop))
        }
        // A signal has ended the input before it was open.
        None => {
            let run = Run::new(Nesting::default(), Answers::Standard, &stop);
            transcript::replay(io::empty(), run)
        }
    };
    replayed.map_err(|error| format!("cannot read the transcript: {error}"))
}

/// Opens the transcript, then the stream for answers unless it is open: a host opens its named pipes in this order.
fn open(
    file: Option<&Path>,
    answers: Option<Answers>,
    target: &OsStr,
) -> Result<(File, Nesting, Answers), String> {
    let (input, nesting) = open_transcript(file).map_err(|error| {
        let file = file.unwrap_or(Path::new("standard input"));
        format!("cannot open {}: {error}", file.display())
    })?;
    let answers = match answers {
        Some(answers) => answers,
        None => Answers::create(target)?,
    };
    Ok((input, nesting, answers))
}

/// Opens the transcript, and reads ahead to find its nested tools.
fn open_transcript(path: Option<&Path>) -> io::Result<(File, Nesting)> {
    let Some(path) = path else {
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
