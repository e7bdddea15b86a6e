//! Errors of the libraries and of receivers, put into words.

use std::error::Error;
use std::io;
use std::time::Duration;

use super::connect::ConnectError;
use super::stream::TOO_MUCH;
use crate::export::outcome::ErrorKind;
use crate::visible::is_control;

/// The longest text of a receiver that is passed on.
const MAX_CHARS: usize = 200;

/// `text` on one line, without control characters, cut to a length fit for a log.
pub(super) fn sanitise(text: &str) -> String {
    let mut clean = String::new();
    for (index, word) in text
        .split(|c: char| is_control(c) || c.is_whitespace())
        .filter(|word| !word.is_empty())
        .enumerate()
    {
        if index > 0 {
            clean.push(' ');
        }
        clean.push_str(word);
        // Enough was gathered: the rest of a long text need not be looked at.
        if clean.len() > 4 * MAX_CHARS {
            break;
        }
    }
    match clean.char_indices().nth(MAX_CHARS) {
        None => clean,
        Some(_) => clean.chars().take(MAX_CHARS - 1).chain(['…']).collect(),
    }
}

/// `5 s`, `1.5 s`, `20 ms`.
pub(super) fn duration(duration: Duration) -> String {
    // Deadlines are instants: what was asked for comes back a few microseconds short.
    let millis = duration.as_micros().div_ceil(1000);
    if millis < 1000 {
        format!("{millis} ms")
    } else {
        format!("{} s", (millis / 100) as f64 / 10.0)
    }
}

/// Why the connection to `target` failed: the cause that names it best, from anywhere in the chain. `hide` takes the
/// secrets out of what is quoted: HTTP/2 errors repeat what the receiver said.
pub(super) fn connection(
    target: &str,
    error: &(dyn Error + 'static),
    hide: impl Fn(&str) -> String,
) -> (ErrorKind, String) {
    let detail = flatten(error);
    let failure = chain(error).find_map(|cause| cause.downcast_ref::<ConnectError>());
    if let Some(ConnectError::Resolve(cause)) = failure {
        let reason = flatten(cause);
        let reason = reason
            .strip_prefix("failed to lookup address information: ")
            .unwrap_or(&reason);
        return (
            ErrorKind::Connect,
            format!("cannot find the address of {target}: {reason}"),
        );
    }
    if detail.contains(TOO_MUCH) {
        let text = format!(
            "{TOO_MUCH} from {target}: it sends interim responses, or an answer, without end"
        );
        return (ErrorKind::Timeout, text);
    }
    for cause in chain(error) {
        let Some(cause) = cause.downcast_ref::<io::Error>() else {
            continue;
        };
        let (kind, text) = match cause.kind() {
            io::ErrorKind::ConnectionRefused => (
                ErrorKind::Connect,
                format!("connection refused by {target}"),
            ),
            io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable => {
                (ErrorKind::Connect, format!("{target} cannot be reached"))
            }
            io::ErrorKind::TimedOut => (
                ErrorKind::Connect,
                format!("no connection to {target} in time"),
            ),
            io::ErrorKind::ConnectionReset => {
                (ErrorKind::Broken, format!("connection reset by {target}"))
            }
            io::ErrorKind::BrokenPipe
            | io::ErrorKind::ConnectionAborted
            | io::ErrorKind::UnexpectedEof => {
                (ErrorKind::Broken, format!("connection closed by {target}"))
            }
            _ => continue,
        };
        return (kind, text);
    }
    // Some ends of a connection reach us without the system's error.
    if detail.contains("connection closed") {
        return (ErrorKind::Broken, format!("connection closed by {target}"));
    }
    (
        ErrorKind::Broken,
        format!("connection to {target} failed: {}", hide(&detail)),
    )
}

/// The whole chain of causes on one line, without what is said twice.
pub(super) fn flatten(error: &(dyn Error + 'static)) -> String {
    let mut words = String::new();
    for cause in chain(error) {
        let text = text_of(cause);
        if words.contains(text.as_str()) {
            continue;
        }
        if !words.is_empty() {
            words.push_str(": ");
        }
        words.push_str(&text);
    }
    words
}

/// An error's own text.
fn text_of(error: &(dyn Error + 'static)) -> String {
    // The `Display` of a status lists its whole content, headers of the answer included.
    #[cfg(feature = "grpc")]
    if let Some(status) = error.downcast_ref::<tonic::Status>() {
        return status.message().to_owned();
    }
    error.to_string()
}

/// The error and its causes. An `io::Error` passes over the error that it was made of, so that is looked up.
pub(super) fn chain<'a>(
    error: &'a (dyn Error + 'static),
) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |error: &&'a (dyn Error + 'static)| {
        let made_of = error
            .downcast_ref::<io::Error>()
            .and_then(io::Error::get_ref);
        match made_of {
            Some(inner) => Some(inner as &(dyn Error + 'static)),
            None => (**error).source(),
        }
    })
}

/// Whether a receiver's message says that the request was too large for it.
///
/// gRPC has no status of its own for this, and many receivers answer 400 over HTTP. The words are those of the
/// gRPC libraries of Go, Rust, Java, C++, JavaScript and .NET, and of Go's HTTP server.
pub(super) fn too_large(message: &str) -> bool {
    const SIGNS: &[&str] = &[
        "larger than max",
        "too large",
        "exceeds maximum size",
        "exceeds the maximum",
        "size limit",
    ];
    let message = message.to_ascii_lowercase();
    SIGNS.iter().any(|sign| message.contains(sign))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_put_on_one_line_and_cut() {
        assert_eq!(sanitise("a\r\n\tb \u{1b}[31mc"), "a b [31mc");
        assert_eq!(sanitise("a\u{9b}1m\u{202e}b\u{7f}"), "a 1m b");
        assert_eq!(sanitise(&"ä".repeat(200)), "ä".repeat(200));
        let cut = sanitise(&"ä".repeat(5000));
        assert_eq!(cut.chars().count(), MAX_CHARS);
        assert!(cut.ends_with('…'));
    }

    #[test]
    fn a_duration_reads_as_it_was_set() {
        assert_eq!(duration(Duration::from_micros(9_999_990)), "10 s");
        assert_eq!(duration(Duration::from_millis(1500)), "1.5 s");
        assert_eq!(duration(Duration::from_millis(20)), "20 ms");
    }

    #[test]
    fn the_words_of_the_common_servers_are_known() {
        for message in [
            "grpc: received message larger than max (5000000 vs. 4194304)",
            "grpc: received message after decompression larger than max 4194304",
            "Error, decoded message length too large: found 9 bytes, the limit is: 4 bytes",
            "Error decompressing: size limit, of 4 bytes, exceeded while decompressing message",
            "gRPC message exceeds maximum size 4194304: 5000000",
            "Received message exceeds the maximum configured message size.",
            "http: request body too large",
        ] {
            assert!(too_large(message), "{message}");
        }
        assert!(!too_large("quota used up"));
    }
}
