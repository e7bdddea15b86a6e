//! Texts of connection errors.

use std::error::Error;
use std::io;
use std::time::Duration;

use super::stream::TOO_MUCH;
use crate::export::export_result::{ErrorKind, ExportError};
use crate::visible::is_control;

/// Describes why the connection to `name` failed, by the most specific cause of the whole chain. `quote` makes the text
/// of an unknown cause safe to display.
pub(super) fn connection_error(
    name: &str,
    error: &(dyn Error + 'static),
    quote: impl Fn(&str) -> String,
) -> ExportError {
    let detail = flatten(error);
    if detail.contains(TOO_MUCH) {
        let text = format!(
            "{TOO_MUCH} from {name}: it sends interim responses without end, or is not an OTLP receiver"
        );
        return ExportError::new(ErrorKind::Timeout, text);
    }
    let mut kinds =
        chain(error).filter_map(|cause| Some(cause.downcast_ref::<io::Error>()?.kind()));
    let known = kinds.find_map(|kind| {
        Some(match kind {
            io::ErrorKind::ConnectionRefused => (
                ErrorKind::ConnectionRefused,
                format!("connection refused by {name}"),
            ),
            io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable => {
                (ErrorKind::Connect, format!("{name} cannot be reached"))
            }
            io::ErrorKind::TimedOut => (
                ErrorKind::Connect,
                format!("no connection to {name} in time"),
            ),
            io::ErrorKind::ConnectionReset => {
                (ErrorKind::Broken, format!("connection reset by {name}"))
            }
            io::ErrorKind::BrokenPipe
            | io::ErrorKind::ConnectionAborted
            | io::ErrorKind::UnexpectedEof => {
                (ErrorKind::Broken, format!("connection closed by {name}"))
            }
            _ => return None,
        })
    });
    let (kind, text) = known.unwrap_or_else(|| {
        // Some closed connections are reported without the system's error.
        let text = match detail.contains("connection closed") {
            true => format!("connection closed by {name}"),
            false => format!("connection to {name} failed: {}", quote(&detail)),
        };
        (ErrorKind::Broken, text)
    });
    ExportError::new(kind, text)
}

/// Returns the whole chain of causes on one line, without repeated texts.
pub(super) fn flatten(error: &(dyn Error + 'static)) -> String {
    let mut line = String::new();
    for cause in chain(error) {
        let text = cause.to_string();
        if line.contains(text.as_str()) {
            continue;
        }
        if !line.is_empty() {
            line.push_str(": ");
        }
        line.push_str(&text);
    }
    line
}

/// Returns the error and its causes. The `source` of an `io::Error` skips the error that it wraps, so the wrapped error
/// is looked up.
pub(super) fn chain<'a>(
    error: &'a (dyn Error + 'static),
) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |error: &&'a (dyn Error + 'static)| {
        let wrapped = error
            .downcast_ref::<io::Error>()
            .and_then(io::Error::get_ref);
        match wrapped {
            Some(inner) => Some(inner as &(dyn Error + 'static)),
            None => (**error).source(),
        }
    })
}

/// The most characters of a receiver's text that are passed on.
const MAX_CHARS: usize = 200;

/// Returns `text` on one line, without control characters, shortened to a length suitable for a log.
pub(super) fn sanitize(text: &str) -> String {
    let words = text.split(|c: char| is_control(c) || c.is_whitespace());
    let words: Vec<_> = words.filter(|word| !word.is_empty()).collect();
    let clean = words.join(" ");
    match clean.char_indices().nth(MAX_CHARS) {
        None => clean,
        Some(_) => clean.chars().take(MAX_CHARS - 1).chain(['…']).collect(),
    }
}

/// Formats a duration as `5 s`, `1.5 s` or `20 ms`.
pub(super) fn duration(duration: Duration) -> String {
    // The time from now to a deadline is a few microseconds shorter than the timeout that was configured.
    let millis = duration.as_micros().div_ceil(1000);
    if millis < 1000 {
        format!("{millis} ms")
    } else {
        format!("{} s", (millis / 100) as f64 / 10.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_put_on_one_line_and_cut() {
        assert_eq!(sanitize("a\r\n\tb \u{1b}[31mc"), "a b [31mc");
        assert_eq!(sanitize("a\u{9b}1m\u{202e}b\u{7f}"), "a 1m b");
        assert_eq!(sanitize(&"ä".repeat(200)), "ä".repeat(200));
        let cut = sanitize(&"ä".repeat(5000));
        assert_eq!(cut.chars().count(), MAX_CHARS);
        assert!(cut.ends_with('…'));
    }

    #[test]
    fn duration_is_formatted_as_it_was_configured() {
        assert_eq!(duration(Duration::from_micros(9_999_990)), "10 s");
        assert_eq!(duration(Duration::from_millis(1500)), "1.5 s");
        assert_eq!(duration(Duration::from_millis(20)), "20 ms");
    }
}
