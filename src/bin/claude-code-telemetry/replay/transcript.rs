//! The lines of a transcript.

use std::io::{self, BufRead, Read};

use super::run::Run;
use super::surrogates::replace_lone_surrogates;
use crate::output::print_to_stderr;
use crate::status::Status;

/// The maximum length of a reported reason, in characters: it may quote a field of any length.
const LONGEST_REASON: usize = 300;
/// The maximum length of a line, in bytes. Longer lines are skipped without storing them.
const LONGEST_LINE: u64 = 16 * 1024 * 1024;

/// Replays a transcript line by line, each as soon as it is available. Reports and skips bad lines.
///
/// # Errors
///
/// An error of the input. The lines that were read before are delivered.
pub(crate) fn replay(mut input: impl BufRead, mut run: Run<'_>) -> io::Result<Status> {
    let mut all_good = true;
    let result = each_line(&mut input, |number, line| {
        if let Err(reason) = line.and_then(|line| step(&mut run, line)) {
            all_good = false;
            print_to_stderr(format_args!("line {number}: {}", short(&reason)));
        }
    });
    let delivered = run.finish();
    result.map(|()| {
        if all_good {
            delivered
        } else {
            Status::BadLines
        }
    })
}

/// Calls `call` with the number of each line, and with its text or the reason why it is unreadable. Ignores a byte order
/// mark before the first line.
pub(crate) fn each_line(
    input: &mut impl BufRead,
    mut call: impl FnMut(u64, Result<&str, String>),
) -> io::Result<()> {
    let mut line = Vec::new();
    let mut number = 0;
    loop {
        line.clear();
        if input.take(LONGEST_LINE + 1).read_until(b'\n', &mut line)? == 0 {
            return Ok(());
        }
        number += 1;
        if line.len() as u64 > LONGEST_LINE && !line.ends_with(b"\n") {
            input.skip_until(b'\n')?;
            line = Vec::new();
            call(number, Err(format!("longer than {LONGEST_LINE} bytes")));
        } else {
            replace_lone_surrogates(&mut line);
            let text = match line.strip_prefix(b"\xef\xbb\xbf") {
                Some(text) if number == 1 => text,
                _ => &line,
            };
            call(
                number,
                std::str::from_utf8(text).map_err(|error| error.to_string()),
            );
        }
    }
}

/// Returns the beginning of a reason.
pub(crate) fn short(reason: &str) -> String {
    reason.chars().take(LONGEST_REASON).collect()
}

/// Replays one line. Ignores empty lines and comments.
fn step(run: &mut Run<'_>, line: &str) -> Result<(), String> {
    match line.trim() {
        line if line.is_empty() || line.starts_with('#') => Ok(()),
        line if line.starts_with('{') => run.step(line),
        _ => Err("not a JSON object".to_owned()),
    }
}
